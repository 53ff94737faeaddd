//! The streams of a GPU → spans: kernels and copies under the operations that they were launched for.
//!
//! Titles, stats and lines are those that `xla/backends/profiler/gpu/cupti_collector.cc` and `cupti_buffer_events.cc`
//! write.

use rustc_hash::FxHashMap;

use super::fields::Malformed;
use super::kernels::Kernels;
use super::lanes::Lanes;
use super::launches::Launches;
use super::lines::{Line, Occurrence};
use super::plane::Plane;
use super::push;
use super::title::operation;
use crate::profiler::RawOp;
use crate::profiler::leaves::{LaneSpan, What};
use crate::trace::Kind;

/// The stats that say what a kernel is for, by this plane's numbers.
struct Known {
    hlo_op: Option<i64>,
    program: Option<i64>,
    tf_op: Option<i64>,
    correlation: Option<i64>,
    memcpy: Option<i64>,
}

/// What says whom a kernel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Told<'a> {
    metadata: i64,
    hlo_op: Option<&'a str>,
    program: u64,
    tf_op: Option<&'a str>,
    /// The operation on the host that launched it.
    launcher: Option<u32>,
}

pub(super) struct Gpu<'a, 'p> {
    plane: &'a Plane<'a>,
    kernels: &'p mut Kernels<'a>,
    names: &'p mut Vec<RawOp>,
    launches: &'p Launches,
    known: Known,
    told: FxHashMap<Told<'a>, What>,
}

impl<'a, 'p> Gpu<'a, 'p> {
    pub(super) fn new(
        plane: &'a Plane<'a>,
        kernels: &'p mut Kernels<'a>,
        names: &'p mut Vec<RawOp>,
        launches: &'p Launches,
    ) -> Self {
        let known = Known {
            hlo_op: plane.stat_named("hlo_op"),
            program: plane.stat_named("program_id"),
            tf_op: plane.stat_named("tf_op"),
            correlation: plane.stat_named("correlation_id"),
            memcpy: plane.stat_named("memcpy_details"),
        };
        Self { plane, kernels, names, launches, known, told: FxHashMap::default() }
    }

    /// Adds what each stream executes to `lanes`.
    pub(super) fn read(mut self, session_ns: i64, lanes: &mut Lanes) -> Result<(), Malformed> {
        for (lane, line) in (0..).zip(&self.plane.lines) {
            let mut spans = self.stream(Line::scan(line, session_ns)?)?;
            lanes.add(lane, &mut spans, self.kernels);
        }
        Ok(())
    }

    fn stream(&mut self, mut line: Line<'a>) -> Result<Vec<LaneSpan>, Malformed> {
        let mut spans = Vec::new();
        // `Stream #13(Compute,MemcpyD2D)`. Of the lines that converters derive from the streams each would be counted a
        // second time. A stream on which CUPTI was busy too is told under CUPTI's name, kernels and all.
        if !(line.name.starts_with("Stream #") || line.name == "CUPTI overhead") {
            return Ok(spans);
        }
        let plane = self.plane;
        let class = |metadata: i64| activity(plane.events.get(&metadata)?.name.as_str());
        while let Some((kind, event)) = line.next_event(class)? {
            spans.push(self.span(kind, &event)?);
        }
        Ok(spans)
    }

    fn span(&mut self, mut kind: Kind, event: &Occurrence<'a>) -> Result<LaneSpan, Malformed> {
        let mut told = Told { metadata: event.metadata, ..Told::default() };
        let mut correlation = None;
        let Known { hlo_op, program, tf_op, correlation: correlated, memcpy } = self.known;
        event.stats(self.plane, |id, stat| match Some(id) {
            id if id == hlo_op => told.hlo_op = stat.text(),
            id if id == program => told.program = stat.number().unwrap_or(0),
            id if id == tf_op => told.tf_op = stat.text(),
            id if id == correlated => correlation = stat.number().filter(|&id| id != 0),
            id if id == memcpy => kind = Kind::Copy,
            _ => {}
        })?;
        told.launcher = correlation.and_then(|id| self.launches.get(&id).copied());
        let what = match self.told.get(&told) {
            Some(&what) => what,
            None => {
                let what = self.what(&told);
                self.told.insert(told, what);
                what
            }
        };
        Ok(LaneSpan { what, kind, start_ns: event.start_ns, end_ns: event.end_ns, correlation })
    }

    /// XLA's instruction says it best; then the operation around the launch; then the outermost annotation that was
    /// open at the launch, which may be a function's; else the kernel is known by its own name alone.
    fn what(&mut self, told: &Told<'a>) -> What {
        if let Some(instruction) = told.hlo_op {
            let kernel = self.kernels.kernel(told.program, instruction, self.names);
            if kernel.what != What::Nothing {
                return kernel.what;
            }
        }
        if let Some(launcher) = told.launcher {
            return What::Operation(launcher);
        }
        let named = told.tf_op.and_then(operation);
        // What TensorFlow calls `name:type` others write as a name alone.
        let bare = told.tf_op.filter(|name| !name.is_empty() && !name.contains(':')).map(|name| (name, ""));
        let title = self.plane.events.get(&told.metadata).map_or("", |metadata| metadata.name.as_str());
        let (raw_name, kind) = named.or(bare).unwrap_or((title, ""));
        let op = RawOp { raw_name: raw_name.into(), kind: kind.into(), ..RawOp::default() };
        What::Operation(push(self.names, op))
    }
}

/// What a stream does in an event of this title; `None` where it does nothing.
fn activity(title: &str) -> Option<Kind> {
    match title {
        // What CUPTI itself costs.
        "COMPILER" | "BUFFER_FLUSH" | "INSTRUMENTATION" | "RESOURCE" | "<UNKNOWN>" => None,
        "cuStreamWaitEvent"
        | "cuEventSynchronize"
        | "cuStreamSynchronize"
        | "cuCtxSynchronize"
        | "unknown synchronization event" => Some(Kind::Wait),
        _ if title.starts_with("UM_BYTES_TRANSFER") => Some(Kind::Copy),
        // Counts of page faults, and how long memory stayed allocated.
        _ if title.starts_with("UM_") || title.starts_with("Memory ") => None,
        _ if title.starts_with("Memcpy") || title.starts_with("Memset") => Some(Kind::Copy),
        _ => Some(Kind::Compute),
    }
}
