//! What a meter told, as energy between its own stamps.

use super::feed::{Said, Told};
use crate::registers::source::power::Integral;
use crate::registers::source::{Observation, Value};
use crate::trace::{Flag, Flags, Limit};

/// Values of power further apart have a gap between them: the slowest strips tell once a minute.
const LONGEST_NS: i64 = 90_000_000_000;

#[derive(Debug)]
pub(super) struct Tally {
    limit: Limit,
    power: Integral,
    /// The last energy, and when it was.
    energy: Option<(i64, f64)>,
    /// Something that was told since is no value.
    failed: bool,
}

impl Tally {
    pub(super) fn new(limit: Limit) -> Self {
        Self { limit, power: Integral::within(limit).with_gaps_beyond(LONGEST_NS), energy: None, failed: false }
    }

    pub(super) fn add(&mut self, domain: u16, said: Said) -> Option<Observation> {
        let at_ns = said.at_ns;
        let (value, flags) = match said.told {
            Ok(Told::Power(power_w)) => self.power.add(at_ns, power_w)?,
            Ok(Told::Energy(energy_j)) => self.difference(at_ns, energy_j)?,
            Err(problem) => {
                self.power.fail(at_ns);
                self.failed = true;
                (Value::Failed { problem }, Flags::NONE)
            }
        };
        Some(Observation { domain, read_start_ns: at_ns, read_end_ns: at_ns, value: value.sampled(), flags })
    }

    /// A count that falls started again; one that rises by more than any machine draws tells nothing.
    fn difference(&mut self, end_ns: i64, energy_j: f64) -> Option<(Value, Flags)> {
        let (start_ns, last_j) = self.energy.replace((end_ns, energy_j))?;
        let failed = std::mem::take(&mut self.failed);
        let (more_j, seconds) = (energy_j - last_j, (end_ns - start_ns) as f64 * 1e-9);
        let flags = if failed { Flags::NONE.with(Flag::Failed) } else { Flags::NONE };
        let doubt = if more_j < 0.0 {
            Some(Flag::Reset)
        } else if more_j > self.limit.power_w * seconds {
            Some(Flag::Impossible)
        } else {
            None
        };
        let (energy_j, flags) = doubt.map_or((more_j, flags), |doubt| (0.0, flags.with(doubt)));
        Some((Value::Interval { start_ns, end_ns, energy_j }, flags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Domain;

    const S: i64 = 1_000_000_000;

    /// Joules and flags of each interval that follows the first value.
    fn tell(told: &[(i64, Result<Told, &str>)]) -> Vec<(f64, Vec<&'static str>)> {
        let domain = Domain { counted: false, ..Domain::new("wall", "CPU:0", "meter", "") };
        let mut tally = Tally::new(domain.limit());
        let observations = told.iter().filter_map(|(at_s, told)| {
            let told = (*told).map_err(str::to_owned);
            tally.add(0, Said { at_ns: at_s * S, told })
        });
        let known = observations.filter_map(|observation| match observation.value {
            Value::Sampled { energy_j, .. } => Some((energy_j, observation.flags.iter().map(Flag::name).collect())),
            _ => None,
        });
        known.collect()
    }

    #[test]
    fn energy_is_the_difference_of_counts_and_power_is_integrated() {
        assert_eq!(tell(&[(0, Ok(Told::Energy(5.0))), (2, Ok(Told::Energy(205.0)))]), [(200.0, vec![])]);
        let power = [(0, Ok(Told::Power(100.0))), (2, Ok(Told::Power(200.0)))];
        assert_eq!(tell(&power), [(300.0, vec!["integrated"])]);
    }

    #[test]
    fn a_failure_is_covered_by_a_count_and_a_gap_of_power() {
        let failed = |value: fn(f64) -> Told| [(0, Ok(value(100.0))), (1, Err("no answer")), (2, Ok(value(200.0)))];
        assert_eq!(tell(&failed(Told::Energy)), [(100.0, vec!["failed"])]);
        assert_eq!(tell(&failed(Told::Power)), [(0.0, vec!["integrated", "lost"])]);
    }

    #[test]
    fn what_no_machine_draws_is_no_energy() {
        let counts = [(0, 5.0), (1, 90_000.0), (2, 90_100.0), (3, 300.0)].map(|(at_s, j)| (at_s, Ok(Told::Energy(j))));
        assert_eq!(tell(&counts), [(0.0, vec!["impossible"]), (100.0, vec![]), (0.0, vec!["reset"])]);
        for power_w in [0.0, -5.0, 65_535_000.0, f64::NAN] {
            let told = [(0, Ok(Told::Power(100.0))), (1, Ok(Told::Power(power_w))), (2, Ok(Told::Power(100.0)))];
            assert_eq!(tell(&told), [(0.0, vec!["integrated", "lost"])], "{power_w} W");
        }
    }

    #[test]
    fn power_that_is_told_too_rarely_has_gaps_between_its_values() {
        assert_eq!(tell(&[(0, Ok(Told::Power(9.0))), (91, Ok(Told::Power(9.0)))]), [(0.0, vec!["integrated", "lost"])]);
    }
}
