//! Operations, named when they are first met.

use rustc_hash::FxHashMap;

use super::leaf::Leaf;
use super::scopes::{Scope, Scopes};
use super::titles::Titles;
use crate::profiler::leaves::{LaneSpan, What, resolve};
use crate::profiler::{RawEvent, RawOp, Told};

pub(super) struct Names<'a> {
    titles: &'a Titles,
    scopes: &'a Scopes,
    /// Scope, word and occurrence → number.
    numbers: FxHashMap<(u32, u32, u32), u32>,
    operations: Vec<RawOp>,
}

impl<'a> Names<'a> {
    pub(super) fn new(titles: &'a Titles, scopes: &'a Scopes) -> Self {
        Self { titles, scopes, numbers: FxHashMap::default(), operations: Vec::new() }
    }

    /// Events of one lane, leaf work only, in order of time.
    pub(super) fn events<'s>(
        &'s mut self,
        leaves: &'s [Leaf],
        spans: &[LaneSpan],
        device: u16,
        lane: u32,
    ) -> impl Iterator<Item = RawEvent> + use<'s, 'a> {
        let mut resolved = Vec::new();
        resolve(&mut spans.to_vec(), &mut resolved);
        resolved.into_iter().filter_map(move |span| {
            let What::Operation(leaf) = span.what else { return None };
            let name = self.of_leaf(&leaves[leaf as usize]);
            let LaneSpan { kind, start_ns, end_ns, correlation, .. } = span;
            Some(RawEvent { name, device, lane, kind, start_ns, end_ns, correlation })
        })
    }

    /// The number of the operation that a leaf executes.
    fn of_leaf(&mut self, leaf: &Leaf) -> u32 {
        let Self { titles, scopes, numbers, operations } = self;
        let word = titles.word(leaf.word);
        let scope = scopes.number(leaf.frame, leaf.at_ns, word);
        *numbers.entry((scope, leaf.word, leaf.occurrence)).or_insert_with(|| {
            let Scope { layer, prefix, phase } = scopes.get(scope);
            let qtn = format!("{prefix}/{}", leaf.named(word));
            let told = Told { qtn, layer: layer.clone(), phase: *phase };
            let (raw_name, kind) = (titles.raw(leaf.word).to_owned(), word.to_owned());
            operations.push(RawOp { raw_name, kind, told: Some(told), ..RawOp::default() });
            operations.len() as u32 - 1
        })
    }

    pub(super) fn into_operations(self) -> Vec<RawOp> {
        self.operations
    }
}
