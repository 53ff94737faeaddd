//! What clients send to one recording: numbered by their streams, kept while there is room, and paced.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message;

use super::lock;
use super::pace::Pace;
use crate::error::{Error, Result};
use crate::store::journal::Record;
use crate::wire::v1::RecordRequest;

/// What clients may send to one recording: their traces are assembled in memory, and the disk is everyone's.
const MOST_BYTES: u64 = 8 << 30;

#[derive(Default)]
pub(super) struct Requests {
    streams: AtomicU64,
    /// Bytes that clients sent.
    taken: AtomicU64,
    /// Requests that found no room.
    left_out: AtomicU64,
    pace: Mutex<Pace>,
}

impl Requests {
    pub(super) fn open_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands a request to the journal by `append`; returns how long its sender is to wait before the next.
    ///
    /// # Errors
    /// [`Error::TooMuch`] where this recording was sent enough, and those of `append`.
    pub(super) fn keep(
        &self,
        recording: &str,
        stream: u64,
        request: RecordRequest,
        append: impl FnOnce(Record) -> Result<()>,
    ) -> Result<Duration> {
        let bytes = request.encoded_len() as u64;
        let kept = if self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST_BYTES {
            append(Record::Request { stream, request: Box::new(request) })
        } else {
            self.taken.fetch_sub(bytes, Ordering::Relaxed);
            let most = MOST_BYTES >> 30;
            Err(Error::TooMuch(format!("recording {recording} was sent {most} GiB, which is all it takes")))
        };
        if kept.is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        kept.map(|()| lock(&self.pace).take(bytes))
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}
