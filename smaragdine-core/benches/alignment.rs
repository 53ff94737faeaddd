//! How fast events are aligned with readings, on one core: medians of five, in one run.
//!
//! Beside it stand what any sweep must do, `sort_unstable` of the same boundaries, and what the paper's Algorithm 2
//! specifies, FLATTEN at microsecond ticks. Events take 10 µs to 1 ms (log-uniform), of 1000 operations; readings
//! come every 4 ms. Overlap is the number of lanes, each of them busy.
//!
//! Goals: 40 million events a second in order at overlap 4 and less, 20 million at overlap 32 or with 50 ms disorder;
//! the same for 10⁵ events as for 10⁸; memory that does not grow with them.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod lanes;
mod numbers;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use smaragdine_core::accounting::alignment::{Aligner, Alignment};
use smaragdine_core::trace::Event;

use self::lanes::{DISORDER_NS, Events, OPS, PERIOD_NS, disordered};
use self::numbers::Number;

const EVENTS: usize = 1_000_000;
/// FLATTEN is slower by a factor of thousands.
const FLATTENED: usize = 2_000;
const LONGEST: usize = 100_000_000;
/// Events between two advances.
const CHUNK: usize = 1 << 14;
const RUNS: usize = 5;

const UNIT: &str = "M events/s";
const SORTED: &str = "sort_unstable of the same boundaries";
const FLATTENED_TICKS: &str = "Algorithm 2's FLATTEN at 1 µs ticks";
/// Measured by `experiments/speed`, for it is Python.
const PUBLISHED: &str = "the published implementation's algorithm, in Python";

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
        let peak_mib = peak_mib();
        let peak = peak_mib.map_or("unknown".to_owned(), |peak| format!("{peak:.1}"));
        println!("{count:>12} {:>12.4} {:>12.1} {peak:>12}", spent.as_secs_f64(), rate(count, spent));
        let name = format!("streamed, {count} events, overlap 4");
        Number::new(format!("{name}: memory at most"), peak_mib, "MiB").hand_over();
        Number::new(name, rate(count, spent), UNIT).at_least(40.0).hand_over();
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
        hand_over(lanes, rates);
    }
}

fn hand_over(lanes: usize, [ordered, disordered, domains, sorted, flattened]: [f64; 5]) {
    let number = |what: &str, rate: f64| Number::new(format!("{what}, overlap {lanes}"), rate, UNIT);
    let compared = |number: Number| {
        [SORTED, FLATTENED_TICKS, PUBLISHED]
            .into_iter()
            .fold(number, |number, other| number.compared_to(format!("{other}, overlap {lanes}")))
    };
    compared(number("in order", ordered).at_least(if lanes > 4 { 20.0 } else { 40.0 })).hand_over();
    compared(number("50 ms disorder", disordered).at_least(20.0)).hand_over();
    compared(number("in order, 4 domains", domains)).hand_over();
    number(SORTED, sorted).hand_over();
    number(FLATTENED_TICKS, flattened).hand_over();
}

fn main() {
    // `cargo bench -- --test` only wants to know that it runs.
    let only_runs = std::env::args().any(|argument| argument == "--test");
    by_length(if only_runs { 1_000_000 } else { LONGEST });
    by_overlap(if only_runs { 10_000 } else { EVENTS });
}
