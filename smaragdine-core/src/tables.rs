//! The trace directory: Parquet tables and `trace.json`, which DuckDB, Polars, pandas and Spark open.
//!
//! Each file is written under a temporary name and renamed, `trace.json` last: whoever sees it complete sees all of it.
//! Reading trusts nothing: every name and index is checked, so what [`read()`] returns is safe to index with.

mod columns;
mod foreign;
mod merge;
mod read;
mod write;

use std::fs;
use std::io::Write;
use std::path::Path;

use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

pub use self::merge::merge_untouched;
use self::write::{ACCOUNTING, RECORDED, Table};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::trace::{Metadata, SCHEMA_VERSION, Trace};

/// What a trace directory is known by.
pub const METADATA: &str = "trace.json";

/// Rows that are turned into columns at once.
const BATCH: usize = 1 << 16;
const ROW_GROUP: usize = 1 << 20;

/// Writes every table of `trace` into `dir` (made if absent), then `trace.json`.
///
/// # Errors
/// [`Error::Io`] where a file cannot be written; [`Error::Invalid`] where a row names what the metadata does not hold.
pub fn write(dir: &Path, trace: &Trace) -> Result<()> {
    for table in RECORDED.iter().chain(&ACCOUNTING) {
        write_table(dir, table, trace)?;
    }
    write_metadata(dir, &trace.metadata)
}

/// Writes only what accounting derives: `steps`, `footprint`, `footprint_domains`, `ledger`, then `trace.json`.
/// The recorded tables stay as they are, byte for byte.
///
/// # Errors
/// As [`write()`].
pub fn write_accounting(dir: &Path, trace: &Trace) -> Result<()> {
    for table in &ACCOUNTING {
        write_table(dir, table, trace)?;
    }
    write_metadata(dir, &trace.metadata)
}

/// Writes `trace.json` alone, as from a recording's first moment on.
///
/// # Errors
/// [`Error::Io`] where it cannot be written.
pub fn write_metadata(dir: &Path, metadata: &Metadata) -> Result<()> {
    let json = serde_json::to_string_pretty(metadata)
        .map_err(|problem| Error::Invalid(format!("{METADATA} cannot be written: {problem}")))?;
    replace(dir, METADATA, |file, path| {
        file.write_all(json.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(Error::io("write", path))
    })
}

/// Reads the trace in `dir`.
///
/// # Errors
/// [`Error::NotATrace`] where `dir` is something else or of a version unknown here;
/// [`Error::DamagedTrace`], with the file's path, where one is missing, truncated, or says what cannot be.
pub fn read(dir: &Path) -> Result<Trace> {
    let mut trace = Trace { metadata: read_metadata(dir)?, ..Trace::default() };
    read::tables(dir, &mut trace)?;
    Ok(trace)
}

/// Reads `trace.json` alone.
///
/// # Errors
/// As [`read()`].
pub fn read_metadata(dir: &Path) -> Result<Metadata> {
    let path = dir.join(METADATA);
    let foreign = |problem: String| Error::NotATrace { path: dir.to_owned(), problem };
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(problem) => match problem.kind() {
            std::io::ErrorKind::NotFound if !dir.exists() => return Err(foreign("it does not exist".into())),
            std::io::ErrorKind::NotFound => return Err(foreign(format!("it holds no {METADATA}"))),
            std::io::ErrorKind::NotADirectory => return Err(foreign("it is a file, not a directory".into())),
            _ => return Err(Error::io("read", path)(problem)),
        },
    };
    let damaged = |problem: serde_json::Error| Error::DamagedTrace { path: path.clone(), problem: problem.to_string() };
    let json: serde_json::Value = serde_json::from_slice(&json).map_err(damaged)?;
    match json.get("schema_version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(SCHEMA_VERSION) => serde_json::from_value(json).map_err(damaged),
        Some(version) => Err(foreign(format!("its layout has version {version}; known here is {SCHEMA_VERSION}"))),
        None => Err(foreign(format!("its {METADATA} tells no schema_version"))),
    }
}

fn write_table(dir: &Path, table: &Table, trace: &Trace) -> Result<()> {
    let rows = (table.rows)(trace);
    let batch = |first: usize| {
        (table.batch)(trace, first..rows.min(first.saturating_add(BATCH)))
            .map_err(|problem| Error::Invalid(format!("{} cannot be written: {problem}", table.file)))
    };
    // An empty table is still a file with all its columns.
    let first = batch(0)?;
    replace(dir, table.file, |file, path| {
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
        let mut writer = ArrowWriter::try_new_with_options(file, schema, options).map_err(failed)?;
        writer.write(&first).map_err(failed)?;
        for start in (BATCH..rows).step_by(BATCH) {
            writer.write(&batch(start)?).map_err(failed)?;
        }
        writer.close().map(drop).map_err(failed)
    })
}

/// Writes `dir/name` whole or not at all.
fn replace(dir: &Path, name: &str, fill: impl FnOnce(&mut (dyn Write + Send), &Path) -> Result<()>) -> Result<()> {
    Folder::open(dir)?.replace(name, |file, path| fill(file, path))
}
