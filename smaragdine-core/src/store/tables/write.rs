//! Rows to columns: the tables, their columns' names and types.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::types::UInt16Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, ListArray, MapArray, RecordBatch,
    StringArray, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema};

use super::layout::{
    ColumnType, EDGES, EVENTS, FOOTPRINT, FOOTPRINT_DOMAINS, LEDGER, Layout, METRICS, OPS, READINGS, SPANS, STEPS,
};
use crate::trace::{Entry, Event, Flags, Metadata, Reading, Step, Trace};

/// How one table of a trace is written.
pub(super) struct Table {
    pub(super) layout: &'static Layout,
    pub(super) rows: fn(&Trace) -> usize,
    pub(super) batch: fn(&Trace, Range<usize>) -> Result<RecordBatch, ArrowError>,
}

/// What a recording leaves behind.
pub(super) const RECORDED: [Table; 6] = [
    Table { layout: &READINGS, rows: |trace| trace.readings.len(), batch: readings },
    Table { layout: &EVENTS, rows: |trace| trace.events.len(), batch: events },
    Table { layout: &OPS, rows: |trace| trace.ops.len(), batch: ops },
    Table { layout: &EDGES, rows: |trace| trace.edges.len(), batch: edges },
    Table { layout: &METRICS, rows: |trace| trace.metrics.rows().len(), batch: metrics },
    Table { layout: &SPANS, rows: |trace| trace.spans.len(), batch: spans },
];

/// What accounting derives from it.
pub(super) const ACCOUNTING: [Table; 4] = [
    Table { layout: &STEPS, rows: |trace| trace.steps.len(), batch: steps },
    Table { layout: &FOOTPRINT, rows: |trace| trace.footprint.len(), batch: footprint },
    Table { layout: &FOOTPRINT_DOMAINS, rows: |trace| trace.footprint_domains.len(), batch: footprint_domains },
    Table { layout: &LEDGER, rows: |trace| trace.ledger.len(), batch: ledger },
];

fn readings(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    reading_rows(&trace.metadata, &trace.readings[range])
}

pub(super) fn reading_rows(metadata: &Metadata, rows: &[Reading]) -> Result<RecordBatch, ArrowError> {
    let domains = &metadata.domains;
    let domain = || rows.iter().map(|row| row.domain);
    BatchColumns::of(&READINGS)
        .with("domain", names(domain(), domains.iter().map(|domain| domain.name.as_str()))?)
        .with("start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.start_ns)))
        .with("end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.end_ns)))
        .with("edge_uncertainty_ns", rows.iter().map(|row| row.edge_uncertainty_ns).collect::<Int64Array>())
        .with("read_start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.read_start_ns)))
        .with("read_end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.read_end_ns)))
        .with("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .with("app_share", rows.iter().map(|row| row.app_share).collect::<Float64Array>())
        .with("daemon_share", rows.iter().map(|row| row.daemon_share).collect::<Float64Array>())
        .with("idle_share", rows.iter().map(|row| row.idle_share).collect::<Float64Array>())
        .with("flags", flags(rows.iter().map(|row| row.flags)))
        .with("source", names(domain(), domains.iter().map(|domain| domain.source.as_str()))?)
        .batch()
}

fn events(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    event_rows(&trace.metadata, &trace.events[range])
}

pub(super) fn event_rows(metadata: &Metadata, rows: &[Event]) -> Result<RecordBatch, ArrowError> {
    let devices = metadata.devices.iter().map(String::as_str);
    BatchColumns::of(&EVENTS)
        .with("op", UInt32Array::from_iter_values(rows.iter().map(|row| row.op)))
        .with("device", names(rows.iter().map(|row| row.device), devices)?)
        .with("lane", UInt32Array::from_iter_values(rows.iter().map(|row| row.lane)))
        .with("kind", rows.iter().map(|row| Some(row.kind.name())).collect::<DictionaryArray<UInt16Type>>())
        .with("start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.start_ns)))
        .with("end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.end_ns)))
        .with("step", rows.iter().map(|row| row.step).collect::<Int64Array>())
        .with("correlation", rows.iter().map(|row| row.correlation).collect::<UInt64Array>())
        .batch()
}

fn ops(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let numbers = range.clone().map(|number| {
        u32::try_from(number).map_err(|_| ArrowError::InvalidArgumentError("more operations than a uint32".into()))
    });
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let rows = &trace.ops[range];
    let fused = rows.iter().map(|row| Some(&row.fused).filter(|fused| !fused.is_empty()));
    BatchColumns::of(&OPS)
        .with("op", UInt32Array::from(numbers))
        .with("qtn", StringArray::from_iter_values(rows.iter().map(|row| &row.qtn)))
        .with("layer", StringArray::from_iter_values(rows.iter().map(|row| &row.layer)))
        .with("type", StringArray::from_iter_values(rows.iter().map(|row| &row.kind)))
        .with("phase", StringArray::from_iter_values(rows.iter().map(|row| row.phase.name())))
        .with("raw_name", StringArray::from_iter_values(rows.iter().map(|row| &row.raw_name)))
        .with("flops", rows.iter().map(|row| row.flops).collect::<Float64Array>())
        .with("fused", fused.collect::<StringArray>())
        .batch()
}

fn edges(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.edges[range];
    BatchColumns::of(&EDGES)
        .with("from_op", UInt32Array::from_iter_values(rows.iter().map(|row| row.0)))
        .with("to_op", UInt32Array::from_iter_values(rows.iter().map(|row| row.1)))
        .batch()
}

fn steps(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    step_rows(&trace.steps[range])
}

pub(super) fn step_rows(rows: &[Step]) -> Result<RecordBatch, ArrowError> {
    let samples = |samples: u64| i64::try_from(samples).unwrap_or(i64::MAX);
    BatchColumns::of(&STEPS)
        .with("step", Int64Array::from_iter_values(rows.iter().map(|row| row.step)))
        .with("epoch", Int64Array::from_iter_values(rows.iter().map(|row| row.epoch)))
        .with("start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.start_ns)))
        .with("end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.end_ns)))
        .with("traced", BooleanArray::from(rows.iter().map(|row| row.traced).collect::<Vec<_>>()))
        .with("samples", rows.iter().map(|row| row.samples.map(samples)).collect::<Int64Array>())
        .with("energy_j", map(rows.iter().map(|row| &row.energy_j))?)
        .with("metrics", map(rows.iter().map(|row| &row.metrics))?)
        .batch()
}

fn footprint(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.footprint[range];
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    BatchColumns::of(&FOOTPRINT)
        .with("policy", StringArray::from_iter_values(rows.iter().map(|row| row.policy.name())))
        .with("op", UInt32Array::from_iter_values(rows.iter().map(|row| row.op)))
        .with("device", StringArray::from_iter_values(rows.iter().map(|row| &row.device)))
        .with("basis", StringArray::from_iter_values(rows.iter().map(|row| row.basis.name())))
        .with("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .with("energy_low_j", rows.iter().map(|row| row.energy_low_j).collect::<Float64Array>())
        .with("energy_high_j", rows.iter().map(|row| row.energy_high_j).collect::<Float64Array>())
        .with("time_s", Float64Array::from_iter_values(rows.iter().map(|row| row.time_s)))
        .with("power_w", rows.iter().map(|row| row.power_w).collect::<Float64Array>())
        .with("count", Int64Array::from_iter_values(rows.iter().map(|row| count(row.count))))
        .batch()
}

fn footprint_domains(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.footprint_domains[range];
    BatchColumns::of(&FOOTPRINT_DOMAINS)
        .with("policy", StringArray::from_iter_values(rows.iter().map(|row| row.policy.name())))
        .with("op", UInt32Array::from_iter_values(rows.iter().map(|row| row.op)))
        .with("domain", StringArray::from_iter_values(rows.iter().map(|row| &row.domain)))
        .with("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .batch()
}

fn ledger(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.ledger[range];
    BatchColumns::of(&LEDGER)
        .with("policy", StringArray::from_iter_values(rows.iter().map(|row| row.policy.name())))
        .with("domain", StringArray::from_iter_values(rows.iter().map(|row| &row.domain)))
        .with("entry", StringArray::from_iter_values(rows.iter().map(|row| Entry::name(row.entry))))
        .with("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .batch()
}

fn spans(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.spans[range];
    let known = |count: Option<u64>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    BatchColumns::of(&SPANS)
        .with("span", UInt32Array::from_iter_values(rows.iter().map(|row| row.span)))
        .with("name", StringArray::from_iter_values(rows.iter().map(|row| &row.name)))
        .with("parent", rows.iter().map(|row| row.parent).collect::<UInt32Array>())
        .with("start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.start_ns)))
        .with("end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.end_ns)))
        .with("tokens", rows.iter().map(|row| known(row.tokens)).collect::<Int64Array>())
        .with("requests", rows.iter().map(|row| known(row.requests)).collect::<Int64Array>())
        .batch()
}

fn metrics(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let (series, rows) = (trace.metrics.series(), &trace.metrics.rows()[range]);
    let of = || rows.iter().map(|row| row.series);
    BatchColumns::of(&METRICS)
        .with("time_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.time_ns)))
        .with("metric", names(of(), series.iter().map(|(metric, _)| metric.as_str()))?)
        .with("scope", names(of(), series.iter().map(|(_, scope)| scope.as_str()))?)
        .with("value", Float64Array::from_iter_values(rows.iter().map(|row| row.value)))
        .batch()
}

/// The columns of a table, given in their order.
struct BatchColumns {
    layout: &'static Layout,
    arrays: Vec<(Field, ArrayRef)>,
}

impl BatchColumns {
    fn of(layout: &'static Layout) -> Self {
        Self { layout, arrays: Vec::new() }
    }

    fn with(mut self, name: &str, array: impl Array + 'static) -> Self {
        let nullable = self.layout.column(name).is_none_or(|column| column.nullable);
        self.arrays.push((Field::new(name, array.data_type().clone(), nullable), Arc::new(array)));
        self
    }

    /// Fails where these are not the columns that the layout has.
    fn batch(self) -> Result<RecordBatch, ArrowError> {
        let given = self.arrays.iter().map(|(field, _)| (field.name().as_str(), ColumnType::of(field.data_type())));
        if !given.eq(self.layout.columns.iter().map(|column| (column.name, Some(column.kind)))) {
            return Err(ArrowError::SchemaError(format!("the columns of {} are not those laid out", self.layout.name)));
        }
        let (fields, arrays): (Vec<_>, Vec<_>) = self.arrays.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}

impl ColumnType {
    /// Of a column in memory, if it is one of ours.
    fn of(array: &DataType) -> Option<Self> {
        match array {
            DataType::UInt32 => Some(Self::Count),
            DataType::Int64 => Some(Self::Integer),
            DataType::UInt64 => Some(Self::Natural),
            DataType::Float64 => Some(Self::Double),
            DataType::Boolean => Some(Self::Truth),
            // Names that come again and again are numbered.
            DataType::Utf8 | DataType::Dictionary(..) => Some(Self::Text),
            DataType::List(_) => Some(Self::Texts),
            DataType::Map(..) => Some(Self::Doubles),
            _ => None,
        }
    }
}

/// A column of names, given as indexes into a list of them; fails where an index has no name.
fn names<'a>(
    indexes: impl Iterator<Item = u16>,
    names: impl Iterator<Item = &'a str>,
) -> Result<DictionaryArray<UInt16Type>, ArrowError> {
    DictionaryArray::try_new(UInt16Array::from_iter_values(indexes), Arc::new(StringArray::from_iter_values(names)))
}

fn flags(rows: impl Iterator<Item = Flags>) -> ListArray {
    let mut list = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, false));
    for flags in rows {
        for flag in flags.iter() {
            list.values().append_value(flag.name());
        }
        list.append(true);
    }
    list.finish()
}

fn map<'a>(rows: impl Iterator<Item = &'a BTreeMap<String, f64>>) -> Result<MapArray, ArrowError> {
    let field_names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut map = MapBuilder::new(Some(field_names), StringBuilder::new(), Float64Builder::new());
    for row in rows {
        for (key, value) in row {
            map.keys().append_value(key);
            map.values().append_value(*value);
        }
        map.append(true)?;
    }
    Ok(map.finish())
}
