//! Streams of GPUs: kernels, copies and waits, led back to the operations that asked for them.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::document::{Category, Document, Record};
use super::frames::NONE;
use super::launches::{Launcher, Launches, is_graph, launches};
use super::leaf::Leaf;
use super::names::Names;
use super::thread::Threads;
use super::titles::Titles;
use crate::profiler::Profile;
use crate::profiler::leaves::{LaneSpan, What};
use crate::trace::Kind;

/// More than a machine has.
const MOST_DEVICES: u16 = 1000;

#[derive(Debug, Default)]
pub(super) struct Streams {
    leaves: Vec<Leaf>,
    /// By device and stream; the last number is that of what concerns a whole device.
    spans: BTreeMap<(u16, u32), Vec<LaneSpan>>,
    /// Calls that should have led to work of a GPU's.
    pub(super) launched: u64,
    /// Of these, how many the profile tells nothing of.
    pub(super) lost: u64,
    /// Whole graphs were launched.
    pub(super) graphs: bool,
}

impl Streams {
    pub(super) fn of(document: &Document, launched: &Launches, threads: &Threads, titles: &Titles) -> Self {
        let mut streams = Self::default();
        let mut told: FxHashSet<u64> = FxHashSet::default();
        let behind = Behind::of(document, launched);
        for record in &document.records {
            let kind = match record.category {
                Category::Kernel => Kind::Compute,
                Category::Copy => Kind::Copy,
                Category::Wait => Kind::Wait,
                _ => continue,
            };
            if record.device >= MOST_DEVICES {
                continue;
            }
            told.insert(record.correlation);
            let leaf = streams.leaf(record, launched, &behind, document, threads, titles);
            let Record { device, stream, start_ns, end_ns, correlation, .. } = *record;
            let correlation = (correlation != 0).then_some(correlation);
            let span = LaneSpan { what: What::Operation(leaf), kind, start_ns, end_ns, correlation };
            streams.spans.entry((device, stream)).or_default().push(span);
        }
        for record in document.records.iter().filter(|record| record.category == Category::Call) {
            let name = document.names[record.name as usize];
            if record.correlation != 0 && launches(name) {
                streams.launched += 1;
                streams.lost += u64::from(!told.contains(&record.correlation));
                streams.graphs |= is_graph(name);
            }
        }
        streams
    }

    /// No GPU is told of.
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The operation around the call that led to it; else it is known by its own name, in the frame of the call.
    fn leaf(
        &mut self,
        record: &Record,
        launched: &Launches,
        behind: &Behind,
        document: &Document,
        threads: &Threads,
        titles: &Titles,
    ) -> u32 {
        let launcher = launched.get(record.correlation);
        let around = launcher.map_or(NONE, |launcher| launcher.leaf);
        let around = if around == NONE { behind.leaf(record, launcher, document, threads) } else { around };
        let leaf = match threads.leaves.get(around as usize) {
            Some(&leaf) => leaf,
            None => {
                let (frame, at_ns) = launcher.map_or((NONE, record.start_ns), |by| (by.frame, by.at_ns));
                Leaf { frame, word: titles.word_of(record.name), occurrence: 0, at_ns }
            }
        };
        self.leaves.push(leaf);
        self.leaves.len() as u32 - 1
    }

    pub(super) fn add_to(&self, profile: &mut Profile, names: &mut Names) {
        let mut lanes: BTreeMap<u16, u32> = BTreeMap::new();
        for ((device, _), spans) in &self.spans {
            let name = format!("GPU:{device}");
            let number = profile.devices.iter().position(|known| *known == name).unwrap_or_else(|| {
                profile.devices.push(name);
                profile.devices.len() - 1
            });
            let lane = lanes.entry(*device).or_default();
            profile.events.extend(names.events(&self.leaves, spans, number as u16, *lane));
            *lane += 1;
        }
    }
}

/// Operations by the number that calls and kernels give as theirs (`External id`).
///
/// In some traces that number is the correlation's, equal by chance to another operation's: it counts only where no
/// operation is around the call on its own thread, and where the operation lasted then.
struct Behind(FxHashMap<u64, usize>);

impl Behind {
    fn of(document: &Document, launched: &Launches) -> Self {
        if launched.all_enclosed() {
            return Self(FxHashMap::default());
        }
        let operations = document
            .records
            .iter()
            .zip(0..)
            .filter(|(record, _)| record.category == Category::Operation && record.external != 0);
        Self(operations.map(|(record, number)| (record.external, number)).collect())
    }

    fn leaf(&self, record: &Record, launcher: Option<Launcher>, document: &Document, threads: &Threads) -> u32 {
        let Some(launcher) = launcher else { return NONE };
        let Some(&number) = self.0.get(&record.external).filter(|_| record.external != record.correlation) else {
            return NONE;
        };
        let Record { start_ns, end_ns, .. } = document.records[number];
        if (start_ns..=end_ns).contains(&launcher.at_ns) { threads.leaf_of[number] } else { NONE }
    }
}
