//! A register that a file shows as one number.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::identity;

/// An open file whose text is a whole number; the descriptor stays open.
#[derive(Debug)]
pub(super) struct Register {
    path: PathBuf,
    file: File,
    /// The last read failed. A driver that was reloaded leaves old descriptors dead, so the next read opens anew.
    failed: bool,
}

impl Register {
    /// Opens it without reading it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, path: path.to_owned(), failed: false })
    }

    /// Which file it is, for [`Source::registers`](super::Source::registers).
    pub(super) fn identity(&self) -> String {
        identity(&self.path, &self.file)
    }

    /// The number that it shows now.
    pub(super) fn read(&mut self) -> io::Result<u64> {
        self.read_as(parse)
    }

    /// What `parse` makes of its text now.
    pub(super) fn read_as<T>(&mut self, parse: impl FnOnce(&[u8]) -> io::Result<T>) -> io::Result<T> {
        let mut buffer = [0; 64];
        let read = self.read_bytes(&mut buffer).and_then(|length| parse(&buffer[..length]));
        self.failed = read.is_err();
        read
    }

    /// As many of its bytes as there are now and have room.
    pub(super) fn read_bytes(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed
            && let Ok(file) = File::open(&self.path)
        {
            self.file = file;
        }
        let read = self.file.read_at(buffer, 0);
        self.failed = read.is_err();
        read
    }

    /// The next read opens it anew: what it showed cannot be.
    pub(super) fn doubt(&mut self) {
        self.failed = true;
    }

    /// A read that failed, in words.
    pub(super) fn problem(&self, error: &io::Error) -> String {
        format!("cannot read {}: {error}", self.path.display())
    }
}

/// Decimal digits and a newline. Parsed by hand: a read must not allocate, nor go through UTF-8.
pub(super) fn parse(text: &[u8]) -> io::Result<u64> {
    let digits = text.trim_ascii();
    let value = digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    });
    match value {
        Some(value) if !digits.is_empty() => Ok(value),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{:?} is no number", text.escape_ascii().to_string()),
        )),
    }
}
