//! Resolves the nesting of one lane: at each instant only the innermost span works.

use crate::span::Span;
use crate::trace::Kind;

/// A stretch of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneSpan {
    pub(crate) what: What,
    pub(crate) kind: Kind,
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    pub(crate) correlation: Option<u64>,
}

/// What a span executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Index into the profile's operations.
    Operation(u32),
    /// Several operations as one: index into the decoder's own table of kernels.
    Several(u32),
    /// Nothing by itself: what is nested in it works.
    Nothing,
}

impl LaneSpan {
    /// Spans in this order have each before those nested in it.
    pub(crate) fn order(&self) -> (i64, std::cmp::Reverse<i64>) {
        (self.start_ns, std::cmp::Reverse(self.end_ns))
    }
}

/// Cuts the spans of one lane so that none contains or overlaps another.
///
/// A span keeps the time in which nothing nested in it runs: none, one piece, or several. Of two spans that overlap
/// without nesting, which no profiler writes for one thread, the later one has the time both claim. Appends to `leaves`
/// in order of start; `spans` is left sorted. O(n log n), O(n) where they are in order already.
pub(crate) fn resolve(spans: &mut [LaneSpan], leaves: &mut Vec<LaneSpan>) {
    if !spans.is_sorted_by_key(LaneSpan::order) {
        spans.sort_by_key(LaneSpan::order);
    }
    let first = leaves.len();
    let mut open: Vec<Open> = Vec::new();
    for &span in spans.iter() {
        close(&mut open, span.start_ns, leaves);
        if let Some(parent) = open.last_mut() {
            parent.cut(span.start_ns, leaves);
            parent.whole = false;
        }
        open.push(Open { span, resumed_ns: span.start_ns, whole: true });
    }
    close(&mut open, i64::MAX, leaves);
    // A parent's last piece is known only after its children's.
    if !leaves[first..].is_sorted_by_key(|leaf| leaf.start_ns) {
        leaves[first..].sort_by_key(|leaf| leaf.start_ns);
    }
}

struct Open {
    span: LaneSpan,
    /// What is before this is written already, or a child's.
    resumed_ns: i64,
    /// Nothing nested in it so far.
    whole: bool,
}

impl Open {
    /// Writes the piece that ends at `until_ns`.
    fn cut(&mut self, until_ns: i64, leaves: &mut Vec<LaneSpan>) {
        let end_ns = until_ns.min(self.span.end_ns);
        // A span without length still counts as an execution; a piece without length does not.
        let executed = end_ns > self.resumed_ns || (self.whole && end_ns == self.span.end_ns);
        if executed && self.span.what != What::Nothing {
            leaves.push(LaneSpan { start_ns: self.resumed_ns, end_ns, ..self.span });
        }
        self.resumed_ns = self.resumed_ns.max(end_ns);
    }
}

/// Closes what has ended by `now_ns`, innermost first.
fn close(open: &mut Vec<Open>, now_ns: i64, leaves: &mut Vec<LaneSpan>) {
    while open.last().is_some_and(|innermost| innermost.span.end_ns <= now_ns) {
        let Some(mut ended) = open.pop() else { return };
        ended.cut(i64::MAX, leaves);
        if let Some(parent) = open.last_mut() {
            parent.resumed_ns = parent.resumed_ns.max(ended.resumed_ns);
        }
    }
}

/// For each of `instants`, in order of time, the innermost of the intervals around it: an index into `intervals`, which
/// are in the order of [`LaneSpan::order`].
pub(crate) fn innermost(intervals: &[Span], instants: impl Iterator<Item = i64>) -> Vec<Option<usize>> {
    let mut open: Vec<usize> = Vec::new();
    let mut next = 0;
    let around = |instant: i64| {
        while let Some(&Span { start_ns, .. }) = intervals.get(next).filter(|interval| interval.start_ns <= instant) {
            while open.last().is_some_and(|&last| intervals[last].end_ns <= start_ns) {
                open.pop();
            }
            open.push(next);
            next += 1;
        }
        while open.last().is_some_and(|&last| intervals[last].end_ns <= instant) {
            open.pop();
        }
        open.last().copied()
    };
    instants.map(around).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::span::spans;

    fn span(what: What, start_ns: i64, end_ns: i64) -> LaneSpan {
        LaneSpan { what, kind: Kind::Compute, start_ns, end_ns, correlation: None }
    }

    fn event(name: u32, start_ns: i64, end_ns: i64) -> LaneSpan {
        span(What::Operation(name), start_ns, end_ns)
    }

    fn resolved(mut spans: Vec<LaneSpan>) -> Vec<(u32, i64, i64)> {
        let mut leaves = Vec::new();
        resolve(&mut spans, &mut leaves);
        let name = |leaf: &LaneSpan| match leaf.what {
            What::Operation(name) => name,
            other => panic!("{other:?} does not work"),
        };
        leaves.iter().map(|leaf| (name(leaf), leaf.start_ns, leaf.end_ns)).collect()
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

    #[test]
    fn what_is_nothing_by_itself_hides_what_is_around_it() {
        let spans = vec![event(0, 0, 100), span(What::Nothing, 20, 80), event(1, 30, 40)];
        assert_eq!(resolved(spans), [(0, 0, 20), (1, 30, 40), (0, 80, 100)]);
    }

    #[test]
    fn the_innermost_interval_is_the_last_to_start_of_those_that_last() {
        let intervals = spans([(0, 100), (10, 50), (20, 30), (60, 70)]);
        let around = innermost(&intervals, [5, 10, 25, 30, 49, 50, 65, 100].into_iter());
        assert_eq!(around, [Some(0), Some(1), Some(2), Some(1), Some(1), Some(0), Some(3), None]);
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
