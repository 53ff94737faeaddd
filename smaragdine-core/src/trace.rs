//! A trace in memory: the rows of its tables, as assembled, accounted and written.
//!
//! All `*_ns` are trace time (see [`crate::clock`]), all energies joules, all shares fractions of the reading's energy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the trace directory's layout, in `trace.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Whether a number comes from a sensor or from a model of the machine's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    Measured,
    Modelled,
}

/// One energy register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// `package-0`, `dram-0`, `psys`, `gpu-0`, `gpu-0-memory`
    pub name: String,
    /// `CPU:0`, `GPU:0`, `MODULE:0`
    pub device: String,
    /// The domain that physically contains this one.
    pub parent: Option<String>,
    /// Enters sums. A domain whose energy another counted domain already holds does not.
    pub counted: bool,
    /// Why it is not counted, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_counted_because: Option<String>,
    pub basis: Basis,
    /// powercap, nvml, hwmon, model, replay
    pub source: String,
    /// Power drawn when nothing is active, where it is known.
    pub static_w: Option<f64>,
    /// The register wraps to 0 after this many microjoules.
    pub range_uj: Option<u64>,
    /// Whose shares apply: `socket:0`, `gpu:0`.
    pub scope: String,
}

/// What is remarkable about a reading; names are the vocabulary of the `flags` column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// The register wrapped within this reading.
    Wrap,
    /// One or more reads failed; the energy is that of the whole, lengthened interval.
    Failed,
    /// One or more ticks of the sampler were missed within this reading.
    Missed,
    /// The register fell without a plausible wrap: the energy of this interval is unknown.
    Reset,
    /// A further wrap was possible within this interval: the energy is a lower bound.
    Ambiguous,
    /// Energy integrated from power samples, because there is no energy counter.
    Integrated,
    /// Several readings merged into one.
    Merged,
    /// The share was estimated from device utilisation rather than from CPU time or exclusive use.
    Utilisation,
}

impl Flag {
    pub const ALL: [Self; 8] = [
        Self::Wrap,
        Self::Failed,
        Self::Missed,
        Self::Reset,
        Self::Ambiguous,
        Self::Integrated,
        Self::Merged,
        Self::Utilisation,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wrap => "wrap",
            Self::Failed => "failed",
            Self::Missed => "missed",
            Self::Reset => "reset",
            Self::Ambiguous => "ambiguous",
            Self::Integrated => "integrated",
            Self::Merged => "merged",
            Self::Utilisation => "utilisation",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.name() == name)
    }
}

/// A set of [`Flag`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(u16);

impl Flags {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u16)
    }

    #[must_use]
    pub fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u16) != 0
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }

    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The interval's energy is not known: it is entered as `gap`, never given to an operation.
    #[must_use]
    pub fn is_gap(self) -> bool {
        self.has(Flag::Reset) || self.has(Flag::Ambiguous)
    }
}

/// Energy of one domain over one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Index into [`Metadata::domains`].
    pub domain: u16,
    pub start_ns: i64,
    pub end_ns: i64,
    /// Uncertainty of both edges; `None`: one update period of the register.
    pub edge_uncertainty_ns: Option<i64>,
    /// Around the read that ended this interval.
    pub read_start_ns: i64,
    pub read_end_ns: i64,
    pub energy_j: f64,
    pub app_share: Option<f64>,
    pub daemon_share: Option<f64>,
    pub idle_share: Option<f64>,
    pub flags: Flags,
}

/// Shares of the energy of one scope over one interval, measured apart from the readings (law 5).
#[derive(Debug, Clone, PartialEq)]
pub struct ShareSample {
    /// `socket:0`, `gpu:0`: see [`Domain::scope`].
    pub scope: String,
    pub start_ns: i64,
    pub end_ns: i64,
    pub app: Option<f64>,
    pub daemon: Option<f64>,
    pub idle: Option<f64>,
    pub flags: Flags,
}

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
    /// Index into [`Trace::ops`].
    pub op: u32,
    /// Index into [`Metadata::devices`].
    pub device: u16,
    pub lane: u32,
    pub kind: Kind,
    pub start_ns: i64,
    pub end_ns: i64,
    pub step: Option<i64>,
    pub correlation: Option<u64>,
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

/// An operation: what events are executions of. Its number is its index in [`Trace::ops`].
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    pub qtn: String,
    /// The user's own layer path without the pass, or optimizer, loss, metrics, data, runtime, unknown.
    pub layer: String,
    /// `MatMul`
    pub kind: String,
    pub phase: Phase,
    pub raw_name: String,
    pub flops: Option<f64>,
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

/// How energy is split among operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// The paper's rule: operations that run at once on a device share its energy equally.
    Equal,
    /// The paper's Algorithm 2: a reading's power holds from its timestamp; for comparison.
    Recency,
}

impl Policy {
    pub const ALL: [Self; 2] = [Self::Equal, Self::Recency];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Recency => "recency",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }
}

/// Energy and time of one operation on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct FootprintRow {
    pub policy: Policy,
    pub op: u32,
    pub device: String,
    pub basis: Basis,
    pub energy_j: f64,
    pub energy_low_j: Option<f64>,
    pub energy_high_j: Option<f64>,
    /// Sum of durations.
    pub time_s: f64,
    /// Energy ÷ time; `None` where the time is 0.
    pub power_w: Option<f64>,
    pub count: u64,
}

/// Energy of one operation in one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct FootprintDomainRow {
    pub policy: Policy,
    pub op: u32,
    pub domain: String,
    pub energy_j: f64,
}

/// Where the energy of a counted domain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    Operations,
    Application,
    Untraced,
    Profiling,
    Daemon,
    Other,
    Idle,
    Gap,
}

impl Entry {
    pub const ALL: [Self; 8] = [
        Self::Operations,
        Self::Application,
        Self::Untraced,
        Self::Profiling,
        Self::Daemon,
        Self::Other,
        Self::Idle,
        Self::Gap,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Application => "application",
            Self::Untraced => "untraced",
            Self::Profiling => "profiling",
            Self::Daemon => "daemon",
            Self::Other => "other",
            Self::Idle => "idle",
            Self::Gap => "gap",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entry| entry.name() == name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerRow {
    pub policy: Policy,
    /// A counted domain's name.
    pub domain: String,
    pub entry: Entry,
    pub energy_j: f64,
}

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
    pub realtime_offset_ns: i64,
    /// host name, kernel, boot id
    pub host: BTreeMap<String, String>,
    /// CPU model, sockets, logical CPUs, memory, GPUs
    pub hardware: BTreeMap<String, serde_json::Value>,
    pub software: BTreeMap<String, String>,
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
    pub warnings: Vec<String>,
    pub log: Vec<String>,
    /// Where the daemon that records listens and keeps its journal, while `state` is recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<String>,
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
