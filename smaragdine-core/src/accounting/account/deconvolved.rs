//! The deconvolved policy: each reading's energy split by what the solved powers expect of all that ran within it.
//!
//! In one reading every expected joule receives the same k = energy ÷ expected energy, so its parts sum to it. An
//! event's energy is its power times ∫ k dt; what is drawn once while anything runs is divided as equal share divides.
//! Of time in which nobody looked nothing is expected: where a reading reaches into it, k is that of the readings
//! around, and what is then left is that time's.

use super::device::{Aligned, Device, Piece, measured};
use crate::accounting::attribution::split;
use crate::accounting::deconvolution::{Moment, Powers, Problem, Refusal, Solution, deconvolve, union, unseen_ns};
use crate::accounting::response::Response;
use crate::span::{Span, joined, without};
use crate::trace::{Domain, Op, Reading};

/// Readings to each side that tell how much of what is expected is really drawn.
const AROUND: usize = 16;
/// Others draw no more than this part of what is drawn.
const MOST_OF_ALL: f64 = 0.9;

/// Splits anew what `equal` has of the domains that can be solved; of the others it stays as it is. By domain, what was
/// solved.
pub(super) fn deconvolved(
    device: &Device,
    equal: Aligned,
    ops: &[Op],
    stretches: &[Span],
    responses: &[Option<Response>],
) -> (Aligned, Vec<Result<Solution, Refusal>>) {
    let solve = |(domain, response): (usize, &Option<Response>)| {
        if let Some(look_ns) = response.and_then(|response| response.look_ns) {
            return Err(Refusal::Looks(look_ns));
        }
        let late_ns = response.map_or(0, |response| response.late_ns());
        solved(|late_ns| device.problem(domain, late_ns, ops, stretches), late_ns)
    };
    let solutions: Vec<_> = responses.iter().enumerate().map(solve).collect();
    let times = Times::of(device, stretches);
    let splits: Vec<Option<Split>> = (0..device.domains.len())
        .map(|domain| Some(Split::of(device, &times, device.domains[domain], solutions[domain].as_ref().ok()?)))
        .collect();
    let mut aligned = device.align(&device.events, |domain, readings, number| match &splits[domain] {
        Some(split) => split.floor[number],
        None => measured(readings, number),
    });
    for (domain, split) in splits.iter().enumerate() {
        let Some(split) = split else { continue };
        let (alignment, place) = aligned.alignment_of_mut(domain);
        for (op, own_j) in split.operations_j.iter().enumerate() {
            let energy_j = alignment.energy_j(op, place) + own_j;
            alignment.set_energy_j(op, place, energy_j);
        }
        alignment.traced_j[place] = split.traced_j;
        alignment.profiling_j[place] = split.profiling_j;
        alignment.untraced_j[place] = split.untraced_j;
    }
    (aligned.known, aligned.misplaced_j) = (equal.known, equal.misplaced_j);
    (aligned, solutions)
}

/// Solves with the register as late as it seems to be, and as if it were in time: what explains its readings better.
fn solved<'p>(problem: impl Fn(i64) -> Problem<'p>, late_ns: i64) -> Result<Solution, Refusal> {
    let in_time = deconvolve(&problem(0));
    if late_ns == 0 {
        return in_time;
    }
    match (in_time, deconvolve(&problem(late_ns))) {
        (Ok(in_time), Ok(late)) if late.residual_j < in_time.residual_j => Ok(late),
        (Err(_), late) => late,
        (in_time, _) => in_time,
    }
}

/// What a device's time was, each in order and disjoint.
struct Times {
    /// Some operation draws.
    busy: Vec<Span>,
    /// None does, within a traced step.
    quiet: Vec<Span>,
    /// … and between two of them, while the profiler looked.
    between: Vec<Span>,
    /// A profiler is started or stopped.
    profiling: Vec<Span>,
}

impl Times {
    fn of(device: &Device, stretches: &[Span]) -> Self {
        let busy = union(&device.events);
        let traced = joined(device.traced.iter().copied());
        let all_profiling = joined(device.profiling.iter().copied());
        let idle = |spans: &[Span]| without(&without(spans, &busy), &all_profiling);
        Self {
            quiet: idle(&traced),
            between: idle(&without(stretches, &traced)),
            profiling: without(&all_profiling, &busy),
            busy,
        }
    }
}

/// How one domain's readings are split.
struct Split {
    /// By reading: the stretch it is put at, and what is drawn over its length once while anything runs.
    floor: Vec<Option<Piece>>,
    /// By operation: power times ∫ k dt, without what is drawn whatever runs.
    operations_j: Vec<f64>,
    traced_j: f64,
    profiling_j: f64,
    untraced_j: f64,
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

impl Split {
    fn of(device: &Device, times: &Times, (domain, readings): (&Domain, &[Reading]), solution: &Solution) -> Self {
        let powers = &solution.powers;
        let placed = placed(domain, readings, solution.lag_ns);
        let numbers: Vec<usize> = (0..placed.len()).filter(|number| placed[*number].is_some()).collect();
        let pieces: Vec<Piece> = placed.iter().flatten().copied().collect();
        let moments: Vec<Moment> = pieces.iter().map(|piece| powers.moment(piece.0)).collect();
        let events = || device.events.iter().filter(|event| event.draws()).map(|event| (event.span(), *event));
        let mut own_j = vec![0.0; pieces.len()];
        overlaps(&pieces, events(), |piece, time_s, event| {
            own_j[piece] += powers.of_event_w(event, moments[piece]) * time_s;
        });
        let expected = expected(&pieces, times, powers, &moments, &own_j, |piece| others(&readings[numbers[piece]]));
        let scale = scales(&pieces, &expected);
        let mut operations_j = vec![0.0; device.ops];
        overlaps(&pieces, events(), |piece, time_s, event| {
            operations_j[event.op as usize] += powers.of_event_w(event, moments[piece]) * scale[piece] * time_s;
        });
        let (mut traced_j, mut profiling_j, mut untraced_j) = (0.0, 0.0, 0.0);
        for ((piece, expected), scale) in pieces.iter().zip(&expected).zip(&scale) {
            traced_j += scale * expected.quiet_w * expected.quiet_s;
            untraced_j += scale * expected.between_w * expected.between_s;
            if expected.unknown_s() > 0.0 {
                let left_w = (piece.2 - scale * expected.known_j()) / expected.unknown_s();
                profiling_j += left_w * expected.profiling_s;
                untraced_j += left_w * expected.unseen_s;
            }
        }
        let mut floor = vec![None; placed.len()];
        for (piece, number) in numbers.into_iter().enumerate() {
            let (start_ns, end_ns, _) = pieces[piece];
            let floor_j = scale[piece] * expected[piece].floor_w * length_s(&pieces[piece]);
            floor[number] = Some((start_ns, end_ns, floor_j));
        }
        Self { floor, operations_j, traced_j, profiling_j, untraced_j }
    }
}

/// By piece: its times, and the powers that are to be expected beside operations' own.
fn expected(
    pieces: &[Piece],
    times: &Times,
    powers: &Powers,
    moments: &[Moment],
    own_j: &[f64],
    others: impl Fn(usize) -> f64,
) -> Vec<Expected> {
    let [busy_s, quiet_s, between_s, profiling_s] =
        [&times.busy, &times.quiet, &times.between, &times.profiling].map(|spans| seconds(pieces, spans));
    let expected = |piece: usize| {
        let (busy_s, quiet_s, between_s) = (busy_s[piece], quiet_s[piece], between_s[piece]);
        let known_s = busy_s + quiet_s + between_s + profiling_s[piece];
        let unseen_s = length_s(&pieces[piece]) - known_s;
        let others_w = powers.others_w(others(piece));
        let drawn_w = powers.floor_w() + if busy_s > 0.0 { own_j[piece] / busy_s } else { 0.0 };
        Expected {
            busy_s,
            quiet_s,
            between_s,
            profiling_s: profiling_s[piece],
            // What is less than a nanosecond is rounding.
            unseen_s: if unseen_s < 1e-9 { 0.0 } else { unseen_s },
            // Whatever others draw, something is left to what runs.
            floor_w: powers.floor_w() - others_w.min(MOST_OF_ALL * drawn_w),
            quiet_w: powers.left_w(powers.quiet_w(moments[piece]), others_w),
            between_w: powers.left_w(powers.between_w(moments[piece]), others_w),
            own_j: own_j[piece],
        }
    };
    (0..pieces.len()).map(expected).collect()
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

/// The application's energy of each reading over the time that it was solved to stand for; `None`: it cannot be placed.
fn placed(domain: &Domain, readings: &[Reading], lag_ns: i64) -> Vec<Option<Piece>> {
    let mut free_from_ns = i64::MIN;
    let place = |number| {
        let (start_ns, end_ns, energy_j) = measured(readings, number)?;
        let later_ns = lag_ns - unseen_ns(domain, &readings[number]);
        let (start_ns, end_ns) = (start_ns.saturating_add(later_ns).max(free_from_ns), end_ns.saturating_add(later_ns));
        let length_ns = end_ns.checked_sub(start_ns).filter(|length| *length > 0);
        let power = energy_j / length_ns? as f64;
        if end_ns == i64::MAX || !power.is_finite() {
            return None;
        }
        free_from_ns = end_ns;
        Some((start_ns, end_ns, energy_j))
    };
    (0..readings.len()).map(place).collect()
}

/// Calls `each` with the number of a piece and the seconds that a span, in order of their start, runs within it.
fn overlaps<T: Copy>(pieces: &[Piece], spans: impl Iterator<Item = (Span, T)>, mut each: impl FnMut(usize, f64, T)) {
    let mut first = 0;
    for (Span { start_ns, end_ns }, of) in spans {
        while pieces.get(first).is_some_and(|piece| piece.1 <= start_ns) {
            first += 1;
        }
        for (number, piece) in pieces.iter().enumerate().skip(first).take_while(|(_, piece)| piece.0 < end_ns) {
            each(number, (piece.1.min(end_ns) - piece.0.max(start_ns)) as f64 * 1e-9, of);
        }
    }
}

/// Seconds of `spans` within each piece.
fn seconds(pieces: &[Piece], spans: &[Span]) -> Vec<f64> {
    let mut seconds = vec![0.0; pieces.len()];
    let spans = spans.iter().map(|span| (*span, ()));
    overlaps(pieces, spans, |piece, time_s, ()| seconds[piece] += time_s);
    seconds
}
