//! The ends of what is active, soonest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An instant and the slot of what ends then.
pub(super) type End = (i64, u32);

/// How many ends are kept in order by insertion; beyond it moving them costs more than a heap does.
const NEAR: usize = 64;

/// A priority queue made for what programs do: few lanes active at once, ends that mostly come in order.
/// The soonest ends stand sorted in `near`, from `head` on; all others, none sooner, in the heap `far`.
#[derive(Default)]
pub(super) struct Ends {
    near: Vec<End>,
    head: usize,
    far: BinaryHeap<Reverse<End>>,
}

impl Ends {
    /// The soonest end's instant; later than any instant where nothing is active.
    #[inline]
    pub(super) fn soonest_ns(&self) -> i64 {
        // `near` is refilled whenever it empties, so `far` needs no look.
        self.near.get(self.head).map_or(i64::MAX, |end| end.0)
    }

    #[inline]
    pub(super) fn push(&mut self, end: End) {
        if self.far.peek().is_some_and(|Reverse(soonest)| *soonest < end) {
            self.far.push(Reverse(end));
            return;
        }
        if self.head >= NEAR {
            self.near.drain(..self.head);
            self.head = 0;
        }
        let mut place = self.near.len();
        self.near.push(end);
        while place > self.head && self.near[place - 1] > end {
            self.near[place] = self.near[place - 1];
            place -= 1;
        }
        self.near[place] = end;
        if self.near.len() - self.head > NEAR
            && let Some(latest) = self.near.pop()
        {
            self.far.push(Reverse(latest));
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<End> {
        let end = *self.near.get(self.head)?;
        self.head += 1;
        if self.head == self.near.len() {
            self.near.clear();
            self.head = 0;
            for _ in 0..NEAR / 2 {
                let Some(Reverse(end)) = self.far.pop() else { break };
                self.near.push(end);
            }
        }
        Some(end)
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        let far = self.far.iter().map(|Reverse(end)| end.1);
        self.near[self.head..].iter().map(|end| end.1).chain(far)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Ends, NEAR};

    proptest! {
        #[test]
        fn the_soonest_end_comes_first_however_many_there_are(
            instants in prop::collection::vec(prop::option::weighted(0.7, 0..1000i64), 0..1500),
        ) {
            let (mut ends, mut expected) = (Ends::default(), BTreeSet::new());
            for (slot, instant) in (0u32..).zip(instants) {
                if let Some(instant) = instant {
                    ends.push((instant, slot));
                    expected.insert((instant, slot));
                } else {
                    prop_assert_eq!(ends.pop(), expected.pop_first());
                }
                // What was taken leaves its room, however long something stays active.
                prop_assert!(ends.near.len() <= 2 * NEAR + 1);
                prop_assert_eq!(ends.soonest_ns(), expected.first().map_or(i64::MAX, |end| end.0));
            }
            let (mut left, mut slots) = (ends.slots().collect::<Vec<_>>(), expected.iter().map(|end| end.1).collect::<Vec<_>>());
            left.sort_unstable();
            slots.sort_unstable();
            prop_assert_eq!(left, slots);
        }
    }
}
