//! A profile, of whatever framework: leaf events, and the operations that they name.

use super::jax::Origin;
use crate::trace::{Kind, Op, Phase};

/// Sizes of a tensor's dimensions, all known.
pub type Shape = Vec<i64>;

/// A profiler's output: leaf events and the operations they name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// `CPU:0`, `GPU:0`, …
    pub devices: Vec<String>,
    /// The same operation may stand there several times.
    pub names: Vec<RawOp>,
    /// By device and lane, then in order of time; the events of one lane do not overlap.
    pub events: Vec<RawEvent>,
    /// How many were left out, for they cannot have happened.
    pub impossible: u64,
    /// What people should know about this profile.
    pub notes: Vec<String>,
    /// By the name of an operation, the shapes of its results, where the profile tells them.
    pub shapes: Vec<(String, Vec<Option<Shape>>)>,
    /// Which operations feed which, as indexes into `names`, where the profile tells.
    pub edges: Vec<(u32, u32)>,
    /// What devices drew, where the profiler itself measures that; of one device in order of time, without overlap.
    pub drawn: Vec<Drawn>,
}

/// Energy that the profiler measured of one event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// Index into [`Profile::devices`].
    pub device: u16,
    /// CLOCK_REALTIME
    pub start_ns: i64,
    /// CLOCK_REALTIME
    pub end_ns: i64,
    pub energy_j: f64,
}

/// An operation as the framework names it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawOp {
    /// `StatefulPartitionedCall/bert_1/encoder_1/layer_0_1/…/BiasAdd`
    pub raw_name: String,
    /// Its type, `_MklNativeFusedMatMul`; empty where unknown.
    pub kind: String,
    /// Floating-point operations of one event.
    pub flops: Option<f64>,
    /// Executed by the threads of the input pipeline.
    pub pipeline: bool,
    /// What its program says besides, where JAX made it.
    pub origin: Option<Box<Origin>>,
    /// Whose it is, where the profile itself tells; else names and graphs lead there.
    pub told: Option<Told>,
}

impl RawOp {
    /// The operation, where the profile itself tells whose it is.
    #[must_use]
    pub fn as_told(&self) -> Option<Op> {
        let Told { qtn, layer, phase } = self.told.as_ref()?.clone();
        let (kind, raw_name, flops) = (self.kind.clone(), self.raw_name.clone(), self.flops);
        Some(Op { qtn, layer, kind, phase, raw_name, flops, fused: String::new() })
    }
}

/// What a profile tells of an operation beside its raw name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub qtn: String,
    /// As [`Op::layer`].
    pub layer: String,
    pub phase: Phase,
}

/// One execution of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEvent {
    /// Index into [`Profile::names`].
    pub name: u32,
    /// Index into [`Profile::devices`].
    pub device: u16,
    /// Thread or stream, unique within the device.
    pub lane: u32,
    pub kind: Kind,
    /// CLOCK_REALTIME
    pub start_ns: i64,
    /// CLOCK_REALTIME
    pub end_ns: i64,
    /// Ties a kernel to its launch, and the pieces of one execution of an operation to each other.
    pub correlation: Option<u64>,
}
