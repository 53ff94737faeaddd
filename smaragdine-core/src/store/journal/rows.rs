//! Readings, shares and metrics as the journal holds them.

use crate::trace::{Flags, MetricSample, Reading, ShareSample};

#[derive(prost::Message)]
pub(super) struct ReadingsRow {
    #[prost(message, repeated, tag = "1")]
    pub(super) rows: Vec<ReadingRow>,
}

#[derive(prost::Message)]
pub(super) struct ReadingRow {
    #[prost(uint32, tag = "1")]
    pub(super) domain: u32,
    #[prost(sfixed64, tag = "2")]
    pub(super) start_ns: i64,
    #[prost(sfixed64, tag = "3")]
    pub(super) end_ns: i64,
    #[prost(int64, optional, tag = "4")]
    pub(super) edge_uncertainty_ns: Option<i64>,
    #[prost(sfixed64, tag = "5")]
    pub(super) read_start_ns: i64,
    #[prost(sfixed64, tag = "6")]
    pub(super) read_end_ns: i64,
    #[prost(double, tag = "7")]
    pub(super) energy_j: f64,
    #[prost(uint32, tag = "8")]
    pub(super) flags: u32,
}

impl From<&Reading> for ReadingRow {
    fn from(reading: &Reading) -> Self {
        Self {
            domain: u32::from(reading.domain),
            start_ns: reading.start_ns,
            end_ns: reading.end_ns,
            edge_uncertainty_ns: reading.edge_uncertainty_ns,
            read_start_ns: reading.read_start_ns,
            read_end_ns: reading.read_end_ns,
            energy_j: reading.energy_j,
            flags: u32::from(reading.flags.bits()),
        }
    }
}

impl From<ReadingRow> for Reading {
    fn from(row: ReadingRow) -> Self {
        Self {
            domain: u16::try_from(row.domain).unwrap_or(u16::MAX),
            start_ns: row.start_ns,
            end_ns: row.end_ns,
            edge_uncertainty_ns: row.edge_uncertainty_ns,
            read_start_ns: row.read_start_ns,
            read_end_ns: row.read_end_ns,
            energy_j: row.energy_j,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::from_bits(row.flags as u16),
        }
    }
}

#[derive(prost::Message)]
pub(super) struct SharesRow {
    #[prost(message, repeated, tag = "1")]
    pub(super) rows: Vec<ShareRow>,
}

#[derive(prost::Message)]
pub(super) struct ShareRow {
    #[prost(string, tag = "1")]
    pub(super) scope: String,
    #[prost(sfixed64, tag = "2")]
    pub(super) start_ns: i64,
    #[prost(sfixed64, tag = "3")]
    pub(super) end_ns: i64,
    #[prost(double, optional, tag = "4")]
    pub(super) app: Option<f64>,
    #[prost(double, optional, tag = "5")]
    pub(super) daemon: Option<f64>,
    #[prost(double, optional, tag = "6")]
    pub(super) idle: Option<f64>,
    #[prost(uint32, tag = "7")]
    pub(super) flags: u32,
}

impl From<&ShareSample> for ShareRow {
    fn from(share: &ShareSample) -> Self {
        Self {
            scope: share.scope.clone(),
            start_ns: share.start_ns,
            end_ns: share.end_ns,
            app: share.app,
            daemon: share.daemon,
            idle: share.idle,
            flags: u32::from(share.flags.bits()),
        }
    }
}

impl From<ShareRow> for ShareSample {
    fn from(row: ShareRow) -> Self {
        Self {
            scope: row.scope,
            start_ns: row.start_ns,
            end_ns: row.end_ns,
            app: row.app,
            daemon: row.daemon,
            idle: row.idle,
            flags: Flags::from_bits(row.flags as u16),
        }
    }
}

#[derive(prost::Message)]
pub(super) struct MetricsRow {
    #[prost(message, repeated, tag = "1")]
    pub(super) rows: Vec<MetricRow>,
}

#[derive(prost::Message)]
pub(super) struct MetricRow {
    #[prost(sfixed64, tag = "1")]
    pub(super) time_ns: i64,
    #[prost(string, tag = "2")]
    pub(super) metric: String,
    #[prost(string, tag = "3")]
    pub(super) scope: String,
    #[prost(double, tag = "4")]
    pub(super) value: f64,
}

impl From<&MetricSample> for MetricRow {
    fn from(sample: &MetricSample) -> Self {
        let MetricSample { time_ns, metric, scope, value } = sample.clone();
        Self { time_ns, metric, scope, value }
    }
}

impl From<MetricRow> for MetricSample {
    fn from(row: MetricRow) -> Self {
        let MetricRow { time_ns, metric, scope, value } = row;
        Self { time_ns, metric, scope, value }
    }
}
