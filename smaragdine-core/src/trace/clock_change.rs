//! What happened to the clocks while a recording lasted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step of the wall clock, or a suspend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ClockChange {
    /// The wall clock was set: so many nanoseconds ahead, or back.
    Stepped { at_ns: i64, step_ns: i64 },
    /// The machine was suspended.
    Suspended(Suspension),
}

/// The machine was suspended; trace time stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspension {
    /// When it was noticed.
    pub at_ns: i64,
    /// How long it was suspended.
    pub suspended_ns: i64,
}
