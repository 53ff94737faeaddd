//! Long recordings: readings that no traced window touches, merged to longer ones.

use crate::span::{Span, merged, ordered};
use crate::trace::{Flag, Reading};

const LONGEST_NS: i64 = 1_000_000_000;

/// Merges runs of readings that none of `windows` touches into readings of at most one second.
///
/// Energy belongs to intervals, so none is lost: energies add up, shares become their energy-weighted mean, flags unite
/// with `merged`. Nothing is merged across a hole or a gap, nor a known share with an unknown one.
/// `readings` are by domain, then in order of time, and stay so.
#[must_use]
pub fn merge_untouched(readings: &[Reading], windows: &[Span]) -> Vec<Reading> {
    let mut merging = Merging::new(windows);
    merging.extend(readings);
    merging.joined
}

/// The same of readings that come one by one.
pub struct Merging {
    windows: Vec<Span>,
    /// Those so far.
    pub joined: Vec<Reading>,
    /// The last one may be joined with the next.
    open: bool,
}

impl Merging {
    #[must_use]
    pub fn new(windows: &[Span]) -> Self {
        Self { windows: merged(ordered(windows.iter().copied())), joined: Vec::new(), open: false }
    }

    /// Adds what comes next in their order.
    pub fn extend(&mut self, readings: &[Reading]) {
        for reading in readings {
            let mergeable = !reading.flags.is_gap() && !self.touched(reading);
            match self.joined.last_mut() {
                Some(last) if self.open && mergeable && joins(last, reading) => *last = join(last, reading),
                _ => self.joined.push(*reading),
            }
            self.open = mergeable;
        }
    }

    fn touched(&self, reading: &Reading) -> bool {
        let first = self.windows.partition_point(|window| window.end_ns <= reading.start_ns);
        self.windows.get(first).is_some_and(|window| window.start_ns < reading.end_ns)
    }
}

fn joins(last: &Reading, next: &Reading) -> bool {
    last.domain == next.domain
        && last.end_ns == next.start_ns
        && next.end_ns.checked_sub(last.start_ns).is_some_and(|length| length <= LONGEST_NS)
        && last.app_share.is_some() == next.app_share.is_some()
        && last.daemon_share.is_some() == next.daemon_share.is_some()
        && last.idle_share.is_some() == next.idle_share.is_some()
}

fn join(last: &Reading, next: &Reading) -> Reading {
    let energy_j = last.energy_j + next.energy_j;
    // Where neither holds energy, shares of it mean nothing, and time serves as well.
    let weight = if energy_j > 0.0 {
        next.energy_j / energy_j
    } else {
        let length = |reading: &Reading| reading.end_ns.saturating_sub(reading.start_ns) as f64;
        length(next) / (length(last) + length(next)).max(1.0)
    };
    let mean = |last: Option<f64>, next: Option<f64>| Some(last? + (next? - last?) * weight);
    Reading {
        domain: last.domain,
        start_ns: last.start_ns,
        end_ns: next.end_ns,
        edge_uncertainty_ns: last.edge_uncertainty_ns.zip(next.edge_uncertainty_ns).map(|(a, b)| a.max(b)),
        read_start_ns: next.read_start_ns,
        read_end_ns: next.read_end_ns,
        energy_j,
        app_share: mean(last.app_share, next.app_share),
        daemon_share: mean(last.daemon_share, next.daemon_share),
        idle_share: mean(last.idle_share, next.idle_share),
        flags: last.flags.union(next.flags).with(Flag::Merged),
    }
}
