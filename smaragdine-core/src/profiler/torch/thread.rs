//! Threads walked in order of time: frames open and close, operations run in them.

use rustc_hash::FxHashMap;

use super::document::{Category, Document, Record};
use super::frames::{Frames, NONE};
use super::launches::{Launcher, Launches, waits};
use super::leaf::{Leaf, MOST_NUMBERED};
use super::title::{Title, Together};
use super::titles::Titles;
use super::work::Claims;
use crate::profiler::leaves::{LaneSpan, What};
use crate::trace::Kind as Activity;

#[derive(Debug, Default)]
pub(super) struct Threads {
    pub(super) leaves: Vec<Leaf>,
    /// By record: its leaf, or [`NONE`].
    pub(super) leaf_of: Vec<u32>,
    /// By thread, spans of leaves.
    pub(super) spans: Vec<Vec<LaneSpan>>,
}

/// What is open on a thread.
#[derive(Clone, Copy)]
struct Open {
    end_ns: i64,
    frame: u32,
    /// The operation around, within the frame.
    leaf: u32,
    /// Of an operation around, where shapes tell what it computes.
    claim: Option<u32>,
}

const OUTSIDE: Open = Open { end_ns: i64::MAX, frame: NONE, leaf: NONE, claim: None };

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
        let mut claims = Claims::default();
        let mut open: Vec<Open> = Vec::new();
        for lane in lanes {
            open.clear();
            let mut spans = Vec::new();
            for &number in lane {
                let record = &document.records[number as usize];
                while open.last().is_some_and(|innermost| innermost.end_ns <= record.start_ns) {
                    open.pop();
                }
                let around = open.last().copied().unwrap_or(OUTSIDE);
                if record.category == Category::Call {
                    let launcher = Launcher { frame: around.frame, leaf: around.leaf, at_ns: record.start_ns };
                    launches.add(record, launcher);
                    if around.leaf != NONE && waits(document.names[record.name as usize]) {
                        spans.push(span(around.leaf, Activity::Wait, record));
                    }
                    continue;
                }
                let title = titles.title(record.name);
                let alone = around.frame == NONE && around.leaf == NONE;
                // Elsewhere it only tells from when to when, beside what its thread does.
                if matches!(title, Title::Together(_)) && !tells(title, record.category, alone) {
                    continue;
                }
                let at = (record.thread, record.start_ns, record.sequence);
                let own = frames.open(titles, record.name, at, around.frame);
                let frame = own.unwrap_or(around.frame);
                let works = match title {
                    Title::Operation { .. } | Title::Compiled => record.category == Category::Operation,
                    Title::Node { .. } => true,
                    Title::Together(together) => *together != Together::Keeps,
                    _ => false,
                };
                if !works {
                    if let Some(frame) = own {
                        spans.push(LaneSpan { what: What::Nothing, ..span(NONE, Activity::Compute, record) });
                        open.push(Open { end_ns: record.end_ns, frame, ..OUTSIDE });
                    }
                    continue;
                }
                let waits = matches!(title, Title::Together(Together::Exchanges | Together::Waits));
                let word = titles.word_of(record.name);
                if record.backward {
                    frames.number(around.frame, record.sequence, |name| titles.word_of(name) == word);
                }
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
                threads.leaves.push(Leaf { frame, word, occurrence, at_ns: record.start_ns, flops: None });
                threads.leaf_of[number as usize] = leaf;
                let kind = if waits { Activity::Wait } else { Activity::Compute };
                spans.push(span(leaf, kind, record));
                let inputs = document.inputs.get(record.inputs as usize);
                let claim = claims.begin(&mut threads.leaves, leaf, titles.word(word), inputs, around.claim);
                open.push(Open { end_ns: record.end_ns, frame, leaf, claim });
            }
            threads.spans.push(spans);
        }
        threads
    }
}

/// Whether an event that tells of processes working together encloses what its thread does meanwhile.
fn tells(title: &Title, category: Category, alone: bool) -> bool {
    match title {
        Title::Together(Together::Exchanges) => alone,
        Title::Together(Together::Keeps) => category == Category::Annotation,
        _ => category == Category::Operation,
    }
}

fn span(leaf: u32, kind: Activity, record: &Record) -> LaneSpan {
    let Record { start_ns, end_ns, .. } = *record;
    LaneSpan { what: What::Operation(leaf), kind, start_ns, end_ns, correlation: None }
}
