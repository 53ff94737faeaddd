//! From what a crash left behind to a readable trace.

use std::path::{Path, PathBuf};

use crate::account::account;
use crate::assembly::assemble;
use crate::error::{Error, Result};
use crate::tables;
use crate::trace::{Metadata, Policy};

/// Rebuilds the trace of `from` (a recording's state directory, or an OUTPUT whose `trace.json` names it) into `output`.
///
/// # Errors
/// Where there is no journal, or `output` cannot be written.
pub fn recover(from: &Path, output: &Path) -> Result<()> {
    let mut trace = assemble(&journal_of(from)?)?;
    account(&mut trace, Policy::Equal);
    std::fs::create_dir_all(output).map_err(Error::io("create", output))?;
    tables::write(output, &trace)
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
    if journal.is_file() {
        Ok(journal)
    } else {
        Err(not_a_trace(&format!("its journal {} is gone", journal.display())))
    }
}
