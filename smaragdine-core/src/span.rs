//! Stretches of time: ordered, joined, and taken from each other.

use serde::{Deserialize, Serialize};

/// A stretch of time, in nanoseconds of whatever clock; in order of its start, then of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "(i64, i64)", into = "(i64, i64)")]
pub struct Span {
    pub start_ns: i64,
    pub end_ns: i64,
}

impl Span {
    #[must_use]
    pub fn new(start_ns: i64, end_ns: i64) -> Self {
        Self { start_ns, end_ns }
    }

    /// Whether the two have more in common than an instant.
    #[must_use]
    pub fn overlaps(&self, other: Self) -> bool {
        self.start_ns < other.end_ns && other.start_ns < self.end_ns
    }

    #[must_use]
    pub fn length_ns(&self) -> i64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// From start to end.
impl From<(i64, i64)> for Span {
    fn from((start_ns, end_ns): (i64, i64)) -> Self {
        Self { start_ns, end_ns }
    }
}

impl From<Span> for (i64, i64) {
    fn from(span: Span) -> Self {
        (span.start_ns, span.end_ns)
    }
}

/// In order of their start.
pub(crate) fn ordered(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut ordered: Vec<Span> = spans.into_iter().collect();
    ordered.sort_unstable();
    ordered
}

/// `spans` in order of their start, joined where they meet.
pub(crate) fn merged(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start_ns <= last.end_ns => last.end_ns = last.end_ns.max(span.end_ns),
            _ => merged.push(span),
        }
    }
    merged
}

/// The same without those that have no length.
pub(crate) fn joined(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    merged(spans.into_iter().filter(|span| span.start_ns < span.end_ns))
}

/// What of `spans` lies outside `others`; both in order and disjoint.
pub(crate) fn without(spans: &[Span], others: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    let mut first = 0;
    for mut span in spans.iter().copied() {
        while others.get(first).is_some_and(|other| other.end_ns <= span.start_ns) {
            first += 1;
        }
        for other in others[first..].iter().take_while(|other| other.start_ns < span.end_ns) {
            if span.start_ns < other.start_ns {
                left.push(Span { end_ns: other.start_ns, ..span });
            }
            span.start_ns = span.start_ns.max(other.end_ns);
        }
        if span.start_ns < span.end_ns {
            left.push(span);
        }
    }
    left
}

#[cfg(test)]
pub(crate) fn spans<const N: usize>(pairs: [(i64, i64); N]) -> Vec<Span> {
    pairs.map(Span::from).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_meet_are_one() {
        let apart = spans([(0, 10), (10, 20), (15, 17), (30, 30), (40, 50)]);
        assert_eq!(joined(apart.clone()), spans([(0, 20), (40, 50)]));
        assert_eq!(merged(apart), spans([(0, 20), (30, 30), (40, 50)]));
    }

    #[test]
    fn what_others_cover_is_taken_out() {
        let others = spans([(-5, 2), (4, 6), (9, 12), (30, 40)]);
        assert_eq!(without(&spans([(0, 10), (20, 25), (32, 35)]), &others), spans([(2, 4), (6, 9), (20, 25)]));
        assert_eq!(without(&spans([(0, 10)]), &[]), spans([(0, 10)]));
    }

    #[test]
    fn a_span_is_written_as_its_two_ends() {
        assert_eq!(serde_json::to_string(&Span::new(1, 2)).unwrap(), "[1,2]");
        assert_eq!(serde_json::from_str::<Span>("[1,2]").unwrap(), Span::new(1, 2));
    }
}
