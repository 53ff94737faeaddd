//! What threads asked a GPU for, and for which operation.

use rustc_hash::FxHashMap;

use super::document::Record;
use super::frames::NONE;

/// Who made a call: the operation around it (or no leaf), the frame around that, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Launcher {
    pub(super) frame: u32,
    pub(super) leaf: u32,
    pub(super) at_ns: i64,
}

#[derive(Debug, Default)]
pub(super) struct Launches {
    by_correlation: FxHashMap<u64, Launcher>,
    /// Calls that no operation is around.
    bare: bool,
}

impl Launches {
    pub(super) fn add(&mut self, call: &Record, launcher: Launcher) {
        self.bare |= launcher.leaf == NONE;
        if call.correlation != 0 {
            self.by_correlation.insert(call.correlation, launcher);
        }
    }

    pub(super) fn all_enclosed(&self) -> bool {
        !self.bare
    }

    pub(super) fn get(&self, correlation: u64) -> Option<Launcher> {
        self.by_correlation.get(&correlation).filter(|_| correlation != 0).copied()
    }
}

/// Whether a call of this name returns when a GPU has caught up.
pub(super) fn waits(name: &[u8]) -> bool {
    const SYNCHRONISES: [&[u8]; 7] = [
        b"cudaDeviceSynchronize",
        b"cudaStreamSynchronize",
        b"cudaEventSynchronize",
        b"cuStreamSynchronize",
        b"hipDeviceSynchronize",
        b"hipStreamSynchronize",
        b"hipEventSynchronize",
    ];
    SYNCHRONISES.contains(&name) || name == b"cuCtxSynchronize" || name == b"cuEventSynchronize"
}

/// Whether a call of this name has a GPU run something, which its profile should then tell.
pub(super) fn launches(name: &[u8]) -> bool {
    let has = |part: &[u8]| name.windows(part.len()).any(|at| at == part);
    has(b"Launch") || has(b"MemcpyAsync") || has(b"MemsetAsync")
}

/// Whether it runs a whole graph of kernels.
pub(super) fn is_graph(name: &[u8]) -> bool {
    name.windows(11).any(|at| at == b"GraphLaunch")
}
