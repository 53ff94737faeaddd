//! How well registers were read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SourceName, Suspension};

/// How well one source was sampled.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SourceReport {
    /// Which source.
    #[schemars(with = "SourceName")]
    pub name: String,
    /// How often it was to be read.
    pub period_ns: i64,
    /// Median distance of ticks.
    pub measured_period_ns: Option<i64>,
    /// How often it was read.
    pub ticks: u64,
    /// How often it was not, for the sampler came late by a whole period or more.
    pub missed_ticks: u64,
    /// Reads of a register that failed.
    pub failed_reads: u64,
    /// Median of how late ticks were.
    pub lateness_p50_ns: Option<i64>,
    /// 99th percentile of how late ticks were.
    pub lateness_p99_ns: Option<i64>,
    /// CPU seconds that the sampling thread spent meanwhile, for all recordings that it reads for.
    pub cpu_s: Option<f64>,
    /// How each of its registers behaved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensors: Vec<Sensor>,
    /// When it noticed that the machine had been suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspensions: Vec<Suspension>,
}

/// How one register behaved, as far as reading it showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Sensor {
    /// Name of its domain.
    pub domain: String,
    /// Median distance of its updates; unknown where it was never looked at often enough, or drew nothing.
    pub update_ns: Option<i64>,
    /// Median duration of a read.
    pub read_ns: Option<i64>,
    /// How late it tells of power, beyond what its readings' edges say, found from traced operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ns: Option<i64>,
    /// Give or take so much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_error_ns: Option<i64>,
    /// The time of which an update tells the mean power: as long as updates are apart where it counts everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ns: Option<i64>,
}
