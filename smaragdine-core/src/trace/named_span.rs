//! What a program names itself.

use crate::span::Span;

/// A stretch of the program's own: `prefill`, `decode`, `pause`. Spans may nest and overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedSpan {
    /// Its number, from 0 in the order of starts.
    pub span: u32,
    pub name: String,
    /// The number of the span around it.
    pub parent: Option<u32>,
    pub start_ns: i64,
    pub end_ns: i64,
    /// Processed or made within it.
    pub tokens: Option<u64>,
    /// Served together within it.
    pub requests: Option<u64>,
}

impl NamedSpan {
    /// The instants at its start and at its end, between which energy is to be told.
    #[must_use]
    pub fn edges(&self) -> [Span; 2] {
        [self.start_ns, self.end_ns].map(|at_ns| Span { start_ns: at_ns, end_ns: at_ns.saturating_add(1) })
    }
}
