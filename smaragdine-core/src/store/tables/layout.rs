//! The tables of a trace and their columns: what is written, read, summed up and told in the schema is this one list.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::trace::{Basis, Entry, Flag, Kind, OwnLayer, Phase, Policy, SourceName};

/// A type that a column of ours has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
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

impl ColumnType {
    /// As the documentation of the trace's format has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Count => "uint32",
            Self::Integer => "int64",
            Self::Natural => "uint64",
            Self::Double => "double",
            Self::Truth => "bool",
            Self::Text => "string",
            Self::Texts => "list of strings",
            Self::Doubles => "map string → double",
        }
    }
}

/// One column.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: ColumnType,
    /// A value may be unknown.
    pub(super) nullable: bool,
    /// Earlier versions did not write it: where it is not there, nothing of it is known, which is no damage.
    pub(super) later: bool,
    /// What it says, in which unit.
    pub(super) about: &'static str,
    /// The vocabulary of its words, where it has one.
    pub(super) words: Option<Vocabulary>,
}

type Vocabulary = fn(&mut SchemaGenerator) -> Schema;

/// One table, `name`.parquet.
pub(super) struct Layout {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) columns: &'static [Column],
    /// Earlier versions did not write it: where it is not there, and was not sealed, it has no rows.
    pub(super) later: bool,
}

impl Layout {
    pub(super) fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

const fn column(name: &'static str, kind: ColumnType, about: &'static str) -> Column {
    Column { name, kind, nullable: false, later: false, about, words: None }
}

const fn text(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Text, about)
}

const fn count(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Count, about)
}

const fn integer(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Integer, about)
}

const fn double(name: &'static str, about: &'static str) -> Column {
    column(name, ColumnType::Double, about)
}

impl Column {
    const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// Further columns are nullable: of a trace that was written before, nobody knows what they would say.
    const fn later(self) -> Self {
        Self { later: true, nullable: true, ..self }
    }

    const fn of<T: JsonSchema>(self) -> Self {
        Self { words: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }
}

pub(super) static READINGS: Layout = Layout {
    name: "readings",
    about: "One row per domain and interval; intervals of one domain do not overlap.",
    columns: &[
        text("domain", "name of a domain of trace.json"),
        integer("start_ns", "best estimate of the register's update instant, trace time"),
        integer("end_ns", "best estimate of the register's update instant, trace time"),
        integer("edge_uncertainty_ns", "of both edges, nanoseconds; null: one update period of the register").or_null(),
        integer("read_start_ns", "before the read that ended the interval, trace time"),
        integer("read_end_ns", "after the read that ended the interval, trace time"),
        double("energy_j", "joules; where a flag makes it a gap, what was certainly drawn"),
        double("app_share", "the application's fraction of this reading's energy; null: unknown").or_null(),
        double("daemon_share", "the daemon's fraction of this reading's energy; null: unknown").or_null(),
        double("idle_share", "the fraction of this reading's energy while nothing was active; null: unknown").or_null(),
        column("flags", ColumnType::Texts, "what is remarkable about it").of::<Flag>(),
        text("source", "what read it").of::<SourceName>(),
    ],
    later: false,
};

pub(super) static EVENTS: Layout = Layout {
    name: "events",
    about: "One row per execution of an operation; leaf work only.",
    columns: &[
        count("op", "number of an operation of ops"),
        text("device", "name of a device of trace.json"),
        count("lane", "thread or stream, unique within the device"),
        text("kind", "what it does with its lane").of::<Kind>(),
        integer("start_ns", "trace time"),
        integer("end_ns", "trace time"),
        integer("step", "number of a step of steps; null: it is in none").or_null(),
        column("correlation", ColumnType::Natural, "ties a launch to what it launched, and pieces of one execution")
            .or_null(),
    ],
    later: false,
};

pub(super) static OPS: Layout = Layout {
    name: "ops",
    about: "One row per operation.",
    columns: &[
        count("op", "its number, from 0"),
        text("qtn", "qualified tensor name, bert/encoder/layer_0/output/dense/MatMul"),
        text("layer", "path of the user's layer, the model's name first; or one of our own words, alone")
            .of::<OwnLayer>(),
        text("type", "MatMul"),
        text("phase", "the pass it belongs to").of::<Phase>(),
        text("raw_name", "as the framework gave it"),
        double("flops", "floating-point operations of one execution; null: shapes do not tell").or_null(),
        text("fused", "what its kernel computes besides, BiasAdd+Relu; null: nothing").later(),
    ],
    later: false,
};

pub(super) static EDGES: Layout = Layout {
    name: "edges",
    about: "Data flows from one operation to the other.",
    columns: &[
        count("from_op", "number of an operation of ops"),
        count("to_op", "that of one that its data flow to, directly or through what is not in ops"),
    ],
    later: false,
};

pub(super) static STEPS: Layout = Layout {
    name: "steps",
    about: "One row per step of a training, an evaluation or a prediction.",
    columns: &[
        integer("step", "its number"),
        integer("epoch", "number of its epoch"),
        integer("start_ns", "trace time"),
        integer("end_ns", "trace time"),
        column("traced", ColumnType::Truth, "its events are known"),
        integer("samples", "examples processed; null: unknown").or_null(),
        column("energy_j", ColumnType::Doubles, "the application's joules, by counted domain"),
        column("metrics", ColumnType::Doubles, "as logged, by name: loss, accuracy"),
    ],
    later: false,
};

pub(super) static FOOTPRINT: Layout = Layout {
    name: "footprint",
    about: "One row per policy, operation, device and basis.",
    columns: &[
        text("policy", "how energy was split").of::<Policy>(),
        count("op", "number of an operation of ops"),
        text("device", "name of a device of trace.json"),
        text("basis", "whether it was measured").of::<Basis>(),
        double("energy_j", "joules, in traced steps"),
        double("energy_low_j", "lower end of the 90 % interval, joules; null: the policy gives none").or_null(),
        double("energy_high_j", "upper end of the 90 % interval, joules; null: the policy gives none").or_null(),
        double("time_s", "sum of durations, seconds"),
        double("power_w", "energy ÷ time, watts; null: the time is 0").or_null(),
        integer("count", "executions"),
    ],
    later: false,
};

pub(super) static FOOTPRINT_DOMAINS: Layout = Layout {
    name: "footprint_domains",
    about: "The same energy by register.",
    columns: &[
        text("policy", "how energy was split").of::<Policy>(),
        count("op", "number of an operation of ops"),
        text("domain", "name of a domain of trace.json"),
        double("energy_j", "joules, in traced steps"),
    ],
    later: false,
};

pub(super) static LEDGER: Layout = Layout {
    name: "ledger",
    about: "Where every joule of a counted domain went.",
    columns: &[
        text("policy", "how energy was split").of::<Policy>(),
        text("domain", "name of a counted domain of trace.json"),
        text("entry", "where it went").of::<Entry>(),
        double("energy_j", "joules; under recency, application may be negative"),
    ],
    later: false,
};

pub(super) static METRICS: Layout = Layout {
    name: "metrics",
    about: "One row per metric, scope and moment, as it was sampled.",
    columns: &[
        integer("time_ns", "when it was looked at, trace time"),
        text("metric", "name of a metric of trace.json, which has its unit"),
        text("scope", "of what: application, machine, daemon, GPU:0, application/GPU:0; or what the program says"),
        double("value", "in the metric's unit; counters as they stood"),
    ],
    later: true,
};

pub(super) static SPANS: Layout = Layout {
    name: "spans",
    about: "One row per stretch that the program names itself; they may nest and overlap.",
    columns: &[
        count("span", "its number, from 0"),
        text("name", "as the program says: prefill, decode, pause"),
        count("parent", "number of the span around it; null: none").or_null(),
        integer("start_ns", "trace time"),
        integer("end_ns", "trace time"),
        integer("tokens", "processed or made within it; null: unknown").or_null(),
        integer("requests", "served together within it; null: unknown").or_null(),
    ],
    later: true,
};

/// In the order in which they are documented.
pub(super) const LAYOUTS: [&Layout; 10] =
    [&READINGS, &EVENTS, &OPS, &EDGES, &STEPS, &FOOTPRINT, &FOOTPRINT_DOMAINS, &LEDGER, &METRICS, &SPANS];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_each_column_once() {
        for Layout { name, columns, .. } in LAYOUTS {
            let mut names: Vec<_> = columns.iter().map(|column| column.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), columns.len(), "{name}");
        }
    }
}
