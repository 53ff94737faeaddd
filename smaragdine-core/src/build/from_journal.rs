//! From a journal to a trace directory: at a recording's end, and after a crash.

use std::path::Path;

use crate::accounting::account::account;
use crate::build::assembly::assemble_part;
use crate::error::Result;
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
