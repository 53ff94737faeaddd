//! The file of one table, or its files: opened once, read in batches as often as need be, with what is wrong told in words.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use rustix::fs::OFlags;

use super::checksum::{self, Checksum, Content};
use super::columns::{Checked, Columns};
use super::layout::{ColumnType, Layout};
use crate::error::{Error, Result};
use crate::trace::State;

const BATCH: usize = 1 << 13;

/// Looks at the columns of some rows.
type EachBatch<'a> = &'a mut dyn FnMut(&Columns) -> Checked<()>;

/// One table of a trace directory.
pub(super) struct TableFile {
    path: PathBuf,
    layout: &'static Layout,
    parts: Vec<Part>,
    /// Columns that the version which wrote it did not write yet.
    lacks: Vec<&'static str>,
}

/// One file of it.
struct Part {
    file: Positioned,
    plain: ArrowReaderMetadata,
    /// The same with texts as numbers of a dictionary, which their writer may have kept.
    numbered: ArrowReaderMetadata,
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

/// Rows that are stored together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    part: usize,
    number: usize,
    pub(super) rows: usize,
}

impl TableFile {
    pub(super) fn open(dir: &Path, layout: &'static Layout, state: State) -> Result<Self> {
        let path = dir.join(format!("{}.parquet", layout.name));
        let damaged = |problem: String| Error::DamagedTrace { path: path.clone(), problem };
        let files = match parts(&path) {
            Ok(files) => files,
            Err(problem) if problem.kind() == ErrorKind::NotFound => {
                return Err(damaged(match state {
                    State::Recording => "it is not there: the trace is being recorded, or its recording was cut".into(),
                    State::Complete | State::Cut => "it is not there".into(),
                }));
            }
            Err(problem) if problem.kind() == ErrorKind::InvalidInput => return Err(damaged(problem.to_string())),
            Err(problem) => return Err(Error::io("read", path)(problem)),
        };
        let (mut parts, mut lacks) = (Vec::with_capacity(files.len()), Vec::new());
        for file in files {
            let part = contained(|| Part::open(file, layout)).map_err(damaged)?;
            let lacking = layout.columns.iter().filter(|column| column.later && !part.has(column.name));
            lacks.extend(lacking.map(|column| column.name).filter(|name| !lacks.contains(name)).collect::<Vec<_>>());
            parts.push(part);
        }
        Ok(Self { path, layout, parts, lacks })
    }

    /// Neither there nor sealed, and an earlier version wrote none.
    pub(super) fn is_of_later_versions(dir: &Path, layout: &Layout, sealed: Option<&Checksum>) -> bool {
        let path = dir.join(format!("{}.parquet", layout.name));
        layout.later && sealed.is_none() && path.symlink_metadata().is_err()
    }

    pub(super) fn damaged(&self, problem: String) -> Error {
        Error::DamagedTrace { path: self.path.clone(), problem }
    }

    /// Calls `rows` with each batch of its columns, and tells whether they are those that were sealed.
    pub(super) fn each_batch(&self, sealed: Option<&Checksum>, rows: EachBatch) -> Result<ReadTable> {
        self.checked(sealed, Some(rows))
    }

    /// Tells whether it is the table that was sealed, and calls `rows` where that has to be looked at anyway.
    pub(super) fn checked(&self, sealed: Option<&Checksum>, mut rows: Option<EachBatch>) -> Result<ReadTable> {
        let files = self.parts.iter().map(|part| &*part.file.0);
        let bytes = checksum::of_bytes(files).map_err(Error::io("read", &self.path))?;
        let same = sealed.filter(|sealed| sealed.bytes == bytes);
        // What another program wrote again is the same where its columns say the same.
        let mut content = same.is_none().then(|| Content::of(self.layout));
        if content.is_some() || rows.is_some() {
            for batch in self.batches(&self.groups(), None) {
                let batch = batch?;
                let added = content.as_mut().map_or(Ok(()), |content| content.add(&batch));
                let read = added.and_then(|()| rows.as_mut().map_or(Ok(()), |rows| rows(&batch)));
                read.map_err(|problem| self.damaged(problem))?;
            }
        }
        let checksum = match content {
            Some(content) => content.finish(bytes),
            None => same.cloned().unwrap_or_default(),
        };
        let changed = sealed.and_then(|sealed| checksum.differs_from(sealed));
        Ok(ReadTable { checksum, changed, lacks: self.lacks.clone(), later: self.layout.later })
    }

    /// In the order of their rows.
    pub(super) fn groups(&self) -> Vec<Group> {
        let of_part = |(part, file): (usize, &Part)| {
            let groups = file.metadata().row_groups().iter().enumerate();
            let group = move |(number, group): (usize, &parquet::file::metadata::RowGroupMetaData)| Group {
                part,
                number,
                rows: usize::try_from(group.num_rows()).unwrap_or(0),
            };
            groups.map(group).collect::<Vec<_>>()
        };
        self.parts.iter().enumerate().flat_map(of_part).collect()
    }

    /// The least and the largest value of a column of integers in some rows, where they tell.
    pub(super) fn range(&self, group: Group, column: &str) -> Option<(i64, i64)> {
        let chunks = self.parts[group.part].metadata().row_group(group.number).columns();
        let chunk = chunks.iter().find(|chunk| chunk.column_path().string() == column)?;
        match chunk.statistics()? {
            Statistics::Int64(of) => Some((*of.min_opt()?, *of.max_opt()?)),
            _ => None,
        }
    }

    /// The rows of `groups`, batch by batch. `columns`: only these, texts as numbers where they are written so.
    pub(super) fn batches(&self, groups: &[Group], columns: Option<&'static [&'static str]>) -> TableBatches<'_> {
        self.batches_of(groups.iter().map(|group| (*group, 0..group.rows)).collect(), columns)
    }

    /// The same of some of the rows of each.
    pub(super) fn batches_of(
        &self,
        groups: Vec<(Group, Range<usize>)>,
        columns: Option<&'static [&'static str]>,
    ) -> TableBatches<'_> {
        TableBatches { table: self, groups: groups.into_iter(), columns, reader: None, failed: false }
    }
}

/// Batches of a table.
pub(super) struct TableBatches<'a> {
    table: &'a TableFile,
    groups: std::vec::IntoIter<(Group, Range<usize>)>,
    columns: Option<&'static [&'static str]>,
    reader: Option<ParquetRecordBatchReader>,
    failed: bool,
}

impl TableBatches<'_> {
    fn next_batch(&mut self) -> Checked<Option<Columns>> {
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                return Ok(Some(Columns::of(batch.map_err(text)?)));
            }
            let Some((group, rows)) = self.groups.next() else { return Ok(None) };
            self.reader = Some(self.table.parts[group.part].reader(self.table.layout, group, rows, self.columns)?);
        }
    }
}

impl Iterator for TableBatches<'_> {
    type Item = Result<Columns>;

    fn next(&mut self) -> Option<Result<Columns>> {
        if self.failed {
            return None;
        }
        let batch = contained(|| self.next_batch());
        self.failed = batch.is_err();
        batch.map_err(|problem| self.table.damaged(problem)).transpose()
    }
}

impl Part {
    fn open(file: File, layout: &Layout) -> Checked<Self> {
        let file = Positioned(Arc::new(file));
        // Parquet's own types decide, whatever in-memory types its writer noted beside them.
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::load(&file, options()).map_err(text)?;
        let missing = layout.columns.iter().filter(|column| !column.later);
        if let Some(missing) = missing.into_iter().find(|column| plain.schema().field_with_name(column.name).is_err()) {
            return Err(format!("it has no column `{}`", missing.name));
        }
        let fields = plain.schema().fields().iter().map(|field| {
            let is_text = layout.column(field.name()).is_some_and(|column| column.kind == ColumnType::Text);
            if is_text && *field.data_type() == DataType::Utf8 {
                let words = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                return Arc::new(Field::new(field.name(), words, field.is_nullable()));
            }
            Arc::clone(field)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let numbered = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options().with_schema(schema));
        Ok(Self { file, numbered: numbered.unwrap_or_else(|_| plain.clone()), plain })
    }

    fn has(&self, column: &str) -> bool {
        self.plain.schema().field_with_name(column).is_ok()
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.plain.metadata()
    }

    fn reader(
        &self,
        layout: &Layout,
        group: Group,
        rows: Range<usize>,
        columns: Option<&[&str]>,
    ) -> Checked<ParquetRecordBatchReader> {
        let metadata = if columns.is_some() { &self.numbered } else { &self.plain };
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), metadata.clone());
        let schema = builder.parquet_schema();
        let is_wanted =
            |name: &str| columns.map_or_else(|| layout.column(name).is_some(), |columns| columns.contains(&name));
        let roots = schema.root_schema().get_fields().iter().enumerate();
        let wanted = roots.filter(|(_, field)| is_wanted(field.name())).map(|(root, _)| root);
        let mask = ProjectionMask::roots(schema, wanted.collect::<Vec<_>>());
        let builder = builder.with_projection(mask).with_batch_size(BATCH).with_row_groups(vec![group.number]);
        let builder =
            if rows == (0..group.rows) { builder } else { builder.with_offset(rows.start).with_limit(rows.len()) };
        builder.build().map_err(text)
    }
}

/// A file that is read at places, by several at once.
#[derive(Clone)]
struct Positioned(Arc<File>);

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for Positioned {
    type T = BufReader<At>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(At { file: Arc::clone(&self.0), place: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // What a file says of its length, and does not have, is not held either.
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(parquet::errors::ParquetError::EOF("it is cut".to_owned()));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// A place in a file.
struct At {
    file: Arc<File>,
    place: u64,
}

impl Read for At {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(bytes, self.place)?;
        self.place += read as u64;
        Ok(read)
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

/// The same with the panic told as damage.
fn contained<T>(decode: impl FnOnce() -> Checked<T>) -> Checked<T> {
    quietly(decode).unwrap_or_else(|| Err("its bytes contradict each other".into()))
}

fn text(problem: impl std::fmt::Display) -> String {
    problem.to_string()
}
