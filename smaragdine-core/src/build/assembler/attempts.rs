//! How often a journal was tried: written down before each attempt, which may end the daemon as well.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::journal::Part;

/// Attempts that may end with the daemon, or the machine, before less is tried: they may have ended for other reasons.
const CHANCES: u64 = 2;

/// A file with one byte for each attempt that did not end well.
#[derive(Debug)]
pub(super) struct Attempts {
    file: File,
    path: PathBuf,
    count: u64,
}

impl Attempts {
    pub(super) fn of(dir: &Path) -> Result<Self> {
        let path = dir.join("attempts");
        let file = File::options().append(true).create(true).open(&path).map_err(Error::io("open", &path))?;
        let count = file.metadata().map_err(Error::io("read", &path))?.len();
        Ok(Self { file, path, count })
    }

    /// What is to be tried next; `None`: nothing is left to try.
    pub(super) fn part(&self) -> Option<Part> {
        Part::ALL.get(usize::try_from(self.count / CHANCES).ok()?).copied()
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        self.file.write_all(b".").and_then(|()| self.file.sync_data()).map_err(Error::io("write", &self.path))?;
        self.count += 1;
        Ok(())
    }

    /// It ended as it should, or for reasons that are not the journal's.
    pub(super) fn undo(&mut self) -> Result<()> {
        self.set(self.count.saturating_sub(1))
    }

    /// This part is not tried again.
    pub(super) fn failed(&mut self, part: Part) -> Result<()> {
        self.set((part as u64 + 1) * CHANCES)
    }

    fn set(&mut self, count: u64) -> Result<()> {
        self.file.set_len(count).map_err(Error::io("write", &self.path))?;
        self.count = count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_took_the_daemon_with_them_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let parts: Vec<_> = std::iter::from_fn(|| {
            let mut attempts = Attempts::of(dir.path()).unwrap();
            let part = attempts.part()?;
            attempts.begin().unwrap();
            Some(part)
        })
        .collect();
        let twice = |part| [part, part];
        assert_eq!(parts, Part::ALL.map(twice).concat());
    }

    #[test]
    fn what_ended_well_is_tried_the_same_way_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut attempts = Attempts::of(dir.path()).unwrap();
        attempts.begin().unwrap();
        attempts.failed(Part::Whole).unwrap();
        attempts.begin().unwrap();
        attempts.undo().unwrap();
        assert_eq!(Attempts::of(dir.path()).unwrap().part(), Some(Part::WithoutOperations));
    }
}
