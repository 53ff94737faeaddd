//! Stretches that programs name themselves.

use rustc_hash::FxHashMap;

use super::Assembly;
use super::events::map;
use crate::clock::ClockPair;
use crate::trace::NamedSpan;
use crate::wire::v1;

/// What is longer is cut off.
const LONGEST: usize = 200;

/// Spans by the numbers that streams give them, until all are known.
#[derive(Default)]
pub(super) struct ToldSpans {
    /// Each with its stream, and that stream's numbers of it and of the one around it.
    told: Vec<(u64, u32, Option<u32>, NamedSpan)>,
}

impl Assembly {
    pub(super) fn add_span(&mut self, stream: u64, told: v1::NamedSpan, pair: ClockPair) {
        let start_ns = map(self.clock(), told.clock, told.start_ns, pair);
        let end_ns = map(self.clock(), told.clock, told.end_ns, pair);
        if !self.bounds(pair).hold(start_ns, end_ns) {
            return self.warn("a span that ended before it started, or lies beyond the recording, was left out");
        }
        let name = told.name.chars().take(LONGEST).collect();
        let known = |count: u64| Some(count).filter(|count| *count > 0);
        let (tokens, requests) = (known(told.tokens), known(told.requests));
        let span = NamedSpan { span: 0, name, parent: None, start_ns, end_ns, tokens, requests };
        self.told_spans.told.push((stream, told.span, told.parent, span));
    }

    /// Numbers all by their start, the longer first: what is around another comes before it.
    pub(super) fn number_spans(&mut self) {
        let mut told = std::mem::take(&mut self.told_spans).told;
        told.sort_by_key(|(.., span)| (span.start_ns, std::cmp::Reverse(span.end_ns)));
        let numbers: FxHashMap<(u64, u32), u32> =
            told.iter().zip(0..).map(|((stream, own, ..), number)| ((*stream, *own), number)).collect();
        self.trace.spans = told
            .into_iter()
            .zip(0..)
            .map(|((stream, _, parent, span), number)| {
                let parent = parent.and_then(|parent| numbers.get(&(stream, parent)).copied());
                NamedSpan { span: number, parent: parent.filter(|parent| *parent != number), ..span }
            })
            .collect();
    }
}
