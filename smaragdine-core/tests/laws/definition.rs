//! What accounting means, written as its definition reads and as slowly as that is.

use std::collections::BTreeSet;

use smaragdine_core::trace::{Event, Kind};

use super::random::{OPS, Piece};

/// The equal share by definition: between any two neighbouring boundaries, count and divide.
pub(crate) fn by_definition(
    pieces: &[Piece],
    events: &[Event],
    lanes: impl Fn(&[&Event]) -> Vec<u32>,
) -> (Vec<f64>, f64) {
    let ends = |start: i64, end: i64| [start, end];
    let of_events = events.iter().flat_map(|event| ends(event.start_ns, event.end_ns));
    let boundaries: BTreeSet<i64> = of_events.chain(pieces.iter().flat_map(|piece| ends(piece.0, piece.1))).collect();
    let boundaries: Vec<i64> = boundaries.into_iter().collect();
    let (mut energy, mut outside) = (vec![0.0; OPS], 0.0);
    for segment in boundaries.windows(2) {
        let within = |start: i64, end: i64| start <= segment[0] && segment[1] <= end;
        let Some(piece) = pieces.iter().find(|piece| within(piece.0, piece.1)) else { continue };
        let joules = piece.2 * ((segment[1] - segment[0]) as f64 / (piece.1 - piece.0) as f64);
        let active: Vec<&Event> = events.iter().filter(|event| within(event.start_ns, event.end_ns)).collect();
        let lanes = lanes(&active);
        lanes.iter().for_each(|op| energy[*op as usize] += joules / lanes.len() as f64);
        outside += if lanes.is_empty() { joules } else { 0.0 };
    }
    (energy, outside)
}

/// The operations that share: those that compute, else those that copy.
pub(crate) fn sharing(active: &[&Event]) -> Vec<u32> {
    let of = |kind: Kind| active.iter().filter(|event| event.kind == kind).map(|event| event.op).collect::<Vec<_>>();
    if of(Kind::Compute).is_empty() { of(Kind::Copy) } else { of(Kind::Compute) }
}

pub(crate) fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs())
}
