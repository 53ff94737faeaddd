//! What people should know about a profile of PyTorch's.

use super::document::Document;
use super::streams::Streams;

const MISSING: &str = "a GPU was used and none of its kernels were traced; hint: CUPTI must be loadable (a PyTorch built \
    for the driver's CUDA), allowed (the module nvidia with NVreg_RestrictProfilingToAdminUsers=0, or CAP_SYS_ADMIN), \
    and not taken by another profiler (Nsight, DCGM's profiling metrics)";
const GRAPHS: &str = "CUDA graphs were launched: all kernels of one stand under the operation that launched it";
const UNPLACED: &str = "the profile does not say when it started; its times are taken as absolute";

pub(super) fn without_base(document: &Document) -> Option<String> {
    (!document.has_base && !document.records.is_empty()).then(|| UNPLACED.to_owned())
}

pub(super) fn of_gpu(streams: &Streams) -> Vec<String> {
    let mut notes = Vec::new();
    if streams.launched > 0 && streams.is_empty() {
        notes.push(MISSING.to_owned());
    } else if streams.lost > 0 {
        notes.push(
            "launches without a kernel were seen: a profiler may lose the first of each window, and their time is not \
            counted"
                .to_owned(),
        );
    }
    if streams.graphs {
        notes.push(GRAPHS.to_owned());
    }
    notes
}
