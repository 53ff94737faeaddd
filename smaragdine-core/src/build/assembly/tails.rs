//! What a recording that was cut off does not tell: a register that stood, or was not read, when it was.
//!
//! The sampler tells of those at its end, which such a recording has not.

use crate::trace::{Domain, Flag, Flags, Reading};

/// Adds a gap to each counted register whose readings end long before the others', or are none.
///
/// `readings` are by domain and time, and stay so.
pub(super) fn complete(readings: &mut Vec<Reading>, domains: &[Domain], start_ns: i64) {
    let Some(end_ns) = readings.iter().map(|reading| reading.end_ns).max() else { return };
    for (number, domain) in (0..=u16::MAX).zip(domains) {
        let Some(within_ns) = domain.limit().moves_within_ns else { continue };
        let place = readings.partition_point(|reading| reading.domain <= number);
        let last = place.checked_sub(1).map(|place| readings[place]).filter(|last| last.domain == number);
        let from_ns = last.map_or(start_ns, |last| last.end_ns);
        if end_ns.saturating_sub(from_ns) >= within_ns {
            let gap = Reading {
                domain: number,
                start_ns: from_ns,
                end_ns,
                edge_uncertainty_ns: None,
                read_start_ns: end_ns,
                read_end_ns: end_ns,
                energy_j: 0.0,
                app_share: None,
                daemon_share: None,
                idle_share: None,
                flags: Flags::NONE.with(Flag::Standing),
            };
            readings.insert(place, gap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn a_register_that_told_nothing_to_the_end_is_unknown_from_its_last_reading() {
        let reading = |domain: u16, second: i64| Reading {
            domain,
            start_ns: second * S,
            end_ns: (second + 1) * S,
            edge_uncertainty_ns: None,
            read_start_ns: (second + 1) * S,
            read_end_ns: (second + 1) * S,
            energy_j: 40.0,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE,
        };
        let names = ["package-0", "dram-0", "package-1", "core-0"];
        let mut domains = names.map(|name| Domain::new(name, "CPU:0", "powercap", "socket:0"));
        domains[3].counted = false;
        let mut readings: Vec<Reading> = (0..4).map(|second| reading(0, second)).collect();
        readings.extend([reading(2, 0), reading(2, 1)]);
        complete(&mut readings, &domains, 0);
        let gaps = readings.iter().filter(|reading| reading.flags.has(Flag::Standing));
        let gaps: Vec<_> = gaps.map(|gap| (gap.domain, gap.start_ns / S, gap.end_ns / S)).collect();
        assert_eq!(gaps, [(1, 0, 4), (2, 2, 4)]);
        assert!(readings.is_sorted_by_key(|reading| (reading.domain, reading.start_ns)));
        let before = readings.len();
        complete(&mut readings, &domains, 0);
        assert_eq!(readings.len(), before);
    }
}
