//! Operations, named when they are first met.

use rustc_hash::{FxHashMap, FxHashSet};

use super::leaf::Leaf;
use super::scopes::{Scope, Scopes};
use super::titles::Titles;
use crate::profiler::leaves::{LaneSpan, What, resolve};
use crate::profiler::{RawEvent, RawOp, Told};

/// The device whose lanes are threads.
const HOST: u16 = 0;

pub(super) struct Names<'a> {
    titles: &'a Titles,
    scopes: &'a Scopes,
    /// Scope, word and occurrence → number.
    numbers: FxHashMap<(u32, u32, u32), u32>,
    operations: Vec<RawOp>,
    /// By operation.
    works: Vec<Work>,
}

/// What the executions of an operation have in common, where shapes tell.
#[derive(Debug, Default)]
struct Work {
    /// Of each; `None`: they differ, or it is not known.
    flops: Option<f64>,
    /// On the host's threads.
    executions: FxHashSet<u32>,
    events: u32,
}

impl<'a> Names<'a> {
    pub(super) fn new(titles: &'a Titles, scopes: &'a Scopes) -> Self {
        Self { titles, scopes, numbers: FxHashMap::default(), operations: Vec::new(), works: Vec::new() }
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
            self.count(name, leaf, &leaves[leaf as usize], device);
            let LaneSpan { kind, start_ns, end_ns, correlation, .. } = span;
            Some(RawEvent { name, device, lane, kind, start_ns, end_ns, correlation })
        })
    }

    /// The number of the operation that a leaf executes.
    fn of_leaf(&mut self, leaf: &Leaf) -> u32 {
        let Self { titles, scopes, numbers, operations, works } = self;
        let word = titles.word(leaf.word);
        let scope = scopes.number(leaf.frame, leaf.at_ns, word);
        *numbers.entry((scope, leaf.word, leaf.occurrence)).or_insert_with(|| {
            let Scope { layer, prefix, phase } = scopes.get(scope);
            let qtn = format!("{prefix}/{}", leaf.named(word));
            let told = Told { qtn, layer: layer.clone(), phase: *phase };
            let (raw_name, kind) = (titles.raw(leaf.word).to_owned(), word.to_owned());
            operations.push(RawOp { raw_name, kind, told: Some(told), ..RawOp::default() });
            works.push(Work { flops: leaf.flops, ..Work::default() });
            operations.len() as u32 - 1
        })
    }

    /// An event of the execution `leaf`.
    fn count(&mut self, name: u32, number: u32, leaf: &Leaf, device: u16) {
        let work = &mut self.works[name as usize];
        work.events += 1;
        // Executions of several sizes have no number in common.
        work.flops = work.flops.filter(|_| work.flops == leaf.flops);
        if work.flops.is_some() && device == HOST {
            work.executions.insert(number);
        }
    }

    /// With their floating-point operations by event: an execution may be in several pieces, and on a GPU besides, and
    /// what is counted is events.
    pub(super) fn into_operations(mut self) -> Vec<RawOp> {
        for (operation, work) in self.operations.iter_mut().zip(&self.works) {
            let executions = work.executions.len();
            let of_all = work.flops.filter(|_| executions > 0).map(|flops| flops * executions as f64);
            operation.flops = of_all.map(|flops| flops / f64::from(work.events));
        }
        self.operations
    }
}
