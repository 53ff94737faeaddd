//! The synthetic trace as it lies on a disk.

use smaragdine_core::accounting::account::account;
use smaragdine_core::store::tables;
use smaragdine_core::trace::{Policy, Trace};
use tempfile::TempDir;

use crate::synthetic;

/// The synthetic trace, accounted by every policy.
pub(crate) fn accounted() -> Trace {
    let mut trace = synthetic::trace();
    Policy::ALL.into_iter().for_each(|policy| account(&mut trace, policy));
    trace
}

/// A directory that holds `trace`.
pub(crate) fn written(trace: &Trace) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    tables::write(dir.path(), trace).expect("a trace is written");
    dir
}
