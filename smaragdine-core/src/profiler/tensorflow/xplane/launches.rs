//! What a thread asked a GPU for, and which operation it did so for.
//!
//! CUPTI tells each call of the CUDA driver on the line of the thread that made it, within the operation's own event,
//! with a correlation id that what it launched carries too. Source: `CreateXEvent` in
//! `xla/backends/profiler/gpu/cupti_collector.cc`, and `MergeHostPlanesAndSortLines` in
//! `xla/tsl/profiler/convert/post_process_single_host_xplane.cc`.

use rustc_hash::FxHashMap;

use crate::profiler::leaves::{LaneSpan, What, innermost};
use crate::span::Span;
use crate::trace::Kind;

/// Operations by the correlation id of what they launched: indexes into the profile's operations.
pub(super) type Launches = FxHashMap<u64, u32>;

/// One call of the driver, CLOCK_REALTIME.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) correlation: u64,
    /// It returns when the GPU has caught up.
    pub(super) waits: bool,
}

/// The driver's calls in which a thread waits for the GPU.
pub(super) fn waits(title: &str) -> bool {
    matches!(title, "cuStreamSynchronize" | "cuEventSynchronize" | "cuCtxSynchronize")
}

/// Leads the calls of one thread, which it takes out, back to the operations around them; what an operation waits
/// becomes a span of its own.
pub(super) fn lead_back(calls: &mut Vec<Call>, spans: &mut Vec<LaneSpan>, launches: &mut Launches) {
    if calls.is_empty() {
        return;
    }
    calls.sort_by_key(|call| call.start_ns);
    spans.sort_by_key(LaneSpan::order);
    let intervals: Vec<_> = spans.iter().map(|span| Span::new(span.start_ns, span.end_ns)).collect();
    let around = innermost(&intervals, calls.iter().map(|call| call.start_ns));
    for (call, around) in calls.drain(..).zip(around) {
        let Some(LaneSpan { what: What::Operation(operation), .. }) = around.map(|span| spans[span]) else { continue };
        launches.insert(call.correlation, operation);
        if call.waits {
            let Call { start_ns, end_ns, .. } = call;
            let what = What::Operation(operation);
            spans.push(LaneSpan { what, kind: Kind::Wait, start_ns, end_ns, correlation: None });
        }
    }
}
