//! The deconvolved policy: each reading's energy split by what the solved powers expect of all that ran within it.
//!
//! In one reading every expected joule receives the same k = energy ÷ expected energy, so its parts sum to it. An
//! event's energy is its power times ∫ k dt; what is drawn once while anything runs is divided as equal share divides.

use super::device::{Aligned, Device, Piece, measured};
use crate::deconvolution::{Refusal, Response, Solution, deconvolve, unseen_ns};
use crate::trace::{Domain, Event, Op, Reading};

/// Splits anew what `equal` has of the domains that can be solved; of the others it stays as it is. By domain, what was
/// solved.
pub(super) fn deconvolved(
    device: &Device,
    equal: Aligned,
    ops: &[Op],
    stretches: &[(i64, i64)],
    responses: &[Option<Response>],
) -> (Aligned, Vec<Result<Solution, Refusal>>) {
    let solve = |(domain, response): (usize, &Option<Response>)| {
        let late_ns = response.map_or(0, |response| response.late_ns());
        deconvolve(&device.problem(domain, late_ns, ops, stretches))
    };
    let solutions: Vec<_> = responses.iter().enumerate().map(solve).collect();
    let solved = |domain: usize| solutions[domain].as_ref().ok();
    let splits: Vec<Option<Split>> = (0..device.domains.len())
        .map(|domain| Some(Split::of(device, device.domains[domain], solved(domain)?)))
        .collect();
    let mut aligned = device.align(&device.events, |domain, readings, number| match &splits[domain] {
        Some(split) => split.scaled[number],
        None => measured(readings, number),
    });
    for (domain, split) in splits.iter().enumerate() {
        let (Some(split), Some(solution)) = (split, solved(domain)) else { continue };
        let (alignment, place) = aligned.of_mut(domain);
        for (op, drawn) in split.operations_j.iter().enumerate() {
            let energy_j = solution.floor_w * alignment.energy_j(op, place) + drawn;
            alignment.set_energy_j(op, place, energy_j);
        }
        alignment.traced_j[place] *= solution.quiet_w;
        alignment.profiling_j[place] *= split.elsewhere_w;
        alignment.untraced_j[place] *= split.elsewhere_w;
    }
    (aligned.known, aligned.misplaced_j) = (equal.known, equal.misplaced_j);
    (aligned, solutions)
}

/// How one domain's readings are split.
struct Split {
    /// By reading: the stretch it is put at, and k times its length.
    scaled: Vec<Option<Piece>>,
    /// By operation: power times ∫ k dt, without what is drawn whatever runs.
    operations_j: Vec<f64>,
    /// Watts where no operation runs and no step is traced.
    elsewhere_w: f64,
}

impl Split {
    fn of(device: &Device, (domain, readings): (&Domain, &[Reading]), solution: &Solution) -> Self {
        let placed = placed(domain, readings, solution.lag_ns);
        let pieces: Vec<Piece> = placed.iter().flatten().copied().collect();
        let power_w =
            |event: &Event| solution.class[event.op as usize].map_or(solution.mean_w, |c| solution.power_w[c]);
        let events =
            || device.events.iter().filter(|event| event.draws()).map(|event| (event.start_ns, event.end_ns, *event));
        let mut expected_j = vec![0.0; pieces.len()];
        overlaps(&pieces, events(), |piece, time_s, event| expected_j[piece] += power_w(event) * time_s);
        let busy = union(events().map(|(start, end, _)| (start, end)));
        let quiet = without(&union(device.traced.iter().copied()), &busy);
        let quiet = without(&quiet, &union(device.profiling.iter().copied()));
        let (busy_s, quiet_s) = (seconds(&pieces, &busy), seconds(&pieces, &quiet));
        let elsewhere_w = elsewhere_w(&pieces, &busy_s, &quiet_s).unwrap_or(solution.mean_w);
        let scale = |piece: usize| {
            let elsewhere_s = (length_s(&pieces[piece]) - busy_s[piece] - quiet_s[piece]).max(0.0);
            let drawn_j = expected_j[piece] + solution.floor_w * busy_s[piece];
            pieces[piece].2 / (drawn_j + solution.quiet_w * quiet_s[piece] + elsewhere_w * elsewhere_s)
        };
        let scale: Vec<f64> = (0..pieces.len()).map(scale).collect();
        let mut operations_j = vec![0.0; solution.class.len()];
        overlaps(&pieces, events(), |piece, time_s, event| {
            operations_j[event.op as usize] += power_w(event) * scale[piece] * time_s;
        });
        let mut next = scale.iter();
        let scaled = |piece: &Option<Piece>| {
            let piece = piece.as_ref()?;
            Some((piece.0, piece.1, next.next()? * length_s(piece)))
        };
        Self { scaled: placed.iter().map(scaled).collect(), operations_j, elsewhere_w }
    }
}

/// Mean power where no operation runs and no step is traced; `None`: nothing was read there alone.
fn elsewhere_w(pieces: &[Piece], busy_s: &[f64], quiet_s: &[f64]) -> Option<f64> {
    let apart = (0..pieces.len()).filter(|piece| busy_s[*piece] == 0.0 && quiet_s[*piece] == 0.0);
    let (energy_j, time_s) = apart
        .fold((0.0, 0.0), |(energy_j, time_s), piece| (energy_j + pieces[piece].2, time_s + length_s(&pieces[piece])));
    (time_s > 0.0 && energy_j > 0.0).then(|| energy_j / time_s)
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
fn overlaps<T: Copy>(
    pieces: &[Piece],
    spans: impl Iterator<Item = (i64, i64, T)>,
    mut each: impl FnMut(usize, f64, T),
) {
    let mut first = 0;
    for (start, end, of) in spans {
        while pieces.get(first).is_some_and(|piece| piece.1 <= start) {
            first += 1;
        }
        for (number, piece) in pieces.iter().enumerate().skip(first).take_while(|(_, piece)| piece.0 < end) {
            each(number, (piece.1.min(end) - piece.0.max(start)) as f64 * 1e-9, of);
        }
    }
}

/// Seconds of `spans` within each piece.
fn seconds(pieces: &[Piece], spans: &[(i64, i64)]) -> Vec<f64> {
    let mut seconds = vec![0.0; pieces.len()];
    let spans = spans.iter().map(|(start, end)| (*start, *end, ()));
    overlaps(pieces, spans, |piece, time_s, ()| seconds[piece] += time_s);
    seconds
}

/// Spans in order of their start, joined where they meet.
fn union(spans: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut union: Vec<(i64, i64)> = Vec::new();
    for (start, end) in spans.filter(|span| span.0 < span.1) {
        match union.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => union.push((start, end)),
        }
    }
    union
}

/// What of `spans` lies outside `others`; both in order and disjoint.
fn without(spans: &[(i64, i64)], others: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut left = Vec::new();
    let mut first = 0;
    for (mut start, end) in spans.iter().copied() {
        while others.get(first).is_some_and(|other| other.1 <= start) {
            first += 1;
        }
        for other in others[first..].iter().take_while(|other| other.0 < end) {
            if start < other.0 {
                left.push((start, other.0));
            }
            start = start.max(other.1);
        }
        if start < end {
            left.push((start, end));
        }
    }
    left
}
