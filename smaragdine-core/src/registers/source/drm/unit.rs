//! Whether an accumulator counts in the unit that it is documented to have.
//!
//! On some cards it does not (by factors of ten and a hundred), on others it stands still, and the second die of a card
//! with two shows nothing, for the first die's meter holds both. Nothing in the table tells; its power does.

use super::table::Table;

/// Power of some cards is a mean of up to a second, and load changes; wrong units are wrong by more.
const FACTOR: f64 = 3.0;

/// What was seen of one card.
#[derive(Debug, Default)]
pub(super) struct Check {
    first: Option<(i64, u64)>,
    last: Option<(i64, u64)>,
    powers: u32,
    power_w: f64,
    problem: Option<String>,
    read: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Right,
    /// The accumulator is not what it should be, and why; power is told.
    Power(String),
    /// There is no power to hold it against.
    Unchecked,
    /// The card tells nothing, and why.
    Silent(String),
}

impl Check {
    pub(super) fn see(&mut self, at_ns: i64, table: &Table) {
        self.read = true;
        if let Some(energy_uj) = table.energy_uj() {
            self.first.get_or_insert((at_ns, energy_uj));
            self.last = Some((at_ns, energy_uj));
        }
        if let Some(power_w) = table.power_w {
            self.powers += 1;
            self.power_w += power_w;
        }
    }

    pub(super) fn fail(&mut self, problem: String) {
        self.problem = Some(problem);
    }

    pub(super) fn verdict(&self) -> Verdict {
        let power_w = self.power_w / f64::from(self.powers.max(1));
        let counted_w = self.first.zip(self.last).and_then(|((from_ns, from_uj), (to_ns, to_uj))| {
            (to_ns > from_ns).then(|| (to_uj as f64 - from_uj as f64) * 1e3 / (to_ns - from_ns) as f64)
        });
        match (counted_w, power_w > 0.0) {
            _ if !self.read => Verdict::Silent(self.problem.clone().unwrap_or_default()),
            (Some(counted_w), true) if (power_w / FACTOR..=power_w * FACTOR).contains(&counted_w) => Verdict::Right,
            (Some(0.0), true) => Verdict::Power(format!(
                "its energy accumulator stands still while it draws {power_w:.0} W, so its power is integrated"
            )),
            (Some(counted_w), true) => Verdict::Power(format!(
                "its energy accumulator tells {counted_w:.3} W where its power is {power_w:.0} W, so its unit is not the \
                 documented one; its power is integrated"
            )),
            (None, true) => Verdict::Power("it has no energy accumulator, so its power is integrated".to_owned()),
            (Some(counted_w), false) if counted_w > 0.0 => Verdict::Unchecked,
            _ => Verdict::Silent(
                "it tells neither energy nor power; of a card with two dies the first die's meter may hold both"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quarter of a second of a card that counts `counted_w` and tells `power_w`.
    fn verdict(counted_w: Option<f64>, power_w: Option<f64>) -> Verdict {
        let mut check = Check::default();
        for look in 0..=10_i64 {
            let units = counted_w.map(|watts| (watts * look as f64 * 0.025 * 65_536.0) as u64 + 7_000_000);
            check.see(look * 25_000_000, &Table { energy: units, power_w, at_ns: None });
        }
        check.verdict()
    }

    #[test]
    fn an_accumulator_is_believed_where_its_power_agrees() {
        for (counted_w, power_w) in [(300.0, 300.0), (35.0, 90.0), (5.0, 3.0)] {
            assert_eq!(verdict(Some(counted_w), Some(power_w)), Verdict::Right, "{counted_w} W, {power_w} W");
        }
    }

    #[test]
    fn one_of_another_unit_or_that_stands_gives_way_to_power() {
        for (counted_w, said) in
            [(3.0, "documented"), (3_000.0, "documented"), (0.0, "stands still"), (4_577.0, "documented")]
        {
            let Verdict::Power(problem) = verdict(Some(counted_w), Some(300.0)) else { panic!("{counted_w} W") };
            assert!(problem.contains(said) && problem.contains("300 W"), "{problem}");
        }
        assert!(matches!(verdict(None, Some(40.0)), Verdict::Power(problem) if problem.contains("no energy")));
    }

    #[test]
    fn what_cannot_be_checked_is_not_right_and_what_shows_nothing_is_no_meter() {
        assert_eq!(verdict(Some(300.0), None), Verdict::Unchecked);
        assert_eq!(verdict(Some(300.0), Some(0.0)), Verdict::Unchecked);
        for (counted_w, power_w) in [(Some(0.0), Some(0.0)), (None, None), (Some(0.0), None), (None, Some(0.0))] {
            assert!(matches!(verdict(counted_w, power_w), Verdict::Silent(problem) if problem.contains("two dies")));
        }
        let mut unread = Check::default();
        unread.fail("cannot read it".to_owned());
        assert_eq!(unread.verdict(), Verdict::Silent("cannot read it".to_owned()));
    }
}
