//! The trace directory: Parquet tables and `trace.json`, which DuckDB, Polars, pandas and Spark open.
//!
//! Each file is written under a temporary name and renamed, `trace.json` last: whoever sees it complete sees all of it.
//! `trace.json` holds checksums of the tables and of itself, so that damage is told as damage.
//! Reading trusts nothing: every name and index is checked, so what [`read()`] returns is safe to index with.

mod checksum;
mod columns;
mod foreign;
mod layout;
mod merge;
mod metadata;
mod read;
mod schema;
mod seal;
mod write;

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

pub use self::checksum::{Checksum, Checksums};
use self::checksum::{Content, Summed};
use self::columns::Columns;
pub use self::merge::merge_untouched;
pub use self::metadata::{METADATA, Unknown};
pub use self::schema::schema;
use self::write::{ACCOUNTING, RECORDED, Table};
use crate::error::{Error, Result};
use crate::store::folder::Folder;
use crate::trace::Trace;

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
    let mut changed: Vec<_> = seal.broken.map(|problem| (dir.join(METADATA), problem)).into_iter().collect();
    let mut trace = Trace { metadata, ..Trace::default() };
    let found = read::tables(dir, &mut trace, seal.checksums.as_ref())?;
    let (mut checksums, mut lacks) = (Checksums::new(), Vec::new());
    for (table, found) in found {
        // Of a table that came later, an earlier version's import held no checksum.
        let unsealed = seal.checksums.as_ref().is_some_and(|sealed| !sealed.contains_key(table)) && !found.later;
        let problem = found.changed.or_else(|| unsealed.then(|| "it has no checksum, and others have".to_owned()));
        changed.extend(problem.map(|problem| (dir.join(format!("{table}.parquet")), problem)));
        checksums.insert(table.to_owned(), found.checksum);
        lacks.extend(found.lacks.into_iter().map(|column| (table, column)));
    }
    Ok(Unsealed { trace, changed, checksums, sealed: seal.checksums.is_some(), lacks, unknown })
}

fn write_table(dir: &Path, table: &Table, trace: &Trace) -> Result<Checksum> {
    let rows = (table.rows)(trace);
    let batch = |first: usize| {
        (table.batch)(trace, first..rows.min(first.saturating_add(BATCH)))
            .map_err(|problem| Error::Invalid(format!("{} cannot be written: {problem}", table.layout.name)))
    };
    let mut content = Content::of(table.layout);
    let mut sum = |batch: &RecordBatch| content.add(&Columns::of(batch.clone())).map_err(Error::Invalid);
    // An empty table is still a file with all its columns.
    let first = batch(0)?;
    let mut bytes = String::new();
    replace(dir, &format!("{}.parquet", table.layout.name), |file, path| {
        let failed = |problem| Error::io("write", path)(std::io::Error::other(problem));
        let schema = first.schema();
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
        sum(&first)?;
        writer.write(&first).map_err(failed)?;
        for start in (BATCH..rows).step_by(BATCH) {
            let batch = batch(start)?;
            sum(&batch)?;
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
