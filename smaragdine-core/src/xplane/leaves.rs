//! Resolves the nesting of one lane: at each instant only the innermost event works.

use super::RawEvent;

/// Cuts the events of one lane so that none contains or overlaps another.
///
/// An event keeps the time in which nothing nested in it runs: none, one piece, or several. Of two events that overlap
/// without nesting, which no profiler writes for one thread, the later one has the time both claim. Appends to `leaves`
/// in order of start; `events` is left sorted. O(n log n), O(n) where they are in order already.
pub(crate) fn resolve(events: &mut [RawEvent], leaves: &mut Vec<RawEvent>) {
    let key = |event: &RawEvent| (event.start_ns, std::cmp::Reverse(event.end_ns));
    if !events.is_sorted_by_key(key) {
        events.sort_by_key(key);
    }
    let first = leaves.len();
    let mut open: Vec<Open> = Vec::new();
    for &event in events.iter() {
        close(&mut open, event.start_ns, leaves);
        if let Some(parent) = open.last_mut() {
            parent.cut(event.start_ns, leaves);
            parent.whole = false;
        }
        open.push(Open { event, resumed_ns: event.start_ns, whole: true });
    }
    close(&mut open, i64::MAX, leaves);
    // A parent's last piece is known only after its children's.
    if !leaves[first..].is_sorted_by_key(|leaf| leaf.start_ns) {
        leaves[first..].sort_by_key(|leaf| leaf.start_ns);
    }
}

struct Open {
    event: RawEvent,
    /// What is before this is written already, or a child's.
    resumed_ns: i64,
    /// Nothing nested in it so far.
    whole: bool,
}

impl Open {
    /// Writes the piece that ends at `until_ns`.
    fn cut(&mut self, until_ns: i64, leaves: &mut Vec<RawEvent>) {
        let end_ns = until_ns.min(self.event.end_ns);
        // An event without length still counts as an execution; a piece without length does not.
        if end_ns > self.resumed_ns || (self.whole && end_ns == self.event.end_ns) {
            leaves.push(RawEvent { start_ns: self.resumed_ns, end_ns, ..self.event });
        }
        self.resumed_ns = self.resumed_ns.max(end_ns);
    }
}

/// Closes what has ended by `now_ns`, innermost first.
fn close(open: &mut Vec<Open>, now_ns: i64, leaves: &mut Vec<RawEvent>) {
    while open.last().is_some_and(|innermost| innermost.event.end_ns <= now_ns) {
        let Some(mut ended) = open.pop() else { return };
        ended.cut(i64::MAX, leaves);
        if let Some(parent) = open.last_mut() {
            parent.resumed_ns = parent.resumed_ns.max(ended.resumed_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::Kind;

    fn event(name: u32, start_ns: i64, end_ns: i64) -> RawEvent {
        RawEvent { name, device: 0, lane: 0, kind: Kind::Compute, start_ns, end_ns, correlation: None }
    }

    fn resolved(mut events: Vec<RawEvent>) -> Vec<(u32, i64, i64)> {
        let mut leaves = Vec::new();
        resolve(&mut events, &mut leaves);
        leaves.iter().map(|leaf| (leaf.name, leaf.start_ns, leaf.end_ns)).collect()
    }

    #[test]
    fn a_parent_keeps_the_time_around_its_children() {
        let events = vec![event(0, 0, 100), event(1, 10, 20), event(2, 20, 50), event(3, 30, 40)];
        assert_eq!(resolved(events), [(0, 0, 10), (1, 10, 20), (2, 20, 30), (3, 30, 40), (2, 40, 50), (0, 50, 100)]);
    }

    #[test]
    fn events_that_do_not_nest_stay_as_they_are() {
        assert_eq!(resolved(vec![event(1, 5, 9), event(0, 0, 5), event(2, 9, 9)]), [(0, 0, 5), (1, 5, 9), (2, 9, 9)]);
    }

    #[test]
    fn a_parent_filled_by_its_children_leaves_nothing() {
        assert_eq!(resolved(vec![event(0, 0, 10), event(1, 0, 4), event(2, 4, 10)]), [(1, 0, 4), (2, 4, 10)]);
    }

    #[test]
    fn of_two_that_overlap_without_nesting_the_later_has_the_time_both_claim() {
        let events = vec![event(0, 0, 60), event(1, 30, 57), event(2, 35, 60)];
        assert_eq!(resolved(events), [(0, 0, 30), (1, 30, 35), (2, 35, 60)]);
    }

    proptest! {
        #[test]
        fn leaves_cover_the_union_of_the_events_once(
            spans in proptest::collection::vec((0_i64..200, 1_i64..60), 0..40)
        ) {
            let events: Vec<_> =
                (0..).zip(&spans).map(|(name, &(start, length))| event(name, start, start + length)).collect();
            let mut covered = [false; 300];
            for event in &events {
                for instant in event.start_ns..event.end_ns {
                    covered[instant as usize] = true;
                }
            }
            let leaves = resolved(events);
            for pair in leaves.windows(2) {
                prop_assert!(pair[0].2 <= pair[1].1, "{pair:?} overlap");
            }
            let length: i64 = leaves.iter().map(|leaf| leaf.2 - leaf.1).sum();
            prop_assert_eq!(length, covered.iter().filter(|&&instant| instant).count() as i64);
        }
    }
}
