//! Energy from power, for meters that know no energy.

use super::Value;
use crate::trace::{Flag, Flags};

/// Integrates the values of one power meter, taking power to go straight from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Integral {
    /// When power was last read, and how much it was.
    last: Option<(i64, f64)>,
    failed: bool,
    /// What lies between values further apart is a gap.
    longest_ns: Option<i64>,
}

impl Integral {
    /// For a meter that takes values whether they are read or not: only their distance shows that some are missing.
    pub(crate) fn with_gaps_beyond(longest_ns: i64) -> Self {
        Self { longest_ns: Some(longest_ns), ..Self::default() }
    }

    /// Energy since the last value, with its flags; none at the first, nor of a value that is no later.
    ///
    /// Power that was not read cannot be integrated: what lies between the values around a failure is a gap.
    pub(crate) fn add(&mut self, end_ns: i64, power_w: f64) -> Option<(Value, Flags)> {
        if self.last.is_some_and(|(last_ns, _)| end_ns <= last_ns) {
            return None;
        }
        let failed = std::mem::take(&mut self.failed);
        let (start_ns, last_w) = self.last.replace((end_ns, power_w))?;
        let flags = Flags::NONE.with(Flag::Integrated);
        if failed || self.longest_ns.is_some_and(|longest_ns| end_ns - start_ns > longest_ns) {
            return Some((Value::Interval { start_ns, end_ns, energy_j: 0.0 }, flags.with(Flag::Lost)));
        }
        let energy_j = (last_w + power_w) / 2.0 * (end_ns - start_ns) as f64 / 1e9;
        Some((Value::Interval { start_ns, end_ns, energy_j }, flags))
    }

    /// The meter could not be read.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start_ns: i64, end_ns: i64, energy_j: f64) -> Value {
        Value::Interval { start_ns, end_ns, energy_j }
    }

    #[test]
    fn a_failure_leaves_a_gap_from_the_last_value_to_the_next() {
        let mut integral = Integral::default();
        let integrated = Flags::NONE.with(Flag::Integrated);
        integral.fail();
        assert_eq!(integral.add(0, 100.0), None);
        assert_eq!(integral.add(1_000_000_000, 200.0), Some((interval(0, 1_000_000_000, 150.0), integrated)));
        integral.fail();
        integral.fail();
        let gap = interval(1_000_000_000, 3_000_000_000, 0.0);
        assert_eq!(integral.add(3_000_000_000, 200.0), Some((gap, integrated.with(Flag::Lost))));
        let next = interval(3_000_000_000, 3_500_000_000, 100.0);
        assert_eq!(integral.add(3_500_000_000, 200.0), Some((next, integrated)));
    }

    #[test]
    fn values_too_far_apart_leave_a_gap_between_them() {
        let mut integral = Integral::with_gaps_beyond(250_000_000);
        let integrated = Flags::NONE.with(Flag::Integrated);
        integral.add(0, 100.0);
        assert_eq!(integral.add(250_000_000, 100.0), Some((interval(0, 250_000_000, 25.0), integrated)));
        let gap = interval(250_000_000, 500_000_001, 0.0);
        assert_eq!(integral.add(500_000_001, 100.0), Some((gap, integrated.with(Flag::Lost))));
    }

    #[test]
    fn a_value_that_is_no_later_than_the_last_adds_nothing() {
        let mut integral = Integral::default();
        integral.add(1_000_000_000, 100.0);
        assert_eq!(integral.add(1_000_000_000, 300.0), None);
        assert_eq!(integral.add(500_000_000, 300.0), None);
        let next = interval(1_000_000_000, 2_000_000_000, 100.0);
        assert_eq!(integral.add(2_000_000_000, 100.0), Some((next, Flags::NONE.with(Flag::Integrated))));
    }
}
