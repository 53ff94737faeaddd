//! The threads of the host → spans: operations, what XLA executes, and whom launches were for.

use rustc_hash::FxHashMap;

use super::fields::Malformed;
use super::kernels::Kernels;
use super::lanes::Lanes;
use super::launches::{Call, Launches, lead_back, waits};
use super::lines::{Line, Occurrence, Stat};
use super::plane::Plane;
use super::pool::{Marks, add_tasks};
use super::push;
use super::scopes::{ANNOTATION, Scoped, Scopes};
use super::title::{eager, operation};
use crate::profiler::RawOp;
use crate::profiler::leaves::{LaneSpan, What};
use crate::trace::Kind;

/// What an event's title says about it.
#[derive(Clone, Copy)]
enum Class {
    /// An operation, by its index.
    Operation(u32),
    /// An operation that Python ran eagerly, by its index without a scope.
    Eager(u32),
    /// A scope in which Python runs operations.
    Annotation,
    /// XLA's executor, whose instructions tell of themselves.
    Executor,
    /// Its stats tell: an instruction of XLA's, or a call of the CUDA driver.
    ByStats {
        waits: bool,
    },
    /// An instruction of XLA's is done.
    Done,
    /// Marks of a thread pool.
    Scheduled,
    Begins,
    Ends,
}

/// The stats that say what an event is, by this plane's numbers.
struct Known {
    hlo_op: Option<i64>,
    program: Option<i64>,
    produced: Option<i64>,
    consumed: Option<i64>,
    correlation: Option<i64>,
}

/// One line of the plane.
#[derive(Default)]
struct Thread<'a> {
    spans: Vec<LaneSpan>,
    scoped: Scoped<'a>,
    marks: Marks,
    calls: Vec<Call>,
}

pub(super) struct Host<'a, 'p> {
    plane: &'a Plane<'a>,
    kernels: &'p mut Kernels<'a>,
    names: &'p mut Vec<RawOp>,
    scopes: Scopes,
    known: Known,
    /// By metadata id, apart for threads of the input pipeline; `None` for what is no operation's work.
    classes: [FxHashMap<i64, Option<Class>>; 2],
    /// When executions of XLA's instructions were done, by their id.
    done: FxHashMap<u64, i64>,
    /// Executions that came without an id, as those of TensorFlow 2.18 do.
    anonymous: u64,
}

impl<'a, 'p> Host<'a, 'p> {
    pub(super) fn new(plane: &'a Plane<'a>, kernels: &'p mut Kernels<'a>, names: &'p mut Vec<RawOp>) -> Self {
        let known = Known {
            hlo_op: plane.stat_named("hlo_op"),
            program: plane.stat_named("program_id"),
            produced: plane.stat_named("_p"),
            consumed: plane.stat_named("_c"),
            correlation: plane.stat_named("correlation_id"),
        };
        Self {
            plane,
            kernels,
            names,
            scopes: Scopes::default(),
            known,
            classes: Default::default(),
            done: FxHashMap::default(),
            anonymous: 0,
        }
    }

    /// Adds what each thread executes to `lanes`; returns whom launches were for.
    pub(super) fn read(mut self, session_ns: i64, lanes: &mut Lanes) -> Result<Launches, Malformed> {
        let mut launches = Launches::default();
        let mut thread = Thread::default();
        let mut threads = Vec::new();
        for (lane, line) in (0..).zip(&self.plane.lines) {
            self.thread(Line::scan(line, session_ns)?, &mut thread)?;
            self.scopes.name(&mut thread.scoped, &mut thread.spans, self.names);
            lead_back(&mut thread.calls, &mut thread.spans, &mut launches);
            if self.known.hlo_op.is_some() {
                threads.push((std::mem::take(&mut thread.spans), std::mem::take(&mut thread.marks)));
            } else {
                lanes.add(lane, &mut thread.spans, self.kernels);
                thread.spans.clear();
            }
        }
        // An instruction's tasks run on any thread.
        add_tasks(&mut threads, &self.done);
        for (lane, (mut spans, _)) in (0..).zip(threads) {
            lanes.add(lane, &mut spans, self.kernels);
        }
        Ok(launches)
    }

    fn thread(&mut self, mut line: Line<'a>, thread: &mut Thread<'a>) -> Result<(), Malformed> {
        let pipeline = line.name.starts_with("tf_data");
        while let Some((class, event)) = line.next_event(|metadata| self.class(metadata, pipeline))? {
            let Occurrence { start_ns, end_ns, .. } = event;
            let span = |what, correlation| LaneSpan { what, kind: Kind::Compute, start_ns, end_ns, correlation };
            match class {
                Class::Operation(number) => thread.spans.push(span(What::Operation(number), None)),
                Class::Eager(number) => {
                    thread.scoped.eager.push(thread.spans.len());
                    thread.spans.push(span(What::Operation(number), None));
                }
                Class::Annotation => thread.scoped.scopes.push((start_ns, end_ns, self.scope(event.metadata))),
                Class::Executor => thread.spans.push(span(What::Nothing, None)),
                Class::ByStats { waits } => self.by_stats(&event, waits, thread)?,
                Class::Done => {
                    if let Some(id) = self.number(&event, self.known.consumed)? {
                        self.done.insert(id, start_ns);
                    }
                }
                Class::Scheduled => {
                    thread.marks.scheduled.extend(self.number(&event, self.known.produced)?.map(|id| (start_ns, id)));
                }
                Class::Begins => {
                    let id = self.number(&event, self.known.consumed)?.unwrap_or(0);
                    thread.marks.turns.push((start_ns, Some(id)));
                }
                Class::Ends => thread.marks.turns.push((start_ns, None)),
            }
        }
        Ok(())
    }

    #[inline]
    fn class(&mut self, metadata: i64, pipeline: bool) -> Option<Class> {
        if let Some(&class) = self.classes[usize::from(pipeline)].get(&metadata) {
            return class;
        }
        let class = self.classify(metadata, pipeline);
        self.classes[usize::from(pipeline)].insert(metadata, class);
        class
    }

    fn classify(&mut self, metadata: i64, pipeline: bool) -> Option<Class> {
        let plane = self.plane;
        let title = plane.events.get(&metadata)?.name.as_str();
        if title.starts_with(ANNOTATION) {
            return Some(Class::Annotation);
        }
        let mut number = |raw_name: &str, kind: &str| {
            push(self.names, RawOp { raw_name: raw_name.into(), kind: kind.into(), pipeline, ..RawOp::default() })
        };
        if let Some(kind) = eager(title) {
            return Some(Class::Eager(number(kind, kind)));
        }
        if let Some((raw_name, kind)) = operation(title) {
            return Some(Class::Operation(number(raw_name, kind)));
        }
        let compiled = self.known.hlo_op.is_some();
        match title {
            "ThunkExecutor::Execute" if compiled => Some(Class::Executor),
            "ThreadpoolListener::Record" if compiled => Some(Class::Scheduled),
            "ThreadpoolListener::StartRegion" if compiled => Some(Class::Begins),
            "ThreadpoolListener::StopRegion" if compiled => Some(Class::Ends),
            _ if title.starts_with("ThreadpoolListener::") => None,
            _ if compiled && title.starts_with("end: ") => Some(Class::Done),
            _ if self.known.correlation.is_some() => Some(Class::ByStats { waits: waits(title) }),
            _ => (compiled && !title.contains("::") && !title.contains(' ')).then_some(Class::ByStats { waits: false }),
        }
    }

    fn scope(&self, metadata: i64) -> &'a str {
        let title = self.plane.events.get(&metadata).map(|metadata| metadata.name.as_str());
        title.and_then(|title| title.strip_prefix(ANNOTATION)).unwrap_or("")
    }

    fn by_stats(&mut self, event: &Occurrence<'a>, waits: bool, thread: &mut Thread<'a>) -> Result<(), Malformed> {
        let (mut hlo_op, mut program, mut execution, mut correlation) = (None, 0, None, None);
        let Known { hlo_op: named, program: of, produced, correlation: launched, .. } = self.known;
        event.stats(self.plane, |id, stat| match Some(id) {
            id if id == named => hlo_op = stat.text(),
            id if id == of => program = stat.number().unwrap_or(0),
            id if id == produced => execution = stat.number(),
            id if id == launched => correlation = stat.number(),
            _ => {}
        })?;
        let Occurrence { start_ns, end_ns, .. } = *event;
        if let Some(instruction) = hlo_op {
            let kernel = self.kernels.kernel(program, instruction, self.names);
            let span = if kernel.runs_others {
                LaneSpan { what: What::Nothing, kind: Kind::Compute, start_ns, end_ns, correlation: None }
            } else {
                let id = execution.unwrap_or_else(|| {
                    self.anonymous += 1;
                    u64::MAX - self.anonymous
                });
                LaneSpan { what: kernel.what, kind: Kind::Compute, start_ns, end_ns, correlation: Some(id) }
            };
            thread.spans.push(span);
        } else if let Some(correlation) = correlation {
            thread.calls.push(Call { start_ns, end_ns, correlation, waits });
        }
        Ok(())
    }

    fn number(&self, event: &Occurrence<'a>, wanted: Option<i64>) -> Result<Option<u64>, Malformed> {
        let mut found = None;
        event.stats(self.plane, |id, stat| {
            if Some(id) == wanted {
                found = Stat::number(stat);
            }
        })?;
        Ok(found)
    }
}
