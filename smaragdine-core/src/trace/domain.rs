//! Energy registers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words::words;

words! {
    /// Whether a number comes from a sensor or from a model of the machine's use.
    pub enum Basis {
        /// By a sensor.
        Measured = "measured",
        /// Computed from use.
        Modelled = "modelled",
    }
}

words! {
    /// What reads registers.
    pub enum SourceName {
        /// Linux' power capping tree: RAPL.
        Powercap = "powercap",
        /// RAPL through perf's events.
        Perf = "perf",
        /// NVIDIA's management library.
        Nvml = "nvml",
        /// Linux' graphics drivers: GPUs of AMD and Intel.
        Drm = "drm",
        /// Cray's counters of a node and its parts.
        Cray = "cray",
        /// Linux' hardware monitors.
        Hwmon = "hwmon",
        /// Meters outside the machine: of all that comes through its plug.
        Meter = "meter",
        /// Power computed from CPU use, where no sensor counts.
        Model = "model",
        /// Readings of an earlier recording.
        Replay = "replay",
        /// A framework's profiler, which measured the events that it tells.
        Profiler = "profiler",
    }
}

/// One energy register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What reads it.
    #[schemars(with = "SourceName")]
    pub source: String,
    /// Watts drawn when nothing is active, where they are known.
    pub static_w: Option<f64>,
    /// The register wraps to 0 after this many microjoules.
    pub range_uj: Option<u64>,
    /// The most watts that firmware or driver let it draw on average, where they tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_w: Option<f64>,
    /// Whose shares apply: `socket:0` by the kernel's id, `gpu:0`, or `socket:?` where that is not known.
    pub scope: String,
}

/// The meter of a whole node: whatever is counted there is within it.
pub const WHOLE_NODE: &str = "node";

/// The scope of what meters CPUs without its being known which: its share is unknown.
pub const UNKNOWN_SOCKET: &str = "socket:?";

impl Domain {
    /// It meters a GPU by itself.
    #[must_use]
    pub fn is_of_gpu(&self) -> bool {
        self.device.starts_with("GPU")
    }

    /// It meters all of a machine, within which is whatever is counted there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.counted && (self.name == WHOLE_NODE || self.is_outside())
    }

    /// Its meter is outside the machine.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.source == SourceName::Meter.name()
    }

    /// It meters CPUs by themselves.
    #[must_use]
    pub fn is_of_cpu(&self) -> bool {
        self.device.starts_with("CPU")
    }

    /// A register that is measured and counted, and of which nothing else is known.
    #[must_use]
    pub fn new(name: &str, device: &str, source: &str, scope: &str) -> Self {
        Self {
            name: name.to_owned(),
            device: device.to_owned(),
            parent: None,
            counted: true,
            not_counted_because: None,
            basis: Basis::Measured,
            source: source.to_owned(),
            static_w: None,
            range_uj: None,
            limit_w: None,
            scope: scope.to_owned(),
        }
    }
}
