//! Accounting a trace directory anew, from its files alone.

use std::path::{Path, PathBuf};

use crate::account::account;
use crate::assembly::add_xspaces;
use crate::error::Result;
use crate::tables;
use crate::trace::Policy;

/// Replaces the rows of `policy` in the trace at `dir`, after adding the events of `xspaces`.
///
/// # Errors
/// Where `dir` is no readable trace, a file is no XSpace, or the tables cannot be written.
pub fn reaccount(dir: &Path, policy: Policy, xspaces: &[PathBuf]) -> Result<()> {
    let mut trace = tables::read(dir)?;
    add_xspaces(&mut trace, xspaces)?;
    account(&mut trace, policy);
    if xspaces.is_empty() {
        // What was recorded stays as it is, byte for byte.
        tables::write_accounting(dir, &trace)
    } else {
        tables::write(dir, &trace)
    }
}
