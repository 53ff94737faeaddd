//! Energy from power, for meters that know no energy.

use super::Value;
use crate::trace::{Flag, Flags, Limit};

/// Integrates the values of one power meter, taking power to go straight from one to the next.
#[derive(Debug)]
pub(crate) struct Integral {
    limit: Limit,
    /// When power was last read, and how much it was; `None`: it could not be read.
    last: Option<(i64, Option<f64>)>,
    failed: bool,
    /// What lies between values further apart is a gap.
    longest_ns: Option<i64>,
}

impl Integral {
    /// Of a meter that can show no more, and no less, than `limit` says.
    pub(crate) fn within(limit: Limit) -> Self {
        Self { limit, last: None, failed: false, longest_ns: None }
    }

    /// For a meter that takes values whether they are read or not: only their distance shows that some are missing.
    pub(crate) fn with_gaps_beyond(self, longest_ns: i64) -> Self {
        Self { longest_ns: Some(longest_ns), ..self }
    }

    pub(crate) fn limit(&self) -> Limit {
        self.limit
    }

    /// Energy since the last value, with its flags; none at the first, nor of a value that is no later.
    ///
    /// Power that was not read cannot be integrated: what lies between the values around a failure is a gap. Power that
    /// cannot be was not read.
    pub(crate) fn add(&mut self, end_ns: i64, power_w: f64) -> Option<(Value, Flags)> {
        if self.last.is_some_and(|(last_ns, _)| end_ns <= last_ns) {
            return None;
        }
        if !self.limit.allows(power_w) {
            self.fail(end_ns);
            let most_w = self.limit.power_w;
            let problem = format!("{power_w} W are not what it meters can draw: more than 0 and at most {most_w} W");
            return Some((Value::Failed { problem }, Flags::NONE.with(Flag::Impossible)));
        }
        let failed = std::mem::take(&mut self.failed);
        let (start_ns, last_w) = self.last.replace((end_ns, Some(power_w)))?;
        let flags = Flags::NONE.with(Flag::Integrated);
        let is_far = self.longest_ns.is_some_and(|longest_ns| end_ns - start_ns > longest_ns);
        let Some(last_w) = last_w.filter(|_| !failed && !is_far) else {
            return Some((Value::Interval { start_ns, end_ns, energy_j: 0.0 }, flags.with(Flag::Lost)));
        };
        let energy_j = (last_w + power_w) / 2.0 * (end_ns - start_ns) as f64 / 1e9;
        Some((Value::Interval { start_ns, end_ns, energy_j }, flags))
    }

    /// The meter could not be read.
    pub(crate) fn fail(&mut self, at_ns: i64) {
        self.failed = true;
        self.last.get_or_insert((at_ns, None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn integral() -> Integral {
        let limit = Limit { power_w: 1_000.0, stale_ns: 0, moves_within_ns: None, is_always_on: true };
        Integral::within(limit)
    }

    fn integrated() -> Flags {
        Flags::NONE.with(Flag::Integrated)
    }

    fn known(start_ns: i64, end_ns: i64, energy_j: f64) -> Option<(Value, Flags)> {
        Some((Value::Interval { start_ns, end_ns, energy_j }, integrated()))
    }

    fn gap(start_ns: i64, end_ns: i64) -> Option<(Value, Flags)> {
        Some((Value::Interval { start_ns, end_ns, energy_j: 0.0 }, integrated().with(Flag::Lost)))
    }

    #[test]
    fn a_failure_leaves_a_gap_from_the_last_value_to_the_next() {
        let mut integral = integral();
        assert_eq!(integral.add(0, 100.0), None);
        assert_eq!(integral.add(S, 200.0), known(0, S, 150.0));
        integral.fail(2 * S);
        integral.fail(5 * S / 2);
        assert_eq!(integral.add(3 * S, 200.0), gap(S, 3 * S));
        assert_eq!(integral.add(7 * S / 2, 200.0), known(3 * S, 7 * S / 2, 100.0));
    }

    #[test]
    fn a_failure_before_the_first_value_leaves_a_gap_from_there_on() {
        let mut integral = integral();
        integral.fail(S);
        integral.fail(2 * S);
        assert_eq!(integral.add(3 * S, 100.0), gap(S, 3 * S));
        assert_eq!(integral.add(4 * S, 100.0), known(3 * S, 4 * S, 100.0));
    }

    #[test]
    fn power_that_cannot_be_was_not_read() {
        for impossible_w in [4_294_967.295, 1_000.5, 0.0, -90.0, f64::NAN, f64::INFINITY] {
            let mut integral = integral();
            let mut fails = |at_ns| {
                let (value, flags) = integral.add(at_ns, impossible_w).expect("a failure");
                assert!(matches!(value, Value::Failed { .. }) && flags.has(Flag::Impossible), "{value:?}");
            };
            fails(0);
            fails(S);
            assert_eq!(integral.add(2 * S, 90.0), gap(0, 2 * S), "{impossible_w} W");
            integral.add(3 * S, impossible_w);
            assert_eq!(integral.add(4 * S, 90.0), gap(2 * S, 4 * S), "{impossible_w} W");
            assert_eq!(integral.add(5 * S, 1_000.0), known(4 * S, 5 * S, 545.0));
        }
    }

    #[test]
    fn values_too_far_apart_leave_a_gap_between_them() {
        let mut integral = integral().with_gaps_beyond(S / 4);
        integral.add(0, 100.0);
        assert_eq!(integral.add(S / 4, 100.0), known(0, S / 4, 25.0));
        assert_eq!(integral.add(S / 2 + 1, 100.0), gap(S / 4, S / 2 + 1));
    }

    #[test]
    fn a_value_that_is_no_later_than_the_last_adds_nothing() {
        let mut integral = integral();
        integral.add(S, 100.0);
        assert_eq!(integral.add(S, 300.0), None);
        assert_eq!(integral.add(S / 2, 300.0), None);
        assert_eq!(integral.add(2 * S, 100.0), known(S, 2 * S, 100.0));
    }
}
