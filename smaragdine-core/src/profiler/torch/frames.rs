//! What encloses operations on their thread and tells whose they are.

use super::title::{Title, Together};
use super::titles::Titles;

/// No frame, or no leaf.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Module {
        outside: bool,
    },
    /// Autograd runs a node with this sequence number, 0 where it has none.
    Node {
        sequence: u64,
        accumulates: bool,
    },
    Optimizer {
        steps: bool,
    },
    Loader,
    /// Processes work together.
    Together {
        exchanges: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// The document's number of its name.
    pub(super) name: u32,
    pub(super) thread: u32,
    pub(super) start_ns: i64,
    /// A node of autograd's is around it.
    pub(super) in_backward: bool,
    /// Nothing but an optimizer is around it.
    pub(super) outermost: bool,
    /// Operations of one name are told apart in it.
    pub(super) numbers: bool,
}

#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) all: Vec<Frame>,
}

impl Frames {
    /// The frame that an event with this name opens, if it does.
    pub(super) fn open(
        &mut self,
        titles: &Titles,
        name: u32,
        (thread, start_ns, sequence): (u32, i64, u64),
        parent: u32,
    ) -> Option<u32> {
        let around = self.all.get(parent as usize);
        let called = around.is_some_and(|frame| !matches!(frame.kind, Kind::Optimizer { .. }));
        let kind = match titles.title(name) {
            // Compiled as a whole, without a call of any module: as if the model were called.
            Title::Compiled if !called && titles.whole().is_some() => Kind::Module { outside: false },
            Title::Module { outside, .. } => Kind::Module { outside: *outside },
            Title::Node { accumulates, .. } => Kind::Node { sequence, accumulates: *accumulates },
            Title::Optimizer { steps, .. } => Kind::Optimizer { steps: *steps },
            Title::Loader => Kind::Loader,
            Title::Together(together) => Kind::Together { exchanges: *together == Together::Exchanges },
            Title::Operation { .. } | Title::Compiled | Title::Whole { .. } => return None,
        };
        let in_backward = around.is_some_and(|frame| frame.in_backward || matches!(frame.kind, Kind::Node { .. }));
        let outermost = around.is_none_or(|frame| frame.outermost && matches!(frame.kind, Kind::Optimizer { .. }));
        // How often an optimizer runs an operation, its parameters decide.
        let numbers = matches!(kind, Kind::Module { .. } | Kind::Node { .. });
        self.all.push(Frame { kind, name, thread, start_ns, in_backward, outermost, numbers });
        Some(self.all.len() as u32 - 1)
    }

    pub(super) fn get(&self, frame: u32) -> Option<&Frame> {
        self.all.get(frame as usize)
    }

    /// A node whose hooks run with it is evaluated without its number, which its own event within has.
    pub(super) fn number(&mut self, frame: u32, number: u64, is_its_own: impl Fn(u32) -> bool) {
        if let Some(Frame { kind: Kind::Node { sequence: sequence @ 0, accumulates: false }, name, .. }) =
            self.all.get_mut(frame as usize)
            && is_its_own(*name)
        {
            *sequence = number;
        }
    }

    /// Indexes in order of time.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.all.len() as u32).collect();
        order.sort_by_key(|&frame| self.all[frame as usize].start_ns);
        order
    }
}
