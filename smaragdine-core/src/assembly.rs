//! From a journal to a trace: profiles decoded and named, clocks mapped, shares joined, steps found.

use std::collections::BTreeMap;
use std::path::Path;

use rustc_hash::FxHashMap;
use serde_json::json;

use crate::attribution::apply_shares;
use crate::clock::{ClockPair, TraceClock};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::journal::{Record, Records};
use crate::names::{Model, Namer};
use crate::step_stats;
use crate::tables::merge_untouched;
use crate::trace::{Event, Kind, Metadata, Op, Phase, ShareSample, State, Step, Trace};
use crate::wire::v1;
use crate::wire::v1::profile::Format;
use crate::wire::v1::record_request::Payload;
use crate::xplane::{self, Profile};

/// A change of the wall clock smaller than this is drift, not a step.
const CLOCK_STEP_NS: i64 = 1_000_000;

/// Stamps further from the recording's start than this belong to another clock, or to nobody.
const FURTHEST_NS: u64 = 10 * 366 * 86_400 * 1_000_000_000;

/// A profile larger than this is refused rather than held in memory.
const LARGEST_PROFILE: usize = 1 << 30;

/// Reads a whole journal. One without an end becomes a trace that is `cut`.
///
/// # Errors
/// Where the file cannot be read or does not even start as a journal.
pub fn assemble(journal: &Path) -> Result<Trace> {
    let mut records = Records::open(journal)?;
    let Some(Record::Start(metadata)) = records.next() else {
        return Err(Error::NotATrace {
            path: journal.to_owned(),
            problem: "it holds no journal of a recording".to_owned(),
        });
    };
    let mut assembly = Assembly::new(*metadata);
    for record in records.by_ref() {
        assembly.add(record);
    }
    if let Some(damage) = records.damage {
        assembly.warn(format!("the journal ends in the middle: {damage}"));
    }
    Ok(assembly.finish())
}

/// A profile, decoded but not yet named: names may need a graph that comes after it.
struct Pending {
    profile: Profile,
    pair: ClockPair,
}

struct Assembly {
    trace: Trace,
    clock: TraceClock,
    shares: Vec<ShareSample>,
    pending: Vec<Pending>,
    /// Pieces of the profile that a stream is sending.
    pieces: FxHashMap<u64, (Format, Vec<u8>)>,
    /// A stream's own operation numbers → ours.
    stream_ops: FxHashMap<(u64, u32), u32>,
    ops: FxHashMap<(String, String, Phase), u32>,
    /// Edges as streams sent them.
    edges: Vec<(u32, u32)>,
    model: Model,
    graphs: Vec<Graph>,
    warnings: BTreeMap<String, u64>,
    last_offset_ns: i64,
}

impl Assembly {
    fn new(metadata: Metadata) -> Self {
        let clock = TraceClock { realtime_offset_ns: metadata.realtime_offset_ns };
        Self {
            clock,
            last_offset_ns: clock.realtime_offset_ns,
            trace: Trace { metadata, ..Trace::default() },
            shares: Vec::new(),
            pending: Vec::new(),
            pieces: FxHashMap::default(),
            stream_ops: FxHashMap::default(),
            ops: FxHashMap::default(),
            edges: Vec::new(),
            model: Model::default(),
            graphs: Vec::new(),
            warnings: BTreeMap::new(),
        }
    }

    fn warn(&mut self, warning: impl Into<String>) {
        *self.warnings.entry(warning.into()).or_default() += 1;
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Start(_) => self.warn("the journal starts twice"),
            Record::Readings(readings) => self.trace.readings.extend(readings),
            Record::Shares(shares) => self.shares.extend(shares),
            Record::Request { stream, request } => self.add_request(stream, *request),
            Record::End(end) => self.end(*end),
        }
    }

    fn end(&mut self, end: Metadata) {
        let metadata = &mut self.trace.metadata;
        metadata.state = end.state;
        metadata.end_ns = end.end_ns;
        metadata.sources = end.sources;
        metadata.share_source = end.share_source;
        metadata.share_tick_ns = end.share_tick_ns;
        for warning in end.warnings {
            self.warn(warning);
        }
    }

    fn add_request(&mut self, stream: u64, request: v1::RecordRequest) {
        let pair =
            request.clock.map_or(ClockPair { realtime_ns: self.clock.realtime_offset_ns, monotonic_ns: 0 }, |pair| {
                ClockPair { realtime_ns: pair.realtime_ns, monotonic_ns: pair.monotonic_ns }
            });
        self.note_clock(pair);
        match request.payload {
            Some(Payload::Events(batch)) => self.add_events(stream, batch, pair),
            Some(Payload::Step(step)) => self.add_step(step, pair),
            Some(Payload::Profile(profile)) => self.add_profile(stream, profile, pair),
            Some(Payload::Profiling(span)) => {
                let (start_ns, end_ns) =
                    (self.map(span.clock, span.start_ns, pair), self.map(span.clock, span.end_ns, pair));
                if self.is_plausible(start_ns, end_ns) {
                    self.trace.metadata.profiling.push((start_ns, end_ns));
                } else {
                    self.warn("a profiling span that cannot be was left out");
                }
            }
            Some(Payload::Model(model)) => {
                self.model = Model { name: model.name, layer_paths: model.layer_paths, variables: model.variables };
            }
            Some(Payload::Note(note)) => self.trace.metadata.log.push(note.text),
            None => {}
        }
    }

    fn note_clock(&mut self, pair: ClockPair) {
        let offset_ns = pair.offset_ns();
        if offset_ns.abs_diff(self.last_offset_ns) > CLOCK_STEP_NS as u64 {
            let step_ns = offset_ns.wrapping_sub(self.last_offset_ns);
            let at_ns = self.clock.from_monotonic(pair.monotonic_ns);
            self.trace.metadata.clock_changes.push(json!({"at_ns": at_ns, "step_ns": step_ns}));
            self.last_offset_ns = offset_ns;
        }
    }

    fn map(&self, clock: i32, ns: i64, pair: ClockPair) -> i64 {
        if clock == v1::Clock::Monotonic as i32 {
            self.clock.from_monotonic(ns)
        } else {
            self.clock.from_realtime(ns, pair)
        }
    }

    fn add_step(&mut self, step: v1::Step, pair: ClockPair) {
        let start_ns = self.map(step.clock, step.start_ns, pair);
        let end_ns = self.map(step.clock, step.end_ns, pair);
        if !self.is_plausible(start_ns, end_ns) {
            self.warn("a step ended before it started, or ran in another age; it was left out");
            return;
        }
        self.trace.steps.push(Step {
            step: step.step,
            epoch: step.epoch,
            start_ns,
            end_ns,
            traced: step.traced,
            samples: (step.samples > 0).then_some(step.samples),
            energy_j: BTreeMap::new(),
            metrics: step.metrics.into_iter().collect(),
        });
    }

    fn add_profile(&mut self, stream: u64, piece: v1::Profile, pair: ClockPair) {
        let format = piece.format();
        let (started, bytes) = self.pieces.entry(stream).or_insert_with(|| (format, Vec::new()));
        if *started != format || bytes.len() + piece.data.len() > LARGEST_PROFILE {
            self.pieces.remove(&stream);
            return self.warn("a profile was not sent whole; it was left out");
        }
        bytes.extend_from_slice(&piece.data);
        if !piece.last {
            return;
        }
        let Some((format, bytes)) = self.pieces.remove(&stream) else { return };
        let decoded = match format {
            Format::Xspace => xplane::decode(&bytes),
            Format::RunMetadata => step_stats::decode(&bytes),
            Format::GraphDef => {
                return match Graph::decode(&bytes) {
                    Ok(graph) => self.graphs.push(graph),
                    Err(error) => self.warn(error.to_string()),
                };
            }
            Format::Unspecified => return self.warn("a profile of no format was sent; it was left out"),
        };
        match decoded {
            Ok(profile) => self.pending.push(Pending { profile, pair }),
            Err(error) => self.warn(error.to_string()),
        }
    }

    fn add_events(&mut self, stream: u64, batch: v1::EventBatch, pair: ClockPair) {
        for op in batch.ops {
            let number = op.op;
            let own = self.intern(op_of(op));
            self.stream_ops.insert((stream, number), own);
        }
        for event in batch.events {
            let Some(&op) = self.stream_ops.get(&(stream, event.op)) else {
                self.warn("events of operations that were never named were left out");
                continue;
            };
            let device = if event.device.is_empty() { "CPU:0" } else { &event.device };
            let Some(device) = self.device(device) else { continue };
            let kind = match event.kind() {
                v1::Kind::Copy => Kind::Copy,
                v1::Kind::Wait => Kind::Wait,
                v1::Kind::Unspecified | v1::Kind::Compute => Kind::Compute,
            };
            let start_ns = self.map(batch.clock, event.start_ns, pair);
            let end_ns = self.map(batch.clock, event.end_ns, pair);
            let correlation = (event.correlation != 0).then_some(event.correlation);
            self.push_event(Event { op, device, lane: event.lane, kind, start_ns, end_ns, step: None, correlation });
        }
        for edge in batch.edges {
            let ends = (self.stream_ops.get(&(stream, edge.from_op)), self.stream_ops.get(&(stream, edge.to_op)));
            if let (Some(&from), Some(&to)) = ends {
                self.edges.push((from, to));
            }
        }
    }

    fn push_event(&mut self, event: Event) {
        if self.is_plausible(event.start_ns, event.end_ns) {
            self.trace.events.push(event);
        } else {
            self.warn("events that ended before they started, or ran in another age, were left out");
        }
    }

    /// Keeps arithmetic on stamps from the wire within its range.
    fn is_plausible(&self, start_ns: i64, end_ns: i64) -> bool {
        let near = |ns: i64| ns.abs_diff(self.trace.metadata.start_ns) < FURTHEST_NS;
        start_ns <= end_ns && near(start_ns) && near(end_ns)
    }

    /// One operation is one QTN in one layer and phase, under whichever raw names it ran.
    fn intern(&mut self, op: Op) -> u32 {
        let ops = &mut self.trace.ops;
        *self.ops.entry((op.qtn.clone(), op.layer.clone(), op.phase)).or_insert_with(|| {
            ops.push(op);
            ops.len() as u32 - 1
        })
    }

    fn device(&mut self, name: &str) -> Option<u16> {
        let devices = &mut self.trace.metadata.devices;
        let index = devices.iter().position(|device| device == name).unwrap_or_else(|| {
            devices.push(name.to_owned());
            devices.len() - 1
        });
        let index = u16::try_from(index).ok();
        if index.is_none() {
            self.warn("more devices than can be told apart; their events were left out");
        }
        index
    }

    fn finish(mut self) -> Trace {
        self.name_profiles();
        self.find_steps();
        let Trace { metadata, readings, events, steps, .. } = &mut self.trace;
        readings.sort_by_key(|reading| (reading.domain, reading.start_ns));
        readings.retain(|reading| usize::from(reading.domain) < metadata.domains.len());
        apply_shares(readings, &metadata.domains, &self.shares);
        if metadata.options.get("keep_all") != Some(&json!(true)) {
            *readings = merge_untouched(std::mem::take(readings), &windows(steps, events));
        }
        self.trace.edges = std::mem::take(&mut self.edges);
        self.describe();
        self.trace
    }

    fn name_profiles(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return;
        }
        let mut namer = Namer::new(std::mem::take(&mut self.model), std::mem::take(&mut self.graphs));
        for Pending { profile, pair } in pending {
            let ops: Vec<u32> = profile.names.iter().map(|raw| namer.name(raw)).map(|op| self.intern(op)).collect();
            let devices: Vec<_> = profile.devices.iter().map(|device| self.device(device)).collect();
            for event in profile.events {
                let (Some(&op), Some(&Some(device))) =
                    (ops.get(event.name as usize), devices.get(usize::from(event.device)))
                else {
                    continue;
                };
                self.push_event(Event {
                    op,
                    device,
                    lane: event.lane,
                    kind: event.kind,
                    start_ns: self.clock.from_realtime(event.start_ns, pair),
                    end_ns: self.clock.from_realtime(event.end_ns, pair),
                    step: None,
                    correlation: event.correlation,
                });
            }
            for note in profile.notes {
                self.warn(note);
            }
        }
        self.edges.extend(namer.edges(&self.trace.ops));
        self.edges.sort_unstable();
        self.edges.dedup();
    }

    /// Gives events their step by where their middle lies, and believes a step to be traced only if it has events.
    fn find_steps(&mut self) {
        let Trace { steps, events, .. } = &mut self.trace;
        steps.sort_by_key(|step| (step.start_ns, step.end_ns));
        events.sort_unstable_by_key(|event| (event.start_ns, event.end_ns, event.op));
        let mut with_events = vec![false; steps.len()];
        for event in events {
            let middle = event.start_ns + (event.end_ns - event.start_ns) / 2;
            let after = steps.partition_point(|step| step.start_ns <= middle);
            let Some(index) = after.checked_sub(1) else { continue };
            if middle < steps[index].end_ns {
                event.step = Some(steps[index].step);
                with_events[index] = true;
            }
        }
        for (step, with_events) in steps.iter_mut().zip(with_events) {
            step.traced &= with_events;
        }
    }

    fn describe(&mut self) {
        let Trace { metadata, readings, steps, .. } = &mut self.trace;
        metadata.profiling.sort_unstable();
        if metadata.state == State::Recording {
            metadata.state = State::Cut;
            metadata.end_ns = readings.iter().map(|reading| reading.end_ns).max();
        }
        metadata.socket = None;
        metadata.state_dir = None;
        let traced = steps.iter().filter(|step| step.traced);
        let traced_ns: i64 = traced.clone().map(|step| step.end_ns - step.start_ns).sum();
        let steps_ns: i64 = steps.iter().map(|step| step.end_ns - step.start_ns).sum();
        metadata.coverage.extend([
            ("steps".to_owned(), json!(steps.len())),
            ("traced_steps".to_owned(), json!(traced.count())),
            ("steps_s".to_owned(), json!(steps_ns as f64 * 1e-9)),
            ("traced_s".to_owned(), json!(traced_ns as f64 * 1e-9)),
        ]);
        for (warning, times) in std::mem::take(&mut self.warnings) {
            metadata.warnings.push(if times > 1 { format!("{warning} ({times} times)") } else { warning });
        }
    }
}

/// The stretches whose readings are kept as they are: traced steps, and events outside any step.
fn windows(steps: &[Step], events: &[Event]) -> Vec<(i64, i64)> {
    let steps = steps.iter().filter(|step| step.traced).map(|step| (step.start_ns, step.end_ns));
    let events = events.iter().map(|event| (event.start_ns, event.end_ns));
    let mut stretches: Vec<_> = steps.chain(events).collect();
    stretches.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (start, end) in stretches {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// Fills what a client may leave out (trace.proto, `Op`).
fn op_of(op: v1::Op) -> Op {
    let (scope, leaf) = op.qtn.rsplit_once('/').unwrap_or(("", &op.qtn));
    let without_count = leaf.rsplit_once('_').filter(|(_, n)| n.bytes().all(|byte| byte.is_ascii_digit()));
    let scope = scope.strip_prefix("gradients/").unwrap_or(scope);
    Op {
        layer: if op.layer.is_empty() { if scope.is_empty() { "unknown" } else { scope }.to_owned() } else { op.layer },
        kind: if op.r#type.is_empty() { without_count.map_or(leaf, |(name, _)| name).to_owned() } else { op.r#type },
        phase: Phase::parse(&op.phase).unwrap_or(Phase::Other),
        raw_name: if op.raw_name.is_empty() { op.qtn.clone() } else { op.raw_name },
        flops: (op.flops > 0.0).then_some(op.flops),
        qtn: op.qtn,
    }
}
