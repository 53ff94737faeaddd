//! One OS thread per source, so that a slow driver delays no other source, and no runtime delays a tick.
//!
//! Deadlines are absolute: a relative sleep would lose 2.5 % of the ticks at 4 ms and 7 % at 1 ms. A tick that comes
//! too late is served once; the ticks that were due meanwhile are counted, and flagged on the reading they widened.

mod outbox;
mod quantiles;
mod sensors;
mod suspension;

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::clock::{TraceClock, boottime_ns, monotonic_ns};
use crate::registers::counter::{Counter, Interval};
use crate::registers::sampler::outbox::Outbox;
pub(crate) use crate::registers::sampler::outbox::merge_neighbours;
use crate::registers::sampler::quantiles::Quantiles;
use crate::registers::sampler::sensors::Sensors;
use crate::registers::sampler::suspension::Suspensions;
use crate::registers::source::{Observation, Source, Value};
use crate::trace::{Flag, Flags, Reading, SourceReport, Suspension};

/// So many updates are waited for to see how often they come.
const WATCHED_UPDATES: i64 = 12;
const LOOKS_PER_UPDATE: i64 = 16;

/// A source being read periodically.
#[derive(Debug)]
pub struct Sampler {
    timer: Arc<Timer>,
    thread: Option<JoinHandle<SourceReport>>,
    /// What to report of a source whose thread panicked.
    name: &'static str,
    period_ns: i64,
}

impl Sampler {
    /// Reads `source` at once and then every `period_ns`, or at its own shortest period if that is longer.
    ///
    /// Readings go to `sink` in batches about every 100 ms, without shares; their domain is `first_domain`, an offset
    /// into [`crate::trace::Metadata::domains`], plus the source's own number.
    ///
    /// # Errors
    /// Where the system grants no timer or no thread.
    pub fn start(
        source: Box<dyn Source>,
        first_domain: u16,
        period_ns: i64,
        clock: TraceClock,
        sink: SyncSender<Vec<Reading>>,
    ) -> io::Result<Self> {
        let name = source.name();
        let period_ns = period_ns.max(source.shortest_period_ns().unwrap_or(0)).max(1);
        let timer = Arc::new(Timer::new()?);
        let sampling = Sampling {
            sensors: Sensors::new(source.domains()),
            counters: source.domains().iter().map(Counter::of).collect(),
            source,
            outbox: Outbox::new(sink),
            first_domain,
            clock,
            period_ns,
            timer: Arc::clone(&timer),
            observations: Vec::new(),
            report: SourceReport { name: name.to_owned(), period_ns, ..SourceReport::default() },
            lateness: Quantiles::new(),
            distances: Quantiles::new(),
            suspensions: Suspensions::new(boottime_ns),
        };
        // The kernel cuts names after 15 bytes.
        let thread = thread::Builder::new().name(format!("read {name}")).spawn(move || sampling.run())?;
        Ok(Self { timer, thread: Some(thread), name, period_ns })
    }

    /// Takes a last read, sends what is left and ends the thread.
    ///
    /// The receiver must be drained while this waits: the last batch is given up after five seconds without room.
    #[must_use]
    pub fn stop(mut self) -> SourceReport {
        self.end().unwrap_or_else(|| SourceReport {
            name: self.name.to_owned(),
            period_ns: self.period_ns,
            ..SourceReport::default()
        })
    }

    fn end(&mut self) -> Option<SourceReport> {
        let thread = self.thread.take()?;
        self.timer.stop();
        thread.join().inspect_err(|_| tracing::error!("reading {} ended early", self.name)).ok()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Wakes the sampling thread at absolute deadlines, and at once to stop it.
#[derive(Debug)]
struct Timer {
    descriptor: OwnedFd,
    stopping: AtomicBool,
}

impl Timer {
    fn new() -> io::Result<Self> {
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        Ok(Self { descriptor, stopping: AtomicBool::new(false) })
    }

    fn start(&self, first_ns: i64, period_ns: i64) -> io::Result<()> {
        let timespec = |ns: i64| Timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 };
        let times = Itimerspec { it_interval: timespec(period_ns), it_value: timespec(first_ns) };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::ABSTIME, &times)?;
        Ok(())
    }

    /// Blocks until a deadline has passed; false once stopping.
    fn wait(&self, period_ns: i64) -> bool {
        let mut expirations = [0_u8; 8];
        match rustix::io::read(&self.descriptor, &mut expirations) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // A timer never fails to be read; if one did, the loop must still not spin.
            Err(_) => thread::sleep(Duration::from_nanos(period_ns.unsigned_abs())),
        }
        !self.stopping.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // A deadline in the past expires at once.
        if self.start(1, 0).is_err() {
            tracing::warn!("the sampler stops at its next tick");
        }
    }
}

/// What the sampling thread owns.
struct Sampling {
    source: Box<dyn Source>,
    counters: Vec<Counter>,
    first_domain: u16,
    clock: TraceClock,
    period_ns: i64,
    timer: Arc<Timer>,
    observations: Vec<Observation>,
    outbox: Outbox,
    report: SourceReport,
    lateness: Quantiles,
    distances: Quantiles,
    suspensions: Suspensions,
    sensors: Sensors,
}

impl Sampling {
    fn run(mut self) -> SourceReport {
        // Timers of this thread may otherwise be bundled with others up to 50 µs later.
        if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)) {
            tracing::debug!("timer slack stays as it is: {error}");
        }
        self.read(Flags::NONE);
        self.watch_updates();
        let start_ns = monotonic_ns();

        let mut deadline_ns = start_ns + self.period_ns;
        if let Err(error) = self.timer.start(deadline_ns, self.period_ns) {
            tracing::error!("{} is not sampled: {error}", self.report.name);
        }
        let mut last_tick_ns = start_ns;
        loop {
            let goes_on = !self.timer.stopping.load(Ordering::Acquire) && self.timer.wait(self.period_ns);
            let now_ns = monotonic_ns();
            let mut flags = Flags::NONE;
            if now_ns >= deadline_ns {
                let missed = (now_ns - deadline_ns) / self.period_ns;
                // Of the earliest tick that this read serves, so that a stall is not hidden behind the latest.
                self.lateness.add(now_ns - deadline_ns);
                self.distances.add(now_ns - last_tick_ns);
                last_tick_ns = now_ns;
                deadline_ns += (missed + 1) * self.period_ns;
                self.report.ticks += 1;
                if missed > 0 {
                    self.report.missed_ticks += missed.unsigned_abs();
                    flags = flags.with(Flag::Missed);
                }
            } else if goes_on {
                continue;
            }
            self.read(flags);
            if !goes_on {
                break;
            }
            self.outbox.offer(now_ns);
        }
        self.end();
        self.outbox.send_rest();

        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        self.report.cpu_s = Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9);
        self.report.measured_period_ns = self.distances.quantile(0.5);
        self.report.lateness_p50_ns = self.lateness.quantile(0.5);
        self.report.lateness_p99_ns = self.lateness.quantile(0.99);
        self.report.sensors = self.sensors.report(self.counters.iter().map(Counter::update_ns));
        self.report
    }

    /// Reads every register and keeps the readings that this closes.
    fn read(&mut self, flags: Flags) {
        self.source.read(&mut self.observations);
        // After the reads: what was read before a suspend counts as read after it, never the other way round.
        if let Some(suspended_ns) = self.suspensions.since_last() {
            self.counters.iter_mut().for_each(|counter| counter.slept(suspended_ns));
            let at_ns = self.clock.now_ns();
            self.report.suspensions.push(Suspension { at_ns, suspended_ns });
        }
        for mut observation in self.observations.drain(..) {
            observation.flags = observation.flags.union(flags);
            if let Value::Failed { problem } = &observation.value {
                self.report.failed_reads += 1;
                tracing::debug!(source = self.report.name, domain = observation.domain, "{problem}");
            }
            self.sensors.see(&observation);
            let Some(counter) = self.counters.get_mut(usize::from(observation.domain)) else {
                tracing::error!("{} has no domain {}", self.report.name, observation.domain);
                continue;
            };
            let closed = counter.update(&observation).interval();
            let domain = self.first_domain + observation.domain;
            for interval in closed.into_iter().chain(counter.rest()) {
                self.outbox.push(reading(self.clock, domain, &interval));
            }
        }
    }

    /// Polls closely for a moment, where registers are updated more often than they are sampled: only so it is seen
    /// how often. Nothing of it becomes a reading.
    fn watch_updates(&mut self) {
        let Some(update_ns) = self.source.update_ns() else { return };
        let until_ns = monotonic_ns() + WATCHED_UPDATES * update_ns;
        while monotonic_ns() < until_ns && !self.timer.stopping.load(Ordering::Acquire) {
            self.source.read(&mut self.observations);
            self.observations.drain(..).for_each(|observation| self.sensors.see(&observation));
            thread::sleep(Duration::from_nanos((update_ns / LOOKS_PER_UPDATE).unsigned_abs()));
        }
        self.sensors.settle();
    }

    /// What failed to be read until the end, or stood, stays a gap, so that the readings reach as far as the recording.
    fn end(&mut self) {
        let now_ns = monotonic_ns();
        for (domain, counter) in (self.first_domain..).zip(&mut self.counters) {
            while let Some(interval) = counter.end(now_ns) {
                self.outbox.push(reading(self.clock, domain, &interval));
            }
        }
    }
}

/// An interval in trace time.
fn reading(clock: TraceClock, domain: u16, interval: &Interval) -> Reading {
    Reading {
        domain,
        start_ns: clock.from_monotonic(interval.start_ns),
        end_ns: clock.from_monotonic(interval.end_ns),
        edge_uncertainty_ns: interval.edge_uncertainty_ns,
        read_start_ns: clock.from_monotonic(interval.read.start_ns),
        read_end_ns: clock.from_monotonic(interval.read.end_ns),
        energy_j: interval.energy_j,
        app_share: None,
        daemon_share: None,
        idle_share: None,
        flags: interval.flags,
    }
}
