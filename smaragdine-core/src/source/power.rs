//! Energy from power, for meters that know no energy.

use super::Value;
use crate::trace::{Flag, Flags};

/// Integrates the values of one power meter, taking power to go straight from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Integral {
    /// When power was last read, and how much it was.
    last: Option<(i64, f64)>,
    failed: bool,
}

impl Integral {
    /// Energy since the last value, with its flags; none at the first.
    ///
    /// Power that was not read cannot be integrated: what lies between the values around a failure is a gap.
    pub(crate) fn add(&mut self, end_ns: i64, power_w: f64) -> Option<(Value, Flags)> {
        let failed = std::mem::take(&mut self.failed);
        let (start_ns, last_w) = self.last.replace((end_ns, power_w))?;
        let flags = Flags::NONE.with(Flag::Integrated);
        if failed {
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
}
