//! Laws 7 and 10: a counter difference is a type, readings sum to the register's difference, and the impossible is a gap.

mod assembled;
mod differences;
mod doubts;
mod laws;
mod standing;
mod world;

use smaragdine_core::registers::counter::{Counter, Interval};
use smaragdine_core::registers::source::{Observation, Value};
use smaragdine_core::trace::{Flag, Flags, Limit};

const MAX_W: f64 = 2_000.0;
const RANGE_UJ: u64 = 100_000_000;
const MS: i64 = 1_000_000;
const LIMIT: Limit = Limit { power_w: MAX_W, stale_ns: 20 * MS, moves_within_ns: Some(1_000 * MS), is_always_on: true };

fn at(ns: i64, value: Value) -> Observation {
    Observation { domain: 0, read_start_ns: ns, read_end_ns: ns, value, flags: Flags::NONE }
}

fn reads(energy_uj: u64, ns: i64) -> Observation {
    at(ns, Value::Counter { energy_uj })
}

fn fails(ns: i64) -> Observation {
    at(ns, Value::Failed { problem: "no value".to_owned() })
}

/// One that a read showed to end just then.
fn interval(start_ns: i64, end_ns: i64, energy_j: f64) -> Interval {
    let read = (end_ns, end_ns).into();
    Interval { start_ns, end_ns, edge_uncertainty_ns: None, read, energy_j, flags: Flags::NONE }
}

/// The same, shown by a read that began and ended then.
fn shown(interval: Interval, from_ns: i64, to_ns: i64) -> Interval {
    Interval { read: (from_ns, to_ns).into(), ..interval }
}

fn flagged(interval: Interval, flag: Flag) -> Interval {
    Interval { flags: interval.flags.with(flag), ..interval }
}

fn energy_uj(interval: &Interval) -> i64 {
    (interval.energy_j * 1e6).round() as i64
}

/// All that a counter closes over these reads, and at their end.
fn intervals(counter: &mut Counter, observations: &[Observation]) -> Vec<Interval> {
    let mut closed = Vec::new();
    for observation in observations {
        closed.extend(counter.update(observation).interval());
        closed.extend(counter.rest());
    }
    let end_ns = observations.last().map_or(0, |last| last.read_end_ns);
    closed.extend(std::iter::from_fn(|| counter.end(end_ns)));
    closed
}
