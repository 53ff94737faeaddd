//! Tables that another program wrote again: read as ours whatever its compression, types and order of rows and columns.

use crate::synthetic;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use crate::written::{accounted, written};
use arrow_array::builder::{Float64Builder, ListBuilder, NullBuilder, StringBuilder, StructBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, NullArray,
    RecordBatch, StructArray, UInt64Array, new_empty_array,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use smaragdine_core::build::reaccount::reaccount;
use smaragdine_core::error::Error;
use smaragdine_core::store::tables;
use smaragdine_core::trace::{Flags, Policy, Trace};

const TABLES: [&str; 8] = ["readings", "events", "ops", "edges", "steps", "footprint", "footprint_domains", "ledger"];

fn path(dir: &Path, table: &str) -> std::path::PathBuf {
    dir.join(format!("{table}.parquet"))
}

fn batch(dir: &Path, table: &str) -> RecordBatch {
    let file = File::open(path(dir, table)).expect("a file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a table").with_batch_size(1 << 20);
    let schema = reader.schema().clone();
    let batch = reader.build().expect("a table").next();
    batch.map_or_else(|| RecordBatch::new_empty(schema), |batch| batch.expect("rows"))
}

fn write(to: &Path, batches: &[RecordBatch], properties: WriterProperties) {
    let file = File::create(to).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("rows are written"));
    writer.close().expect("a table is written");
}

/// As pandas, DuckDB and Spark compress unless told otherwise.
fn snappy() -> WriterProperties {
    WriterProperties::builder().set_compression(Compression::SNAPPY).build()
}

/// Replaces columns of a table by what `change` makes of them.
fn rewrite(dir: &Path, table: &str, change: impl Fn(&str, &ArrayRef) -> Option<ArrayRef>) {
    let before = batch(dir, table);
    let schema = before.schema();
    let columns = schema.fields().iter().zip(before.columns()).map(|(field, column)| {
        let column = change(field.name(), column).unwrap_or_else(|| column.clone());
        (field.name(), column)
    });
    let after = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
    write(&path(dir, table), &[after.expect("columns of one length")], snappy());
}

fn assert_read_as(dir: &Path, trace: &Trace, how: &str) {
    assert_eq!(&tables::read(dir).unwrap_or_else(|error| panic!("{how}: {error}")), trace, "{how}");
}

fn problem(dir: &Path) -> String {
    match tables::read(dir) {
        Err(Error::DamagedTrace { problem, .. }) => problem,
        other => panic!("not damaged: {other:?}"),
    }
}

#[test]
fn every_compression_and_page_is_read_in_any_number_of_row_groups() {
    let trace = accounted();
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let dir = written(&trace);
            for table in TABLES {
                let properties = WriterProperties::builder()
                    .set_compression(codec)
                    .set_writer_version(version)
                    .set_max_row_group_row_count(Some(7))
                    .build();
                write(&path(dir.path(), table), &[batch(dir.path(), table)], properties);
            }
            assert_read_as(dir.path(), &trace, &format!("{codec:?}, {version:?}"));
        }
    }
}

#[test]
fn columns_in_another_order_and_further_ones_change_nothing() {
    let trace = accounted();
    let dir = written(&trace);
    for table in TABLES {
        let before = batch(dir.path(), table);
        let extra: ArrayRef = Arc::new(Int32Array::from(vec![7; before.num_rows()]));
        let schema = before.schema();
        let mut columns: Vec<(&String, ArrayRef, bool)> = Vec::new();
        let note = "note".to_owned();
        columns.push((&note, extra, true));
        let own = schema.fields().iter().zip(before.columns());
        columns.extend(own.map(|(field, column)| (field.name(), column.clone(), true)));
        columns.reverse();
        let after = RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length");
        write(&path(dir.path(), table), &[after], snappy());
    }
    assert_read_as(dir.path(), &trace, "columns in another order");
}

#[test]
fn rows_in_another_order_are_accounted_alike() {
    let trace = accounted();
    let dir = written(&trace);
    for table in TABLES {
        let before = batch(dir.path(), table);
        let rows: Vec<_> = (0..before.num_rows()).rev().map(|row| before.slice(row, 1)).collect();
        write(&path(dir.path(), table), &rows, snappy());
    }
    let changed = tables::read_as_it_is(dir.path()).expect("a trace is read");
    assert_eq!(changed.trace.ops, trace.ops);
    assert!(!changed.changed.is_empty(), "values in another order are not those that were sealed");
    for policy in Policy::ALL {
        reaccount(dir.path(), policy, &[]).expect("a trace is accounted");
    }
    let again = tables::read(dir.path()).expect("a trace is read");
    assert_eq!(again.footprint.len(), trace.footprint.len());
    for (row, before) in again.footprint.iter().zip(&trace.footprint) {
        assert_eq!(
            (row.policy, row.op, &row.device, row.count),
            (before.policy, before.op, &before.device, before.count)
        );
        assert!((row.energy_j - before.energy_j).abs() <= 1e-9 * before.energy_j.abs(), "{row:?}, {before:?}");
    }
    for (row, before) in again.ledger.iter().zip(&trace.ledger) {
        assert_eq!((row.policy, &row.domain, row.entry), (before.policy, &before.domain, before.entry));
        assert!((row.energy_j - before.energy_j).abs() <= 1e-9, "{row:?}, {before:?}");
    }
}

/// Spark has no unsigned integers: 32 bits become 64, and 64 a decimal of 20 digits.
#[test]
fn integers_as_spark_writes_them_are_read() {
    let mut trace = accounted();
    trace.events[3].correlation = Some(u64::MAX);
    let dir = written(&trace);
    for table in TABLES {
        rewrite(dir.path(), table, |_, column| match column.data_type() {
            DataType::UInt32 => {
                let wide = column.as_primitive::<UInt32Type>().iter().map(|value| value.map(i64::from));
                Some(Arc::new(wide.collect::<Int64Array>()))
            }
            DataType::UInt64 => {
                let wide = column.as_primitive::<UInt64Type>().iter().map(|value| value.map(i128::from));
                let decimals = wide.collect::<Decimal128Array>().with_precision_and_scale(20, 0);
                Some(Arc::new(decimals.expect("20 digits")))
            }
            _ => None,
        });
    }
    assert_read_as(dir.path(), &trace, "Spark's integers");
}

/// pandas turns integers with gaps into doubles, has no type for a column without values, and may write NaN for a null.
#[test]
fn what_pandas_has_no_type_for_is_read() {
    let mut trace = accounted();
    trace.events.iter_mut().for_each(|event| event.correlation = Some(12));
    trace.readings.iter_mut().for_each(|reading| reading.flags = Flags::NONE);
    trace.ops.iter_mut().for_each(|op| op.fused = String::new());
    trace.steps.iter_mut().for_each(|step| {
        step.samples = None;
        step.metrics.clear();
    });
    for nan in [false, true] {
        let missing = |value: Option<f64>| if nan { Some(value.unwrap_or(f64::NAN)) } else { value };
        let dir = written(&trace);
        for table in TABLES {
            rewrite(dir.path(), table, |name, column| match (name, column.data_type()) {
                ("samples" | "fused", _) => Some(Arc::new(NullArray::new(column.len()))),
                ("metrics", _) => Some(Arc::new(NullArray::new(column.len()))),
                ("flags", _) => {
                    let mut lists = ListBuilder::new(NullBuilder::new());
                    (0..column.len()).for_each(|_| lists.append(true));
                    Some(Arc::new(lists.finish()))
                }
                ("correlation", _) => {
                    let values = column.as_primitive::<UInt64Type>().iter();
                    Some(Arc::new(
                        values.map(|value| missing(value.map(|value| value as f64))).collect::<Float64Array>(),
                    ))
                }
                ("step" | "edge_uncertainty_ns", DataType::Int64) => {
                    let values = column.as_primitive::<Int64Type>().iter();
                    Some(Arc::new(
                        values.map(|value| missing(value.map(|value| value as f64))).collect::<Float64Array>(),
                    ))
                }
                ("app_share" | "energy_low_j" | "energy_high_j" | "flops", DataType::Float64) => {
                    let values = column.as_primitive::<Float64Type>().iter();
                    Some(Arc::new(values.map(missing).collect::<Float64Array>()))
                }
                (_, DataType::Utf8) => {
                    let strings = column.as_string::<i32>().iter();
                    Some(Arc::new(strings.map(|text| text.map(str::as_bytes)).collect::<BinaryArray>()))
                }
                _ => None,
            });
        }
        assert_read_as(dir.path(), &trace, &format!("NaN for null: {nan}"));
    }
}

#[test]
fn maps_are_read_as_lists_of_entries_and_as_structs() {
    let mut trace = accounted();
    for (number, step) in trace.steps.iter_mut().enumerate() {
        step.metrics.insert("loss".to_owned(), number as f64);
        if number % 2 == 0 {
            step.metrics.insert("accuracy".to_owned(), 0.5);
        }
    }
    let names = |column: &str| -> Vec<String> {
        let maps = trace.steps.iter().map(|step| if column == "metrics" { &step.metrics } else { &step.energy_j });
        let mut names: Vec<String> = maps.flat_map(|map| map.keys().cloned()).collect();
        names.sort();
        names.dedup();
        names
    };
    let lists = written(&trace);
    rewrite(lists.path(), "steps", |name, column| {
        let maps = column.as_map_opt().filter(|_| ["energy_j", "metrics"].contains(&name))?;
        let fields = vec![Field::new("key", DataType::Utf8, true), Field::new("value", DataType::Float64, true)];
        let builders: Vec<Box<dyn arrow_array::builder::ArrayBuilder>> =
            vec![Box::new(StringBuilder::new()), Box::new(Float64Builder::new())];
        let mut lists = ListBuilder::new(StructBuilder::new(fields, builders));
        for row in 0..maps.len() {
            let entries = maps.value(row);
            let (keys, values) =
                (entries.column(0).as_string::<i32>(), entries.column(1).as_primitive::<Float64Type>());
            for (key, value) in keys.iter().zip(values) {
                lists.values().field_builder::<StringBuilder>(0)?.append_option(key);
                lists.values().field_builder::<Float64Builder>(1)?.append_option(value);
                lists.values().append(true);
            }
            lists.append(true);
        }
        Some(Arc::new(lists.finish()))
    });
    assert_read_as(lists.path(), &trace, "lists of entries");
    let structs = written(&trace);
    rewrite(structs.path(), "steps", |name, column| {
        let maps = column.as_map_opt()?;
        let fields = names(name).into_iter().map(|key| {
            let value = |row: usize| {
                let entries = maps.value(row);
                let at = entries.column(0).as_string::<i32>().iter().position(|other| other == Some(&key))?;
                Some(entries.column(1).as_primitive::<Float64Type>().value(at))
            };
            let values: ArrayRef = Arc::new((0..maps.len()).map(value).collect::<Float64Array>());
            (Arc::new(Field::new(&key, DataType::Float64, true)), values)
        });
        Some(Arc::new(StructArray::from(fields.collect::<Vec<_>>())))
    });
    assert_read_as(structs.path(), &trace, "structs");
}

/// Spark writes a folder of numbered parts, with checksums and a mark beside them.
#[test]
fn a_table_in_parts_is_read_and_replaced_when_it_is_accounted() {
    let trace = accounted();
    let dir = written(&trace);
    for table in TABLES {
        let before = batch(dir.path(), table);
        let folder = path(dir.path(), table);
        fs::remove_file(&folder).expect("a file");
        fs::create_dir(&folder).expect("a folder");
        let half = before.num_rows() / 2;
        for (part, rows) in [before.slice(0, half), before.slice(half, before.num_rows() - half)].iter().enumerate() {
            let name = format!("part-{part:05}-4f1c-c000.snappy.parquet");
            write(&folder.join(&name), std::slice::from_ref(rows), snappy());
            fs::write(folder.join(format!(".{name}.crc")), "crc").expect("a file");
        }
        fs::write(folder.join("_SUCCESS"), "").expect("a file");
    }
    assert_read_as(dir.path(), &trace, "in parts");
    reaccount(dir.path(), Policy::Equal, &[]).expect("a trace is accounted");
    assert!(path(dir.path(), "ledger").is_file() && path(dir.path(), "events").is_dir());
    assert_read_as(dir.path(), &trace, "accounted");
    let names = fs::read_dir(dir.path()).expect("a directory").flatten().map(|entry| entry.file_name());
    // Beside them lie metrics and spans, of which this trace has none, and trace.json.
    assert_eq!(names.count(), TABLES.len() + 3, "nothing is left aside");
    fs::remove_dir_all(path(dir.path(), "events")).expect("a folder");
    fs::create_dir(path(dir.path(), "events")).expect("a folder");
    assert_eq!(problem(dir.path()), "it is not there");
}

#[test]
fn what_does_not_fit_is_damage_that_names_the_column() {
    type Spoilt = fn(usize) -> ArrayRef;
    let cases: [(&str, &str, Spoilt, &str); 7] = [
        ("edges", "to_op", |rows| Arc::new(Int64Array::from(vec![-1; rows])), "`to_op` holds -1, which is no UInt32"),
        ("events", "op", |rows| Arc::new(Float64Array::from(vec![0.5; rows])), "`op` holds 0.5, which is no UInt32"),
        ("events", "lane", |rows| Arc::new(Float32Array::from(vec![f32::NAN; rows])), "`lane` has nulls"),
        ("events", "correlation", |rows| Arc::new(Float64Array::from(vec![1e300; rows])), "which is no UInt64"),
        ("ops", "qtn", |rows| Arc::new(BinaryArray::from(vec![&b"\xff"[..]; rows])), "no UTF-8"),
        ("steps", "traced", |rows| Arc::new(Int32Array::from(vec![2; rows])), "holds 2, no boolean"),
        ("ops", "op", |rows| Arc::new(UInt64Array::from(vec![0; rows])), "not numbered one by one"),
    ];
    for (table, spoilt, column, said) in cases {
        let dir = written(&accounted());
        rewrite(dir.path(), table, |name, before| (name == spoilt).then(|| column(before.len())));
        let problem = problem(dir.path());
        assert!(problem.contains(said), "{table}.{spoilt}: {problem}");
    }
}

#[test]
fn a_table_without_rows_needs_no_types() {
    let trace = Trace { metadata: synthetic::trace().metadata, ..Trace::default() };
    let dir = written(&trace);
    for table in TABLES {
        let schema = batch(dir.path(), table).schema();
        let fields = schema.fields().iter().map(|field| Field::new(field.name(), DataType::Null, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = schema.fields().iter().map(|_| new_empty_array(&DataType::Null)).collect();
        let empty = RecordBatch::try_new(schema.clone(), columns).expect("no rows");
        write(&path(dir.path(), table), &[empty], snappy());
    }
    assert_read_as(dir.path(), &trace, "no types");
}
