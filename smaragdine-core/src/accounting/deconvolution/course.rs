//! What ran when: how long operations of a kind had run up to any instant.

use rustc_hash::FxHashMap;

use super::{Problem, union};
use crate::span::Span;
use crate::trace::{Event, Op};

/// Types of operations that are told apart, those that run longest.
const MOST_TYPES: usize = 16;

/// How long operations of one kind ran up to any instant, in nanoseconds from an origin.
pub(in crate::accounting) struct Course {
    /// From here on, so many run; up to here they ran for so long.
    changes: Vec<(f64, f64, f64)>,
}

impl Course {
    fn of(spans: Vec<Span>, origin_ns: i64) -> Self {
        let mut edges: Vec<(i64, f64)> =
            spans.into_iter().flat_map(|span| [(span.start_ns, 1.0), (span.end_ns, -1.0)]).collect();
        edges.sort_unstable_by_key(|edge| edge.0);
        let (mut time_s, mut running, mut last_ns) = (0.0, 0.0, 0.0);
        let change = |(at_ns, by): (i64, f64)| {
            let at_ns = at_ns.saturating_sub(origin_ns) as f64;
            time_s += running * (at_ns - last_ns) * 1e-9;
            (running, last_ns) = (running + by, at_ns);
            (at_ns, running, time_s)
        };
        Self { changes: edges.into_iter().map(change).collect() }
    }

    /// Seconds up to an instant; `near` is where the last one was found, and where this one is from now on.
    pub(in crate::accounting) fn until_s(&self, at_ns: f64, near: &mut usize) -> f64 {
        *near = self.later(at_ns, *near);
        let Some((since_ns, running, time_s)) = near.checked_sub(1).map(|last| self.changes[last]) else { return 0.0 };
        time_s + running * (at_ns - since_ns) * 1e-9
    }

    /// The number of the first change after `at_ns`, looked for ever farther from `near`: instants come in order, so it
    /// is mostly close by.
    fn later(&self, at_ns: f64, near: usize) -> usize {
        let is_past = |number: usize| self.changes.get(number).is_some_and(|change| change.0 <= at_ns);
        // All before `from` are past, and none from `to` on is.
        let (mut from, mut to, mut step) = (0, self.changes.len(), 1);
        if is_past(near) {
            from = near + 1;
            while is_past(near + step) {
                from = near + step + 1;
                step *= 2;
            }
            to = to.min(near + step);
        } else {
            to = to.min(near);
            while let Some(number) = near.checked_sub(step) {
                if is_past(number) {
                    from = number + 1;
                    break;
                }
                to = to.min(number);
                step *= 2;
            }
        }
        from + self.changes[from..to].partition_point(|change| change.0 <= at_ns)
    }
}

/// The course of anything running at all, and those of the types that run longest.
pub(in crate::accounting) fn courses(problem: &Problem, origin_ns: i64) -> Vec<Course> {
    let length_ns = |event: &Event| event.end_ns.saturating_sub(event.start_ns) as f64;
    let drawing = || problem.events.iter().filter(|event| event.draws());
    let mut times: FxHashMap<&str, f64> = FxHashMap::default();
    for event in drawing() {
        *times.entry(problem.ops.get(event.op as usize).map_or("", |op| &op.kind)).or_default() += length_ns(event);
    }
    let mut longest: Vec<(&str, f64)> = times.into_iter().collect();
    longest.sort_unstable_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    longest.truncate(MOST_TYPES);
    let place = |op: &Op| longest.iter().position(|(kind, _)| *kind == op.kind);
    let places: Vec<Option<usize>> = problem.ops.iter().map(place).collect();
    let mut spans = vec![Vec::new(); longest.len()];
    for event in drawing() {
        if let Some(place) = places.get(event.op as usize).copied().flatten() {
            spans[place].push(event.span());
        }
    }
    [union(problem.events)].into_iter().chain(spans).map(|spans| Course::of(spans, origin_ns)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_instant_is_found_wherever_it_is_looked_for_first(
            lengths in prop::collection::vec((0..5i64, 0..5i64), 0..30),
            at_ns in -3.0..160.0f64,
            near in 0..80usize,
        ) {
            let mut end_ns = 0;
            let spans: Vec<Span> = lengths
                .into_iter()
                .map(|(pause_ns, length_ns)| {
                    let start_ns = end_ns + pause_ns;
                    end_ns = start_ns + length_ns;
                    Span { start_ns, end_ns }
                })
                .collect();
            let course = Course::of(spans.clone(), 0);
            let ran_s: f64 =
                spans.iter().map(|span| (at_ns.min(span.end_ns as f64) - span.start_ns as f64).max(0.0) * 1e-9).sum();
            let mut found = near;
            // Nanoseconds are summed in another order.
            prop_assert!((course.until_s(at_ns, &mut found) - ran_s).abs() < 1e-20);
            prop_assert_eq!(found, course.changes.partition_point(|change| change.0 <= at_ns));
        }
    }
}
