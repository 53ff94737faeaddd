//! Fewer readings of the same energy, where there is no room for all.

use crate::trace::{Flag, Reading};

/// Merges each two neighbouring readings of a domain into one. Energy is kept, so are flags; a hole is never bridged.
pub(super) fn merge_neighbours(readings: &mut Vec<Reading>) {
    let domains = readings.iter().map(|reading| usize::from(reading.domain) + 1).max().unwrap_or(0);
    // The single reading of each domain, by its place in `merged`, that still waits for its neighbour.
    let mut waiting: Vec<Option<usize>> = vec![None; domains];
    let mut merged: Vec<Reading> = Vec::with_capacity(readings.len() / 2 + domains);
    for reading in readings.drain(..) {
        let waits = &mut waiting[usize::from(reading.domain)];
        match waits.take().map(|place| &mut merged[place]).filter(|first| first.end_ns == reading.start_ns) {
            Some(first) => {
                first.end_ns = reading.end_ns;
                first.read_start_ns = reading.read_start_ns;
                first.read_end_ns = reading.read_end_ns;
                first.energy_j += reading.energy_j;
                first.edge_uncertainty_ns =
                    first.edge_uncertainty_ns.zip(reading.edge_uncertainty_ns).map(|(start, end)| start.max(end));
                first.flags = first.flags.union(reading.flags).with(Flag::Merged);
            }
            None => {
                *waits = Some(merged.len());
                merged.push(reading);
            }
        }
    }
    *readings = merged;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::Flags;

    fn reading(domain: u16, start_ns: i64, end_ns: i64) -> Reading {
        Reading {
            domain,
            start_ns,
            end_ns,
            edge_uncertainty_ns: None,
            read_start_ns: end_ns - 1,
            read_end_ns: end_ns + 1,
            energy_j: (end_ns - start_ns) as f64,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE,
        }
    }

    proptest! {
        /// Energy in every stretch that one reading covers afterwards is what it was before.
        #[test]
        fn merging_halves_readings_and_keeps_energy(
            steps in prop::collection::vec((0..3_u16, 1..1_000_i64, prop::bool::weighted(0.02)), 0..300),
        ) {
            let mut ends = [0; 3];
            let mut holes = 0;
            let before: Vec<Reading> = steps
                .iter()
                .map(|(domain, length, hole)| {
                    let end = &mut ends[usize::from(*domain)];
                    *end += if *hole { 10 } else { 0 };
                    holes += usize::from(*hole);
                    *end += length;
                    reading(*domain, *end - length, *end)
                })
                .collect();
            let mut after = before.clone();
            merge_neighbours(&mut after);
            prop_assert!(after.len() <= before.len() / 2 + 3 + holes);
            for merged in &after {
                let within = before.iter().filter(|reading| {
                    reading.domain == merged.domain
                        && merged.start_ns <= reading.start_ns
                        && reading.end_ns <= merged.end_ns
                });
                // Lengths are energies here, so this also says that no hole was bridged.
                prop_assert_eq!(within.map(|reading| reading.energy_j).sum::<f64>(), merged.energy_j);
                prop_assert_eq!(merged.energy_j, (merged.end_ns - merged.start_ns) as f64);
            }
        }
    }
}
