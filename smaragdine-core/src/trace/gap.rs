//! Stretches whose energy is unknown, with what is certain of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Domain, Flag, Flags, Reading, Suspension};

/// As many are listed in `trace.json`; the readings hold all.
const MOST_LISTED: usize = 1_000;
/// How long after a suspend every source has noticed it.
const NOTICED_NS: i64 = 1_000_000_000;

/// A stretch of one domain whose energy, or whose energy it is, is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Name of the domain.
    pub domain: String,
    pub start_ns: i64,
    pub end_ns: i64,
    /// What was certainly drawn.
    pub energy_low_j: f64,
    /// What at most can have been drawn: from a wrapping register whole ranges more, otherwise the most that a part of
    /// this kind draws.
    pub energy_high_j: f64,
    /// The flags of its readings.
    #[schemars(with = "Vec<Flag>")]
    pub because: Vec<String>,
}

/// The gaps among `readings`, which are by domain and time; neighbours of one kind are one gap.
#[must_use]
pub fn gaps(domains: &[Domain], readings: &[Reading], suspensions: &[Suspension]) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    // Its domain, and why it is a gap.
    let mut last: Option<(u16, Flags)> = None;
    for reading in readings {
        let Some(domain) = domains.get(usize::from(reading.domain)).filter(|_| reading.flags.is_gap()) else {
            last = None;
            continue;
        };
        let (low_j, high_j) = (reading.energy_j, most_j(domain, reading, suspensions));
        let full = gaps.len() == MOST_LISTED;
        match gaps.last_mut() {
            Some(gap) if last == Some((reading.domain, reading.flags.doubts())) && gap.end_ns == reading.start_ns => {
                gap.end_ns = reading.end_ns;
                gap.energy_low_j += low_j;
                gap.energy_high_j += high_j;
                gap.add(reading.flags);
            }
            _ if full => break,
            _ => gaps.push(Gap {
                domain: domain.name.clone(),
                start_ns: reading.start_ns,
                end_ns: reading.end_ns,
                energy_low_j: low_j,
                energy_high_j: high_j,
                because: reading.flags.iter().map(|flag| flag.name().to_owned()).collect(),
            }),
        }
        last = Some((reading.domain, reading.flags.doubts()));
    }
    gaps
}

impl Gap {
    fn add(&mut self, flags: Flags) {
        for name in flags.iter().map(Flag::name) {
            if !self.because.iter().any(|known| known == name) {
                self.because.push(name.to_owned());
            }
        }
    }
}

fn most_j(domain: &Domain, reading: &Reading, suspensions: &[Suspension]) -> f64 {
    // Each source notices a suspend at its own next tick.
    let within = |suspension: &&Suspension| {
        reading.flags.has(Flag::Suspended)
            && (reading.start_ns..reading.read_end_ns + NOTICED_NS).contains(&suspension.at_ns)
    };
    let suspended_ns: i64 = suspensions.iter().filter(within).map(|suspension| suspension.suspended_ns).sum();
    let seconds = reading.end_ns.saturating_sub(reading.start_ns).saturating_add(suspended_ns) as f64 * 1e-9;
    let drawable_j = (domain.limit().power_w * seconds).max(reading.energy_j);
    match domain.range_uj {
        Some(range_uj) if reading.flags.has(Flag::Ambiguous) => {
            let range_j = range_uj as f64 * 1e-6;
            reading.energy_j + ((drawable_j - reading.energy_j) / range_j).floor() * range_j
        }
        _ => drawable_j,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn domain(range_uj: Option<u64>) -> Domain {
        Domain { range_uj, ..Domain::new("package-0", "CPU:0", "powercap", "socket:0") }
    }

    fn reading(start_s: i64, end_s: i64, energy_j: f64, flags: &[Flag]) -> Reading {
        Reading {
            domain: 0,
            start_ns: start_s * S,
            end_ns: end_s * S,
            edge_uncertainty_ns: None,
            read_start_ns: end_s * S,
            read_end_ns: end_s * S,
            energy_j,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: flags.iter().fold(Flags::NONE, |flags, flag| flags.with(*flag)),
        }
    }

    #[test]
    fn neighbours_of_one_kind_are_one_gap_and_what_is_known_between_them_parts_them() {
        let reset = |start_s, end_s| reading(start_s, end_s, 5.0, &[Flag::Reset]);
        let readings = [reset(0, 1), reset(1, 2), reading(2, 3, 100.0, &[Flag::Wrap]), reset(3, 4), reset(5, 6)];
        let gaps = gaps(&[domain(None)], &readings, &[]);
        let stretches: Vec<_> = gaps.iter().map(|gap| (gap.start_ns / S, gap.end_ns / S, gap.energy_low_j)).collect();
        assert_eq!(stretches, [(0, 2, 10.0), (3, 4, 5.0), (5, 6, 5.0)]);
        assert_eq!((gaps[0].energy_high_j, gaps[0].because.as_slice()), (4_000.0, ["reset".to_owned()].as_slice()));
    }

    #[test]
    fn an_ambiguous_difference_is_whole_ranges_more_or_none() {
        let readings = [reading(0, 1, 50.0, &[Flag::Ambiguous])];
        let gaps = gaps(&[domain(Some(300_000_000))], &readings, &[]);
        // 2000 W for a second allow for six further wraps of 300 J.
        assert_eq!((gaps[0].energy_low_j, gaps[0].energy_high_j), (50.0, 1_850.0));
    }

    #[test]
    fn what_may_have_been_drawn_while_suspended_counts() {
        let readings = [reading(0, 1, 50.0, &[Flag::Suspended])];
        let suspensions = [Suspension { at_ns: S + 5, suspended_ns: 9 * S }];
        let gaps = gaps(&[domain(None)], &readings, &suspensions);
        assert_eq!((gaps[0].energy_low_j, gaps[0].energy_high_j), (50.0, 20_000.0));
    }
}
