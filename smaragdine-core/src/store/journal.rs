//! The journal: an append-only file that survives a crash of the daemon.
//!
//! Records are `length u32 · crc32 u32 · kind u8 · payload`, little-endian. Each append is one `write`, so what was
//! acknowledged is in the kernel's hands and outlives the process. A reader stops at the first record that is not whole.

pub(crate) mod disk;
mod part;
mod reserve;
mod rows;

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;

pub use self::disk::DiskUse;
pub use self::part::Part;
use self::reserve::Reserve;
use self::rows::{MetricRow, MetricsRow, ReadingRow, ReadingsRow, ShareRow, SharesRow};
use crate::error::{Error, Result};
use crate::trace::{Metadata, MetricSample, Reading, ShareSample};
use crate::wire::v1::RecordRequest;

/// No honest record is longer; a length beyond it is damage.
const LONGEST: u32 = 256 << 20;

/// One thing worth remembering.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// What is known when the recording starts.
    Start(Box<Metadata>),
    Readings(Vec<Reading>),
    Shares(Vec<ShareSample>),
    Metrics(Vec<MetricSample>),
    /// A client's request as it came, with the stream that it came on.
    Request {
        stream: u64,
        request: Box<RecordRequest>,
    },
    /// What is known when it ends.
    End(Box<Metadata>),
}

#[derive(Debug)]
pub struct Journal {
    /// `None`: closed.
    file: Option<File>,
    path: PathBuf,
    length: u64,
    reserve: Reserve,
    /// Of whoever is recorded.
    held: Arc<DiskUse>,
}

impl Journal {
    /// # Errors
    /// Where the file exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::options().append(true).create_new(true).open(path).map_err(Error::io("create", path))?;
        let reserve = Reserve::of(&file);
        Ok(Self { file: Some(file), path: path.to_owned(), length: 0, reserve, held: Arc::default() })
    }

    /// Counts what is written from here on as its user's.
    pub fn charge(&mut self, held: Arc<DiskUse>) {
        held.add(self.length);
        self.held = held;
    }

    /// Whether the disk is full: what is still appended goes into the room that was held for it, and should be little.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.reserve.is_full()
    }

    /// Appends one record whole or not at all. A client's request finds no room sooner than what was measured does.
    ///
    /// # Errors
    /// Where the file system takes no more, the user holds too much of it, or the journal is closed; it stays readable up to the record before.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Err(Error::Invalid(format!("the journal {} is closed", self.path.display())));
        };
        let (kind, payload) = encode(record);
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= LONGEST);
        let length =
            length.ok_or_else(|| Error::TooMuch(format!("a record of {} bytes is too long", payload.len())))?;
        let mut bytes = Vec::with_capacity(payload.len() + 9);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&payload);
        let size = bytes.len() as u64;
        if matches!(record, Record::Request { .. }) {
            if !self.reserve.has_room(file, self.length, size) {
                return Err(Error::NoRoom { path: self.path.clone() });
            }
            self.held.check(self.reserve.free())?;
        } else {
            self.reserve.keep(file, self.length, 0);
        }
        if let Err(problem) = file.write_all(&bytes) {
            // A torn record would hide all that follows it.
            let _ = file.set_len(self.length);
            self.reserve.failed(self.length);
            return Err(Error::io("write", &self.path)(problem));
        }
        self.length += size;
        self.held.add(size);
        self.reserve.wrote(self.length);
        Ok(())
    }

    /// Gives back the room and the descriptor that were held: nothing follows.
    pub fn close(&mut self) {
        if let Some(file) = self.file.take() {
            let _ = file.set_len(self.length);
        }
    }
}

/// Reads a journal from its start to its end or its first damage.
#[derive(Debug)]
pub struct Records {
    reader: BufReader<File>,
    remaining: u64,
    part: Part,
    /// What the file ended with, if not with a whole record.
    pub damage: Option<String>,
}

impl Records {
    /// # Errors
    /// Where the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let remaining = file.metadata().map_err(Error::io("read", path))?.len();
        Ok(Self { reader: BufReader::with_capacity(1 << 20, file), remaining, part: Part::Whole, damage: None })
    }

    /// Passes over what is not of this part.
    #[must_use]
    pub fn only(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// `None`: a record that is passed over.
    fn read(&mut self) -> std::result::Result<Option<Record>, String> {
        let mut header = [0; 9];
        self.reader.read_exact(&mut header).map_err(|_| "a record's header is cut".to_owned())?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let crc = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if length > LONGEST || u64::from(length) + 9 > self.remaining {
            return Err("a record is cut".to_owned());
        }
        let mut payload = vec![0; length as usize];
        self.reader.read_exact(&mut payload).map_err(|_| "a record is cut".to_owned())?;
        if crc32fast::hash(&payload) != crc {
            return Err("a record does not match its checksum".to_owned());
        }
        self.remaining -= u64::from(length) + 9;
        if header[8] == REQUEST && !self.part.reads(payload.len()) {
            return Ok(None);
        }
        let record = decode(header[8], &payload)?;
        let wanted = !matches!(&record, Record::Request { request, .. } if !self.part.wants(request));
        Ok(wanted.then_some(record))
    }
}

impl Iterator for Records {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        while self.damage.is_none() && self.remaining > 0 {
            match self.read() {
                Ok(None) => {}
                Ok(record) => return record,
                Err(problem) => {
                    self.damage = Some(format!("{problem}; the last {} bytes are lost", self.remaining));
                }
            }
        }
        None
    }
}

const START: u8 = 1;
const READINGS: u8 = 2;
const SHARES: u8 = 3;
const REQUEST: u8 = 4;
const END: u8 = 5;
const METRICS: u8 = 6;

fn encode(record: &Record) -> (u8, Vec<u8>) {
    match record {
        Record::Start(metadata) => (START, json(metadata)),
        Record::End(metadata) => (END, json(metadata)),
        Record::Readings(readings) => {
            (READINGS, ReadingsRow { rows: readings.iter().map(ReadingRow::from).collect() }.encode_to_vec())
        }
        Record::Shares(shares) => {
            (SHARES, SharesRow { rows: shares.iter().map(ShareRow::from).collect() }.encode_to_vec())
        }
        Record::Metrics(samples) => {
            (METRICS, MetricsRow { rows: samples.iter().map(MetricRow::from).collect() }.encode_to_vec())
        }
        Record::Request { stream, request } => {
            let mut bytes = stream.to_le_bytes().to_vec();
            // Writing into a vector grows it; it cannot run out of room.
            let _ = request.encode(&mut bytes);
            (REQUEST, bytes)
        }
    }
}

fn decode(kind: u8, payload: &[u8]) -> std::result::Result<Record, String> {
    let proto = |problem: prost::DecodeError| problem.to_string();
    let metadata = || serde_json::from_slice(payload).map_err(|problem| problem.to_string());
    Ok(match kind {
        START => Record::Start(metadata()?),
        END => Record::End(metadata()?),
        READINGS => {
            Record::Readings(ReadingsRow::decode(payload).map_err(proto)?.rows.into_iter().map(Into::into).collect())
        }
        SHARES => Record::Shares(SharesRow::decode(payload).map_err(proto)?.rows.into_iter().map(Into::into).collect()),
        METRICS => {
            Record::Metrics(MetricsRow::decode(payload).map_err(proto)?.rows.into_iter().map(Into::into).collect())
        }
        REQUEST => {
            let (stream, request) = payload.split_first_chunk::<8>().ok_or("a request is cut")?;
            Record::Request {
                stream: u64::from_le_bytes(*stream),
                request: Box::new(RecordRequest::decode(request).map_err(proto)?),
            }
        }
        other => return Err(format!("a record is of unknown kind {other}")),
    })
}

fn json(metadata: &Metadata) -> Vec<u8> {
    // Maps with string keys and finite numbers only: nothing JSON cannot hold.
    serde_json::to_vec(metadata).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(start_ns: i64) -> Reading {
        ReadingRow { start_ns, end_ns: start_ns + 4_000_000, energy_j: 0.4, ..ReadingRow::default() }.into()
    }

    fn write(path: &Path, count: i64) -> Vec<Record> {
        let records: Vec<_> = (1..=count).map(|n| Record::Readings(vec![reading(n), reading(n + 1)])).collect();
        let mut journal = Journal::create(path).unwrap();
        for record in &records {
            journal.append(record).unwrap();
        }
        records
    }

    #[test]
    fn what_was_appended_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let written = write(&path, 3);
        let mut records = Records::open(&path).unwrap();
        assert_eq!(records.by_ref().collect::<Vec<_>>(), written);
        assert_eq!(records.damage, None);
    }

    #[test]
    fn a_journal_cut_anywhere_gives_every_whole_record_before_the_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let written = write(&path, 3);
        let bytes = std::fs::read(&path).unwrap();
        let whole = bytes.len() / 3;
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let mut records = Records::open(&path).unwrap();
            assert_eq!(records.by_ref().collect::<Vec<_>>(), written[..cut / whole]);
            assert_eq!(records.damage.is_some(), cut % whole != 0, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_journal_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let written = write(&path, 3);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(&path, &bytes).unwrap();
        let mut records = Records::open(&path).unwrap();
        assert_eq!(records.by_ref().collect::<Vec<_>>(), written[..1]);
        assert!(records.damage.is_some());
    }
}
