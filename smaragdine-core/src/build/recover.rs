//! The trace of a recording that did not end, after a crash.

use std::path::{Path, PathBuf};

use crate::build::from_journal::trace_from_journal;
use crate::error::{Error, Result};
use crate::store::journal::Part;

/// Rebuilds the trace of `from`, a recording's state directory, into `output`.
///
/// What a `trace.json` says of where a journal lies is not read: anybody can have written it.
///
/// # Errors
/// Where there is no journal, or `output` cannot be written.
pub fn recover(from: &Path, output: &Path, program_end_ns: Option<i64>) -> Result<()> {
    trace_from_journal(&journal_of(from)?, output, Part::Whole, None, program_end_ns).map(drop)
}

fn journal_of(from: &Path) -> Result<PathBuf> {
    let journal = from.join("journal");
    // A link, a pipe or a device in its place is none.
    match std::fs::symlink_metadata(&journal) {
        Ok(there) if there.is_file() => Ok(journal),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Error::NotYourJournal(journal)),
        _ => Err(Error::NotATrace { path: from.to_owned(), problem: "it holds no journal of a recording".to_owned() }),
    }
}
