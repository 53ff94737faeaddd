//! Columns of a Parquet file by name and type, with what is wrong said in words.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use rustc_hash::FxHashMap;
use rustix::fs::OFlags;

use super::checksum::{self, Checksum, Content};
use super::foreign::{self, Number};
use super::layout::Layout;
use crate::error::{Error, Result};
use crate::trace::{Op, State};

const BATCH: usize = 1 << 13;

/// A value, or what is wrong with the file.
pub(super) type Checked<T> = std::result::Result<T, String>;

/// One table of a trace directory.
pub(super) struct TableFile<'a> {
    pub(super) dir: &'a Path,
    pub(super) layout: &'static Layout,
    pub(super) state: State,
    /// What `trace.json` says of it.
    pub(super) sealed: Option<&'a Checksum>,
}

/// What a table was found to be.
pub(super) struct ReadTable {
    pub(super) checksum: Checksum,
    /// What it says otherwise than when it was sealed.
    pub(super) changed: Option<String>,
    /// Columns that the version which wrote it did not write yet.
    pub(super) lacks: Vec<&'static str>,
    /// Earlier versions sealed no such table.
    pub(super) later: bool,
}

impl TableFile<'_> {
    /// Neither there nor sealed, and an earlier version wrote none.
    pub(super) fn is_of_later_versions(&self) -> bool {
        let path = self.dir.join(format!("{}.parquet", self.layout.name));
        self.layout.later && self.sealed.is_none() && path.symlink_metadata().is_err()
    }

    /// Calls `rows` with each batch of its columns, and tells whether they are those that were sealed.
    pub(super) fn each_batch(&self, rows: &mut dyn FnMut(&Columns) -> Checked<()>) -> Result<ReadTable> {
        let path = self.dir.join(format!("{}.parquet", self.layout.name));
        let damaged = |problem: String| Error::DamagedTrace { path: path.clone(), problem };
        let mut files = match parts(&path) {
            Ok(files) => files,
            Err(problem) if problem.kind() == ErrorKind::NotFound => {
                return Err(damaged(match self.state {
                    State::Recording => "it is not there: the trace is being recorded, or its recording was cut".into(),
                    State::Complete | State::Cut => "it is not there".into(),
                }));
            }
            Err(problem) if problem.kind() == ErrorKind::InvalidInput => return Err(damaged(problem.to_string())),
            Err(problem) => return Err(Error::io("read", path)(problem)),
        };
        let bytes = checksum::of_bytes(&mut files).map_err(Error::io("read", &path))?;
        let same = self.sealed.filter(|sealed| sealed.bytes == bytes);
        // What another program wrote again is the same where its columns say the same.
        let mut content = same.is_none().then(|| Content::of(self.layout));
        let mut lacks = Vec::new();
        for file in files {
            let lacking = quietly(|| decode(file, self.layout, content.as_mut(), rows))
                .unwrap_or_else(|| Err("its bytes contradict each other".into()))
                .map_err(damaged)?;
            lacks.extend(lacking.into_iter().filter(|name| !lacks.contains(name)).collect::<Vec<_>>());
        }
        let checksum = match content {
            Some(content) => content.finish(bytes),
            None => same.cloned().unwrap_or_default(),
        };
        let changed = self.sealed.and_then(|sealed| checksum.differs_from(sealed));
        Ok(ReadTable { checksum, changed, lacks, later: self.layout.later })
    }
}

/// The files of a table, which Spark writes as a folder of several, numbered by their names.
fn parts(path: &Path) -> std::io::Result<Vec<File>> {
    let mut parts = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
        parts = entries.collect::<std::io::Result<Vec<_>>>()?;
        parts.retain(|part| is_part(part));
        parts.sort();
        if parts.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
    }
    parts.iter().map(|part| open(part)).collect()
}

/// Opens what is a file of bytes: a pipe or a device in its place would keep its reader for ever.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(std::io::Error::new(ErrorKind::InvalidInput, "it is no file of bytes"))
}

/// Beside the parts stand checksums (`.part-….crc`) and marks (`_SUCCESS`).
fn is_part(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".parquet") && !name.starts_with(b".") && !name.starts_with(b"_")
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// What `decode` returns; `None`: it panicked, and nobody was told.
///
/// The decoder is not ours. On bytes that mislead it, it panics here and there where it should fail; to a user that is
/// one more damaged file, and no traceback.
fn quietly<T>(decode: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |panic| {
            if !DECODING.get() {
                tell(panic);
            }
        }));
    });
    DECODING.set(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(false);
    decoded.ok()
}

/// Returns which columns it lacks because they are younger than it.
fn decode(
    file: File,
    layout: &Layout,
    mut content: Option<&mut Content>,
    rows: &mut dyn FnMut(&Columns) -> Checked<()>,
) -> Checked<Vec<&'static str>> {
    // Parquet's own types decide, whatever in-memory types its writer noted beside them.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(text)?;
    let schema = builder.parquet_schema();
    let roots = schema.root_schema().get_fields().iter().enumerate();
    let wanted = roots.filter(|(_, field)| layout.column(field.name()).is_some()).map(|(root, _)| root);
    let mask = ProjectionMask::roots(schema, wanted.collect::<Vec<_>>());
    let missing = layout.columns.iter().filter(|column| builder.schema().field_with_name(column.name).is_err());
    let (lacks, missing): (Vec<_>, Vec<_>) = missing.partition(|column| column.later);
    if let Some(missing) = missing.first() {
        return Err(format!("it has no column `{}`", missing.name));
    }
    for batch in builder.with_projection(mask).with_batch_size(BATCH).build().map_err(text)? {
        let batch = Columns::of(batch.map_err(text)?);
        if let Some(content) = &mut content {
            content.add(&batch)?;
        }
        rows(&batch)?;
    }
    Ok(lacks.iter().map(|column| column.name).collect())
}

fn text(problem: impl std::fmt::Display) -> String {
    problem.to_string()
}

pub(super) struct Columns(RecordBatch);

impl Columns {
    pub(super) fn of(batch: RecordBatch) -> Self {
        Self(batch)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.column_by_name(name).is_some()
    }

    pub(super) fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// A column of numbers that may hold nulls.
    pub(super) fn primitives<T: Number>(&self, name: &str) -> Checked<PrimitiveArray<T>> {
        self.read(name, foreign::numbers::<T>)
    }

    /// A column of numbers that must not.
    pub(super) fn required<T: Number>(&self, name: &str) -> Checked<PrimitiveArray<T>> {
        full(self.primitives(name)?, name)
    }

    /// A column of strings that an earlier version may not have written: then all are null.
    pub(super) fn later_texts(&self, name: &str) -> Checked<StringArray> {
        if self.has(name) { self.texts(name) } else { Ok(StringArray::new_null(self.rows())) }
    }

    /// A column of strings that may hold nulls.
    pub(super) fn texts(&self, name: &str) -> Checked<StringArray> {
        self.read(name, foreign::strings)
    }

    pub(super) fn strings(&self, name: &str) -> Checked<StringArray> {
        full(self.texts(name)?, name)
    }

    pub(super) fn booleans(&self, name: &str) -> Checked<BooleanArray> {
        full(self.truths(name)?, name)
    }

    /// A column of truth values that may hold nulls.
    pub(super) fn truths(&self, name: &str) -> Checked<BooleanArray> {
        self.read(name, foreign::booleans)
    }

    /// By row.
    pub(super) fn string_lists(&self, name: &str) -> Checked<Vec<StringArray>> {
        self.read(name, foreign::string_lists)
    }

    /// By row.
    pub(super) fn maps(&self, name: &str) -> Checked<Vec<BTreeMap<String, f64>>> {
        self.read(name, foreign::maps)
    }

    fn read<T>(&self, name: &str, read: impl FnOnce(&ArrayRef) -> Checked<T>) -> Checked<T> {
        let column = self.0.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
        read(column).map_err(|problem| format!("column `{name}` {problem}"))
    }
}

fn full<A: Array>(column: A, name: &str) -> Checked<A> {
    if column.null_count() == 0 { Ok(column) } else { Err(format!("column `{name}` has nulls")) }
}

/// `None` where it is not known.
pub(super) fn value<T: Number>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row)).filter(|value| T::is_known(*value))
}

/// Where each name stands in a list of them.
pub(super) fn index(names: impl Iterator<Item = String>) -> FxHashMap<String, u16> {
    names.zip(0..=u16::MAX).collect()
}

pub(super) fn named(index: &FxHashMap<String, u16>, name: &str, what: &str) -> Checked<u16> {
    index.get(name).copied().ok_or_else(|| format!("trace.json knows no {what} `{name}`"))
}

pub(super) fn known_op(op: u32, ops: &[Op]) -> Checked<u32> {
    if (op as usize) < ops.len() { Ok(op) } else { Err(format!("there is no operation {op}")) }
}

pub(super) fn parsed<T>(name: &str, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Checked<T> {
    parse(name).ok_or_else(|| format!("`{name}` is no {what} known to this version"))
}
