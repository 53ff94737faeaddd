//! Accounting a trace directory anew, from its files alone.

use std::path::{Path, PathBuf};

use crate::accounting::account::account;
use crate::build::assembly::add_xspaces;
use crate::error::Result;
use crate::store::tables::{self, Unsealed};
use crate::trace::Policy;

/// Replaces the rows of `policy` in the trace at `dir`, after adding the events of `xspaces`, and seals it anew.
///
/// What somebody changed since it was sealed is taken as it is; what is returned says so, in words.
///
/// # Errors
/// Where `dir` is no readable trace, a file is no XSpace, or the tables cannot be written.
pub fn reaccount(dir: &Path, policy: Policy, xspaces: &[PathBuf]) -> Result<Vec<String>> {
    let Unsealed { mut trace, changed, checksums, sealed, lacks, unknown } = tables::read_as_it_is(dir)?;
    add_xspaces(&mut trace, xspaces)?;
    account(&mut trace, policy);
    if xspaces.is_empty() {
        // What was recorded stays as it is, byte for byte.
        tables::write_accounting(dir, &trace, &unknown, &checksums)?;
    } else {
        tables::write_again(dir, &trace, &unknown)?;
    }
    let taken = changed.iter().map(|(path, problem)| {
        format!("{} was changed ({problem}); it is taken as it is, and sealed anew", path.display())
    });
    let missing = lacks.iter().map(|(table, column)| {
        format!(
            "the trace {} is older than this version: {table}.parquet has no column `{column}`, so nothing is known of it; \
             record anew to have it",
            dir.display()
        )
    });
    let older = (!sealed && changed.is_empty())
        .then(|| format!("the trace {} had no checksums; it has now, of what it holds", dir.display()));
    Ok(taken.chain(missing).chain(older).collect())
}
