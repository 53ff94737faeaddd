//! Which of a sampler's ticks are one listener's own.
//!
//! The sampler keeps the deadlines of the fastest. A slower listener takes the first tick at or after each of its own,
//! counted by deadlines rather than by when they were served, so that no jitter makes one come twice or never.

use crate::registers::sampler::batch::Tick;

#[derive(Debug)]
pub(super) struct Schedule {
    period_ns: i64,
    deadline_ns: i64,
    /// When its last tick was served.
    last_ns: i64,
}

/// A tick of the listener's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Of its own that no tick served.
    pub(super) missed: u64,
    pub(super) late_ns: i64,
    /// Since its tick before.
    pub(super) distance_ns: i64,
}

impl Schedule {
    /// `first`: the read with which it begins. Its deadlines are those of a sampler for it alone, or up to one of the
    /// sampler's periods sooner, so that they fall on deadlines of the sampler where they can.
    pub(super) fn new(period_ns: i64, first: &Tick) -> Self {
        let deadline_ns = first.next_ns.saturating_add(period_ns.saturating_sub(first.period_ns));
        Self { period_ns, deadline_ns, last_ns: first.at_ns }
    }

    pub(super) fn due(&mut self, tick: &Tick) -> Option<Due> {
        let behind_ns = tick.served_ns.checked_sub(self.deadline_ns).filter(|behind_ns| *behind_ns >= 0)?;
        let late_ns = tick.late_ns?.min(tick.at_ns - self.deadline_ns);
        let missed = behind_ns / self.period_ns;
        self.deadline_ns += (missed + 1) * self.period_ns;
        let distance_ns = tick.at_ns - std::mem::replace(&mut self.last_ns, tick.at_ns);
        Some(Due { missed: missed.unsigned_abs(), late_ns, distance_ns })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tick that serves every deadline of `period_ns` up to `at_ns`.
    fn tick(period_ns: i64, at_ns: i64) -> Tick {
        let served_ns = at_ns / period_ns * period_ns;
        let next_ns = served_ns + period_ns;
        Tick { served_ns, next_ns, period_ns, late_ns: Some(at_ns - served_ns), ..Tick::at(at_ns) }
    }

    proptest! {
        /// Whatever the periods and however late the sampler wakes, a listener has as many ticks as alone.
        #[test]
        fn a_slower_listener_has_a_tick_in_each_of_its_periods_and_misses_none(
            sampled_ns in 1_000..50_000_i64,
            slower in 1.0..9.0_f64,
            came_ns in 0..200_000_i64,
            jitter_ns in prop::collection::vec(0..900_i64, 400),
        ) {
            let period_ns = (sampled_ns as f64 * slower) as i64;
            let came = Tick { late_ns: None, ..tick(sampled_ns, came_ns) };
            let mut schedule = Schedule::new(period_ns, &came);
            let first_ns = schedule.deadline_ns;
            prop_assert!(first_ns <= came_ns + period_ns && first_ns > came_ns + period_ns - sampled_ns);
            let (mut ticks, mut last_ns) = (0, 0);
            for (number, jitter_ns) in (came_ns / sampled_ns + 1..).zip(jitter_ns) {
                let tick = tick(sampled_ns, number * sampled_ns + jitter_ns);
                last_ns = tick.served_ns;
                if let Some(due) = schedule.due(&tick) {
                    prop_assert_eq!((due.missed, due.late_ns), (0, jitter_ns));
                    ticks += 1;
                }
            }
            prop_assert_eq!(ticks, (last_ns - first_ns) / period_ns + 1);
        }

        /// Ticks that came and ticks that were missed are all that were due, whoever joins or stalls meanwhile.
        #[test]
        fn every_deadline_is_kept_or_missed_through_stalls_and_changes_of_the_samplers_period(
            changes in prop::collection::vec((1..=10_i64, 1..30_i64, prop::bool::weighted(0.1)), 1..200),
        ) {
            let period_ns = 10_000;
            let mut schedule = Schedule::new(period_ns, &Tick { late_ns: None, ..tick(period_ns, 0) });
            let (mut kept, mut missed, mut served_ns, mut stalled) = (0, 0, 0, false);
            for (thousands, ticks, stalls) in changes {
                let sampled_ns = thousands * 1_000;
                for _ in 0..ticks {
                    let passed = if stalls { 1 + 70_000 / sampled_ns } else { 1 };
                    stalled |= stalls;
                    served_ns += passed * sampled_ns;
                    let tick = Tick {
                        served_ns,
                        next_ns: served_ns + sampled_ns,
                        period_ns: sampled_ns,
                        late_ns: Some((passed - 1) * sampled_ns),
                        ..Tick::at(served_ns)
                    };
                    if let Some(due) = schedule.due(&tick) {
                        kept += 1;
                        missed += due.missed as i64;
                    }
                }
            }
            prop_assert_eq!(kept + missed, served_ns / period_ns);
            prop_assert!(stalled || missed == 0);
        }
    }

    #[test]
    fn a_read_because_others_come_or_go_is_no_tick() {
        let mut schedule = Schedule::new(4_000, &Tick { late_ns: None, ..tick(4_000, 0) });
        let others = |at_ns| Tick { late_ns: None, ..tick(4_000, at_ns) };
        assert_eq!(schedule.due(&others(1_000)), None);
        assert_eq!(schedule.due(&tick(4_000, 4_010)), Some(Due { missed: 0, late_ns: 10, distance_ns: 4_010 }));
        assert_eq!(schedule.due(&others(7_000)), None);
    }
}
