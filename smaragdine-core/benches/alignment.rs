//! How fast events are aligned with readings, on one core.
//!
//! Beside it stand what any sweep must do, `sort_unstable` of the same boundaries, and what the paper's Algorithm 2
//! specifies, FLATTEN at microsecond ticks. Events take 10 µs to 1 ms (log-uniform), of 1000 operations; readings
//! come every 4 ms. Overlap is the number of lanes, each of them busy.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use smaragdine_core::alignment::{Aligner, Alignment};
use smaragdine_core::trace::{Event, Kind};

const EVENTS: usize = 1_000_000;
const OPS: usize = 1000;
const PERIOD_NS: i64 = 4_000_000;
const DISORDER_NS: i64 = 50_000_000;
/// Events between two advances.
const CHUNK: usize = 1 << 14;

/// Deterministic noise, uniform in [0, 1).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// In order of their start.
fn events(count: usize, lanes: u32) -> Vec<Event> {
    let mut noise = Noise(u64::from(lanes));
    let mut events = Vec::with_capacity(count);
    for lane in 0..lanes {
        let mut now = (noise.next() * 1e6) as i64;
        for _ in 0..count / lanes as usize {
            let start_ns = now;
            now += (1e4 * 100f64.powf(noise.next())) as i64;
            let op = (noise.next() * OPS as f64) as u32;
            events.push(Event {
                op,
                device: 0,
                lane,
                kind: Kind::Compute,
                start_ns,
                end_ns: now,
                step: None,
                correlation: None,
            });
        }
    }
    events.sort_by_key(|event| event.start_ns);
    events
}

/// In an order in which each event comes up to 50 ms after ones that start later.
fn disordered(mut events: Vec<Event>) -> Vec<Event> {
    let mut noise = Noise(50);
    events.sort_by_cached_key(|event| event.start_ns + (noise.next() * DISORDER_NS as f64) as i64);
    events
}

fn align(events: &[Event], domains: usize, disorder_ns: i64) -> Alignment {
    let mut aligner = Aligner::new(domains, OPS);
    let mut read_ns = 0;
    let mut newest_ns = i64::MIN;
    for chunk in events.chunks(CHUNK) {
        for event in chunk {
            newest_ns = newest_ns.max(event.start_ns);
            aligner.push_event(event);
        }
        while read_ns <= newest_ns {
            for domain in 0..domains {
                aligner.push_energy(domain, read_ns, read_ns + PERIOD_NS, 0.4);
            }
            read_ns += PERIOD_NS;
        }
        aligner.advance(newest_ns - disorder_ns);
    }
    aligner.finish()
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

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("alignment");
    group.sample_size(10);
    for lanes in [1, 4, 32] {
        let ordered = events(EVENTS, lanes);
        let disordered = disordered(ordered.clone());
        group.throughput(Throughput::Elements(ordered.len() as u64));
        let overlap = |name: &str| BenchmarkId::new(name, format!("overlap {lanes}"));
        group.bench_function(overlap("in order"), |bencher| bencher.iter(|| align(black_box(&ordered), 1, 0)));
        group.bench_function(overlap("in order, 4 domains"), |bencher| {
            bencher.iter(|| align(black_box(&ordered), 4, 0))
        });
        group.bench_function(overlap("50 ms disorder"), |bencher| {
            bencher.iter(|| align(black_box(&disordered), 1, DISORDER_NS));
        });
        group.bench_function(overlap("sort_unstable of the boundaries"), |bencher| {
            bencher.iter(|| sorted_boundaries(black_box(&disordered)));
        });
        let few = &ordered[..2_000];
        group.throughput(Throughput::Elements(few.len() as u64));
        group.bench_function(overlap("FLATTEN"), |bencher| bencher.iter(|| flatten(black_box(few))));
    }
    group.finish();
}

criterion_group!(alignment, benches);
criterion_main!(alignment);
