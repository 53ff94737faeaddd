//! What ran when: how long operations of a kind had run up to any instant.

use rustc_hash::FxHashMap;

use super::{Problem, union};
use crate::trace::{Event, Op};

/// Types of operations that are told apart, those that run longest.
const MOST_TYPES: usize = 16;

/// How long operations of one kind ran up to any instant, in nanoseconds from an origin.
pub(super) struct Course {
    /// From here on, so many run; up to here they ran for so long.
    changes: Vec<(f64, f64, f64)>,
}

impl Course {
    fn of(spans: Vec<(i64, i64)>, origin_ns: i64) -> Self {
        let mut edges: Vec<(i64, f64)> =
            spans.into_iter().flat_map(|(start, end)| [(start, 1.0), (end, -1.0)]).collect();
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

    pub(super) fn until_s(&self, at_ns: f64) -> f64 {
        let later = self.changes.partition_point(|change| change.0 <= at_ns);
        let Some((since_ns, running, time_s)) = later.checked_sub(1).map(|last| self.changes[last]) else { return 0.0 };
        time_s + running * (at_ns - since_ns) * 1e-9
    }
}

/// The course of anything running at all, and those of the types that run longest.
pub(super) fn courses(problem: &Problem, origin_ns: i64) -> Vec<Course> {
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
            spans[place].push((event.start_ns, event.end_ns));
        }
    }
    [union(problem.events)].into_iter().chain(spans).map(|spans| Course::of(spans, origin_ns)).collect()
}
