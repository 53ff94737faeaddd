//! Which forward operation made a node of autograd's.
//!
//! The last that started with the node's sequence number, among operations that make nodes. Each thread counts by
//! itself: where several have one number, Kineto's arrows (`fwdbwd`) tell which.

use rustc_hash::FxHashMap;

use super::document::{Category, Document};
use super::frames::{Frames, Kind, NONE};
use super::thread::Threads;

#[derive(Debug, Clone, Copy)]
struct Made {
    start_ns: i64,
    leaf: u32,
    thread: u32,
    /// Operations of other threads have the number, too.
    elsewhere: bool,
}

#[derive(Debug, Default)]
pub(super) struct Partners {
    made: FxHashMap<u64, Made>,
    /// Start and leaf of the first operation with a number.
    first: FxHashMap<u64, (i64, u32)>,
    /// Thread and start of a backward operation → leaf of the forward one.
    arrows: FxHashMap<(u32, i64), u32>,
}

impl Partners {
    pub(super) fn of(document: &Document, threads: &Threads, frames: &Frames) -> Self {
        let mut made: FxHashMap<u64, Made> = FxHashMap::default();
        let mut first: FxHashMap<u64, (i64, u32)> = FxHashMap::default();
        let mut elsewhere = false;
        for (record, &leaf) in document.records.iter().zip(&threads.leaf_of) {
            if record.sequence == 0 || record.backward || record.category != Category::Operation || leaf == NONE {
                continue;
            }
            // What passes on what other processes sent makes no nodes, on a thread that counts by itself.
            let frame = frames.get(threads.leaves[leaf as usize].frame);
            if frame.is_some_and(|frame| frame.kind == Kind::Together { exchanges: true }) {
                continue;
            }
            let own = (record.start_ns, leaf);
            first.entry(record.sequence).and_modify(|known| *known = own.min(*known)).or_insert(own);
            let new = Made { start_ns: record.start_ns, leaf, thread: record.thread, elsewhere: false };
            made.entry(record.sequence)
                .and_modify(|known| {
                    let both = known.elsewhere || known.thread != record.thread;
                    elsewhere |= both;
                    if known.start_ns <= new.start_ns {
                        *known = new;
                    }
                    known.elsewhere = both;
                })
                .or_insert(new);
        }
        let arrows = if elsewhere { arrows(document, threads) } else { FxHashMap::default() };
        Self { made, first, arrows }
    }

    /// A leaf of the graph behind a node that was made before any of its operations ran, as TorchScript does: they have
    /// the number that follows, for they make no nodes. [`NONE`] where it is not known.
    pub(super) fn of_graph(&self, sequence: u64) -> u32 {
        let next = sequence.wrapping_add(1);
        let here = self.made.get(&next).is_some_and(|made| sequence != 0 && !made.elsewhere);
        self.first.get(&next).filter(|_| here).map_or(NONE, |&(_, leaf)| leaf)
    }

    /// The leaf of the forward operation behind a node that runs there and then; [`NONE`] where it is not known.
    pub(super) fn of_node(&self, sequence: u64, thread: u32, start_ns: i64) -> u32 {
        let Some(made) = self.made.get(&sequence).filter(|_| sequence != 0) else { return NONE };
        if !made.elsewhere {
            return made.leaf;
        }
        self.arrows.get(&(thread, start_ns)).copied().unwrap_or(NONE)
    }
}

fn arrows(document: &Document, threads: &Threads) -> FxHashMap<(u32, i64), u32> {
    let places: FxHashMap<(u32, i64), u32> = document
        .records
        .iter()
        .zip(&threads.leaf_of)
        .filter(|(record, leaf)| record.sequence != 0 && !record.backward && **leaf != NONE)
        .map(|(record, &leaf)| ((record.thread, record.start_ns), leaf))
        .collect();
    let starts = document.arrows.iter().filter(|end| end.starts);
    let sources: FxHashMap<u64, u32> =
        starts.filter_map(|end| Some((end.id, *places.get(&(end.thread, end.at_ns))?))).collect();
    let ends = document.arrows.iter().filter(|end| !end.starts);
    ends.filter_map(|end| Some(((end.thread, end.at_ns), *sources.get(&end.id)?))).collect()
}
