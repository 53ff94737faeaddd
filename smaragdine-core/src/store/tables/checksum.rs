//! Checksums of a table: of its bytes, and of what its columns say, whatever program wrote them how.
//!
//! Each column has a checksum of its own, so that a later version may add some. `smaragdine/checksum.py` computes the
//! same; docs/trace-format.md says how.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use arrow_array::types::{Float64Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, PrimitiveArray, StringArray};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::columns::{Checked, Columns};
use super::foreign::Number;
use super::layout::{ColumnType, Layout};

/// Of one table, as `trace.json` holds it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Checksum {
    /// How many it has.
    pub rows: u64,
    /// SHA-256 of the file; of a folder, that of its parts one after the other.
    pub bytes: String,
    /// SHA-256 by column.
    pub columns: BTreeMap<String, String>,
}

/// By table.
pub type Checksums = BTreeMap<String, Checksum>;

impl Checksum {
    /// What this table, as it was read, says otherwise than the one that was sealed.
    pub(super) fn differs_from(&self, sealed: &Self) -> Option<String> {
        if self.rows != sealed.rows {
            return Some(format!("it has {} rows, and {} were sealed", self.rows, sealed.rows));
        }
        let differs = |(name, sum): &(&String, &String)| self.columns.get(*name) != Some(sum);
        let (name, _) = sealed.columns.iter().find(differs)?;
        Some(format!("column `{name}` is not what was sealed"))
    }
}

/// Of files one after the other, wherever each is read at.
pub(super) fn of_bytes<'a>(files: impl Iterator<Item = &'a File>) -> io::Result<String> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    for file in files {
        let mut place = 0;
        loop {
            match file.read_at(&mut buffer, place)? {
                0 => break,
                read => {
                    sum.update(&buffer[..read]);
                    place += read as u64;
                }
            }
        }
    }
    Ok(hex(sum))
}

/// A file that sums up what is written to it.
pub(super) struct Summed<W> {
    to: W,
    sum: Sha256,
}

impl<W: Write> Summed<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, sum: Sha256::new() }
    }

    pub(super) fn finish(self) -> String {
        hex(self.sum)
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What the columns of a table say, batch by batch.
pub(super) struct Content {
    rows: u64,
    columns: Vec<(&'static str, ColumnType, Column)>,
}

impl Content {
    pub(super) fn of(layout: &Layout) -> Self {
        let columns = layout.columns.iter().map(|column| (column.name, column.kind, Column::default()));
        Self { rows: 0, columns: columns.collect() }
    }

    pub(super) fn add(&mut self, batch: &Columns) -> Checked<()> {
        for (name, kind, column) in self.columns.iter_mut().filter(|(name, _, _)| batch.has(name)) {
            column.seen = true;
            match kind {
                ColumnType::Count => column
                    .numbers(self.rows, &batch.primitives::<UInt32Type>(name)?, |count| u64::from(count).to_le_bytes()),
                ColumnType::Integer => {
                    column.numbers(self.rows, &batch.primitives::<Int64Type>(name)?, i64::to_le_bytes);
                }
                ColumnType::Natural => {
                    column.numbers(self.rows, &batch.primitives::<UInt64Type>(name)?, u64::to_le_bytes);
                }
                ColumnType::Double => {
                    column.numbers(self.rows, &batch.primitives::<Float64Type>(name)?, f64::to_le_bytes);
                }
                ColumnType::Truth => {
                    let truths = batch.truths(name)?;
                    column
                        .each(self.rows, truths.iter().map(|truth| truth.map(|truth| u64::from(truth).to_le_bytes())));
                }
                ColumnType::Text => column.texts(self.rows, &batch.texts(name)?),
                ColumnType::Texts => batch.string_lists(name)?.iter().for_each(|list| column.list(list)),
                ColumnType::Doubles => batch.maps(name)?.iter().for_each(|map| column.map(map)),
            }
        }
        self.rows += batch.rows() as u64;
        Ok(())
    }

    pub(super) fn finish(self, bytes: String) -> Checksum {
        let columns = self.columns.into_iter().filter(|(_, _, column)| column.seen || self.rows == 0);
        let columns = columns.map(|(name, _, column)| (name.to_owned(), column.finish())).collect();
        Checksum { rows: self.rows, bytes, columns }
    }
}

/// One column as five streams of bytes: batches may end anywhere, and sums are the same.
#[derive(Default)]
struct Column {
    /// Numbers of the rows without a value.
    nulls: Sha256,
    /// How many elements or entries each row has.
    counts: Sha256,
    /// How many bytes each text has.
    lengths: Sha256,
    texts: Sha256,
    numbers: Sha256,
    seen: bool,
    buffer: Vec<u8>,
}

impl Column {
    fn numbers<T: Number>(&mut self, first: u64, column: &PrimitiveArray<T>, bytes: impl Fn(T::Native) -> [u8; 8]) {
        self.each(first, column.iter().map(|value| value.filter(|value| T::is_known(*value)).map(&bytes)));
    }

    fn each(&mut self, first: u64, values: impl Iterator<Item = Option<[u8; 8]>>) {
        self.buffer.clear();
        for (row, value) in (first..).zip(values) {
            match value {
                Some(value) => self.buffer.extend_from_slice(&value),
                None => self.nulls.update(row.to_le_bytes()),
            }
        }
        self.numbers.update(&self.buffer);
    }

    fn texts(&mut self, first: u64, column: &StringArray) {
        for (row, text) in (first..).zip(column) {
            match text {
                Some(text) => self.text(text),
                None => self.nulls.update(row.to_le_bytes()),
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.lengths.update((text.len() as u64).to_le_bytes());
        self.texts.update(text);
    }

    /// A null in it is none of its elements.
    fn list(&mut self, list: &StringArray) {
        self.counts.update(((list.len() - list.null_count()) as u64).to_le_bytes());
        list.iter().flatten().for_each(|text| self.text(text));
    }

    /// By name, without what is not known.
    fn map(&mut self, map: &BTreeMap<String, f64>) {
        let known = || map.iter().filter(|(_, value)| Float64Type::is_known(**value));
        self.counts.update((known().count() as u64).to_le_bytes());
        for (name, value) in known() {
            self.text(name);
            self.numbers.update(value.to_le_bytes());
        }
    }

    fn finish(self) -> String {
        let streams = [self.nulls, self.counts, self.lengths, self.texts, self.numbers];
        let sum = streams.into_iter().fold(Sha256::new(), |sum, stream| sum.chain_update(stream.finalize()));
        hex(sum)
    }
}

pub(super) fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
