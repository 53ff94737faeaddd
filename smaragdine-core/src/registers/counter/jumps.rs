//! Jumps of a register, and what undoes what.
//!
//! A register that shows too much for a while rises and falls by the same; one that shows too little falls and rises.
//! Of either only one side may be strange enough to be seen by itself: a rise of 20 J is nothing that a socket cannot do
//! in 20 ms. The fall is always seen, and says how much the rise was.

/// Jumps of either kind that are remembered; more at once are no register any more.
const MOST: usize = 8;
/// Energies that were counted at once and are remembered: what jumped is among the largest.
const MOST_COUNTS: usize = 16;

/// A fall fits a rise well if it is less by no more than this part of it.
const CLOSELY: u64 = 8;

/// Energies in microjoules.
#[derive(Debug, Clone)]
pub(super) struct Jumps {
    /// The largest that were counted, each with its number among all.
    counts: Vec<(u64, u64)>,
    counted: u64,
    /// Rises that were not counted, and falls.
    rises: Vec<Jump>,
    falls: Vec<Jump>,
}

/// `hidden`: by how much more, of a fall, or less, of a rise, the register may have been moved: what was drawn meanwhile
/// hid it.
#[derive(Debug, Clone, Copy)]
struct Jump {
    by: u64,
    hidden: u64,
}

impl Jumps {
    pub(super) fn new() -> Self {
        // Sampling allocates nothing.
        Self {
            counts: Vec::with_capacity(MOST_COUNTS),
            counted: 0,
            rises: Vec::with_capacity(MOST),
            falls: Vec::with_capacity(MOST),
        }
    }

    /// Takes an energy that was counted.
    pub(super) fn count(&mut self, rise: u64) {
        self.counted += 1;
        let count = (rise, self.counted);
        if self.counts.len() < MOST_COUNTS {
            self.counts.push(count);
        } else if let Some(least) = self.counts.iter_mut().min()
            && least.0 < rise
        {
            *least = count;
        }
    }

    /// Whether a fall can be the end of what began with a rise that was counted: the latest that was as large, of which
    /// less is certain from now on.
    pub(super) fn undoes_a_count(&mut self, by: u64, hidden: u64) -> bool {
        let latest = self.counts.iter_mut().filter(|(rise, _)| *rise >= by).max_by_key(|(_, number)| *number);
        let Some((rise, _)) = latest else { return false };
        *rise = rise.saturating_sub(by.saturating_add(hidden));
        true
    }

    fn can_undo_a_count(&self, by: u64) -> bool {
        self.counts.iter().any(|(rise, _)| *rise >= by)
    }

    /// Remembers a rise that was not counted.
    pub(super) fn rose(&mut self, by: u64, hidden: u64) {
        push(&mut self.rises, Jump { by, hidden });
    }

    /// Remembers a fall that no rise before it explains.
    pub(super) fn fell(&mut self, by: u64, hidden: u64) {
        push(&mut self.falls, Jump { by, hidden });
    }

    /// Whether a fall is the end of what began with a rise that was not counted. Each rise ends once.
    ///
    /// Where a rise that was counted may have begun it as well, only one that fits well is taken.
    pub(super) fn undoes_a_rise(&mut self, by: u64, hidden: u64) -> bool {
        let most_hidden = if self.can_undo_a_count(by) { by / CLOSELY } else { u64::MAX };
        let fits = |rise: &Jump| {
            let hidden = rise.hidden.saturating_add(hidden).min(most_hidden);
            (rise.by.saturating_sub(hidden)..=rise.by).contains(&by)
        };
        let place = self.rises.iter().rposition(fits);
        place.map(|place| self.rises.remove(place)).is_some()
    }

    /// What of a rise was certainly drawn, if it can be the end of what began with a fall. Each fall ends once.
    pub(super) fn certain_after_a_fall(&mut self, rise: u64) -> Option<u64> {
        let fitting = self.falls.iter().enumerate().filter(|(_, fall)| fall.by <= rise);
        let (place, _) = fitting.max_by_key(|(_, fall)| fall.by)?;
        let fall = self.falls.remove(place);
        Some(rise.saturating_sub(fall.by.saturating_add(fall.hidden)))
    }
}

fn push(jumps: &mut Vec<Jump>, jump: Jump) {
    if jumps.len() == MOST {
        jumps.remove(0);
    }
    jumps.push(jump);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_undoes_the_largest_fall_that_is_not_larger_than_it_and_each_once() {
        let mut jumps = Jumps::new();
        jumps.fell(5, 1);
        jumps.fell(50, 2);
        assert_eq!(jumps.certain_after_a_fall(4), None);
        assert_eq!(jumps.certain_after_a_fall(7), Some(1));
        assert_eq!(jumps.certain_after_a_fall(51), Some(0));
        assert_eq!(jumps.certain_after_a_fall(51), None);
    }

    #[test]
    fn a_fall_undoes_a_rise_by_as_much_and_each_once() {
        let mut jumps = Jumps::new();
        jumps.rose(702, 8);
        assert!(!jumps.undoes_a_rise(703, 8) && !jumps.undoes_a_rise(685, 8));
        assert!(jumps.undoes_a_rise(695, 8));
        assert!(!jumps.undoes_a_rise(695, 8));
    }

    #[test]
    fn a_fall_that_a_count_explains_undoes_no_rise_that_fits_badly() {
        let mut jumps = Jumps::new();
        jumps.rose(75, 34);
        jumps.count(20);
        assert!(!jumps.undoes_a_rise(19, 34));
        assert!(jumps.undoes_a_rise(70, 34));
    }

    #[test]
    fn a_fall_undoes_the_latest_count_that_was_as_large_and_each_once() {
        let mut jumps = Jumps::new();
        [30, 20, 3].into_iter().for_each(|rise| jumps.count(rise));
        // What is small and common forgets nothing that is large.
        (0..1_000).for_each(|_| jumps.count(1));
        assert!(jumps.undoes_a_count(19, 5));
        assert!(jumps.undoes_a_count(19, 5));
        assert!(!jumps.undoes_a_count(19, 5));
        assert!(jumps.undoes_a_count(6, 0));
        assert!(jumps.counts.len() == MOST_COUNTS && jumps.counts.capacity() == MOST_COUNTS);
    }

    #[test]
    fn the_jumps_that_are_remembered_are_bounded() {
        let mut jumps = Jumps::new();
        (0..100).for_each(|by| jumps.fell(by, 0));
        assert_eq!((jumps.falls.len(), jumps.falls.capacity()), (MOST, MOST));
        assert_eq!(jumps.certain_after_a_fall(91), None);
        assert_eq!(jumps.certain_after_a_fall(92), Some(0));
    }
}
