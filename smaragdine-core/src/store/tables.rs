//! The trace directory: Parquet tables and `trace.json`, which DuckDB, Polars, pandas and Spark open.
//!
//! Each file is written under a temporary name and renamed, `trace.json` last: whoever sees it complete sees all of it.
//! `trace.json` holds checksums of the tables and of itself, so that damage is told as damage.
//! Reading trusts nothing: every name and index is checked, so what [`read()`] returns is safe to index with.

mod checksum;
mod columns;
mod file;
mod foreign;
mod large;
mod layout;
mod merge;
mod metadata;
mod read;
mod schema;
mod seal;
mod sharing;
mod sorted;
mod write;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

pub use self::checksum::{Checksum, Checksums};
use self::checksum::{Content, Summed};
use self::columns::{Columns, index};
use self::file::{ReadTable, TableFile};
use self::large::Known;
pub use self::large::LargeTables;
use self::layout::{EDGES, EVENTS, Layout, METRICS, READINGS, STEPS};
pub use self::merge::{Merging, merge_untouched};
pub use self::metadata::{METADATA, Unknown};
use self::read::UnknownFlags;
pub use self::schema::schema;
pub use self::sharing::show_on_all_cores;
use self::write::{ACCOUNTING, RECORDED, Table, event_rows, reading_rows, step_rows};
use crate::error::{Error, Result};
use crate::store::folder::Folder;
use crate::trace::{Event, Reading, Step, Trace};

/// Rows that are turned into columns at once.
const BATCH: usize = 1 << 16;
const ROW_GROUP: usize = 1 << 20;

/// Writes every table of `trace` into `dir` (made if absent), then `trace.json` with their checksums.
///
/// # Errors
/// [`Error::Io`] where a file cannot be written; [`Error::Invalid`] where a row names what the metadata does not hold.
pub fn write(dir: &Path, trace: &Trace) -> Result<()> {
    write_again(dir, trace, &Unknown::default())
}

/// Writes every table of a trace that was read, with the fields that were `unknown` then.
///
/// # Errors
/// As [`write()`].
pub fn write_again(dir: &Path, trace: &Trace, unknown: &Unknown) -> Result<()> {
    let mut checksums = Checksums::new();
    for table in RECORDED.iter().chain(&ACCOUNTING) {
        checksums.insert(table.layout.name.to_owned(), write_table(dir, table, trace)?);
    }
    metadata::write(dir, &trace.metadata, unknown, &checksums)
}

/// Rows that come some at a time, in the order of their table.
pub type Rows<'a, T> = Box<dyn Iterator<Item = Result<Vec<T>>> + 'a>;

/// The tables of a trace that may be larger than memory, as they come.
pub struct Streamed<'a> {
    pub readings: Rows<'a, Reading>,
    pub events: Rows<'a, Event>,
    pub steps: Rows<'a, Step>,
}

/// Writes a trace whose readings, events and steps are `streamed`; the other tables are those of `trace`.
///
/// # Errors
/// As [`write()`], and where rows do not come.
pub fn write_streamed(dir: &Path, trace: &Trace, streamed: Streamed) -> Result<()> {
    let (of, mut checksums) = (&trace.metadata, Checksums::new());
    let readings = streamed.readings.map(|rows| reading_rows(of, &rows?).map_err(unwritten(&READINGS)));
    checksums.insert(READINGS.name.to_owned(), write_batches(dir, &READINGS, reading_rows(of, &[]), readings)?);
    let events = streamed.events.map(|rows| event_rows(of, &rows?).map_err(unwritten(&EVENTS)));
    checksums.insert(EVENTS.name.to_owned(), write_batches(dir, &EVENTS, event_rows(of, &[]), events)?);
    for table in RECORDED.iter().filter(|table| !checksums.contains_key(table.layout.name)).collect::<Vec<_>>() {
        checksums.insert(table.layout.name.to_owned(), write_table(dir, table, trace)?);
    }
    write_accounts(dir, trace, streamed.steps, &Unknown::default(), &checksums)
}

/// Writes only what accounting derives: `steps`, `footprint`, `footprint_domains`, `ledger`, then `trace.json`.
/// The recorded tables stay as they are, byte for byte, and are sealed as they were read.
///
/// # Errors
/// As [`write()`].
pub fn write_accounting(dir: &Path, trace: &Trace, unknown: &Unknown, read: &Checksums) -> Result<()> {
    let mut checksums = read.clone();
    for table in &ACCOUNTING {
        checksums.insert(table.layout.name.to_owned(), write_table(dir, table, trace)?);
    }
    metadata::write(dir, &trace.metadata, unknown, &checksums)
}

/// The same of a trace whose steps come some at a time.
///
/// # Errors
/// As [`write()`], and where the steps do not come.
pub fn write_accounts(
    dir: &Path,
    trace: &Trace,
    steps: impl Iterator<Item = Result<Vec<Step>>>,
    unknown: &Unknown,
    read: &Checksums,
) -> Result<()> {
    let mut checksums = read.clone();
    let of_steps = steps.map(|rows| step_rows(&rows?).map_err(unwritten(&STEPS)));
    checksums.insert(STEPS.name.to_owned(), write_batches(dir, &STEPS, step_rows(&[]), of_steps)?);
    for table in ACCOUNTING.iter().filter(|table| table.layout.name != STEPS.name) {
        checksums.insert(table.layout.name.to_owned(), write_table(dir, table, trace)?);
    }
    metadata::write(dir, &trace.metadata, unknown, &checksums)
}

/// A trace that was read, whether it is as it was sealed or not.
#[derive(Debug)]
pub struct Unsealed {
    pub trace: Trace,
    /// What is not as it was sealed, by file, and why.
    pub changed: Vec<(PathBuf, String)>,
    /// Of the tables as they are.
    pub checksums: Checksums,
    /// It held checksums at all: those of earlier versions hold none.
    pub sealed: bool,
    /// Columns, by table, that the version which wrote it did not write yet.
    pub lacks: Vec<(&'static str, &'static str)>,
    /// What `trace.json` holds that this version does not know.
    pub unknown: Unknown,
}

/// A trace whose large tables stay where they are.
pub struct Opened {
    /// `trace` is without edges, readings, events and steps.
    pub unsealed: Unsealed,
    pub large: LargeTables,
}

/// Reads the trace in `dir`.
///
/// # Errors
/// [`Error::NotATrace`] where `dir` is something else, [`Error::UnknownLayout`] where its version is unknown here;
/// [`Error::DamagedTrace`], with the file's path, where one is missing, truncated, not as it was sealed, or says what
/// cannot be.
pub fn read(dir: &Path) -> Result<Trace> {
    let read = read_as_it_is(dir)?;
    match read.changed.into_iter().next() {
        Some((path, problem)) => Err(Error::ChangedTrace { path, problem }),
        None => Ok(read.trace),
    }
}

/// Reads the trace in `dir` though somebody changed it, on purpose or not.
///
/// # Errors
/// As [`read()`], but for what is merely not as it was sealed.
pub fn read_as_it_is(dir: &Path) -> Result<Unsealed> {
    let metadata::ReadMetadata { metadata, unknown, seal } = metadata::read(dir)?;
    let changed: Vec<_> = seal.broken.map(|problem| (dir.join(METADATA), problem)).into_iter().collect();
    let mut trace = Trace { metadata, ..Trace::default() };
    let mut tables = read::Tables::of(dir, trace.metadata.state, seal.checksums.as_ref());
    tables.all(&mut trace)?;
    Ok(unsealed(dir, trace, changed, tables.found, seal.checksums.as_ref(), unknown))
}

/// Opens the trace in `dir` though somebody changed it. Its edges, readings, events and steps, which may be larger than
/// memory, are checked and stay in their files.
///
/// # Errors
/// As [`read_as_it_is()`]. What one row says that cannot be is told when it is read.
pub fn open_as_it_is(dir: &Path) -> Result<Opened> {
    let metadata::ReadMetadata { metadata, unknown, seal } = metadata::read(dir)?;
    let changed: Vec<_> = seal.broken.map(|problem| (dir.join(METADATA), problem)).into_iter().collect();
    let mut trace = Trace { metadata, ..Trace::default() };
    let sealed = seal.checksums.as_ref();
    let state = trace.metadata.state;
    let mut tables = read::Tables::of(dir, state, sealed);
    tables.small(&mut trace)?;
    let ops = trace.ops.len();
    let known = Known {
        ops,
        devices: index(trace.metadata.devices.iter().cloned()),
        domains: index(trace.metadata.domains.iter().map(|domain| domain.name.clone())),
    };
    let mut passing = Vec::new();
    tables.rows(&EDGES, &mut |batch| {
        passing.clear();
        read::edges(batch, ops, &mut passing)
    })?;
    // Nobody asks for them here; what cannot be is told all the same.
    tables.rows(&METRICS, &mut |batch| read::metrics(batch, &mut Trace::default()))?;
    let open = |layout| TableFile::open(dir, layout, state);
    let files = [open(&EVENTS)?, open(&READINGS)?, open(&STEPS)?];
    for (file, layout) in files.iter().zip([&EVENTS, &READINGS, &STEPS]) {
        let checked = file.checked(tables.sealed_as(layout), None)?;
        tables.found.insert(layout.name, checked);
    }
    let mut flags = UnknownFlags::new();
    let large = LargeTables::of(dir, known, files, &mut flags)?;
    read::warn_of_flags(&flags, &mut trace.metadata.warnings);
    Ok(Opened { unsealed: unsealed(dir, trace, changed, tables.found, sealed, unknown), large })
}

fn unsealed(
    dir: &Path,
    trace: Trace,
    mut changed: Vec<(PathBuf, String)>,
    found: BTreeMap<&'static str, ReadTable>,
    sealed: Option<&Checksums>,
    unknown: Unknown,
) -> Unsealed {
    let (mut checksums, mut lacks) = (Checksums::new(), Vec::new());
    for (table, found) in found {
        // Of a table that came later, an earlier version's import held no checksum.
        let unsealed = sealed.is_some_and(|sealed| !sealed.contains_key(table)) && !found.later;
        let problem = found.changed.or_else(|| unsealed.then(|| "it has no checksum, and others have".to_owned()));
        changed.extend(problem.map(|problem| (dir.join(format!("{table}.parquet")), problem)));
        checksums.insert(table.to_owned(), found.checksum);
        lacks.extend(found.lacks.into_iter().map(|column| (table, column)));
    }
    Unsealed { trace, changed, checksums, sealed: sealed.is_some(), lacks, unknown }
}

fn unwritten(layout: &Layout) -> impl Fn(ArrowError) -> Error {
    let table = layout.name;
    move |problem| Error::Invalid(format!("{table} cannot be written: {problem}"))
}

fn write_table(dir: &Path, table: &Table, trace: &Trace) -> Result<Checksum> {
    let rows = (table.rows)(trace);
    let batch = |first: usize| {
        (table.batch)(trace, first..rows.min(first.saturating_add(BATCH))).map_err(unwritten(table.layout))
    };
    write_batches(dir, table.layout, (table.batch)(trace, 0..0), (0..rows).step_by(BATCH).map(batch))
}

/// Writes a table as its rows come; `none` are the columns of no row.
fn write_batches(
    dir: &Path,
    layout: &'static Layout,
    none: Result<RecordBatch, ArrowError>,
    batches: impl Iterator<Item = Result<RecordBatch>>,
) -> Result<Checksum> {
    let mut content = Content::of(layout);
    // An empty table is still a file with all its columns.
    let schema = none.map_err(unwritten(layout))?.schema();
    let mut bytes = String::new();
    replace(dir, &format!("{}.parquet", layout.name), |file, path| {
        let failed = |problem| Error::io("write", path)(std::io::Error::other(problem));
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP));
        // Instants grow evenly: their differences are small where dictionaries would hold every one.
        for name in schema.fields().iter().map(|field| field.name()).filter(|name| name.ends_with("_ns")) {
            let column = ColumnPath::from(name.as_str());
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
        // Without Arrow's own schema beside it, a column that was encoded as a dictionary reads as plain strings.
        let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
        let mut file = Summed::new(file);
        let mut writer = ArrowWriter::try_new_with_options(&mut file, schema, options).map_err(failed)?;
        for batch in batches {
            let batch = batch?;
            content.add(&Columns::of(batch.clone())).map_err(Error::Invalid)?;
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        bytes = file.finish();
        Ok(())
    })?;
    Ok(content.finish(bytes))
}

/// Writes `dir/name` whole or not at all.
fn replace(dir: &Path, name: &str, fill: impl FnOnce(&mut (dyn Write + Send), &Path) -> Result<()>) -> Result<()> {
    Folder::open(dir)?.replace(name, |file, path| fill(file, path))
}
