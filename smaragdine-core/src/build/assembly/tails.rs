//! What a recording that was cut off does not tell: a register that stood, or was not read, when it was.
//!
//! The sampler tells of those at its end, which such a recording has not.

use crate::trace::{Domain, Flag, Flags, Reading};

/// A gap for each counted register whose readings end long before the others', or are none.
///
/// `last` are readings by domain and time: the last of each is enough.
pub(super) fn tails(last: &[Reading], domains: &[Domain], start_ns: i64) -> Vec<Reading> {
    let Some(end_ns) = last.iter().map(|reading| reading.end_ns).max() else { return Vec::new() };
    let tail = |(number, domain): (u16, &Domain)| {
        let within_ns = domain.limit().moves_within_ns?;
        let place = last.partition_point(|reading| reading.domain <= number);
        let last = place.checked_sub(1).map(|place| last[place]).filter(|last| last.domain == number);
        let from_ns = last.map_or(start_ns, |last| last.end_ns);
        (end_ns.saturating_sub(from_ns) >= within_ns).then(|| Reading {
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
        })
    };
    (0..=u16::MAX).zip(domains).filter_map(tail).collect()
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
        let gaps = tails(&readings, &domains, 0);
        let told: Vec<_> = gaps.iter().map(|gap| (gap.domain, gap.start_ns / S, gap.end_ns / S)).collect();
        assert_eq!(told, [(1, 0, 4), (2, 2, 4)]);
        assert!(gaps.iter().all(|gap| gap.flags.has(Flag::Standing)));
        readings.extend(gaps);
        readings.sort_by_key(|reading| (reading.domain, reading.start_ns));
        assert_eq!(tails(&readings, &domains, 0), []);
    }
}
