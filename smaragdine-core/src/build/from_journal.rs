//! From a journal to a trace directory: at a recording's end, and after a crash.

use std::path::{Path, PathBuf};

use crate::accounting::account::account;
use crate::build::assembly::assemble_part;
use crate::error::{Error, Result};
use crate::store::journal::Part;
use crate::store::tables;
use crate::trace::{Policy, State, Trace};

/// Assembles a part of a journal, accounts it, and writes the trace to `output`: what an orderly end and a recovery
/// both do. `lost` says what became of an attempt at more.
///
/// `program_end_ns`: until when the program is known to have run, where the journal may not tell.
///
/// # Errors
/// Where the journal cannot be read, or `output` cannot be written.
pub(crate) fn trace_from_journal(
    journal: &Path,
    output: &Path,
    part: Part,
    lost: Option<&str>,
    program_end_ns: Option<i64>,
) -> Result<Trace> {
    let mut trace = assemble_part(journal, part, lost)?;
    let metadata = &mut trace.metadata;
    if metadata.state == State::Cut {
        metadata.program_end_ns = metadata.program_end_ns.max(program_end_ns);
    }
    account(&mut trace, Policy::Equal);
    tables::write(output, &trace)?;
    Ok(trace)
}

/// The journal in a recording's state directory.
///
/// # Errors
/// Where it holds none, or it may not be opened.
pub(crate) fn journal_of(from: &Path) -> Result<PathBuf> {
    let journal = from.join("journal");
    // A link, a pipe or a device in its place is none.
    match std::fs::symlink_metadata(&journal) {
        Ok(there) if there.is_file() => Ok(journal),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Error::NotYourJournal(journal)),
        _ => Err(Error::NotATrace { path: from.to_owned(), problem: "it holds no journal of a recording".to_owned() }),
    }
}
