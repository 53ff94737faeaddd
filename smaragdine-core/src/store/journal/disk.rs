//! How much of the disk the recordings of one user hold: no more than is left for others.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Bytes of one user's journals and traces.
#[derive(Debug, Default)]
pub struct DiskUse(AtomicU64);

impl DiskUse {
    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, bytes: u64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| Some(held.saturating_sub(bytes)));
    }

    /// # Errors
    /// [`Error::OverQuota`] where the user holds more than the `free` bytes that are left.
    pub(crate) fn check(&self, free: u64) -> Result<()> {
        let held = self.0.load(Ordering::Relaxed);
        if held <= free {
            return Ok(());
        }
        let (held, free) = (held >> 20, free >> 20);
        let told = format!(
            "recordings of yours hold {held} MiB of the daemon's disk, and no user may hold more than is left: {free} MiB"
        );
        Err(Error::OverQuota { told, hint: "stop and fetch recordings, so that the daemon's copies are deleted" })
    }
}

/// What may still be written to the file system of `path`, without what is root's alone.
pub(crate) fn free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |status| match status.f_blocks {
        // An unlimited tmpfs has no size.
        0 => u64::MAX,
        _ => status.f_bavail.saturating_mul(status.f_frsize),
    })
}

/// Bytes of the files in a recording's directory.
pub(crate) fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_holds_no_more_than_is_left_for_others_and_is_told_so() {
        let held = DiskUse::default();
        held.add(5 << 20);
        assert!(held.check(5 << 20).is_ok());
        let refused = held.check(4 << 20).unwrap_err();
        assert!(refused.to_string().contains("hold 5 MiB") && refused.hint().is_some(), "{refused}");
        held.sub(6 << 20);
        assert!(held.check(0).is_ok());
    }
}
