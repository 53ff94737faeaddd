//! Sampling threads over sources whose truth is known. Nothing here asserts on how fast anything was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fake_powercap::moving::Registers;
use fake_powercap::{Fault, Kind, Layout, Tree, Waveform};
use smaragdine_core::clock::{TraceClock, monotonic_ns};
use smaragdine_core::registers::counter::{Counter, Interval};
use smaragdine_core::registers::source::edge_lock::EdgeLock;
use smaragdine_core::registers::source::powercap::Powercap;
use smaragdine_core::registers::source::replay::Replay;
use smaragdine_core::registers::source::{Observation, Source, Value};
use smaragdine_core::registers::station::{Listener, Station, Subscription, Wish};
use smaragdine_core::trace::{Domain, Flag, Flags, Reading, SourceReport};

const MS: i64 = 1_000_000;

fn domain(name: &str) -> Domain {
    Domain::new(name, "CPU:0", "test", "socket:0")
}

/// A register that holds what its script says of each read.
struct Scripted<F> {
    domains: Vec<Domain>,
    reads: u64,
    script: F,
}

impl<F: FnMut(u64) -> Value + Send> Scripted<F> {
    fn new(script: F) -> Self {
        Self { domains: vec![domain("package-0")], reads: 0, script }
    }
}

impl<F: FnMut(u64) -> Value + Send> Source for Scripted<F> {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        let read_start_ns = monotonic_ns();
        let value = (self.script)(self.reads);
        self.reads += 1;
        let read_end_ns = monotonic_ns();
        out.push(Observation { domain: 0, read_start_ns, read_end_ns, value, flags: Flags::NONE });
    }
}

/// Tells a test how often a source was read, so that no test has to guess how long that takes.
struct Watched<S> {
    source: S,
    reads: Arc<AtomicU64>,
    shortest_period_ns: Option<i64>,
}

impl<S: Source> Source for Watched<S> {
    fn name(&self) -> &'static str {
        self.source.name()
    }

    fn domains(&self) -> &[Domain] {
        self.source.domains()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        self.source.read(out);
        self.reads.fetch_add(1, Ordering::Release);
    }

    fn shortest_period_ns(&self) -> Option<i64> {
        self.shortest_period_ns
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.reads.store(u64::MAX, Ordering::Release);
    }
}

fn counter(energy_uj: u64) -> Value {
    Value::Counter { energy_uj }
}

/// One who listens to `source`, all by itself.
fn listen(source: impl Source + 'static, period_ns: i64) -> (Subscription, Listener) {
    let wish = Wish { period_ns, first_domain: 0, clock: TraceClock::start() };
    Station::default().subscribe(Box::new(source), wish).expect("a thread")
}

/// Its last reading, and all before it that were not taken yet.
fn leave((subscription, listener): (Subscription, Listener)) -> (Vec<Reading>, SourceReport) {
    let mut readings = Vec::new();
    assert!(subscription.leave());
    let report = listener.finish(&mut readings);
    (readings, report)
}

/// Samples `source` until `enough` returns, which is given the number of reads so far.
fn sample(
    source: impl Source + 'static,
    period_ns: i64,
    enough: impl FnOnce(&AtomicU64),
) -> (Vec<Reading>, SourceReport) {
    let reads = Arc::new(AtomicU64::new(0));
    let source = Watched { source, reads: Arc::clone(&reads), shortest_period_ns: None };
    let listening = listen(source, period_ns);
    enough(&reads);
    leave(listening)
}

fn energy_uj(readings: &[Reading]) -> u64 {
    readings.iter().map(|reading| (reading.energy_j * 1e6).round() as u64).sum()
}

fn assert_contiguous(readings: &[Reading]) {
    for pair in readings.windows(2) {
        assert_eq!(pair[0].end_ns, pair[1].start_ns, "{pair:?}");
    }
}

fn wait_for(reads: &AtomicU64, count: u64) {
    while reads.load(Ordering::Acquire) < count {
        thread::sleep(Duration::from_millis(1));
    }
}

const HOUR_NS: i64 = 3_600_000 * MS;

#[test]
fn sampled_energy_is_the_true_energy_through_wraps() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let layout = Layout {
        sockets: 2,
        package: vec![Waveform::Square { low: 100.0, high: 1_500.0, period_s: 0.05 }],
        range_uj: 200_000_000,
        initial_uj: 150_000_000,
        ..Layout::default()
    };
    let tree = Tree::create(directory.path(), &layout).expect("a tree");
    let powercap = Powercap::open(&tree.powercap_root()).expect("a readable tree");
    // The registers stand still before the first and after the last read, so both are known to the microjoule.
    let elapsed_ns = 800 * MS;
    let (readings, report) = sample(powercap, 4 * MS, |reads| {
        wait_for(reads, 1);
        let start_ns = monotonic_ns();
        while monotonic_ns() - start_ns < elapsed_ns {
            tree.write(monotonic_ns() - start_ns).expect("a write");
            thread::sleep(Duration::from_micros(500));
        }
        tree.write(elapsed_ns).expect("a write");
    });
    for (number, truth_uj) in tree.energy_uj(elapsed_ns).enumerate() {
        let of_domain: Vec<Reading> =
            readings.iter().filter(|reading| usize::from(reading.domain) == number).copied().collect();
        assert_contiguous(&of_domain);
        // A machine that stood still for a tenth of a second may have let a whole wrap pass; then that is flagged.
        if of_domain.iter().any(|reading| reading.flags.has(Flag::Ambiguous)) {
            assert!(energy_uj(&of_domain) <= truth_uj);
        } else {
            assert_eq!(energy_uj(&of_domain), truth_uj);
            // Packages draw 640 J; memory draws 8 J and stays below the range.
            assert_eq!(number % 2 == 0, of_domain.iter().any(|reading| reading.flags.has(Flag::Wrap)));
        }
    }
    assert_eq!((report.name.as_str(), report.period_ns, report.failed_reads), ("powercap", 4 * MS, 0));
    assert!(report.cpu_s.is_some_and(|seconds| seconds > 0.0));
    assert!(report.lateness_p50_ns <= report.lateness_p99_ns && report.measured_period_ns.is_some());
}

#[test]
fn registers_polled_around_their_updates_tell_when_these_happen_and_lose_no_energy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::create(directory.path(), &Layout::default()).expect("a tree");
    let powercap = Powercap::open(&tree.powercap_root()).expect("a readable tree");
    // By domain: its counter, the values that it was given, and the intervals that it closed.
    let mut polled: Vec<(Counter, Vec<u64>, Vec<Interval>)> =
        powercap.domains().iter().map(|domain| (Counter::of(domain), Vec::new(), Vec::new())).collect();
    let mut lock = EdgeLock::around(Box::new(powercap));
    let stop = AtomicBool::new(false);
    let first_ns = monotonic_ns();
    let updates = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut updates = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let before_ns = monotonic_ns();
                tree.write(before_ns - first_ns).expect("a write");
                updates.push((before_ns, monotonic_ns()));
                thread::sleep(Duration::from_millis(1));
            }
            updates
        });
        // On a machine that is busy with other things the writer can be late for many polls in a row.
        let unseen = |polled: &[(Counter, Vec<u64>, Vec<Interval>)]| {
            polled.iter().any(|(_, _, intervals)| intervals.iter().all(|seen| seen.edge_uncertainty_ns.is_none()))
        };
        for read in 0.. {
            if read >= 200 && (read >= 5_000 || !unseen(&polled)) {
                break;
            }
            let mut observations = Vec::new();
            lock.read(&mut observations);
            for observation in &observations {
                let (counter, values, intervals) = &mut polled[usize::from(observation.domain)];
                if let Value::Counter { energy_uj } | Value::Updated { energy_uj } = observation.value {
                    values.push(energy_uj);
                }
                intervals.extend(counter.update(observation).interval());
            }
            thread::sleep(Duration::from_millis(3));
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer ends")
    });
    for (_, values, intervals) in &polled {
        let seen = intervals.iter().filter_map(|interval| Some((interval, interval.edge_uncertainty_ns?)));
        assert!(seen.clone().count() > 0, "{intervals:?}");
        for (interval, uncertainty_ns) in seen {
            let (from_ns, to_ns) = (interval.end_ns - uncertainty_ns, interval.end_ns + uncertainty_ns);
            let happened = updates.iter().any(|(before_ns, after_ns)| *before_ns <= to_ns && from_ns <= *after_ns);
            assert!(happened, "no update at {} ± {uncertainty_ns} ns", interval.end_ns - first_ns);
        }
        for pair in intervals.windows(2) {
            assert_eq!(pair[0].end_ns, pair[1].start_ns);
        }
        let counted_uj: u64 = intervals.iter().map(|interval| (interval.energy_j * 1e6).round() as u64).sum();
        assert_eq!(counted_uj, values[values.len() - 1] - values[0]);
    }
}

#[test]
fn a_reset_is_a_gap_and_the_rest_is_exact() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let faults = vec![Fault::new(Kind::Reset, "intel-rapl:0", 0.1, 0.0)];
    let layout = Layout { initial_uj: 1_000_000_000, dram: vec![], faults, ..Layout::default() };
    let tree = Tree::create(directory.path(), &layout).expect("a tree");
    let powercap = Powercap::open(&tree.powercap_root()).expect("a readable tree");
    let (readings, _) = sample(powercap, MS, |reads| {
        wait_for(reads, 1);
        for elapsed_ns in (0..200 * MS).step_by(1_000_000) {
            tree.write(elapsed_ns).expect("a write");
            thread::sleep(Duration::from_millis(1));
        }
    });
    assert_contiguous(&readings);
    let (gaps, exact): (Vec<Reading>, Vec<Reading>) = readings.iter().partition(|reading| reading.flags.is_gap());
    let [gap] = gaps.as_slice() else { panic!("one reset, {} gaps", gaps.len()) };
    assert!(gap.flags.has(Flag::Reset));
    // 19.9 J were drawn, 10 J of them before the reset: unknown is only what was drawn between the last read and it.
    let before: Vec<Reading> = exact.into_iter().filter(|reading| reading.end_ns <= gap.start_ns).collect();
    assert_eq!(19_900_000 - energy_uj(&readings), 10_000_000 - energy_uj(&before));
}

#[test]
fn the_first_and_the_last_read_are_taken_at_once() {
    let (readings, report) = sample(Scripted::new(counter), HOUR_NS, |reads| wait_for(reads, 1));
    assert_eq!((readings.len(), energy_uj(&readings)), (1, 1));
    assert_eq!((report.ticks, report.missed_ticks), (0, 0));
}

#[test]
fn readings_carry_the_brackets_of_their_read_in_trace_time() {
    let clock = TraceClock::start();
    let before_ns = clock.now_ns();
    let wish = Wish { period_ns: HOUR_NS, first_domain: 7, clock };
    let listening = Station::default().subscribe(Box::new(Scripted::new(counter)), wish).expect("a thread");
    let (readings, _) = leave(listening);
    let after_ns = clock.now_ns();
    let [reading] = readings.as_slice() else { panic!("{readings:?}") };
    let instants = [before_ns, reading.start_ns, reading.read_start_ns, reading.end_ns, reading.read_end_ns, after_ns];
    assert!(instants.is_sorted(), "{instants:?}");
    assert_eq!((reading.domain, reading.app_share, reading.edge_uncertainty_ns), (7, None, None));
}

#[test]
fn ticks_that_a_slow_driver_misses_are_counted_and_flagged() {
    let source = Scripted::new(|read| {
        if read == 2 {
            thread::sleep(Duration::from_millis(55));
        }
        counter(read)
    });
    let (readings, report) = sample(source, 10 * MS, |reads| wait_for(reads, 5));
    assert!(report.missed_ticks >= 4, "{report:?}");
    assert!(readings[2].flags.has(Flag::Missed), "the reading after the slow one: {readings:?}");
    assert_contiguous(&readings);
}

#[test]
fn a_failed_read_is_counted_and_loses_no_energy() {
    let source = Scripted::new(|read| match read {
        3 | 4 => Value::Failed { problem: "no value".to_owned() },
        _ => counter(10 * read),
    });
    let mut last_read = 0;
    let (readings, report) = sample(source, MS, |reads| {
        wait_for(reads, 8);
        last_read = reads.load(Ordering::Acquire);
    });
    assert_eq!(report.failed_reads, 2);
    assert!(energy_uj(&readings) >= 10 * (last_read - 1));
    assert_eq!(readings.iter().filter(|reading| reading.flags.has(Flag::Failed)).count(), 1);
    let lengthened = readings.iter().find(|reading| reading.flags.has(Flag::Failed)).expect("one");
    assert_eq!(energy_uj(&[*lengthened]), 30);
    assert_contiguous(&readings);
}

#[test]
fn a_listener_that_stands_still_delays_no_tick_and_loses_no_energy() {
    let reads = Arc::new(AtomicU64::new(0));
    let last = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&last);
    let script = move |read| {
        told.store(read, Ordering::Release);
        counter(read)
    };
    let source = Watched { source: Scripted::new(script), reads: Arc::clone(&reads), shortest_period_ns: None };
    let listening = listen(source, MS);
    wait_for(&reads, 350);
    let (readings, _) = leave(listening);
    assert_eq!(energy_uj(&readings), last.load(Ordering::Acquire));
    assert_contiguous(&readings);
}

#[test]
fn a_source_is_never_read_faster_than_it_can_tell_anything() {
    let source = Watched { source: Scripted::new(counter), reads: Arc::default(), shortest_period_ns: Some(100 * MS) };
    let (_, report) = leave(listen(source, 4 * MS));
    assert_eq!(report.period_ns, 100 * MS);
}

#[test]
fn a_subscription_that_is_dropped_ends_the_thread_that_nobody_else_listens_to() {
    let reads = Arc::new(AtomicU64::new(0));
    let source = Watched { source: Scripted::new(counter), reads: Arc::clone(&reads), shortest_period_ns: None };
    drop(listen(source, MS));
    assert_eq!(reads.load(Ordering::Acquire), u64::MAX, "the source was dropped with its thread");
}

#[test]
fn a_replay_plays_every_reading_with_its_flags() {
    let reading = |n: i64| Reading {
        domain: 0,
        start_ns: HOUR_NS + n * MS,
        end_ns: HOUR_NS + (n + 1) * MS,
        edge_uncertainty_ns: None,
        read_start_ns: HOUR_NS + (n + 1) * MS,
        read_end_ns: HOUR_NS + (n + 1) * MS,
        energy_j: 0.5,
        app_share: None,
        daemon_share: None,
        idle_share: None,
        flags: if n == 3 { Flags::NONE.with(Flag::Wrap) } else { Flags::NONE },
    };
    let mut replay = Replay::new(vec![domain("package-0")], (0..10).rev().map(reading).collect());
    let mut observations = Vec::new();
    let mut first_ns = monotonic_ns();
    replay.read(&mut observations);
    assert!(observations.is_empty(), "nothing has ended when it starts");
    while observations.len() < 10 {
        replay.read(&mut observations);
        thread::sleep(Duration::from_millis(1));
    }
    for (n, observation) in observations.iter().enumerate() {
        let Value::Sampled { start_ns, end_ns, energy_j } = observation.value else { panic!("{observation:?}") };
        assert!(start_ns >= first_ns && end_ns == start_ns + MS && energy_j == 0.5);
        assert_eq!(observation.flags.has(Flag::Wrap), n == 3);
        first_ns = end_ns;
    }
}
