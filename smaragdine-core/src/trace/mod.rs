//! A trace in memory: the rows of its tables, as assembled, accounted and written.
//!
//! All `*_ns` are trace time (see [`crate::clock`]), all energies joules, all shares fractions of the reading's energy.

mod accounts;
mod clock_change;
mod coverage;
mod domain;
mod event;
mod gap;
mod hardware;
mod limit;
mod metadata;
mod metric;
mod model;
mod named_span;
mod notice;
mod options;
mod program;
mod reading;
mod recorded;
mod source_report;
mod words;

pub use accounts::{Entry, FootprintDomainRow, FootprintRow, LedgerRow, Policy};
pub use clock_change::{ClockChange, Suspension};
pub use coverage::{Coverage, Deconvolution, Level, Solved, Unmeasured};
pub use domain::{Basis, Domain, SourceName, UNKNOWN_SOCKET, WHOLE_NODE};
pub use event::{Event, Kind, Op, OwnLayer, Phase, Step};
pub use gap::{Gap, gaps};
pub use hardware::{GpuHardware, Hardware, Host};
pub use limit::{Limit, RAPL_UPDATE_NS};
pub use metadata::{Metadata, SCHEMA_VERSION, State};
pub use metric::{Metric, MetricRow, MetricSample, Metrics};
pub use model::Model;
pub use named_span::NamedSpan;
pub use notice::{notice, uncounted};
pub use options::RecordingOptions;
pub use program::{Git, Program};
pub use reading::{Flag, Flags, Reading, ShareSample, readings_of_domain};
pub use recorded::{Batches, Held, Reader, Recorded};
pub use source_report::{Sensor, SourceReport};

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
    pub metrics: Metrics,
    /// In order of their start.
    pub spans: Vec<NamedSpan>,
}
