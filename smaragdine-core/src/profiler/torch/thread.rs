//! Threads walked in order of time: frames open and close, operations run in them.

use rustc_hash::FxHashMap;

use super::document::{Category, Document, Record};
use super::frames::{Frames, NONE};
use super::launches::{Launcher, Launches, waits};
use super::names::Names;
use super::title::Title;
use super::titles::Titles;
use crate::profiler::RawEvent;
use crate::profiler::leaves::{LaneSpan, What, resolve};
use crate::trace::Kind as Activity;

/// Operations of one name in one frame that are told apart; further ones share a name.
pub(super) const MOST_NUMBERED: u32 = 64;

/// What an operation is, whoever's scope its frame is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) frame: u32,
    /// [`Titles::word`]
    pub(super) word: u32,
    /// How many of its name ran in the frame before it.
    pub(super) occurrence: u32,
    pub(super) at_ns: i64,
}

#[derive(Debug, Default)]
pub(super) struct Threads {
    pub(super) leaves: Vec<Leaf>,
    /// By record: its leaf, or [`NONE`].
    pub(super) leaf_of: Vec<u32>,
    /// By thread, spans of leaves.
    spans: Vec<Vec<LaneSpan>>,
}

/// What is open on a thread.
#[derive(Clone, Copy)]
struct Open {
    end_ns: i64,
    frame: u32,
    /// The operation around, within the frame.
    leaf: u32,
}

impl Threads {
    pub(super) fn walk(
        document: &Document,
        lanes: &[Vec<u32>],
        titles: &Titles,
        frames: &mut Frames,
        launches: &mut Launches,
    ) -> Self {
        let mut threads = Self { leaf_of: vec![NONE; document.records.len()], ..Self::default() };
        let mut counts: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut open: Vec<Open> = Vec::new();
        for lane in lanes {
            open.clear();
            let mut spans = Vec::new();
            for &number in lane {
                let record = &document.records[number as usize];
                while open.last().is_some_and(|innermost| innermost.end_ns <= record.start_ns) {
                    open.pop();
                }
                let around = open.last().copied().unwrap_or(Open { end_ns: i64::MAX, frame: NONE, leaf: NONE });
                if record.category == Category::Call {
                    let launcher = Launcher { frame: around.frame, leaf: around.leaf, at_ns: record.start_ns };
                    launches.add(record, launcher);
                    if around.leaf != NONE && waits(document.names[record.name as usize]) {
                        spans.push(span(around.leaf, Activity::Wait, record));
                    }
                    continue;
                }
                let at = (record.thread, record.start_ns, record.sequence);
                let own = frames.open(titles, record.name, at, around.frame);
                let frame = own.unwrap_or(around.frame);
                let title = titles.title(record.name);
                let works = match title {
                    Title::Operation { .. } => record.category == Category::Operation,
                    Title::Node { .. } => true,
                    _ => false,
                };
                if !works {
                    if let Some(frame) = own {
                        spans.push(LaneSpan { what: What::Nothing, ..span(NONE, Activity::Compute, record) });
                        open.push(Open { end_ns: record.end_ns, frame, leaf: NONE });
                    }
                    continue;
                }
                let word = titles.word_of(record.name);
                if own.is_none() && around.leaf != NONE && record.end_ns <= around.end_ns {
                    let serves = matches!(title, Title::Operation { serves: true, .. });
                    if serves || threads.leaves[around.leaf as usize].word == word {
                        // It is a part of that one, whose time it is already.
                        threads.leaf_of[number as usize] = around.leaf;
                        continue;
                    }
                }
                let numbers = frames.get(frame).is_some_and(|frame| frame.numbers);
                let occurrence = if numbers {
                    let count = counts.entry((frame, word)).or_default();
                    *count = (*count + 1).min(MOST_NUMBERED);
                    *count - 1
                } else {
                    0
                };
                let leaf = threads.leaves.len() as u32;
                threads.leaves.push(Leaf { frame, word, occurrence, at_ns: record.start_ns });
                threads.leaf_of[number as usize] = leaf;
                spans.push(span(leaf, Activity::Compute, record));
                open.push(Open { end_ns: record.end_ns, frame, leaf });
            }
            threads.spans.push(spans);
        }
        threads
    }

    /// Of all threads, leaf work only, in order of lane and time.
    pub(super) fn events(&self, names: &mut Names) -> Vec<RawEvent> {
        let mut events = Vec::new();
        let mut resolved = Vec::new();
        for (lane, spans) in (0..).zip(&self.spans) {
            resolved.clear();
            resolve(&mut spans.clone(), &mut resolved);
            for leaf in &resolved {
                let What::Operation(number) = leaf.what else { continue };
                let name = names.of_leaf(&self.leaves[number as usize]);
                let LaneSpan { kind, start_ns, end_ns, .. } = *leaf;
                events.push(RawEvent { name, device: 0, lane, kind, start_ns, end_ns, correlation: None });
            }
        }
        events
    }
}

fn span(leaf: u32, kind: Activity, record: &Record) -> LaneSpan {
    let Record { start_ns, end_ns, .. } = *record;
    LaneSpan { what: What::Operation(leaf), kind, start_ns, end_ns, correlation: None }
}
