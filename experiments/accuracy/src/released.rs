//! What the published code adds up: its sweep as it runs, for comparison with the algorithm that it stands for.
//!
//! Operations are a set by name, so two executions at once are one. Those that end are taken from the set only after
//! the segment that follows has been divided among them, too. Power is the latest reading's, the first one's before.

use std::collections::{BTreeMap, BTreeSet};

use smaragdine_core::trace::{Event, Reading};

#[derive(Default)]
struct Flow {
    enters: Vec<u32>,
    exits: Vec<u32>,
}

/// Joules by operation.
#[must_use]
pub fn energies_j(ops: usize, events: &[Event], readings: &[Reading]) -> Vec<f64> {
    let mut flows: BTreeMap<i64, Flow> = readings.iter().map(|reading| (reading.end_ns, Flow::default())).collect();
    for event in events {
        flows.entry(event.start_ns).or_default().enters.push(event.op);
        flows.entry(event.end_ns).or_default().exits.push(event.op);
    }
    let mut energies_j = vec![0.0; ops];
    let mut active: BTreeSet<u32> = BTreeSet::new();
    let mut powers_w = readings
        .iter()
        .map(|reading| (reading.end_ns, reading.energy_j / ((reading.end_ns - reading.start_ns) as f64 * 1e-9)));
    let mut next = powers_w.next();
    let mut watts = next.map_or(0.0, |(_, watts)| watts);
    let ends = flows.keys().copied().skip(1).collect::<Vec<_>>();
    for ((at_ns, flow), until_ns) in flows.into_iter().zip(ends) {
        while let Some((_, latest)) = next.filter(|(from_ns, _)| *from_ns <= at_ns) {
            watts = latest;
            next = powers_w.next();
        }
        active.extend(flow.enters);
        let each_j = watts * (until_ns - at_ns) as f64 * 1e-9 / active.len() as f64;
        active.iter().for_each(|op| energies_j[*op as usize] += each_j);
        flow.exits.iter().for_each(|op| {
            active.remove(op);
        });
    }
    energies_j
}

#[cfg(test)]
mod tests {
    use smaragdine_core::trace::{Flags, Kind};

    use super::*;

    /// Microjoules of A, B and Z at 1 W, read every `period_us`.
    fn energies(period_us: i64, events: &[(u32, i64, i64)]) -> Vec<f64> {
        let event = |(op, start, end): &(u32, i64, i64)| Event {
            op: *op,
            device: 0,
            lane: 0,
            kind: Kind::Compute,
            start_ns: start * 1000,
            end_ns: end * 1000,
            step: None,
            correlation: None,
        };
        let reading = |start_us: i64| Reading {
            domain: 0,
            start_ns: start_us * 1000,
            end_ns: (start_us + period_us) * 1000,
            edge_uncertainty_ns: None,
            read_start_ns: 0,
            read_end_ns: 0,
            energy_j: period_us as f64 * 1e-6,
            app_share: Some(1.0),
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE,
        };
        let readings: Vec<Reading> = (-1..2000 / period_us).map(|n| reading(n * period_us)).collect();
        let events: Vec<Event> = events.iter().map(event).collect();
        energies_j(3, &events, &readings).into_iter().map(|energy| (energy * 1e12).round() / 1e6).collect()
    }

    #[test]
    fn an_operation_that_ends_is_given_a_part_of_what_follows() {
        assert_eq!(energies(2000, &[(0, 0, 10), (1, 10, 20)])[0], 15.0);
        assert_eq!(energies(2000, &[(0, 0, 10), (1, 1000, 1010)])[0], 1000.0);
        assert_eq!(energies(100, &[(0, 0, 10), (1, 1000, 1010)])[0], 100.0);
        assert_eq!(energies(2000, &[(2, 20, 20), (0, 0, 20), (1, 1000, 1010)])[2], 980.0 / 2.0);
    }

    #[test]
    fn of_two_executions_at_once_the_second_ends_with_the_first() {
        // It runs alone until 12, and until 25 beside another.
        assert_eq!(energies(2000, &[(0, 0, 10), (0, 5, 25), (1, 12, 30)])[0], 12.0);
    }
}
