//! Energy meets events: the equal share (law 2), in one sweep over one device.
//!
//! At each instant a device's energy belongs in equal parts to its lanes that compute; to those that copy, while none
//! computes; and where neither does, to the class of that instant: starting or stopping a profiler, a traced step, or
//! neither. Every joule goes to exactly one place, and a boundary costs the same whatever overlaps it.

mod ends;
mod sweep;
mod timeline;

use self::sweep::{Interval, PROFILING, Sweep, Sweeping, TRACED, UNTRACED};
use crate::trace::{Event, Kind};

pub(crate) use self::sweep::Sum;

/// The most domains that one aligner carries.
pub const MOST_DOMAINS: usize = 16;

/// Aligns the domains of one device with its events, as they come.
///
/// Energies of one domain, and spans of one class, are pushed in order of time; events in any order, as long as
/// [`advance`](Self::advance) is not called past the start of one to come. Memory holds what is pushed and not yet
/// swept, and what is active: with regular calls of `advance` it does not grow with the length of the recording.
pub struct Aligner {
    domains: usize,
    sweep: Box<dyn Sweeping>,
    /// Events that are not yet swept.
    pending: Vec<Interval>,
    time_ns: Vec<u64>,
    count: Vec<u64>,
    late: u64,
    swept_ns: i64,
}

impl Aligner {
    /// For `domains` (of which [`MOST_DOMAINS`] are carried) and operations numbered from 0 to `ops` − 1.
    #[must_use]
    pub fn new(domains: usize, ops: usize) -> Self {
        // The number of domains is known to the compiler: with one, nothing is paid for the possibility of more.
        let sweep: Box<dyn Sweeping> = match domains {
            0 | 1 => Box::new(Sweep::<1>::new(ops)),
            2 => Box::new(Sweep::<2>::new(ops)),
            3 | 4 => Box::new(Sweep::<4>::new(ops)),
            5..=8 => Box::new(Sweep::<8>::new(ops)),
            _ => Box::new(Sweep::<MOST_DOMAINS>::new(ops)),
        };
        Self {
            domains: domains.min(MOST_DOMAINS),
            sweep,
            pending: Vec::new(),
            time_ns: vec![0; ops],
            count: vec![0; ops],
            late: 0,
            swept_ns: i64::MIN,
        }
    }

    /// Makes room for operations numbered up to `ops` − 1.
    pub fn grow(&mut self, ops: usize) {
        if ops > self.count.len() {
            self.time_ns.resize(ops, 0);
            self.count.resize(ops, 0);
            self.sweep.grow(ops);
        }
    }

    /// The application's `energy_j` in `domain` from `start_ns` to `end_ns`, all at one power.
    ///
    /// `false`: it cannot be placed (no length, not a number, within what was pushed or swept before, no such domain)
    /// and is not part of the alignment. Where only its beginning is taken, the rest of the interval holds all of it.
    pub fn push_energy(&mut self, domain: usize, start_ns: i64, end_ns: i64, energy_j: f64) -> bool {
        domain < self.domains && self.sweep.energy(domain, start_ns, end_ns, energy_j)
    }

    /// A stretch in which a profiler is started or stopped.
    pub fn push_profiling(&mut self, start_ns: i64, end_ns: i64) {
        self.sweep.span(PROFILING, start_ns, end_ns);
    }

    /// A traced step.
    pub fn push_traced(&mut self, start_ns: i64, end_ns: i64) {
        self.sweep.span(TRACED, start_ns, end_ns);
    }

    /// One event of this device. `false`: it ends before it starts, or is of no known operation, and is ignored.
    /// An event without length, and a `wait`, count and draw no energy.
    pub fn push_event(&mut self, event: &Event) -> bool {
        let op = event.op as usize;
        let length = event.end_ns.checked_sub(event.start_ns).and_then(|length| u64::try_from(length).ok());
        // The last of all instants stands for "never" in the sweep.
        let (Some(length), true) = (length, op < self.count.len() && event.end_ns < i64::MAX) else { return false };
        self.count[op] += 1;
        self.time_ns[op] = self.time_ns[op].saturating_add(length);
        if length > 0 && event.kind != Kind::Wait {
            self.late += u64::from(event.start_ns < self.swept_ns);
            self.pending.push(Interval {
                start_ns: event.start_ns,
                end_ns: event.end_ns,
                op: event.op,
                copy: event.kind == Kind::Copy,
            });
        }
        true
    }

    /// Sweeps over everything before `until_ns`: all that starts before it has been pushed.
    /// What comes later all the same is late: of its energy it gets what lies after the instant swept to.
    pub fn advance(&mut self, until_ns: i64) {
        if !self.pending.is_sorted_by_key(|interval| interval.start_ns) {
            self.pending.sort_unstable_by_key(|interval| interval.start_ns);
        }
        let ready = self.pending.partition_point(|interval| interval.start_ns < until_ns);
        self.sweep.run(&self.pending[..ready], until_ns);
        self.pending.drain(..ready);
        self.swept_ns = self.swept_ns.max(until_ns);
    }

    /// Events that came after what they overlap was swept.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The result up to the instant advanced to. Of operations that are still active it holds their time, and what
    /// energy was credited at the last rebase.
    #[must_use]
    pub fn so_far(&self) -> Alignment {
        let ops = self.count.len();
        let cells = (0..ops).flat_map(|op| (0..self.domains).map(move |domain| (op, domain)));
        let outside = |class| (0..self.domains).map(|domain| self.sweep.outside_j(class, domain)).collect();
        Alignment {
            domains: self.domains,
            energy_j: cells.map(|(op, domain)| self.sweep.energy_j(op, domain)).collect(),
            time_ns: self.time_ns.clone(),
            count: self.count.clone(),
            profiling_j: outside(PROFILING),
            traced_j: outside(TRACED),
            untraced_j: outside(UNTRACED),
        }
    }

    /// Sweeps over all that remains.
    #[must_use]
    pub fn finish(mut self) -> Alignment {
        self.advance(i64::MAX);
        self.so_far()
    }
}

/// What the operations of one device did, and where its energy went.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alignment {
    pub domains: usize,
    /// By operation, then domain.
    energy_j: Vec<f64>,
    /// Sum of durations, by operation.
    pub time_ns: Vec<u64>,
    /// Executions, by operation.
    pub count: Vec<u64>,
    /// Outside operations while a profiler was started or stopped, by domain.
    pub profiling_j: Vec<f64>,
    /// Outside operations in traced steps, by domain.
    pub traced_j: Vec<f64>,
    /// Outside operations and of all that, by domain.
    pub untraced_j: Vec<f64>,
}

impl Alignment {
    /// Energy of `op` in `domain`.
    #[must_use]
    pub fn energy_j(&self, op: usize, domain: usize) -> f64 {
        self.energy_j.get(op * self.domains + domain).copied().unwrap_or(0.0)
    }

    pub(crate) fn set_energy_j(&mut self, op: usize, domain: usize, energy_j: f64) {
        self.energy_j[op * self.domains + domain] = energy_j;
    }

    /// Energy of all operations in `domain`.
    #[must_use]
    pub fn operations_j(&self, domain: usize) -> f64 {
        let mut sum = Sum::default();
        (0..self.count.len()).for_each(|op| sum.add(self.energy_j(op, domain)));
        sum.value()
    }
}
