//! `trace.json`: what is known of a recording beside its tables.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::words;
use super::{
    ClockChange, Coverage, Domain, Gap, Hardware, Host, Metric, Model, Program, RecordingOptions, SourceReport,
    Suspension,
};
use crate::span::Span;

/// Version of the trace directory's layout, in `trace.json`.
pub const SCHEMA_VERSION: u32 = 1;

words! {
    /// Whether a recording ended as it should.
    pub enum State {
        /// It goes on, or was cut and is not rebuilt.
        Recording = "recording",
        /// It ended as it should.
        Complete = "complete",
        /// Rebuilt from the journal of a recording that did not end.
        Cut = "cut",
    }
}

#[expect(clippy::derivable_impls, reason = "a list of words has no place for it")]
impl Default for State {
    fn default() -> Self {
        Self::Recording
    }
}

/// `trace.json`. All `*_ns` are trace time, unless they are lengths.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// Version of the layout; a reader refuses one that it does not know.
    pub schema_version: u32,
    /// Whether the recording ended as it should.
    pub state: State,
    /// Identity of the recording.
    pub recording: String,
    /// What the user calls it.
    pub name: String,
    /// The user's own.
    pub labels: BTreeMap<String, String>,
    /// When the recording started.
    pub start_ns: i64,
    /// When it ended.
    pub end_ns: Option<i64>,
    /// When the program of a recording that was cut ended, or asked for the end, as far as that is known: what lies
    /// between `end_ns` and this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_end_ns: Option<i64>,
    /// What trace time is ahead of `CLOCK_MONOTONIC`.
    pub realtime_offset_ns: i64,
    /// Which machine.
    pub host: Host,
    /// What it is made of.
    pub hardware: Hardware,
    /// Versions by name.
    pub software: BTreeMap<String, String>,
    /// What ran; absent where the program did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// What the program says of its model.
    #[serde(default)]
    pub model: Model,
    /// What executed events or was metered: `CPU:0`, `GPU:0` …
    pub devices: Vec<String>,
    /// Energy registers.
    pub domains: Vec<Domain>,
    /// What read them, and how well.
    pub sources: Vec<SourceReport>,
    /// Where CPU shares came from, in words.
    pub share_source: Option<String>,
    /// How finely their clock ticks.
    pub share_tick_ns: Option<i64>,
    /// What the recording was asked for, and by whom.
    pub options: RecordingOptions,
    /// How much of the recording is broken down.
    pub coverage: Coverage,
    /// Operations of the executed graph that the profiler did not show.
    pub hidden_operations: Vec<String>,
    /// Stretches in which a profiler was being started or stopped: start, end.
    #[schemars(with = "Vec<(i64, i64)>")]
    pub profiling: Vec<Span>,
    /// Steps of the wall clock, and suspends.
    pub clock_changes: Vec<ClockChange>,
    /// Stretches of each domain whose energy is unknown; the first thousand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// What `metrics` holds by name, and what it could not; traces of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// CPU time that the daemon took to sample them, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_cpu_s: Option<f64>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What happened meanwhile.
    pub log: Vec<String>,
    /// While `state` is recording: where the daemon that records listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// While `state` is recording: where it keeps the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<String>,
}

impl Metadata {
    /// When the machine was suspended. Every source notices; the one that did most often has them all.
    #[must_use]
    pub fn suspensions(&self) -> &[Suspension] {
        self.sources.iter().map(|source| source.suspensions.as_slice()).max_by_key(|all| all.len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_did_not_write_is_not_known() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/traces/demo/trace.json");
        let metadata: Metadata = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!((metadata.options.period_ns, metadata.options.uid), (Some(4_000_000), None));
        assert_eq!((metadata.hardware.sockets, metadata.hardware.gpus.len()), (Some(1), 0));
        assert_eq!((metadata.coverage.steps, metadata.coverage.deconvolution), (Some(8), None));
        assert_eq!((metadata.host.name.as_deref(), metadata.host.kernel), (Some("fixture"), None));
    }

    #[test]
    fn both_kinds_of_clock_changes_are_told_apart_by_what_they_say() {
        let json = r#"[{"at_ns": 5, "step_ns": -7}, {"at_ns": 6, "suspended_ns": 9}]"#;
        let changes: Vec<ClockChange> = serde_json::from_str(json).unwrap();
        let suspended = Suspension { at_ns: 6, suspended_ns: 9 };
        assert_eq!(changes, [ClockChange::Stepped { at_ns: 5, step_ns: -7 }, ClockChange::Suspended(suspended)]);
        assert_eq!(serde_json::to_string(&changes).unwrap(), json.replace(": ", ":").replace(", ", ","));
    }
}
