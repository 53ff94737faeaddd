//! Accounting a trace directory anew, from its files alone.

use std::path::{Path, PathBuf};

use crate::accounting::account::{StepEnergies, account, account_recorded};
use crate::build::assembly::add_xspaces;
use crate::error::Result;
use crate::store::tables::{self, Opened, Unsealed};
use crate::trace::{Policy, Recorded};

/// Replaces the rows of `policy` in the trace at `dir`, after adding the events of `xspaces`, and seals it anew.
///
/// What somebody changed since it was sealed is taken as it is; what is returned says so, in words.
///
/// # Errors
/// Where `dir` is no readable trace, a file is no XSpace, or the tables cannot be written.
pub fn reaccount(dir: &Path, policy: Policy, xspaces: &[PathBuf]) -> Result<Vec<String>> {
    let Unsealed { changed, sealed, lacks, .. } =
        if xspaces.is_empty() { accounted(dir, policy)? } else { with_xspaces(dir, policy, xspaces)? };
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

/// Accounts what was recorded, which stays as it is, byte for byte, and may be larger than memory.
fn accounted(dir: &Path, policy: Policy) -> Result<Unsealed> {
    let Opened { mut unsealed, large } = tables::open_as_it_is(dir)?;
    let Unsealed { trace, unknown, checksums, .. } = &mut unsealed;
    account_recorded(trace, &large, policy)?;
    let domains = &trace.metadata.domains;
    let mut spans = large.steps().flat_map(|batch| match batch {
        Ok(batch) => batch.iter().map(|(span, _)| Ok(*span)).collect(),
        Err(error) => vec![Err(error)],
    });
    let at_once = StepEnergies::at_once(domains);
    let (mut energies, mut filled) = (StepEnergies::default(), at_once);
    let with_energies = large.whole_steps().map(|steps| {
        let mut steps = steps?;
        let mut first = 0;
        while first < steps.len() {
            if filled == at_once {
                let next = spans.by_ref().take(at_once).collect::<Result<Vec<_>>>()?;
                (energies, filled) = (StepEnergies::of(&next, domains, &large)?, 0);
            }
            let count = (steps.len() - first).min(at_once - filled);
            energies.fill(&mut steps[first..first + count], filled);
            (first, filled) = (first + count, filled + count);
        }
        Ok(steps)
    });
    tables::write_accounts(dir, trace, with_energies, unknown, checksums)?;
    Ok(unsealed)
}

fn with_xspaces(dir: &Path, policy: Policy, xspaces: &[PathBuf]) -> Result<Unsealed> {
    let mut unsealed = tables::read_as_it_is(dir)?;
    let Unsealed { trace, unknown, .. } = &mut unsealed;
    add_xspaces(trace, xspaces)?;
    account(trace, policy);
    tables::write_again(dir, trace, unknown)?;
    Ok(unsealed)
}
