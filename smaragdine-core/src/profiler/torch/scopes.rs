//! Whose work a frame holds: a layer, its pass, and what stands before an operation's name.

use super::frames::{Frame, Frames, Kind, NONE};
use super::partners::Partners;
use super::thread::Threads;
use super::title::Title;
use super::titles::Titles;
use crate::trace::{OwnLayer, Phase};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) layer: String,
    /// `gradients/net/head/addmm`
    pub(super) prefix: String,
    pub(super) phase: Phase,
}

/// What tells of a program's course, outside of which an operation's place is known by its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Model,
    Backward,
    Step,
    Load,
}

#[derive(Debug, Default)]
pub(super) struct Scopes {
    all: Vec<Scope>,
    /// By frame.
    of_frame: Vec<u32>,
    /// By frame: it is an optimizer's step, which may hold a whole pass of the model's (a closure).
    steps: Vec<bool>,
    /// In order of time.
    turns: Vec<(i64, Turn)>,
    /// Of each turn, the next that is no call of the model.
    after: Vec<Option<Turn>>,
}

/// Numbers of the scopes of what no frame encloses.
const UNKNOWN: u32 = 0;
const LOSS: u32 = 1;
const OPTIMIZER: u32 = 2;
/// Of a whole graph of TorchScript's.
const GRAPH: &str = "DifferentiableGraphBackward";

impl Scopes {
    pub(super) fn of(frames: &Frames, threads: &Threads, partners: &Partners, titles: &Titles) -> Self {
        let mut scopes = Self { of_frame: vec![UNKNOWN; frames.all.len()], ..Self::default() };
        scopes.steps = frames.all.iter().map(|frame| matches!(frame.kind, Kind::Optimizer { steps: true })).collect();
        scopes.own(OwnLayer::Unknown, Phase::Other);
        scopes.own(OwnLayer::Loss, Phase::Forward);
        scopes.own(OwnLayer::Optimizer, Phase::Optimizer);
        let order = frames.in_order();
        scopes.turns = order.iter().filter_map(|&frame| turn(&frames.all[frame as usize])).collect();
        let mut after = None;
        scopes.after = vec![None; scopes.turns.len()];
        for (next, (_, turn)) in scopes.after.iter_mut().zip(&scopes.turns).rev() {
            *next = after;
            if *turn != Turn::Model {
                after = Some(*turn);
            }
        }
        let mut known: rustc_hash::FxHashMap<(String, Phase), u32> = rustc_hash::FxHashMap::default();
        let mut last_node = rustc_hash::FxHashMap::default();
        for frame in order {
            let scope = scopes.scope(&frames.all[frame as usize], threads, partners, titles, &last_node);
            let next = scopes.all.len() as u32;
            let number = *known.entry((scope.prefix.clone(), scope.phase)).or_insert(next);
            if number == next {
                scopes.all.push(scope);
            }
            scopes.of_frame[frame as usize] = number;
            let Frame { kind, thread, .. } = frames.all[frame as usize];
            if matches!(kind, Kind::Node { accumulates: false, .. }) {
                last_node.insert(thread, number);
            }
        }
        scopes
    }

    pub(super) fn get(&self, scope: u32) -> &Scope {
        &self.all[scope as usize]
    }

    /// The scope of a frame, or of what runs then and in none; `word` is what it is called.
    pub(super) fn number(&self, frame: u32, at_ns: i64, word: &str) -> u32 {
        match self.of_frame.get(frame as usize) {
            Some(_) if self.steps[frame as usize] && self.between(at_ns) == LOSS => LOSS,
            Some(&scope) => scope,
            // A scaler of gradients steps only behind the optimizer's back.
            None if word.starts_with("_amp_") => OPTIMIZER,
            None => self.between(at_ns),
        }
    }

    fn own(&mut self, layer: OwnLayer, phase: Phase) {
        let name = layer.name();
        self.all.push(Scope { layer: name.to_owned(), prefix: name.to_owned(), phase });
    }

    /// After the model and before gradients lies the loss, after gradients and before the step what is done to them.
    fn between(&self, at_ns: i64) -> u32 {
        let next = self.turns.partition_point(|(start_ns, _)| *start_ns <= at_ns);
        let Some(last) = next.checked_sub(1) else { return UNKNOWN };
        match (self.turns[last].1, self.after[last], self.turns.get(next)) {
            (Turn::Model, Some(Turn::Backward), _) => LOSS,
            (Turn::Backward, Some(Turn::Step), Some((_, Turn::Step))) => OPTIMIZER,
            _ => UNKNOWN,
        }
    }

    /// The pass that the program is in.
    fn pass(&self, at_ns: i64) -> Phase {
        let next = self.turns.partition_point(|(start_ns, _)| *start_ns <= at_ns);
        match next.checked_sub(1).map(|last| self.turns[last].1) {
            Some(Turn::Model) => Phase::Forward,
            Some(Turn::Backward) => Phase::Backward,
            Some(Turn::Step) => Phase::Optimizer,
            Some(Turn::Load) | None => Phase::Other,
        }
    }

    fn scope(
        &self,
        frame: &Frame,
        threads: &Threads,
        partners: &Partners,
        titles: &Titles,
        last_node: &rustc_hash::FxHashMap<u32, u32>,
    ) -> Scope {
        match (frame.kind, titles.title(frame.name)) {
            (Kind::Module { outside }, Title::Module { path, .. }) => {
                let phase = if frame.in_backward { Phase::Backward } else { Phase::Forward };
                let gradients = if frame.in_backward { "gradients/" } else { "" };
                let around = (outside && frame.outermost).then(|| self.between(frame.start_ns));
                if around == Some(LOSS) {
                    let layer = OwnLayer::Loss.name();
                    return Scope { layer: layer.to_owned(), prefix: format!("{gradients}{layer}/{path}"), phase };
                }
                Scope { layer: path.clone(), prefix: format!("{gradients}{path}"), phase }
            }
            (Kind::Module { .. }, Title::Compiled) => {
                let path = titles.whole().unwrap_or_default();
                Scope { layer: path.to_owned(), prefix: path.to_owned(), phase: Phase::Forward }
            }
            (Kind::Node { accumulates: true, .. }, _) => {
                let layer =
                    last_node.get(&frame.thread).map_or(OwnLayer::Unknown.name(), |&last| &self.get(last).layer);
                gradients(layer, None)
            }
            (Kind::Node { sequence, .. }, title) => {
                let graph = matches!(title, Title::Node { name, .. } if name == GRAPH);
                let leaf = if graph {
                    partners.of_graph(sequence)
                } else {
                    partners.of_node(sequence, frame.thread, frame.start_ns)
                };
                let Some(leaf) = threads.leaves.get(leaf as usize).filter(|_| leaf != NONE) else {
                    return gradients(OwnLayer::Unknown.name(), None);
                };
                let word = titles.word(leaf.word);
                let scope = self.number(leaf.frame, leaf.at_ns, word);
                let own = |layer: &str| layer == OwnLayer::Optimizer.name() || layer == OwnLayer::Data.name();
                let layer = self.get(scope).layer.as_str();
                // What the optimizer or the loader computes makes no nodes; a node cannot be theirs.
                let layer = if own(layer) { OwnLayer::Unknown.name() } else { layer };
                gradients(layer, Some(&leaf.named(word)).filter(|_| !graph).map(String::as_str))
            }
            (Kind::Optimizer { .. }, Title::Optimizer { name, .. }) => {
                let layer = OwnLayer::Optimizer.name();
                Scope { layer: layer.to_owned(), prefix: format!("{layer}/{name}"), phase: Phase::Optimizer }
            }
            (Kind::Loader, _) => {
                let layer = OwnLayer::Data.name().to_owned();
                Scope { prefix: layer.clone(), layer, phase: Phase::Other }
            }
            (Kind::Together { .. }, _) => {
                let layer = OwnLayer::Runtime.name().to_owned();
                let phase = if frame.in_backward { Phase::Backward } else { self.pass(frame.start_ns) };
                let gradients = if phase == Phase::Backward { "gradients/" } else { "" };
                Scope { prefix: format!("{gradients}{layer}"), layer, phase }
            }
            _ => self.get(UNKNOWN).clone(),
        }
    }
}

/// Of a layer's gradients, those of one of its operations.
fn gradients(layer: &str, operation: Option<&str>) -> Scope {
    let mut prefix = format!("gradients/{layer}");
    if let Some(operation) = operation {
        prefix.push('/');
        prefix.push_str(operation);
    }
    Scope { layer: layer.to_owned(), prefix, phase: Phase::Backward }
}

/// What an outermost frame tells of the program's course.
fn turn(frame: &Frame) -> Option<(i64, Turn)> {
    let turn = match frame.kind {
        _ if !frame.outermost => return None,
        Kind::Module { outside: false } => Turn::Model,
        Kind::Node { .. } => Turn::Backward,
        Kind::Optimizer { steps: true } => Turn::Step,
        Kind::Loader => Turn::Load,
        Kind::Module { outside: true } | Kind::Optimizer { steps: false } | Kind::Together { .. } => return None,
    };
    Some((frame.start_ns, turn))
}
