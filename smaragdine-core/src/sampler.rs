//! One OS thread per source, so that a slow driver delays no other source, and no runtime delays a tick.
//!
//! Deadlines are absolute: a relative sleep would lose 2.5 % of the ticks at 4 ms and 7 % at 1 ms. A tick that comes
//! too late is served once; the ticks that were due meanwhile are counted, and flagged on the reading they widened.
//!
//! Sampling never waits for its consumer. A batch that the channel cannot take is kept and offered again on the next
//! tick; when [`MOST_KEPT`] readings are kept, neighbours of one domain are merged into one, which halves them: energy
//! belongs to intervals, so only resolution is lost, and memory stays bounded however long the consumer stands still.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::clock::{TraceClock, monotonic_ns};
use crate::counter::Counter;
use crate::source::{Observation, Source, Value};
use crate::trace::{Flag, Flags, Reading, SourceReport};

/// How long a reading waits at most before it is offered to the channel.
const BATCH_NS: i64 = 100_000_000;
/// About 6 MB, or a minute of four domains at 250 Hz.
const MOST_KEPT: usize = 1 << 16;
/// How long [`Sampler::stop`] waits for room in the channel before it gives up on the last batch.
const LAST_SEND: Duration = Duration::from_secs(5);

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
            counters: source.domains().iter().map(Counter::of).collect(),
            source,
            outbox: Outbox { kept: Vec::new(), due_ns: 0, sink: Some(sink) },
            first_domain,
            clock,
            period_ns,
            timer: Arc::clone(&timer),
            observations: Vec::new(),
            report: SourceReport { name: name.to_owned(), period_ns, ..SourceReport::default() },
            lateness: Spread::new(),
            distances: Spread::new(),
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
    lateness: Spread,
    distances: Spread,
}

impl Sampling {
    fn run(mut self) -> SourceReport {
        // Timers of this thread may otherwise be bundled with others up to 50 µs later.
        if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)) {
            tracing::debug!("timer slack stays as it is: {error}");
        }
        let start_ns = monotonic_ns();
        self.outbox.due_ns = start_ns + BATCH_NS;
        self.read(Flags::NONE);

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
        self.outbox.send_rest();

        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        self.report.cpu_s = Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9);
        self.report.measured_period_ns = self.distances.quantile(0.5);
        self.report.lateness_p50_ns = self.lateness.quantile(0.5);
        self.report.lateness_p99_ns = self.lateness.quantile(0.99);
        self.report
    }

    /// Reads every register and keeps the readings that this closes.
    fn read(&mut self, flags: Flags) {
        self.source.read(&mut self.observations);
        for mut observation in self.observations.drain(..) {
            observation.flags = observation.flags.union(flags);
            if let Value::Failed { problem } = &observation.value {
                self.report.failed_reads += 1;
                tracing::debug!("{problem}");
            }
            let Some(counter) = self.counters.get_mut(usize::from(observation.domain)) else {
                tracing::error!("{} has no domain {}", self.report.name, observation.domain);
                continue;
            };
            let Some(interval) = counter.update(&observation).interval() else { continue };
            self.outbox.kept.push(Reading {
                domain: self.first_domain + observation.domain,
                start_ns: self.clock.from_monotonic(interval.start_ns),
                end_ns: self.clock.from_monotonic(interval.end_ns),
                edge_uncertainty_ns: None,
                read_start_ns: self.clock.from_monotonic(observation.read_start_ns),
                read_end_ns: self.clock.from_monotonic(observation.read_end_ns),
                energy_j: interval.energy_j,
                app_share: None,
                daemon_share: None,
                idle_share: None,
                flags: interval.flags,
            });
        }
    }
}

/// Readings on their way to the consumer.
struct Outbox {
    kept: Vec<Reading>,
    /// When the next batch is to be offered, monotonic.
    due_ns: i64,
    /// `None` once nobody listens.
    sink: Option<SyncSender<Vec<Reading>>>,
}

impl Outbox {
    /// Hands over what is kept when it is due and there is room, and never waits.
    fn offer(&mut self, now_ns: i64) {
        if now_ns < self.due_ns {
            return;
        }
        if self.try_send() {
            self.due_ns = now_ns + BATCH_NS;
        } else if self.kept.len() >= MOST_KEPT {
            merge_neighbours(&mut self.kept);
        }
    }

    fn try_send(&mut self) -> bool {
        if self.kept.is_empty() {
            return true;
        }
        let batch = std::mem::take(&mut self.kept);
        match self.sink.as_ref().map(|sink| sink.try_send(batch)) {
            Some(Err(TrySendError::Full(batch))) => {
                self.kept = batch;
                false
            }
            Some(Err(TrySendError::Disconnected(_))) => {
                tracing::warn!("nobody takes readings any more");
                self.sink = None;
                true
            }
            Some(Ok(())) | None => true,
        }
    }

    fn send_rest(&mut self) {
        let until = Instant::now() + LAST_SEND;
        while !self.try_send() {
            if Instant::now() >= until {
                tracing::error!("the last {} readings are lost: nobody took them for {LAST_SEND:?}", self.kept.len());
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Merges each two neighbouring readings of a domain into one. Energy is kept, so are flags; a hole is never bridged.
fn merge_neighbours(readings: &mut Vec<Reading>) {
    let domains = readings.iter().map(|reading| usize::from(reading.domain) + 1).max().unwrap_or(0);
    // The single reading of each domain, by its place in `merged`, that still waits for its neighbour.
    let mut waiting: Vec<Option<usize>> = vec![None; domains];
    let mut merged: Vec<Reading> = Vec::with_capacity(readings.len() / 2 + domains);
    for reading in readings.drain(..) {
        let waits = &mut waiting[usize::from(reading.domain)];
        match waits.take().map(|place| &mut merged[place]).filter(|first| first.end_ns == reading.start_ns) {
            Some(first) => {
                first.end_ns = reading.end_ns;
                first.read_start_ns = reading.read_start_ns;
                first.read_end_ns = reading.read_end_ns;
                first.energy_j += reading.energy_j;
                first.flags = first.flags.union(reading.flags).with(Flag::Merged);
            }
            None => {
                *waits = Some(merged.len());
                merged.push(reading);
            }
        }
    }
    *readings = merged;
}

/// Quantiles over any length in bounded memory: when full, every other value is dropped, and from then on only every
/// other one is taken. Exact for the first [`Spread::MOST`] values (four minutes at 4 ms).
struct Spread {
    values: Vec<i64>,
    every: u64,
    seen: u64,
}

impl Spread {
    const MOST: usize = 1 << 16;

    fn new() -> Self {
        Self { values: Vec::new(), every: 1, seen: 0 }
    }

    fn add(&mut self, value: i64) {
        if self.seen.is_multiple_of(self.every) {
            if self.values.len() == Self::MOST {
                let mut keep = false;
                self.values.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.every *= 2;
            }
            self.values.push(value);
        }
        self.seen += 1;
    }

    fn quantile(&mut self, fraction: f64) -> Option<i64> {
        let last = self.values.len().checked_sub(1)?;
        let place = (last as f64 * fraction).round() as usize;
        Some(*self.values.select_nth_unstable(place).1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(domain: u16, start_ns: i64, end_ns: i64) -> Reading {
        Reading {
            domain,
            start_ns,
            end_ns,
            edge_uncertainty_ns: None,
            read_start_ns: end_ns - 1,
            read_end_ns: end_ns + 1,
            energy_j: (end_ns - start_ns) as f64,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE,
        }
    }

    proptest! {
        /// Energy in every stretch that one reading covers afterwards is what it was before.
        #[test]
        fn merging_halves_readings_and_keeps_energy(
            steps in prop::collection::vec((0..3_u16, 1..1_000_i64, prop::bool::weighted(0.02)), 0..300),
        ) {
            let mut ends = [0; 3];
            let mut holes = 0;
            let before: Vec<Reading> = steps
                .iter()
                .map(|(domain, length, hole)| {
                    let end = &mut ends[usize::from(*domain)];
                    *end += if *hole { 10 } else { 0 };
                    holes += usize::from(*hole);
                    *end += length;
                    reading(*domain, *end - length, *end)
                })
                .collect();
            let mut after = before.clone();
            merge_neighbours(&mut after);
            prop_assert!(after.len() <= before.len() / 2 + 3 + holes);
            for merged in &after {
                let within = before.iter().filter(|reading| {
                    reading.domain == merged.domain
                        && merged.start_ns <= reading.start_ns
                        && reading.end_ns <= merged.end_ns
                });
                // Lengths are energies here, so this also says that no hole was bridged.
                prop_assert_eq!(within.map(|reading| reading.energy_j).sum::<f64>(), merged.energy_j);
                prop_assert_eq!(merged.energy_j, (merged.end_ns - merged.start_ns) as f64);
            }
        }
    }

    #[test]
    fn what_an_absent_consumer_leaves_is_bounded() {
        let (sink, readings) = std::sync::mpsc::sync_channel(0);
        let mut outbox = Outbox { kept: Vec::new(), due_ns: 0, sink: Some(sink) };
        let ticks = 3 * MOST_KEPT as i64;
        for tick in 0..ticks {
            outbox.kept.push(reading(0, tick, tick + 1));
            outbox.offer(tick);
            assert!(outbox.kept.len() <= MOST_KEPT);
        }
        assert_eq!(outbox.kept.iter().map(|reading| reading.energy_j).sum::<f64>(), ticks as f64);
        drop(readings);
    }

    #[test]
    fn the_quantiles_of_a_long_series_stay_those_of_the_series() {
        let mut spread = Spread::new();
        let values = 5 * Spread::MOST as i64;
        // A permutation of 0..values: the step is coprime with it.
        (0..values).for_each(|n| spread.add(n * 7_919 % values));
        assert!(spread.values.len() <= Spread::MOST);
        for fraction in [0.5, 0.99] {
            let quantile = spread.quantile(fraction).expect("values") as f64 / values as f64;
            assert!((quantile - fraction).abs() < 0.01, "{quantile} is not {fraction}");
        }
        assert_eq!(Spread::new().quantile(0.5), None);
    }
}
