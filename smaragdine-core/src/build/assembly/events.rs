//! Events on their way into a trace: operations interned, devices numbered, stamps checked.

use rustc_hash::FxHashMap;

use super::bounds::Bounds;
use super::warnings::Warnings;
use crate::clock::{ClockPair, TraceClock};
use crate::profiler::{Namer, Profile, RawOp};
use crate::trace::{Event, Kind, Op, Phase, Trace};
use crate::wire::v1;

/// Trace time of a stamp that came in `clock` (a `v1::Clock`).
pub(crate) fn map(trace_clock: TraceClock, clock: i32, ns: i64, pair: ClockPair) -> i64 {
    if clock == v1::Clock::Monotonic as i32 {
        trace_clock.from_monotonic(ns)
    } else {
        trace_clock.from_realtime(ns, pair)
    }
}

/// What tells operations apart: one operation is one QTN in one layer and phase, under whichever raw names it ran.
type Key = (String, String, Phase);

/// Adds events to a trace.
#[derive(Debug, Default)]
pub(crate) struct Events {
    ops: FxHashMap<Key, u32>,
    /// What a finished trace calls its operations, so that a further profile finds them without the graph.
    raw_names: FxHashMap<String, u32>,
    /// The devices of the trace, by name.
    devices: FxHashMap<String, u16>,
    /// A stream's own operation numbers → ours.
    stream_ops: FxHashMap<(u64, u32), u32>,
}

/// Devices that are told apart: more than a machine has, even where its GPUs are cut into pieces. Each is accounted by
/// itself.
const MOST_DEVICES: usize = 256;
const TOO_MANY: &str = "events on more than 256 devices were left out: no machine has so many";
/// Events that cannot be.
const IMPOSSIBLE: &str = "events that ended before they started, or lie beyond the recording, were left out";

impl Events {
    /// Continues with the operations that `trace` has already.
    pub(crate) fn of(trace: &Trace) -> Self {
        let ops = trace.ops.iter().zip(0..).map(|(op, number)| (key(op), number)).collect();
        let raw_names = trace.ops.iter().zip(0..).map(|(op, number)| (op.raw_name.clone(), number)).collect();
        Self { ops, raw_names, ..Self::default() }
    }

    /// Adds a client's own events; warns of what is left out.
    pub(crate) fn add_batch(
        &mut self,
        trace: &mut Trace,
        stream: u64,
        batch: v1::EventBatch,
        pair: ClockPair,
        warnings: &mut Warnings,
    ) {
        let clock = TraceClock { realtime_offset_ns: trace.metadata.realtime_offset_ns };
        let bounds = Bounds::of(&trace.metadata).told_at(clock, pair);
        for op in batch.ops {
            let number = op.op;
            let own = self.intern(trace, op_of(op));
            self.stream_ops.insert((stream, number), own);
        }
        for event in batch.events {
            let Some(&op) = self.stream_ops.get(&(stream, event.op)) else {
                warnings.add("events of operations that were never named were left out");
                continue;
            };
            let device = if event.device.is_empty() { "CPU:0" } else { &event.device };
            let Some(device) = self.device(trace, device) else {
                warnings.add(TOO_MANY);
                continue;
            };
            let kind = match event.kind() {
                v1::Kind::Copy => Kind::Copy,
                v1::Kind::Wait => Kind::Wait,
                v1::Kind::Unspecified | v1::Kind::Compute => Kind::Compute,
            };
            let start_ns = map(clock, batch.clock, event.start_ns, pair);
            let end_ns = map(clock, batch.clock, event.end_ns, pair);
            let correlation = (event.correlation != 0).then_some(event.correlation);
            if bounds.hold(start_ns, end_ns) {
                let lane = event.lane;
                trace.events.push(Event { op, device, lane, kind, start_ns, end_ns, step: None, correlation });
            } else {
                warnings.add(IMPOSSIBLE);
            }
        }
        for edge in batch.edges {
            let ends = (self.stream_ops.get(&(stream, edge.from_op)), self.stream_ops.get(&(stream, edge.to_op)));
            if let (Some(&from), Some(&to)) = ends {
                trace.edges.push((from, to));
            }
        }
    }

    /// Adds a profiler's events under the names that `namer` gives them; warns of what is left out.
    pub(crate) fn add_profile(
        &mut self,
        trace: &mut Trace,
        profile: Profile,
        namer: &Namer,
        pair: ClockPair,
        warnings: &mut Warnings,
    ) {
        let clock = TraceClock { realtime_offset_ns: trace.metadata.realtime_offset_ns };
        let bounds = Bounds::of(&trace.metadata);
        profile.notes.iter().for_each(|note| warnings.add(note));
        warnings.add_times(IMPOSSIBLE, profile.impossible);
        let mut number = |raw: &RawOp| match (raw.as_told(), self.raw_names.get(&raw.raw_name)) {
            (Some(told), _) => {
                let flops = told.flops;
                let number = self.intern(trace, told);
                // Shapes are told by one window of many.
                let known = &mut trace.ops[number as usize].flops;
                *known = known.or(flops);
                number
            }
            // What JAX calls alike may be different operations, and its names need no graph.
            (None, Some(&known)) if raw.origin.is_none() => known,
            (None, _) => self.intern(trace, namer.name(raw)),
        };
        let ops: Vec<u32> = profile.names.iter().map(&mut number).collect();
        let devices: Vec<_> = profile.devices.iter().map(|device| self.device(trace, device)).collect();
        if devices.contains(&None) {
            warnings.add(TOO_MANY);
        }
        let end = |name: u32| ops.get(name as usize).copied();
        let edges = profile.edges.iter().filter_map(|&(from, to)| end(from).zip(end(to)));
        trace.edges.extend(edges.filter(|(from, to)| from != to));
        trace.events.reserve(profile.events.len());
        for event in profile.events {
            let number = (ops.get(event.name as usize), devices.get(usize::from(event.device)));
            let (Some(&op), Some(&Some(device))) = number else { continue };
            let start_ns = clock.from_realtime(event.start_ns, pair);
            let end_ns = clock.from_realtime(event.end_ns, pair);
            if bounds.hold(start_ns, end_ns) {
                trace.events.push(Event {
                    op,
                    device,
                    lane: event.lane,
                    kind: event.kind,
                    start_ns,
                    end_ns,
                    step: None,
                    correlation: event.correlation,
                });
            } else {
                warnings.add(IMPOSSIBLE);
            }
        }
    }

    /// Leaves out what turned out to lie beyond the recording.
    pub(crate) fn bound(trace: &mut Trace, warnings: &mut Warnings) {
        let (bounds, before) = (Bounds::of(&trace.metadata), trace.events.len());
        trace.events.retain(|event| bounds.hold(event.start_ns, event.end_ns));
        warnings.add_times(IMPOSSIBLE, (before - trace.events.len()) as u64);
    }

    /// The number of a device, a new one where the trace lacks it; `None`: it has too many.
    fn device(&mut self, trace: &mut Trace, name: &str) -> Option<u16> {
        let devices = &mut trace.metadata.devices;
        // What the trace has from elsewhere: metered devices, or those of a finished trace.
        for (known, number) in devices.iter().zip(0..).skip(self.devices.len()) {
            self.devices.entry(known.clone()).or_insert(number);
        }
        if let Some(&number) = self.devices.get(name) {
            return Some(number);
        }
        let number = u16::try_from(devices.len()).ok().filter(|number| usize::from(*number) < MOST_DEVICES)?;
        devices.push(name.to_owned());
        self.devices.insert(name.to_owned(), number);
        Some(number)
    }

    /// The number of an operation, a new one where the trace lacks it.
    pub(crate) fn intern(&mut self, trace: &mut Trace, op: Op) -> u32 {
        *self.ops.entry(key(&op)).or_insert_with(|| {
            trace.ops.push(op);
            trace.ops.len() as u32 - 1
        })
    }
}

fn key(op: &Op) -> Key {
    (op.qtn.clone(), op.layer.clone(), op.phase)
}

/// Fills what a client may leave out (trace.proto, `Op`).
fn op_of(op: v1::Op) -> Op {
    let (scope, leaf) = op.qtn.rsplit_once('/').unwrap_or(("", &op.qtn));
    let scope = scope.strip_prefix("gradients/").unwrap_or(scope);
    let layer = if scope.is_empty() { "unknown" } else { scope };
    let kind = leaf.rsplit_once('_').filter(|(_, n)| n.bytes().all(|byte| byte.is_ascii_digit()));
    let kind = kind.map_or(leaf, |(name, _)| name);
    let or = |given: &str, otherwise: &str| if given.is_empty() { otherwise } else { given }.to_owned();
    Op {
        layer: or(&op.layer, layer),
        kind: or(&op.r#type, kind),
        phase: Phase::parse(&op.phase).unwrap_or(Phase::Other),
        raw_name: or(&op.raw_name, &op.qtn),
        flops: Some(op.flops).filter(|flops| *flops > 0.0 && flops.is_finite()),
        fused: String::new(),
        qtn: op.qtn,
    }
}
