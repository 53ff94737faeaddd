//! What the program did: operations, their events, and steps.

use std::collections::BTreeMap;

use super::words::words;
use crate::span::Span;

words! {
    /// What an event does with its lane.
    pub enum Kind {
        /// It draws energy.
        Compute = "compute",
        /// It draws energy only while nothing on its device computes.
        Copy = "copy",
        /// It has time and draws no energy.
        Wait = "wait",
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
    #[must_use]
    pub fn span(&self) -> Span {
        Span { start_ns: self.start_ns, end_ns: self.end_ns }
    }

    /// Whether it draws energy: it has a length, and does not only wait.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.kind != Kind::Wait && self.start_ns < self.end_ns
    }
}

words! {
    /// The pass an operation belongs to.
    pub enum Phase {
        /// From the input to the loss.
        Forward = "forward",
        /// Gradients.
        Backward = "backward",
        /// Updates of the variables.
        Optimizer = "optimizer",
        /// None of these.
        Other = "other",
    }
}

words! {
    /// What `layer` says of an operation that is in no layer of the user's, alone.
    pub enum OwnLayer {
        /// Updates of the variables.
        Optimizer = "optimizer",
        /// The loss.
        Loss = "loss",
        /// Metrics.
        Metrics = "metrics",
        /// Input pipelines.
        Data = "data",
        /// The framework's own work.
        Runtime = "runtime",
        /// It is not known whose.
        Unknown = "unknown",
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

impl Step {
    #[must_use]
    pub fn span(&self) -> Span {
        Span { start_ns: self.start_ns, end_ns: self.end_ns }
    }
}
