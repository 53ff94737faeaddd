//! Shares: how much of each socket's and GPU's energy is the application's, the daemon's, or nobody's (law 5).
//!
//! Per socket, never per core: application CPU time ÷ active CPU time there, both read from `/proc` at one instant.
//! Both advance by scheduler ticks, so shares have a period of their own, and are interpolated onto readings later
//! (see [`crate::attribution`]). To account by something else than processes, replace [`cpu_time`].

mod cpu_time;
pub mod gpu;
mod machine;
mod members;
mod process_stat;
mod socket;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::{TraceClock, monotonic_ns};
use crate::trace::{Flags, ShareSample};

use cpu_time::CpuTime;
use machine::{MachineStat, Topology};
pub use socket::{Fractions, SocketShares, Use};

/// Default period of share samples.
pub const PERIOD_NS: i64 = 100_000_000;

/// A share over fewer ticks than this is mostly rounding.
const TICKS_PER_SAMPLE: i64 = 20;

/// How long [`ShareSampler::stop`] waits for room in the channel before it gives up on the last samples.
const LAST_SEND: Duration = Duration::from_secs(5);

/// How shares were measured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShareReport {
    /// Where they came from, with what weakens them on this machine.
    pub source: String,
    /// The step of the clock that they were measured with.
    pub tick_ns: i64,
    /// Why shares were unknown, each reason once.
    pub problems: Vec<String>,
}

/// Samples CPU shares on an OS thread of its own.
#[derive(Debug)]
pub struct ShareSampler(Periodic);

impl ShareSampler {
    /// Takes the first look and starts; each later look sends one sample per socket to `sink`.
    ///
    /// The period is at least 20 scheduler ticks, whatever `period_ns` asks for. `application` counts with its
    /// descendants, exited ones included, without the `excluded` daemon's.
    ///
    /// # Errors
    /// Where `proc_root` shows no CPUs or no thread can be started. An invisible application is no error: its share is
    /// unknown, and the report says why.
    pub fn start(
        proc_root: &Path,
        application: i32,
        excluded: Vec<i32>,
        period_ns: i64,
        clock: TraceClock,
        sink: SyncSender<Vec<ShareSample>>,
    ) -> io::Result<Self> {
        let mut looks = Looks::new(proc_root, application, excluded, clock)?;
        let period_ns = period_ns.max(TICKS_PER_SAMPLE * looks.tick_ns);
        looks.look();
        Periodic::start("shares", period_ns, sink, looks).map(Self)
    }

    /// Takes a last look, so that shares reach to the end, and joins the thread.
    #[must_use]
    pub fn stop(self) -> ShareReport {
        self.0.stop()
    }
}

/// What a sampling thread of shares does at each tick.
trait Look: Send + 'static {
    /// Samples since the last look.
    fn look(&mut self) -> Vec<ShareSample>;

    fn report(self) -> ShareReport;
}

/// A thread that looks at absolute deadlines until it is told to stop.
#[derive(Debug)]
struct Periodic {
    stop: Sender<()>,
    thread: JoinHandle<ShareReport>,
}

impl Periodic {
    fn start(name: &str, period_ns: i64, sink: SyncSender<Vec<ShareSample>>, look: impl Look) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(period_ns, &stopped, &sink, look))?;
        Ok(Self { stop, thread })
    }

    fn stop(self) -> ShareReport {
        // The thread may have ended by itself, because nobody listens any more.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_else(|_| ShareReport {
            problems: vec!["the thread that samples shares stopped by itself; later shares are unknown".into()],
            ..ShareReport::default()
        })
    }
}

fn run(
    period_ns: i64,
    stopped: &Receiver<()>,
    sink: &SyncSender<Vec<ShareSample>>,
    mut look: impl Look,
) -> ShareReport {
    let mut deadline_ns = monotonic_ns() + period_ns;
    let mut kept = Vec::new();
    loop {
        let wait = u64::try_from(deadline_ns - monotonic_ns()).unwrap_or(0);
        let last = stopped.recv_timeout(Duration::from_nanos(wait)) != Err(RecvTimeoutError::Timeout);
        kept.extend(look.look());
        // Looking never waits for the consumer: what the channel cannot take is offered again with the next samples.
        let give_up = Instant::now() + LAST_SEND;
        while !kept.is_empty() {
            match sink.try_send(std::mem::take(&mut kept)) {
                Ok(()) => {}
                Err(TrySendError::Disconnected(_)) => return look.report(),
                Err(TrySendError::Full(samples)) => {
                    kept = samples;
                    if !last || Instant::now() >= give_up {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        if last {
            let mut report = look.report();
            if !kept.is_empty() {
                report.problems.push(format!("the last {} share samples found no taker", kept.len()));
            }
            return report;
        }
        // A late look makes a longer sample; it is not made up for by a shorter one.
        deadline_ns = (deadline_ns + period_ns).max(monotonic_ns() + period_ns / 2);
    }
}

/// Successive looks at `/proc`.
#[derive(Debug)]
struct Looks {
    proc_root: PathBuf,
    clock: TraceClock,
    tick_ns: i64,
    topology: Topology,
    cpu_time: CpuTime,
    sockets: Vec<SocketShares>,
    /// When the last look was, monotonic, and what it saw of the machine.
    previous: Option<(i64, Option<MachineStat>)>,
    problems: Vec<String>,
}

impl Looks {
    fn new(proc_root: &Path, application: i32, excluded: Vec<i32>, clock: TraceClock) -> io::Result<Self> {
        let topology = Topology::read(proc_root)?;
        // The kernel shows times to every program in this unit, whatever its own ticks are.
        let tick_ns = 1_000_000_000 / i64::try_from(rustix::param::clock_ticks_per_second().max(1)).unwrap_or(100);
        Ok(Self {
            proc_root: proc_root.to_owned(),
            clock,
            tick_ns,
            sockets: vec![SocketShares::default(); topology.sockets.len()],
            topology,
            cpu_time: CpuTime::new(proc_root, application, excluded),
            previous: None,
            problems: Vec::new(),
        })
    }

    fn note(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

impl Look for Looks {
    fn look(&mut self) -> Vec<ShareSample> {
        let before_ns = monotonic_ns();
        let machine = MachineStat::read(&self.proc_root);
        let now_ns = before_ns + (monotonic_ns() - before_ns) / 2;
        let machine = machine
            .map_err(|error| self.note(format!("cannot read {}: {error}", self.proc_root.join("stat").display())))
            .ok();
        let ticks = self.cpu_time.update(machine.as_ref().and_then(|machine| machine.forks), &self.topology);
        if let Some(problem) = ticks.problem {
            self.note(problem);
        }
        let active =
            |earlier: &Option<MachineStat>| Some(machine.as_ref()?.active_since(earlier.as_ref()?, &self.topology));
        let mut samples = Vec::with_capacity(self.sockets.len());
        if let Some((start_ns, earlier)) = &self.previous {
            let active = active(earlier);
            for (index, socket) in self.sockets.iter_mut().enumerate() {
                let ns = |ticks: &Option<Vec<f64>>| ticks.as_ref().map(|ticks| ticks[index] * self.tick_ns as f64);
                let fractions = match &active {
                    Some(active) => socket.update(&Use {
                        wall_ns: (now_ns - start_ns) as f64,
                        active_ns: active[index] as f64 * self.tick_ns as f64,
                        application_ns: ns(&ticks.application),
                        daemon_ns: ns(&ticks.daemon),
                    }),
                    None => Fractions { application: None, daemon: None, idle: None },
                };
                samples.push(ShareSample {
                    scope: format!("socket:{}", self.topology.sockets[index]),
                    start_ns: self.clock.from_monotonic(*start_ns),
                    end_ns: self.clock.from_monotonic(now_ns),
                    app: fractions.application,
                    daemon: fractions.daemon,
                    idle: fractions.idle,
                    flags: Flags::NONE,
                });
            }
        }
        self.previous = Some((now_ns, machine));
        samples
    }

    fn report(mut self) -> ShareReport {
        let owed_ns: f64 = self.sockets.iter().map(SocketShares::application_owed_ns).sum();
        if owed_ns > (TICKS_PER_SAMPLE * self.tick_ns) as f64 {
            self.note(format!(
                "the application used {:.1} s more CPU time than its sockets were active; this kernel may count time \
                 that the hypervisor took away as the application's",
                owed_ns / 1e9
            ));
        }
        let caveats: String = self.topology.caveats.iter().map(|caveat| format!("; {caveat}")).collect();
        ShareReport {
            source: format!("CPU time of processes by socket, {}{caveats}", self.proc_root.display()),
            tick_ns: self.tick_ns,
            problems: self.problems,
        }
    }
}

#[cfg(test)]
mod tests;
