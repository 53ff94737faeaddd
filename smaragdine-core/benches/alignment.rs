//! How fast events are aligned with readings, on one core: medians of five, in one run.
//!
//! Beside it stand what any sweep must do, `sort_unstable` of the same boundaries, and what the paper's Algorithm 2
//! specifies, FLATTEN at microsecond ticks. Events take 10 µs to 1 ms (log-uniform), of 1000 operations; readings
//! come every 4 ms. Overlap is the number of lanes, each of them busy.
//!
//! Goals: 20 million events a second in order at overlap 4 and less, 10 million at overlap 32 or with 50 ms disorder;
//! the same for 10⁵ events as for 10⁸; memory that does not grow with them.

#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use smaragdine_core::accounting::alignment::{Aligner, Alignment};
use smaragdine_core::trace::{Event, Kind};

const EVENTS: usize = 1_000_000;
/// FLATTEN is slower by a factor of thousands.
const FLATTENED: usize = 2_000;
const LONGEST: usize = 100_000_000;
const OPS: usize = 1000;
const PERIOD_NS: i64 = 4_000_000;
const DISORDER_NS: i64 = 50_000_000;
/// Events between two advances.
const CHUNK: usize = 1 << 14;
const RUNS: usize = 5;

/// Deterministic noise, uniform in [0, 1).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Events without end, in order of their start.
struct Events {
    noise: Noise,
    /// When each lane is free.
    lanes: Vec<i64>,
}

impl Events {
    fn new(lanes: usize) -> Self {
        let mut noise = Noise(lanes as u64);
        let lanes = (0..lanes).map(|_| (noise.next() * 1e6) as i64).collect();
        Self { noise, lanes }
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (lane, free) = (0..).zip(&mut self.lanes).min_by_key(|(_, free)| **free)?;
        let start_ns = *free;
        *free += (1e4 * 100f64.powf(self.noise.next())) as i64;
        let op = (self.noise.next() * OPS as f64) as u32;
        Some(Event { op, device: 0, lane, kind: Kind::Compute, start_ns, end_ns: *free, step: None, correlation: None })
    }
}

/// In an order in which each event comes up to 50 ms after ones that start later.
fn disordered(mut events: Vec<Event>) -> Vec<Event> {
    let mut noise = Noise(50);
    events.sort_by_cached_key(|event| event.start_ns + (noise.next() * DISORDER_NS as f64) as i64);
    events
}

/// An aligner whose readings come along with its events.
struct Aligning {
    aligner: Aligner,
    domains: usize,
    disorder_ns: i64,
    read_ns: i64,
    newest_ns: i64,
}

impl Aligning {
    fn new(domains: usize, disorder_ns: i64) -> Self {
        Self { aligner: Aligner::new(domains, OPS), domains, disorder_ns, read_ns: 0, newest_ns: i64::MIN }
    }

    fn take(&mut self, chunk: &[Event]) {
        for event in chunk {
            self.newest_ns = self.newest_ns.max(event.start_ns);
            self.aligner.push_event(event);
        }
        while self.read_ns <= self.newest_ns {
            for domain in 0..self.domains {
                self.aligner.push_energy(domain, self.read_ns, self.read_ns + PERIOD_NS, 0.4);
            }
            self.read_ns += PERIOD_NS;
        }
        self.aligner.advance(self.newest_ns - self.disorder_ns);
    }
}

fn align(events: &[Event], domains: usize, disorder_ns: i64) -> Alignment {
    let mut aligning = Aligning::new(domains, disorder_ns);
    events.chunks(CHUNK).for_each(|chunk| aligning.take(chunk));
    aligning.aligner.finish()
}

/// Aligns `count` events as they come: no more than a chunk of them is held. Their making is not counted.
fn align_stream(count: usize) -> Duration {
    let (mut events, mut aligning) = (Events::new(4), Aligning::new(1, 0));
    let mut chunk: Vec<Event> = Vec::with_capacity(CHUNK);
    let mut spent = Duration::ZERO;
    for first in (0..count).step_by(CHUNK) {
        chunk.clear();
        chunk.extend(events.by_ref().take(CHUNK.min(count - first)));
        spent += time(|| aligning.take(black_box(&chunk)));
    }
    spent + time(|| aligning.aligner.finish())
}

fn sorted_boundaries(events: &[Event]) -> Vec<u64> {
    let mut boundaries: Vec<u64> = Vec::with_capacity(2 * events.len());
    for (number, event) in (0u64..).zip(events) {
        boundaries.push((event.start_ns as u64) << 24 | number & 0xFF_FFFF);
        boundaries.push((event.end_ns as u64) << 24 | number & 0xFF_FFFF);
    }
    boundaries.sort_unstable();
    boundaries
}

/// Algorithm 2 with its typing errors mended, which otherwise keep one operation per tick.
fn flatten(events: &[Event]) -> Vec<f64> {
    let mut flat: BTreeMap<i64, BTreeSet<u32>> = BTreeMap::new();
    for event in events {
        for tick in event.start_ns / 1000..=event.end_ns / 1000 {
            flat.entry(tick).or_default().insert(event.op);
        }
    }
    let last = flat.last_key_value().map_or(0, |(tick, _)| *tick);
    let power: BTreeMap<i64, f64> = (0..=last * 1000 / PERIOD_NS).map(|n| (n * PERIOD_NS / 1000, 100.0)).collect();
    let mut energy = vec![0.0; OPS];
    for (tick, ops) in flat {
        let watts = power.range(..=tick).next_back().map_or(0.0, |(_, watts)| *watts);
        for op in &ops {
            energy[*op as usize] += watts * 1e-6 / ops.len() as f64;
        }
    }
    energy
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median(mut run: impl FnMut() -> Duration) -> Duration {
    let mut runs: Vec<Duration> = (0..RUNS).map(|_| run()).collect();
    runs.sort_unstable();
    runs[RUNS / 2]
}

/// Millions of events per second.
fn rate(events: usize, spent: Duration) -> f64 {
    events as f64 / spent.as_secs_f64() * 1e-6
}

/// The most memory that this process has held so far.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}

fn by_length(longest: usize) {
    println!("Streamed, overlap 4, in order; peak memory is that of the whole process");
    println!("{:>12} {:>12} {:>12} {:>12}", "events", "s", "M events/s", "peak MiB");
    let mut count = 100_000;
    while count <= longest {
        let spent = median(|| align_stream(count));
        let peak = peak_mib().map_or("unknown".to_owned(), |peak| format!("{peak:.1}"));
        println!("{count:>12} {:>12.4} {:>12.1} {peak:>12}", spent.as_secs_f64(), rate(count, spent));
        count *= 10;
    }
}

fn by_overlap(count: usize) {
    println!("\n{count} events, million events per second");
    let columns = ["in order", "50 ms disorder", "4 domains", "sort_unstable", "FLATTEN"];
    println!("{:>8}{}", "overlap", columns.map(|column| format!("{column:>16}")).concat());
    for lanes in [1, 4, 32] {
        let ordered: Vec<Event> = Events::new(lanes).take(count).collect();
        let disordered = disordered(ordered.clone());
        let few = &ordered[..FLATTENED.min(count)];
        let rates = [
            rate(count, median(|| time(|| align(black_box(&ordered), 1, 0)))),
            rate(count, median(|| time(|| align(black_box(&disordered), 1, DISORDER_NS)))),
            rate(count, median(|| time(|| align(black_box(&ordered), 4, 0)))),
            rate(count, median(|| time(|| sorted_boundaries(black_box(&disordered))))),
            rate(few.len(), median(|| time(|| flatten(black_box(few))))),
        ];
        println!("{lanes:>8}{}", rates.map(|rate| format!("{rate:>16.3}")).concat());
    }
}

fn main() {
    // `cargo bench -- --test` only wants to know that it runs.
    let only_runs = std::env::args().any(|argument| argument == "--test");
    by_length(if only_runs { 1_000_000 } else { LONGEST });
    by_overlap(if only_runs { 10_000 } else { EVENTS });
}
