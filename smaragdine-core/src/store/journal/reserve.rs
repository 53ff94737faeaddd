//! Room on the disk that a journal takes in advance, so that readings outlive a disk that something else filled.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

/// Room ahead of the journal's end: an hour of readings that are merged to a second each.
const MOST: u64 = 4 << 20;
/// What clients' data leave free, at least this fraction of the file system or this much.
const SPARE_FRACTION: u64 = 20;
const SPARE: u64 = 256 << 20;
/// How often a disk that was full is looked at again, and one that was not.
const LOOK: Duration = Duration::from_secs(1);

/// The room ahead of one journal.
#[derive(Debug)]
pub(super) struct Reserve {
    /// Bytes to hold ahead; 0 where the file system cannot.
    ahead: u64,
    /// The journal can grow to this length whatever happens.
    until: u64,
    /// The disk gave no more when last asked.
    full: bool,
    looked: Option<Instant>,
    /// Whether there was room for clients' data when last looked.
    spare: bool,
    /// Bytes that were left when last looked.
    free: u64,
}

impl Reserve {
    pub(super) fn of(file: &File) -> Self {
        let total = fstatvfs(file).map_or(0, |status| status.f_blocks.saturating_mul(status.f_frsize));
        // A small file system is not taken whole; one without a size (an unlimited tmpfs) has room enough.
        let ahead = if total == 0 { MOST } else { MOST.min(total / 64) };
        let mut reserve = Self { ahead, until: 0, full: false, looked: None, spare: true, free: u64::MAX };
        reserve.keep(file, 0, 0);
        reserve
    }

    /// The disk gives no more: only what is held ahead is left.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes that were left for anybody when last looked.
    pub(super) fn free(&self) -> u64 {
        self.free
    }

    /// Whether `bytes` of a client's data may be taken: not where they would eat into the room of readings.
    pub(super) fn has_room(&mut self, file: &File, length: u64, bytes: u64) -> bool {
        self.keep(file, length, bytes);
        self.spare && !self.full
    }

    /// Keeps the room ahead of a journal of `length` bytes that is about to grow by `bytes`.
    pub(super) fn keep(&mut self, file: &File, length: u64, bytes: u64) {
        let due = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if self.ahead > 0 && self.until < length + bytes + self.ahead / 2 && (due || !self.full) {
            match fallocate(file, FallocateFlags::KEEP_SIZE, length, bytes + self.ahead) {
                Ok(()) => {
                    self.until = length + bytes + self.ahead;
                    self.full = false;
                }
                Err(Errno::NOSPC | Errno::DQUOT) => self.full = true,
                // The file system cannot hold room ahead; a write that fails will tell.
                Err(_) => self.ahead = 0,
            }
        }
        if due {
            self.looked = Some(Instant::now());
            self.spare = fstatvfs(file).is_ok_and(|status| {
                let total = status.f_blocks.saturating_mul(status.f_frsize);
                let free = status.f_bavail.saturating_mul(status.f_frsize);
                self.free = if total == 0 { u64::MAX } else { free };
                total == 0 || free >= SPARE.min(total / SPARE_FRACTION)
            });
        }
    }

    /// A write failed, which has also given back what was held.
    pub(super) fn failed(&mut self, length: u64) {
        self.full = true;
        self.until = length;
    }

    /// A write succeeded; beyond what is held, that says that there is room again.
    pub(super) fn wrote(&mut self, length: u64) {
        if length > self.until {
            self.full = false;
        }
    }
}
