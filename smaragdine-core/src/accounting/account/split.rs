//! How the readings of one domain are split by what the solved powers expect of all that ran within them.

use super::device::{Device, Piece};
use crate::accounting::attribution::split;
use crate::accounting::deconvolution::{Moment, Powers, Solution, unseen_ns};
use crate::error::Result;
use crate::span::Span;
use crate::trace::{Domain, Event, Reading, Recorded};

/// Readings to each side that tell how much of what is expected is really drawn.
const AROUND: usize = 16;
/// Others draw no more than this part of what is drawn.
const MOST_OF_ALL: f64 = 0.9;

/// Of time in which no operation draws.
#[derive(Clone, Copy)]
pub(super) enum Class {
    /// Within a traced step.
    Quiet,
    /// Between two of them, while the profiler looked.
    Between,
    /// A profiler is started or stopped.
    Profiling,
}

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Quiet, Self::Between, Self::Profiling];
}

/// How one domain's readings are split.
pub(super) struct Split<'a> {
    powers: &'a Powers,
    /// The readings that can be placed, in order: each with the application's energy.
    pieces: Vec<Piece>,
    moments: Vec<Moment>,
    /// By piece: the part of it that is other processes'.
    others: Vec<f64>,
    /// By piece: joules that are expected of operations, without what is drawn whatever runs.
    own_j: Vec<f64>,
    /// By piece: seconds in which operations draw, and then by [`Class`].
    busy_s: Vec<f64>,
    idle_s: [Vec<f64>; 3],
    expected: Vec<Expected>,
    /// By piece: k.
    scale: Vec<f64>,
    /// By operation: power times ∫ k dt, without what is drawn whatever runs.
    pub(super) operations_j: Vec<f64>,
    /// Pieces before these are over: for events of the first and the second pass, busy time, and time of each class.
    first: [usize; 6],
}

/// What of a domain's energy is outside operations.
pub(super) struct Outside {
    pub(super) traced_j: f64,
    pub(super) profiling_j: f64,
    pub(super) untraced_j: f64,
}

/// The time of one placed reading, in seconds, and what is expected of it.
#[derive(Clone, Copy)]
struct Expected {
    busy_s: f64,
    quiet_s: f64,
    between_s: f64,
    profiling_s: f64,
    /// Nobody looked.
    unseen_s: f64,
    /// Watts in each of them that belong to the application.
    floor_w: f64,
    quiet_w: f64,
    between_w: f64,
    /// Joules of operations without the floor.
    own_j: f64,
}

impl Expected {
    /// Joules of all that is known.
    fn known_j(&self) -> f64 {
        self.own_j + self.floor_w * self.busy_s + self.quiet_w * self.quiet_s + self.between_w * self.between_s
    }

    fn unknown_s(&self) -> f64 {
        self.profiling_s + self.unseen_s
    }
}

impl<'a> Split<'a> {
    pub(super) fn of(
        device: &Device,
        domain: usize,
        ops: usize,
        recorded: &dyn Recorded,
        solution: &'a Solution,
    ) -> Result<Self> {
        let (number, domain) = &device.domains[domain];
        let (mut pieces, mut of_others, mut free_from_ns) = (Vec::new(), Vec::new(), i64::MIN);
        for batch in recorded.readings(*number) {
            for reading in batch?.iter() {
                if let Some(piece) = placed(domain, reading, solution.lag_ns, &mut free_from_ns) {
                    pieces.push(piece);
                    of_others.push(others(reading));
                }
            }
        }
        let zeros = || vec![0.0; pieces.len()];
        Ok(Self {
            powers: &solution.powers,
            moments: pieces.iter().map(|piece| solution.powers.moment(piece.0)).collect(),
            others: of_others,
            own_j: zeros(),
            busy_s: zeros(),
            idle_s: [zeros(), zeros(), zeros()],
            pieces,
            expected: Vec::new(),
            scale: Vec::new(),
            operations_j: vec![0.0; ops],
            first: [0; 6],
        })
    }

    /// First pass.
    pub(super) fn see(&mut self, event: &Event) {
        let (powers, moments, own_j) = (self.powers, &self.moments, &mut self.own_j);
        overlaps(&self.pieces, &mut self.first[0], event.span(), |piece, time_s| {
            own_j[piece] += powers.of_event_w(event, moments[piece]) * time_s;
        });
    }

    /// Second pass.
    pub(super) fn enter(&mut self, event: &Event) {
        let (powers, moments, scale) = (self.powers, &self.moments, &self.scale);
        let operation_j = &mut self.operations_j[event.op as usize];
        overlaps(&self.pieces, &mut self.first[1], event.span(), |piece, time_s| {
            *operation_j += powers.of_event_w(event, moments[piece]) * scale[piece] * time_s;
        });
    }

    pub(super) fn add_busy(&mut self, span: Span) {
        let busy_s = &mut self.busy_s;
        overlaps(&self.pieces, &mut self.first[2], span, |piece, time_s| busy_s[piece] += time_s);
    }

    pub(super) fn add_idle(&mut self, class: Class, span: Span) {
        let idle_s = &mut self.idle_s[class as usize];
        let first = &mut self.first[3 + class as usize];
        overlaps(&self.pieces, first, span, |piece, time_s| idle_s[piece] += time_s);
    }

    /// What is to be expected of each piece beside operations' own, and how much of it is really drawn.
    pub(super) fn expect(&mut self) {
        self.expected = (0..self.pieces.len()).map(|piece| self.expected(piece)).collect();
        self.scale = scales(&self.pieces, &self.expected);
    }

    fn expected(&self, piece: usize) -> Expected {
        let powers = self.powers;
        let [quiet_s, between_s, profiling_s] = Class::ALL.map(|class| self.idle_s[class as usize][piece]);
        let busy_s = self.busy_s[piece];
        let known_s = busy_s + quiet_s + between_s + profiling_s;
        let unseen_s = length_s(&self.pieces[piece]) - known_s;
        let others_w = powers.others_w(self.others[piece]);
        let drawn_w = powers.floor_w() + if busy_s > 0.0 { self.own_j[piece] / busy_s } else { 0.0 };
        let moment = self.moments[piece];
        Expected {
            busy_s,
            quiet_s,
            between_s,
            profiling_s,
            // What is less than a nanosecond is rounding.
            unseen_s: if unseen_s < 1e-9 { 0.0 } else { unseen_s },
            // Whatever others draw, something is left to what runs.
            floor_w: powers.floor_w() - others_w.min(MOST_OF_ALL * drawn_w),
            quiet_w: powers.left_w(powers.quiet_w(moment), others_w),
            between_w: powers.left_w(powers.between_w(moment), others_w),
            own_j: self.own_j[piece],
        }
    }

    pub(super) fn floor(&self) -> Vec<Piece> {
        let floor = |number: usize| {
            let (start_ns, end_ns, _) = self.pieces[number];
            (start_ns, end_ns, self.scale[number] * self.expected[number].floor_w * length_s(&self.pieces[number]))
        };
        (0..self.pieces.len()).map(floor).collect()
    }

    pub(super) fn outside(&self) -> Outside {
        let mut outside = Outside { traced_j: 0.0, profiling_j: 0.0, untraced_j: 0.0 };
        for ((piece, expected), scale) in self.pieces.iter().zip(&self.expected).zip(&self.scale) {
            outside.traced_j += scale * expected.quiet_w * expected.quiet_s;
            outside.untraced_j += scale * expected.between_w * expected.between_s;
            if expected.unknown_s() > 0.0 {
                let left_w = (piece.2 - scale * expected.known_j()) / expected.unknown_s();
                outside.profiling_j += left_w * expected.profiling_s;
                outside.untraced_j += left_w * expected.unseen_s;
            }
        }
        outside
    }
}

/// By piece: k.
fn scales(pieces: &[Piece], expected: &[Expected]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0)];
    for (piece, expected) in pieces.iter().zip(expected) {
        let (energy_j, expected_j) = sums[sums.len() - 1];
        let whole = expected.unknown_s() == 0.0 && expected.known_j() > 0.0;
        sums.push(if whole { (energy_j + piece.2, expected_j + expected.known_j()) } else { (energy_j, expected_j) });
    }
    let between = |from: usize, to: usize| (sums[to].0 - sums[from].0) / (sums[to].1 - sums[from].1);
    let typical = between(0, pieces.len());
    let scale = |number: usize| {
        let (energy_j, expected) = (pieces[number].2, &expected[number]);
        let known_j = expected.known_j();
        if known_j <= 0.0 {
            return 0.0;
        }
        if expected.unknown_s() == 0.0 {
            return energy_j / known_j;
        }
        let around = between(number.saturating_sub(AROUND), (number + 1 + AROUND).min(pieces.len()));
        let around = [around, typical, 1.0].into_iter().find(|scale| scale.is_finite()).unwrap_or(1.0);
        around.min(energy_j / known_j)
    };
    (0..pieces.len()).map(scale).collect()
}

/// The part of a reading that is other processes'.
fn others(reading: &Reading) -> f64 {
    let parts = split(reading);
    let others = (parts.other + parts.daemon) / reading.energy_j;
    if others.is_finite() { others } else { 0.0 }
}

fn length_s(piece: &Piece) -> f64 {
    (piece.1 - piece.0) as f64 * 1e-9
}

/// The application's energy of a reading over the time that it was solved to stand for; `None`: it cannot be placed.
fn placed(domain: &Domain, reading: &Reading, lag_ns: i64, free_from_ns: &mut i64) -> Option<Piece> {
    let energy_j = split(reading).app?;
    let later_ns = lag_ns - unseen_ns(domain, reading);
    let start_ns = reading.start_ns.saturating_add(later_ns).max(*free_from_ns);
    let end_ns = reading.end_ns.saturating_add(later_ns);
    let length_ns = end_ns.checked_sub(start_ns).filter(|length| *length > 0);
    let power = energy_j / length_ns? as f64;
    if end_ns == i64::MAX || !power.is_finite() {
        return None;
    }
    *free_from_ns = end_ns;
    Some((start_ns, end_ns, energy_j))
}

/// Calls `each` with the number of a piece and the seconds that a span runs within it. Spans come in order of their
/// start: pieces before `first` are over.
fn overlaps(pieces: &[Piece], first: &mut usize, span: Span, mut each: impl FnMut(usize, f64)) {
    while pieces.get(*first).is_some_and(|piece| piece.1 <= span.start_ns) {
        *first += 1;
    }
    for (number, piece) in pieces.iter().enumerate().skip(*first).take_while(|(_, piece)| piece.0 < span.end_ns) {
        each(number, (piece.1.min(span.end_ns) - piece.0.max(span.start_ns)) as f64 * 1e-9);
    }
}
