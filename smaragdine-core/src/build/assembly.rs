//! From a journal to a trace: profiles decoded and named, clocks mapped, shares joined, steps found.

mod agreement;
mod bounds;
mod corrections;
mod doubts;
mod drawn;
mod events;
mod metrics;
mod program;
mod readings;
mod spans;
mod steps;
mod tails;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use self::bounds::Bounds;
use self::doubts::doubts;
use self::events::{Events, map};
use self::metrics::ToldMetrics;
use self::readings::Readings;
use self::spans::ToldSpans;
use self::steps::{cover, find_steps, mark_traced, windows};
use self::warnings::Warnings;
use crate::clock::{ClockPair, TraceClock};
use crate::error::{Error, Result};
use crate::profiler::tensorflow::graph::Graph;
use crate::profiler::tensorflow::step_stats;
use crate::profiler::tensorflow::xplane::{self, Programs};
use crate::profiler::{Namer, Profile, torch};
use crate::span::Span;
use crate::store::journal::{Part, Record, Records};
use crate::trace::{ClockChange, Metadata, Model, State, Step, Trace, gaps};
use crate::wire::v1;
use crate::wire::v1::profile::Format;
use crate::wire::v1::record_request::Payload;

/// A change of the wall clock smaller than this is drift, not a step.
const CLOCK_STEP_NS: u64 = 1_000_000;

/// A profile larger than this is refused rather than held in memory.
const LARGEST_PROFILE: usize = 1 << 30;

/// Labels that may come while a recording runs: `trace.json` is read whole.
const MOST_LABELS: usize = 1 << 10;

/// Reads a whole journal. One without an end becomes a trace that is `cut`.
///
/// # Errors
/// Where the file cannot be read or does not even start as a journal.
pub fn assemble(journal: &Path) -> Result<Trace> {
    assemble_part(journal, Part::Whole, None)
}

/// Reads a part of a journal; `lost` says what became of the attempt to read more.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_part(journal: &Path, part: Part, lost: Option<&str>) -> Result<Trace> {
    let mut records = Records::open(journal)?.only(part).without_measured();
    let Some(Record::Start(metadata)) = records.next() else {
        let problem = "it holds no journal of a recording".to_owned();
        return Err(Error::NotATrace { path: journal.to_owned(), problem });
    };
    let mut assembly = Assembly::new(*metadata);
    for record in records.by_ref() {
        assembly.add(record);
    }
    if let Some(damage) = records.damage {
        assembly.warn(&format!("the journal ends in the middle: {damage}"));
    }
    if part != Part::Whole {
        let why = lost.unwrap_or("ended the service");
        let lacks = part.lacks();
        assembly.warn(&format!("this trace is without {lacks}: assembling them {why}; all energy is kept"));
    }
    // What was measured is looked at last: by then it is known what of it stays as it is.
    Ok(assembly.finish(Records::open(journal)?.measured()))
}

/// Adds the events of profiler files to a finished trace; footprints and ledger are to be accounted anew.
///
/// # Errors
/// Where a file cannot be read or is no XSpace.
pub fn add_xspaces(trace: &mut Trace, files: &[impl AsRef<Path>]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let mut events = Events::of(trace);
    let mut warnings = Warnings::default();
    // A file carries no clock pair: the offset is taken to be that of the recording's start.
    let pair = ClockPair { realtime_ns: trace.metadata.realtime_offset_ns, monotonic_ns: 0 };
    let clock = TraceClock { realtime_offset_ns: trace.metadata.realtime_offset_ns };
    let mut profiles = Vec::with_capacity(files.len());
    for file in files {
        let file = file.as_ref();
        let bytes = std::fs::read(file).map_err(Error::io("read", file))?;
        let within = Bounds::of(&trace.metadata).realtime(clock, pair);
        let profile = xplane::decode_within(&bytes, &within)
            .map_err(|error| Error::Invalid(format!("{}: {error}", file.display())))?;
        profiles.push(profile);
    }
    let names = profiles.iter().flat_map(|profile| &profile.names);
    let namer = if trace.metadata.model.layer_paths.is_empty() {
        Namer::of_layers(trace.ops.iter().map(|op| op.layer.as_str()), names)
    } else {
        Namer::new(trace.metadata.model.clone(), Vec::new(), names)
    };
    for profile in profiles {
        let known = trace.events.len();
        events.add_profile(trace, profile, &namer, pair, &mut warnings);
        mark_traced(&mut trace.steps, &trace.events[known..]);
    }
    trace.metadata.warnings.extend(warnings.into_lines());
    find_steps(&mut trace.steps, &mut trace.events);
    cover(&mut trace.metadata.coverage, &trace.steps);
    let Trace { metadata, events, ops, .. } = trace;
    let shown: FxHashSet<&str> = events.iter().map(|event| ops[event.op as usize].qtn.as_str()).collect();
    metadata.hidden_operations.retain(|hidden| !shown.contains(hidden.as_str()));
    Ok(())
}

/// A profile, decoded but not yet named: names may need a graph that comes after it.
struct Pending {
    profile: Profile,
    pair: ClockPair,
}

struct Assembly {
    trace: Trace,
    events: Events,
    pending: Vec<Pending>,
    /// Pieces of the profile that a stream is sending.
    pieces: FxHashMap<u64, (Format, Vec<u8>)>,
    /// The compiled programs that a stream has sent: further profiles of it may execute them.
    programs: FxHashMap<u64, Programs>,
    graphs: Vec<Graph>,
    told_metrics: ToldMetrics,
    told_spans: ToldSpans,
    warnings: Warnings,
    last_offset_ns: i64,
}

impl Assembly {
    fn new(metadata: Metadata) -> Self {
        Self {
            last_offset_ns: metadata.realtime_offset_ns,
            trace: Trace { metadata, ..Trace::default() },
            events: Events::default(),
            pending: Vec::new(),
            pieces: FxHashMap::default(),
            programs: FxHashMap::default(),
            graphs: Vec::new(),
            told_metrics: ToldMetrics::default(),
            told_spans: ToldSpans::default(),
            warnings: Warnings::default(),
        }
    }

    fn warn(&mut self, warning: &str) {
        self.warnings.add(warning);
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Start(_) => self.warn("the journal starts twice"),
            Record::Readings(_) | Record::Shares(_) => {}
            Record::Metrics(samples) => self.add_metrics(&samples),
            Record::Request { stream, request } => self.add_request(stream, *request),
            Record::End(end) => self.end(*end),
        }
    }

    fn end(&mut self, end: Metadata) {
        let metadata = &mut self.trace.metadata;
        metadata.state = end.state;
        metadata.end_ns = end.end_ns;
        metadata.program_end_ns = end.program_end_ns;
        metadata.sources = end.sources;
        let suspensions: Vec<_> = metadata.suspensions().iter().copied().map(ClockChange::Suspended).collect();
        metadata.clock_changes.extend(suspensions);
        metadata.metrics = end.metrics;
        metadata.metrics_cpu_s = end.metrics_cpu_s;
        metadata.share_source = end.share_source;
        metadata.share_tick_ns = end.share_tick_ns;
        end.warnings.iter().for_each(|warning| self.warn(warning));
    }

    fn clock(&self) -> TraceClock {
        TraceClock { realtime_offset_ns: self.trace.metadata.realtime_offset_ns }
    }

    /// When what was told with `pair` can have happened.
    fn bounds(&self, pair: ClockPair) -> Bounds {
        Bounds::of(&self.trace.metadata).told_at(self.clock(), pair)
    }

    fn add_request(&mut self, stream: u64, request: v1::RecordRequest) {
        let pair = request
            .clock
            .map_or(ClockPair { realtime_ns: self.trace.metadata.realtime_offset_ns, monotonic_ns: 0 }, |pair| {
                ClockPair { realtime_ns: pair.realtime_ns, monotonic_ns: pair.monotonic_ns }
            });
        self.note_clock(pair);
        match request.payload {
            Some(Payload::Events(batch)) => {
                self.events.add_batch(&mut self.trace, stream, batch, pair, &mut self.warnings);
            }
            Some(Payload::Step(step)) => self.add_step(step, pair),
            Some(Payload::Steps(batch)) => batch.steps.into_iter().for_each(|step| self.add_step(step, pair)),
            Some(Payload::Profile(profile)) => self.add_profile(stream, profile, pair),
            Some(Payload::Profiling(span)) => self.add_profiling(span, pair),
            Some(Payload::Model(model)) => {
                let v1::Model { name, layer_paths, variables, captures, shared } = model;
                let (captures, shared) = (captures.into_iter().collect(), shared.into_iter().collect());
                self.trace.metadata.model = Model { name, layer_paths, shared, variables, captures };
            }
            Some(Payload::Note(note)) => self.trace.metadata.log.push(note.text),
            Some(Payload::Span(span)) => self.add_span(stream, span, pair),
            Some(Payload::Metrics(batch)) => self.add_metrics_of_program(batch, pair),
            Some(Payload::Program(program)) => self.add_program(program),
            Some(Payload::Labels(labels)) => self.add_labels(labels),
            None => {}
        }
    }

    fn add_labels(&mut self, sent: v1::Labels) {
        for (name, value) in sent.labels {
            let labels = &mut self.trace.metadata.labels;
            if labels.len() < MOST_LABELS || labels.contains_key(&name) {
                labels.insert(name, value);
            } else {
                return self.warn("more labels were sent than a trace has room for; some were left out");
            }
        }
    }

    fn note_clock(&mut self, pair: ClockPair) {
        let offset_ns = pair.offset_ns();
        if offset_ns.abs_diff(self.last_offset_ns) > CLOCK_STEP_NS {
            let step_ns = offset_ns.wrapping_sub(self.last_offset_ns);
            let at_ns = self.clock().from_monotonic(pair.monotonic_ns);
            self.trace.metadata.clock_changes.push(ClockChange::Stepped { at_ns, step_ns });
            self.last_offset_ns = offset_ns;
        }
    }

    fn add_step(&mut self, step: v1::Step, pair: ClockPair) {
        let start_ns = map(self.clock(), step.clock, step.start_ns, pair);
        let end_ns = map(self.clock(), step.clock, step.end_ns, pair);
        if !self.bounds(pair).hold(start_ns, end_ns) {
            return self.warn("a step ended before it started, or lies beyond the recording; it was left out");
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

    fn add_profiling(&mut self, span: v1::ProfilingSpan, pair: ClockPair) {
        let start_ns = map(self.clock(), span.clock, span.start_ns, pair);
        let end_ns = map(self.clock(), span.clock, span.end_ns, pair);
        if self.bounds(pair).hold(start_ns, end_ns) {
            self.trace.metadata.profiling.push(Span { start_ns, end_ns });
        } else {
            self.warn("a profiling span that cannot be was left out");
        }
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
        let within = self.bounds(pair).realtime(self.clock(), pair);
        let decoded = match format {
            Format::Xspace => xplane::decode_knowing(&bytes, &within, self.programs.entry(stream).or_default()),
            Format::RunMetadata => {
                match Graph::decode_executed(&bytes) {
                    Ok(graphs) => self.graphs.extend(graphs),
                    Err(error) => self.warn(&error.to_string()),
                }
                step_stats::decode_within(&bytes, &within)
            }
            Format::GraphDef => {
                return match Graph::decode(&bytes) {
                    Ok(graph) => self.graphs.push(graph),
                    Err(error) => self.warn(&error.to_string()),
                };
            }
            Format::KinetoJson => torch::decode_within(&bytes, &within),
            Format::Unspecified => return self.warn("a profile of no format was sent; it was left out"),
        };
        match decoded {
            Ok(profile) => self.pending.push(Pending { profile, pair }),
            Err(error) => self.warn(&error.to_string()),
        }
    }

    fn finish(mut self, measured: Records) -> Trace {
        self.name_profiles();
        self.number_spans();
        Events::bound(&mut self.trace, &mut self.warnings);
        let Trace { metadata, readings, events, steps, edges, spans, .. } = &mut self.trace;
        find_steps(steps, events);
        edges.sort_unstable();
        edges.dedup();
        let windows = (!metadata.options.keep_all).then(|| windows(steps, events, spans));
        let mut all = Readings::new(&metadata.domains, windows.as_deref());
        measured.for_each(|record| all.add(record));
        let cut_from_ns = (metadata.state == State::Recording).then_some(metadata.start_ns);
        let (found, domains, mirrors) = all.finish(cut_from_ns);
        metadata.domains = domains;
        // What profilers measured themselves was known before, and is no register's.
        let drawn = std::mem::replace(readings, found);
        mirrors.iter().for_each(|mirror| self.warnings.add(mirror));
        metadata.gaps = gaps(&metadata.domains, readings, metadata.suspensions());
        doubts(&metadata.domains, readings).iter().for_each(|doubt| self.warnings.add(doubt));
        agreement::contradictions(&metadata.domains, readings).iter().for_each(|told| self.warnings.add(told));
        readings.extend(drawn);
        if !readings.is_sorted_by_key(|reading| (reading.domain, reading.start_ns)) {
            readings.sort_by_key(|reading| (reading.domain, reading.start_ns));
        }
        self.describe();
        self.describe_metrics();
        self.trace
    }

    fn name_profiles(&mut self) {
        for (name, shapes) in self.pending.iter().flat_map(|pending| &pending.profile.shapes) {
            self.graphs.iter_mut().for_each(|graph| graph.observe(name, shapes));
        }
        let pending = std::mem::take(&mut self.pending);
        let names = pending.iter().flat_map(|pending| &pending.profile.names);
        let namer = Namer::new(self.trace.metadata.model.clone(), std::mem::take(&mut self.graphs), names);
        namer.note().into_iter().for_each(|note| self.warnings.add(note));
        let raw_names = pending.iter().flat_map(|pending| &pending.profile.names).map(|raw| raw.raw_name.as_str());
        let executed = namer.executed(&raw_names.collect());
        let profiled = !pending.is_empty();
        for Pending { profile, pair } in pending {
            drawn::add(&mut self.trace, &profile, pair);
            self.events.add_profile(&mut self.trace, profile, &namer, pair, &mut self.warnings);
        }
        let executed: Vec<_> =
            executed.iter().map(|raw| self.events.intern(&mut self.trace, namer.name(raw))).collect();
        if profiled && !executed.is_empty() {
            self.note_hidden(&executed);
        }
        let edges = namer.edges(&self.trace.ops);
        self.trace.edges.extend(edges);
    }

    /// Lists those of the `executed` operations that no event tells of.
    fn note_hidden(&mut self, executed: &[u32]) {
        let Trace { metadata, events, ops, .. } = &mut self.trace;
        let shown: FxHashSet<u32> = events.iter().map(|event| event.op).collect();
        let hidden = executed.iter().filter(|op| !shown.contains(op)).map(|&op| ops[op as usize].qtn.clone());
        metadata.hidden_operations = hidden.collect::<BTreeSet<_>>().into_iter().collect();
        let executed: FxHashSet<_> = executed.iter().collect();
        metadata.coverage.executed_operations = Some(executed.len() as u64);
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
        cover(&mut metadata.coverage, steps);
        metadata.warnings.extend(std::mem::take(&mut self.warnings).into_lines());
    }
}
