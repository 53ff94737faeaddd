//! How much of a recording is broken down into operations, and how well.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::words;

/// How much of a recording is broken down; what is absent was not asked for, or is not known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Coverage {
    /// By domain, once accounted so: what was solved and how well, or why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deconvolution: Option<BTreeMap<String, Deconvolution>>,
    /// How many operations the executed graph has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executed_operations: Option<u64>,
    /// How many steps there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Seconds that they took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_s: Option<f64>,
    /// Seconds that those took of which events are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced_s: Option<f64>,
    /// How many those are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced_steps: Option<u64>,
    /// Devices that executed events and of which nothing is measured, so that they have no footprint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unmeasured_devices: BTreeMap<String, Unmeasured>,
}

/// What a device executed of which nothing is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unmeasured {
    /// How many events.
    pub events: u64,
    /// Seconds that they took.
    pub time_s: f64,
}

/// What came of solving for the powers of one domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Deconvolution {
    /// It was refused, and its energy split as by equal share; why, in words.
    Refused { refused: String },
    /// It was solved.
    Solved(Solved),
}

impl Deconvolution {
    /// Why it was refused, where it was.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        match self {
            Self::Refused { refused } => Some(refused),
            Self::Solved(_) => None,
        }
    }
}

/// How well powers of one domain are known. A number that is none, or that an earlier version did not write, is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Solved {
    /// How finely operations were told apart.
    pub level: Level,
    /// How many classes of operations there are.
    pub classes: u64,
    /// How many readings were of use.
    pub readings: u64,
    /// Condition of the equations.
    pub condition: Option<f64>,
    /// Root mean square of what readings differ from the fit, in joules.
    pub residual_j: Option<f64>,
    /// Squared errors of steps held out, as a part of those of equal share.
    pub held_out_error: Option<f64>,
    /// Watts while no operation runs.
    pub quiet_w: Option<f64>,
    /// Watts that operations draw together, however many run.
    pub floor_w: Option<f64>,
    /// How much more parts of the recording disagree than intervals allow before they are widened; 1 is as expected.
    pub disagreement: Option<f64>,
    /// How much later the register tells of power than its readings' edges say.
    pub lag_ns: Option<i64>,
    /// Give or take so much.
    pub lag_error_ns: Option<i64>,
}

words! {
    /// How finely operations are told apart; each level divides the classes of the one before.
    pub enum Level {
        /// `MatMul`
        Type = "type",
        /// … of one pass and one size (floating-point operations of an execution).
        Size = "size",
        /// … in one kind of layer: `layer_0` … `layer_11` are one.
        Layer = "layer",
        /// Every operation by its qualified tensor name.
        Operation = "operation",
    }
}
