//! What the program did: operations, their events, and steps.

use std::collections::BTreeMap;

/// What an event does with its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Compute,
    Copy,
    Wait,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Copy => "copy",
            Self::Wait => "wait",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Compute, Self::Copy, Self::Wait].into_iter().find(|kind| kind.name() == name)
    }
}

/// One execution of one operation on one lane; leaf work only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Index into [`Trace::ops`](super::Trace::ops).
    pub op: u32,
    /// Index into [`Metadata::devices`](super::Metadata::devices).
    pub device: u16,
    pub lane: u32,
    pub kind: Kind,
    pub start_ns: i64,
    pub end_ns: i64,
    pub step: Option<i64>,
    pub correlation: Option<u64>,
}

impl Event {
    /// Whether it draws energy: it has a length, and does not only wait.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.kind != Kind::Wait && self.start_ns < self.end_ns
    }
}

/// The pass an operation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Forward,
    Backward,
    Optimizer,
    Other,
}

impl Phase {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Optimizer => "optimizer",
            Self::Other => "other",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Forward, Self::Backward, Self::Optimizer, Self::Other].into_iter().find(|phase| phase.name() == name)
    }
}

/// An operation: what events are executions of. Its number is its index in [`Trace::ops`](super::Trace::ops).
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    pub qtn: String,
    /// The user's own layer path without the pass, or optimizer, loss, metrics, data, runtime, unknown.
    pub layer: String,
    /// `MatMul`
    pub kind: String,
    pub phase: Phase,
    pub raw_name: String,
    /// Of one execution.
    pub flops: Option<f64>,
    /// What its kernel computes besides, `BiasAdd+Relu`; empty for most.
    pub fused: String,
}

/// One training, evaluation or prediction step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    pub step: i64,
    pub epoch: i64,
    pub start_ns: i64,
    pub end_ns: i64,
    pub traced: bool,
    pub samples: Option<u64>,
    /// Energy of the application by counted domain, filled by accounting.
    pub energy_j: BTreeMap<String, f64>,
    pub metrics: BTreeMap<String, f64>,
}
