//! From a journal to a trace directory: at a recording's end, and after a crash.

use std::path::{Path, PathBuf};

use crate::account::account;
use crate::assembly::assemble_part;
use crate::error::{Error, Result};
use crate::journal::Part;
use crate::tables;
use crate::trace::{Metadata, Policy, Trace};

/// Rebuilds the trace of `from` (a recording's state directory, or an OUTPUT whose `trace.json` names it) into `output`.
///
/// # Errors
/// Where there is no journal, or `output` cannot be written.
pub fn recover(from: &Path, output: &Path) -> Result<()> {
    build(&journal_of(from)?, output, Part::Whole, None).map(drop)
}

/// Assembles a part of a journal, accounts it, and writes the trace to `output`: what an orderly end and a recovery
/// both do. `lost` says what became of an attempt at more.
///
/// # Errors
/// Where the journal cannot be read, or `output` cannot be written.
pub(crate) fn build(journal: &Path, output: &Path, part: Part, lost: Option<&str>) -> Result<Trace> {
    let mut trace = assemble_part(journal, part, lost)?;
    account(&mut trace, Policy::Equal);
    tables::write(output, &trace)?;
    Ok(trace)
}

fn journal_of(from: &Path) -> Result<PathBuf> {
    let journal = from.join("journal");
    if journal.is_file() {
        return Ok(journal);
    }
    let not_a_trace = |problem: &str| Error::NotATrace { path: from.to_owned(), problem: problem.to_owned() };
    let text = std::fs::read_to_string(from.join("trace.json"))
        .map_err(|_| not_a_trace("it holds neither a journal nor a trace.json"))?;
    let metadata: Metadata =
        serde_json::from_str(&text).map_err(|error| not_a_trace(&format!("its trace.json cannot be read: {error}")))?;
    let state_dir = metadata.state_dir.ok_or_else(|| not_a_trace("its trace.json names no journal: it is finished"))?;
    let journal = Path::new(&state_dir).join("journal");
    match std::fs::metadata(&journal) {
        Ok(_) => Ok(journal),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Error::NotYourJournal(journal)),
        Err(_) => Err(not_a_trace(&format!("its journal {} is gone", journal.display()))),
    }
}
