//! What the columns of each table hold, as far as this version knows them.

use self::Kind::{Count, Double, Doubles, Integer, Natural, Text, Texts, Truth};

/// A type that a column of ours has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// uint32
    Count,
    /// int64
    Integer,
    /// uint64
    Natural,
    Double,
    /// bool
    Truth,
    Text,
    /// list of strings
    Texts,
    /// map string → double
    Doubles,
}

/// The columns of a table by name; none of a table that is not known.
pub(super) fn kinds(table: &str) -> &'static [(&'static str, Kind)] {
    match table {
        "readings" => &[
            ("domain", Text),
            ("start_ns", Integer),
            ("end_ns", Integer),
            ("edge_uncertainty_ns", Integer),
            ("read_start_ns", Integer),
            ("read_end_ns", Integer),
            ("energy_j", Double),
            ("app_share", Double),
            ("daemon_share", Double),
            ("idle_share", Double),
            ("flags", Texts),
            ("source", Text),
        ],
        "events" => &[
            ("op", Count),
            ("device", Text),
            ("lane", Count),
            ("kind", Text),
            ("start_ns", Integer),
            ("end_ns", Integer),
            ("step", Integer),
            ("correlation", Natural),
        ],
        "ops" => &[
            ("op", Count),
            ("qtn", Text),
            ("layer", Text),
            ("type", Text),
            ("phase", Text),
            ("raw_name", Text),
            ("flops", Double),
            ("fused", Text),
        ],
        "edges" => &[("from_op", Count), ("to_op", Count)],
        "steps" => &[
            ("step", Integer),
            ("epoch", Integer),
            ("start_ns", Integer),
            ("end_ns", Integer),
            ("traced", Truth),
            ("samples", Integer),
            ("energy_j", Doubles),
            ("metrics", Doubles),
        ],
        "footprint" => &[
            ("policy", Text),
            ("op", Count),
            ("device", Text),
            ("basis", Text),
            ("energy_j", Double),
            ("energy_low_j", Double),
            ("energy_high_j", Double),
            ("time_s", Double),
            ("power_w", Double),
            ("count", Integer),
        ],
        "footprint_domains" => &[("policy", Text), ("op", Count), ("domain", Text), ("energy_j", Double)],
        "ledger" => &[("policy", Text), ("domain", Text), ("entry", Text), ("energy_j", Double)],
        _ => &[],
    }
}
