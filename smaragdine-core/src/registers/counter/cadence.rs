//! When a register is updated, learnt from the reads between which it was.
//!
//! A register that is updated every 20 ms and read every 10 ms is seen to change between two reads, so each update is
//! known to 10 ms. Updates come at a steady pace, though, and reads fall ever elsewhere between them: what one pair of
//! reads leaves open, the next ones rule out. Kept is what no pair has ruled out, so a bound holds as long as the pace
//! does; where it does not, the bounds contradict each other, and less is concluded from then on.

use std::collections::VecDeque;

/// An update happened at one of the instants from `from_ns` to `to_ns`, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
}

impl Bounds {
    pub(super) fn middle_ns(self) -> i64 {
        self.from_ns + (self.to_ns - self.from_ns) / 2
    }

    /// How far the middle may be off.
    pub(super) fn uncertainty_ns(self) -> i64 {
        (self.to_ns - self.from_ns + 1) / 2
    }

    fn widened(self, by_ns: i64) -> Self {
        Self { from_ns: self.from_ns - by_ns, to_ns: self.to_ns + by_ns }
    }

    fn within(self, other: Self) -> Option<Self> {
        let both = Self { from_ns: self.from_ns.max(other.from_ns), to_ns: self.to_ns.min(other.to_ns) };
        (both.from_ns <= both.to_ns).then_some(both)
    }
}

/// Nanoseconds from one update to the next: at least, at most.
#[derive(Debug, Clone, Copy)]
struct Pace {
    least: f64,
    most: f64,
}

/// Which of a register's updates was seen.
enum Number {
    /// Its number, and when it is to be expected.
    Known(i64, Bounds),
    /// After a long silence it may be any of several.
    Unknown,
    /// None can have happened then.
    Contradicted,
}

/// How far back the pace is taken from: long enough to know it well, short enough that no clock has wandered.
const MEMORY: usize = 256;
/// As many updates in succession tell the pace to an eighth of what one pair of reads leaves open.
const SURE: usize = 16;
/// How unsteady updates are taken to be until they show worse.
const STEADY_NS: i64 = 10_000;
/// … and at worst: then nothing is concluded.
const UNSTEADIEST_NS: i64 = 1_000_000_000;

/// The updates of one register, as far as they are known.
#[derive(Debug, Clone)]
pub(super) struct Cadence {
    /// When the latest updates were due, by their number.
    known: VecDeque<(i64, Bounds)>,
    /// An update comes up to this much early or late.
    unsteady_ns: i64,
}

impl Cadence {
    pub(super) fn new() -> Self {
        Self { known: VecDeque::new(), unsteady_ns: STEADY_NS }
    }

    /// Takes the next update, which two reads saw happen within `seen`, and tells what is known of it.
    pub(super) fn learn(&mut self, seen: Bounds) -> Bounds {
        let width_ns = (seen.to_ns - seen.from_ns) as f64;
        if self.is_sure() && self.pace().is_some_and(|pace| width_ns > pace.least) {
            // More than one may have happened, and it is the last that counts.
            return seen;
        }
        let due = seen.widened(self.unsteady_ns);
        let known = match self.number(due) {
            Number::Known(number, expected) => expected.within(due).map(|due| (number, due)),
            Number::Contradicted => {
                // The pace has changed, or is less steady than was thought.
                self.unsteady_ns = (2 * self.unsteady_ns).min(UNSTEADIEST_NS);
                None
            }
            Number::Unknown => None,
        };
        if known.is_none() {
            self.known.clear();
        } else if self.known.len() == MEMORY {
            self.known.pop_front();
        }
        let known = known.unwrap_or((0, due));
        self.known.push_back(known);
        known.1.widened(self.unsteady_ns).within(seen).unwrap_or(seen)
    }

    /// An update went by without any read to bound it.
    pub(super) fn miss(&mut self) {
        if !self.is_sure() {
            self.known.clear();
        }
    }

    /// How far updates are apart, where that is known well.
    pub(super) fn update_ns(&self) -> Option<i64> {
        let pace = self.pace().filter(|_| self.is_sure())?;
        Some(((pace.least + pace.most) / 2.0) as i64)
    }

    /// The pace is known well enough to tell the next update from the one after it.
    fn is_sure(&self) -> bool {
        self.known.len() >= SURE
    }

    /// Which update was due within `due`: the next one, where it can be. Those that add nothing are not seen.
    fn number(&self, due: Bounds) -> Number {
        let Some((number, last)) = self.known.back().copied() else { return Number::Unknown };
        let Some(pace) = self.pace() else { return Number::Known(number + 1, due) };
        let fewest = ((due.from_ns - last.to_ns) as f64 / pace.most).ceil().max(1.0);
        let most = ((due.to_ns - last.from_ns) as f64 / pace.least).floor();
        if most < fewest {
            return Number::Contradicted;
        }
        if fewest > 1.0 && most > fewest {
            return Number::Unknown;
        }
        let expected = Bounds {
            from_ns: last.from_ns + (pace.least * fewest).floor() as i64,
            to_ns: last.to_ns + (pace.most * fewest).ceil() as i64,
        };
        Number::Known(number + fewest as i64, expected)
    }

    /// `None` before the second update.
    fn pace(&self) -> Option<Pace> {
        let ((first, from), (last, to)) = (*self.known.front()?, *self.known.back()?);
        let updates = (last - first) as f64;
        (last > first).then(|| Pace {
            least: (to.from_ns - from.to_ns).max(1) as f64 / updates,
            most: (to.to_ns - from.from_ns) as f64 / updates,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: f64 = 1e6;

    /// Updates every `pace_ns`, each late by a draw of `unsteady_ns`, read every `read_ns`: each true instant with what
    /// is known of it.
    fn watch(pace_ns: f64, unsteady_ns: f64, read_ns: f64, updates: u32) -> Vec<(i64, Bounds)> {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut cadence = Cadence::new();
        let update = |number: u32| {
            let at_ns = f64::from(number) * pace_ns + unsteady_ns * draw();
            let before = (at_ns / read_ns).floor() * read_ns;
            let seen = Bounds { from_ns: before as i64, to_ns: (before + read_ns) as i64 };
            (at_ns as i64, cadence.learn(seen))
        };
        (1..=updates).map(update).collect()
    }

    fn holds((at_ns, known): &(i64, Bounds)) -> bool {
        // Truncation of the simulated instants.
        (known.from_ns - 2..=known.to_ns + 2).contains(at_ns)
    }

    proptest! {
        #[test]
        fn no_update_of_a_steady_register_lies_outside_its_bounds(
            pace_ms in 15.0..120.0f64,
            unsteady_ns in 0.0..8e3f64,
            part in 0.1..0.55f64,
        ) {
            let known = watch(pace_ms * MS, unsteady_ns, part * pace_ms * MS, 600);
            prop_assert!(known.iter().all(holds));
        }
    }

    #[test]
    fn bounds_narrow_where_reads_fall_ever_elsewhere_and_stay_where_they_do_not() {
        let typical_ns = |pace_ms: f64, read_ms: f64| {
            let known = watch(pace_ms * MS, 1e3, read_ms * MS, 600);
            let mut widths: Vec<i64> = known[300..].iter().map(|(_, known)| known.uncertainty_ns()).collect();
            widths.sort_unstable();
            widths[widths.len() / 2]
        };
        assert!(typical_ns(20.0, 9.7) < 200_000, "{}", typical_ns(20.0, 9.7));
        assert!(typical_ns(100.0, 9.7) < 500_000, "{}", typical_ns(100.0, 9.7));
        assert_eq!(typical_ns(20.0, 10.0), 5_000_000);
    }

    #[test]
    fn updates_seen_now_and_then_teach_nothing() {
        let mut cadence = Cadence::new();
        for number in 0..100 {
            let seen = Bounds { from_ns: number * 500_000_000, to_ns: number * 500_000_000 + 5_000_000 };
            assert_eq!(cadence.learn(seen), seen);
            cadence.miss();
        }
        assert_eq!(cadence.update_ns(), None);
    }

    #[test]
    fn how_far_updates_are_apart_is_known_once_enough_were_seen() {
        let mut cadence = Cadence::new();
        let mut learn = |updates: std::ops::Range<i64>| {
            for update in updates {
                let read = update * 20_000_000 / 9_700_000;
                cadence.learn(Bounds { from_ns: read * 9_700_000, to_ns: (read + 1) * 9_700_000 });
            }
            cadence.update_ns()
        };
        assert_eq!(learn(1..SURE as i64), None);
        let known_ns = learn(SURE as i64..200).expect("two hundred updates");
        // The first and the last of them are known to half the distance of reads.
        assert!((known_ns - 20_000_000).abs() <= 9_700_000 / 198, "{known_ns}");
    }

    #[test]
    fn a_stall_in_which_several_updates_happened_is_not_taken_for_one() {
        let mut cadence = Cadence::new();
        let seen = |read: i64| Bounds { from_ns: read * 9_700_000, to_ns: (read + 1) * 9_700_000 };
        for update in 1..=100 {
            cadence.learn(seen(update * 20_000_000 / 9_700_000));
        }
        let stall = Bounds { from_ns: 2_001_000_000, to_ns: 2_050_000_000 };
        assert_eq!(cadence.learn(stall), stall);
        let known = cadence.learn(seen(2_060_000_000 / 9_700_000));
        assert!(
            (known.middle_ns() - 2_060_000_000).abs() <= known.uncertainty_ns() && known.uncertainty_ns() < 1_000_000
        );
    }

    #[test]
    fn an_unsteady_register_teaches_to_conclude_less() {
        let known = watch(20.0 * MS, 2.0 * MS, 9.7 * MS, 2_000);
        let held = known[500..].iter().filter(|update| holds(update)).count();
        assert!(held as f64 > 0.97 * 1_500.0, "{held} of 1500");
    }
}
