//! What whoever stops a recording is told of its trace.

use serde::{Deserialize, Serialize};

use crate::trace::Trace;

/// What came of a recording.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    pub end_ns: i64,
    pub readings: u64,
    pub events: u64,
    pub warnings: Vec<String>,
}

impl Summary {
    pub(crate) fn of_trace(trace: &Trace) -> Self {
        Self {
            end_ns: trace.metadata.end_ns.unwrap_or_default(),
            readings: trace.readings.len() as u64,
            events: trace.events.len() as u64,
            warnings: trace.metadata.warnings.clone(),
        }
    }
}
