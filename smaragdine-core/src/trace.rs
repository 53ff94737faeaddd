//! A trace in memory: the rows of its tables, as assembled, accounted and written.
//!
//! All `*_ns` are trace time (see [`crate::clock`]), all energies joules, all shares fractions of the reading's energy.

mod accounts;
mod domain;
mod event;
mod gap;
mod limit;
mod model;
mod notice;
mod reading;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use accounts::{Entry, FootprintDomainRow, FootprintRow, LedgerRow, Policy};
pub use domain::{Basis, Domain, UNKNOWN_SOCKET};
pub use event::{Event, Kind, Op, Phase, Step};
pub use gap::{Gap, gaps};
pub use limit::Limit;
pub use model::Model;
pub use notice::{notice, uncounted};
pub use reading::{Flag, Flags, Reading, ShareSample};

/// Version of the trace directory's layout, in `trace.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Whether a recording ended as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Recording,
    Complete,
    /// Rebuilt from the journal of a recording that did not end.
    Cut,
}

/// How well one source was sampled.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SourceReport {
    pub name: String,
    pub period_ns: i64,
    /// Median distance of ticks.
    pub measured_period_ns: Option<i64>,
    pub ticks: u64,
    pub missed_ticks: u64,
    pub failed_reads: u64,
    /// Median and 99th percentile of how late ticks were.
    pub lateness_p50_ns: Option<i64>,
    pub lateness_p99_ns: Option<i64>,
    /// CPU time that the sampling thread spent.
    pub cpu_s: Option<f64>,
    /// How each of its registers behaved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensors: Vec<Sensor>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspensions: Vec<Suspension>,
}

/// How one register behaved, as far as reading it showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sensor {
    pub domain: String,
    /// Median distance of its updates; unknown where it was never looked at often enough, or drew nothing.
    pub update_ns: Option<i64>,
    /// Median duration of a read.
    pub read_ns: Option<i64>,
    /// How late it tells of power, beyond what its readings' edges say, found from traced operations; give or take so much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ns: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_error_ns: Option<i64>,
    /// The time of which an update tells the mean power: as long as updates are apart where it counts everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ns: Option<i64>,
}

/// The machine was suspended; trace time stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// When it was noticed.
    pub at_ns: i64,
    pub suspended_ns: i64,
}

/// `trace.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metadata {
    pub schema_version: u32,
    pub state: State,
    pub recording: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub start_ns: i64,
    pub end_ns: Option<i64>,
    /// When the program of a recording that was cut ended, or asked for the end, as far as that is known: what lies
    /// between `end_ns` and this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_end_ns: Option<i64>,
    pub realtime_offset_ns: i64,
    /// host name, kernel, boot id
    pub host: BTreeMap<String, String>,
    /// CPU model, sockets, logical CPUs, memory, GPUs
    pub hardware: BTreeMap<String, serde_json::Value>,
    pub software: BTreeMap<String, String>,
    #[serde(default)]
    pub model: Model,
    /// In order of [`Event::device`].
    pub devices: Vec<String>,
    /// In order of [`Reading::domain`].
    pub domains: Vec<Domain>,
    pub sources: Vec<SourceReport>,
    /// Where CPU shares came from and how finely their clock ticks.
    pub share_source: Option<String>,
    pub share_tick_ns: Option<i64>,
    pub options: BTreeMap<String, serde_json::Value>,
    /// steps, traced steps, traced seconds, operation time with a layer …
    pub coverage: BTreeMap<String, serde_json::Value>,
    /// Operations of the executed graph that the profiler did not show.
    pub hidden_operations: Vec<String>,
    /// Stretches in which a profiler was being started or stopped.
    pub profiling: Vec<(i64, i64)>,
    pub clock_changes: Vec<serde_json::Value>,
    /// Stretches of each domain whose energy is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    pub warnings: Vec<String>,
    pub log: Vec<String>,
    /// Where the daemon that records listens and keeps its journal, while `state` is recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
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

/// One recording with everything known about it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    pub metadata: Metadata,
    /// By domain, then in order of time; intervals of one domain do not overlap.
    pub readings: Vec<Reading>,
    pub events: Vec<Event>,
    pub ops: Vec<Op>,
    pub edges: Vec<(u32, u32)>,
    pub steps: Vec<Step>,
    pub footprint: Vec<FootprintRow>,
    pub footprint_domains: Vec<FootprintDomainRow>,
    pub ledger: Vec<LedgerRow>,
}
