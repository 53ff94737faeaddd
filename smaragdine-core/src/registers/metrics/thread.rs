//! A thread that looks at metrics until it is told to stop.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::budget::Budget;
use super::{Absent, Metric, MetricReport, Values};
use crate::clock::{TraceClock, monotonic_ns};
use crate::trace::{self, MetricSample};

/// A user is told so many problems of a family at most.
const MOST_PROBLEMS: usize = 20;

/// What metrics are read through.
pub(super) trait Looks: Sized + 'static {
    /// All that are read through it.
    fn metrics() -> impl Iterator<Item = &'static Metric<Self>>;

    /// Takes in what several metrics are read from.
    fn begin(&mut self, now_ns: i64);
}

#[derive(Debug)]
pub(super) struct Thread {
    name: &'static str,
    stop: Sender<()>,
    report: Receiver<MetricReport>,
}

impl Thread {
    /// Opens what it looks at on the thread itself, for that may take its time.
    pub(super) fn start<L: Looks>(
        name: &'static str,
        clock: TraceClock,
        sink: SyncSender<Vec<MetricSample>>,
        budget: Budget,
        open: impl FnOnce() -> Result<L, String> + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let (done, report) = channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let told = run(clock, &sink, budget, &stopped, open());
            // Nobody may wait for it any more.
            let _ = done.send(told);
        })?;
        Ok(Self { name, stop, report })
    }

    pub(super) fn tell_to_stop(&self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
    }

    pub(super) fn report(self, patience: Duration) -> MetricReport {
        self.report.recv_timeout(patience).unwrap_or_else(|_| {
            let problem =
                format!("the thread that samples {} did not answer at the end; the last are missing", self.name);
            MetricReport { problems: vec![problem], ..MetricReport::default() }
        })
    }
}

fn run<L: Looks>(
    clock: TraceClock,
    sink: &SyncSender<Vec<MetricSample>>,
    mut budget: Budget,
    stopped: &Receiver<()>,
    looks: Result<L, String>,
) -> MetricReport {
    let mut report = MetricReport::default();
    let mut looks = match looks {
        Ok(looks) => looks,
        Err(problem) => {
            report.absent.extend(L::metrics().map(|metric| absent(metric.name, metric.unit, &problem)));
            return report;
        }
    };
    let mut metrics = checked(&looks, &mut report);
    let (mut used_s, mut looked_ns) = (0.0, monotonic_ns());
    let mut samples = Vec::new();
    loop {
        let now_ns = monotonic_ns();
        look(&mut looks, &mut metrics, clock, &mut samples, &mut report);
        // What the channel cannot take now is offered again with the next.
        match sink.try_send(std::mem::take(&mut samples)) {
            Ok(()) => {}
            Err(TrySendError::Full(kept)) => samples = kept,
            Err(TrySendError::Disconnected(_)) => return report,
        }
        let before_s = std::mem::replace(&mut used_s, thread_s());
        let wait = budget.wait_after(used_s - before_s, (now_ns - looked_ns) as f64 * 1e-9);
        looked_ns = now_ns;
        report.cpu_s = used_s;
        let due_ns = now_ns + wait.as_nanos() as i64;
        let left = u64::try_from(due_ns - monotonic_ns()).unwrap_or(0);
        if stopped.recv_timeout(Duration::from_nanos(left)) != Err(RecvTimeoutError::Timeout) {
            look(&mut looks, &mut metrics, clock, &mut samples, &mut report);
            if let Err(TrySendError::Full(lost)) = sink.try_send(samples) {
                report.problems.push(format!("the last {} values of metrics found no taker", lost.len()));
            }
            report.cpu_s = thread_s();
            return report;
        }
    }
}

/// Those that can be read here; why others cannot is told.
fn checked<L: Looks>(looks: &L, report: &mut MetricReport) -> Vec<&'static Metric<L>> {
    let mut broken: Vec<(String, Vec<&str>)> = Vec::new();
    let metrics = L::metrics().filter(|metric| {
        let problem = match (metric.check)(looks) {
            Ok(()) => return true,
            Err(Absent::NotHere(problem)) => problem,
            Err(Absent::Broken(problem)) => {
                match broken.iter_mut().find(|(known, _)| *known == problem) {
                    Some((_, names)) => names.push(metric.name),
                    None => broken.push((problem.clone(), vec![metric.name])),
                }
                problem
            }
        };
        report.absent.push(absent(metric.name, metric.unit, &problem));
        false
    });
    let metrics = metrics.collect();
    report.problems.extend(
        broken.into_iter().map(|(problem, names)| format!("metrics {} are not sampled: {problem}", names.join(", "))),
    );
    metrics
}

fn look<L: Looks>(
    looks: &mut L,
    metrics: &mut [&'static Metric<L>],
    clock: TraceClock,
    samples: &mut Vec<MetricSample>,
    report: &mut MetricReport,
) {
    let now_ns = monotonic_ns();
    looks.begin(now_ns);
    let time_ns = clock.from_monotonic(now_ns);
    for metric in metrics {
        let mut values = Values { metric: metric.name, time_ns, samples: &mut *samples };
        if let Err(problem) = (metric.read)(looks, &mut values) {
            let problem = format!("metric {} lacks values: {problem}", metric.name);
            if report.problems.len() < MOST_PROBLEMS && !report.problems.contains(&problem) {
                report.problems.push(problem);
            }
        }
    }
}

fn absent(name: &str, unit: &str, problem: &str) -> trace::Metric {
    trace::Metric { name: name.to_owned(), unit: unit.to_owned(), problem: Some(problem.to_owned()) }
}

/// CPU time of the calling thread, in seconds.
pub(super) fn thread_s() -> f64 {
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9
}
