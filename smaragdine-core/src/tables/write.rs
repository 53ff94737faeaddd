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

use crate::trace::{Basis, Entry, Flags, Trace};

/// One table of a trace, `name`.parquet.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) rows: fn(&Trace) -> usize,
    pub(super) batch: fn(&Trace, Range<usize>) -> Result<RecordBatch, ArrowError>,
}

/// What a recording leaves behind.
pub(super) const RECORDED: [Table; 4] = [
    Table { name: "readings", rows: |trace| trace.readings.len(), batch: readings },
    Table { name: "events", rows: |trace| trace.events.len(), batch: events },
    Table { name: "ops", rows: |trace| trace.ops.len(), batch: ops },
    Table { name: "edges", rows: |trace| trace.edges.len(), batch: edges },
];

/// What accounting derives from it.
pub(super) const ACCOUNTING: [Table; 4] = [
    Table { name: "steps", rows: |trace| trace.steps.len(), batch: steps },
    Table { name: "footprint", rows: |trace| trace.footprint.len(), batch: footprint },
    Table { name: "footprint_domains", rows: |trace| trace.footprint_domains.len(), batch: footprint_domains },
    Table { name: "ledger", rows: |trace| trace.ledger.len(), batch: ledger },
];

fn readings(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let domains = &trace.metadata.domains;
    let rows = &trace.readings[range];
    let domain = || rows.iter().map(|row| row.domain);
    Columns::default()
        .required("domain", names(domain(), domains.iter().map(|domain| domain.name.as_str()))?)
        .required("start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.start_ns)))
        .required("end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.end_ns)))
        .nullable("edge_uncertainty_ns", rows.iter().map(|row| row.edge_uncertainty_ns).collect::<Int64Array>())
        .required("read_start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.read_start_ns)))
        .required("read_end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.read_end_ns)))
        .required("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .nullable("app_share", rows.iter().map(|row| row.app_share).collect::<Float64Array>())
        .nullable("daemon_share", rows.iter().map(|row| row.daemon_share).collect::<Float64Array>())
        .nullable("idle_share", rows.iter().map(|row| row.idle_share).collect::<Float64Array>())
        .required("flags", flags(rows.iter().map(|row| row.flags)))
        .required("source", names(domain(), domains.iter().map(|domain| domain.source.as_str()))?)
        .batch()
}

fn events(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.events[range];
    let devices = trace.metadata.devices.iter().map(String::as_str);
    Columns::default()
        .required("op", UInt32Array::from_iter_values(rows.iter().map(|row| row.op)))
        .required("device", names(rows.iter().map(|row| row.device), devices)?)
        .required("lane", UInt32Array::from_iter_values(rows.iter().map(|row| row.lane)))
        .required("kind", rows.iter().map(|row| Some(row.kind.name())).collect::<DictionaryArray<UInt16Type>>())
        .required("start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.start_ns)))
        .required("end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.end_ns)))
        .nullable("step", rows.iter().map(|row| row.step).collect::<Int64Array>())
        .nullable("correlation", rows.iter().map(|row| row.correlation).collect::<UInt64Array>())
        .batch()
}

fn ops(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let numbers = range.clone().map(|number| {
        u32::try_from(number).map_err(|_| ArrowError::InvalidArgumentError("more operations than a uint32".into()))
    });
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let rows = &trace.ops[range];
    let fused = rows.iter().map(|row| Some(&row.fused).filter(|fused| !fused.is_empty()));
    Columns::default()
        .required("op", UInt32Array::from(numbers))
        .required("qtn", StringArray::from_iter_values(rows.iter().map(|row| &row.qtn)))
        .required("layer", StringArray::from_iter_values(rows.iter().map(|row| &row.layer)))
        .required("type", StringArray::from_iter_values(rows.iter().map(|row| &row.kind)))
        .required("phase", StringArray::from_iter_values(rows.iter().map(|row| row.phase.name())))
        .required("raw_name", StringArray::from_iter_values(rows.iter().map(|row| &row.raw_name)))
        .nullable("flops", rows.iter().map(|row| row.flops).collect::<Float64Array>())
        .nullable("fused", fused.collect::<StringArray>())
        .batch()
}

fn edges(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.edges[range];
    Columns::default()
        .required("from_op", UInt32Array::from_iter_values(rows.iter().map(|row| row.0)))
        .required("to_op", UInt32Array::from_iter_values(rows.iter().map(|row| row.1)))
        .batch()
}

fn steps(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.steps[range];
    let samples = |samples: u64| i64::try_from(samples).unwrap_or(i64::MAX);
    Columns::default()
        .required("step", Int64Array::from_iter_values(rows.iter().map(|row| row.step)))
        .required("epoch", Int64Array::from_iter_values(rows.iter().map(|row| row.epoch)))
        .required("start_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.start_ns)))
        .required("end_ns", Int64Array::from_iter_values(rows.iter().map(|row| row.end_ns)))
        .required("traced", BooleanArray::from(rows.iter().map(|row| row.traced).collect::<Vec<_>>()))
        .nullable("samples", rows.iter().map(|row| row.samples.map(samples)).collect::<Int64Array>())
        .required("energy_j", map(rows.iter().map(|row| &row.energy_j))?)
        .required("metrics", map(rows.iter().map(|row| &row.metrics))?)
        .batch()
}

fn footprint(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.footprint[range];
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Columns::default()
        .required("policy", StringArray::from_iter_values(rows.iter().map(|row| row.policy.name())))
        .required("op", UInt32Array::from_iter_values(rows.iter().map(|row| row.op)))
        .required("device", StringArray::from_iter_values(rows.iter().map(|row| &row.device)))
        .required("basis", StringArray::from_iter_values(rows.iter().map(|row| basis(row.basis))))
        .required("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .nullable("energy_low_j", rows.iter().map(|row| row.energy_low_j).collect::<Float64Array>())
        .nullable("energy_high_j", rows.iter().map(|row| row.energy_high_j).collect::<Float64Array>())
        .required("time_s", Float64Array::from_iter_values(rows.iter().map(|row| row.time_s)))
        .nullable("power_w", rows.iter().map(|row| row.power_w).collect::<Float64Array>())
        .required("count", Int64Array::from_iter_values(rows.iter().map(|row| count(row.count))))
        .batch()
}

fn footprint_domains(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.footprint_domains[range];
    Columns::default()
        .required("policy", StringArray::from_iter_values(rows.iter().map(|row| row.policy.name())))
        .required("op", UInt32Array::from_iter_values(rows.iter().map(|row| row.op)))
        .required("domain", StringArray::from_iter_values(rows.iter().map(|row| &row.domain)))
        .required("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .batch()
}

fn ledger(trace: &Trace, range: Range<usize>) -> Result<RecordBatch, ArrowError> {
    let rows = &trace.ledger[range];
    Columns::default()
        .required("policy", StringArray::from_iter_values(rows.iter().map(|row| row.policy.name())))
        .required("domain", StringArray::from_iter_values(rows.iter().map(|row| &row.domain)))
        .required("entry", StringArray::from_iter_values(rows.iter().map(|row| Entry::name(row.entry))))
        .required("energy_j", Float64Array::from_iter_values(rows.iter().map(|row| row.energy_j)))
        .batch()
}

#[derive(Default)]
struct Columns(Vec<(Field, ArrayRef)>);

impl Columns {
    fn required(self, name: &str, array: impl Array + 'static) -> Self {
        self.with(name, array, false)
    }

    fn nullable(self, name: &str, array: impl Array + 'static) -> Self {
        self.with(name, array, true)
    }

    fn with(mut self, name: &str, array: impl Array + 'static, nullable: bool) -> Self {
        self.0.push((Field::new(name, array.data_type().clone(), nullable), Arc::new(array)));
        self
    }

    fn batch(self) -> Result<RecordBatch, ArrowError> {
        let (fields, arrays): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}

pub(super) fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => "measured",
        Basis::Modelled => "modelled",
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
