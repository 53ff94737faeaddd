//! What a recording was asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a recording was asked for, and by whom; traces of earlier versions hold fewer of these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordingOptions {
    /// The process that is accounted, with its descendants; null where it was not to be seen.
    pub application_pid: Option<i32>,
    /// The daemon that recorded, by the number that its own system gives it: ranks that share one share what it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon_pid: Option<u32>,
    /// Registers were polled closely around their updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_lock: Option<bool>,
    /// Readings that no traced window touches are not merged.
    pub keep_all: bool,
    /// How often registers were to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_ns: Option<u64>,
    /// The user who owns the recording, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}
