//! Work that an instruction of XLA's leaves to the thread pool.
//!
//! A large instruction returns once it has scheduled its tasks, and its event ends there; most of its work may follow,
//! on threads on which nothing names it. The pool tells of it in marks: a task is scheduled
//! (`ThreadpoolListener::Record` with an id), and begins and ends on a worker (`StartRegion` with that id,
//! `StopRegion`). What a task runs belongs to the instruction that scheduled it, or to that of the task which did,
//! until the instruction is done (`end: …`, with the id of its event; older profilers do not tell that). Sources:
//! `xla/tsl/profiler/backends/cpu/threadpool_listener.cc` and `TracedExecute` in
//! `xla/backends/cpu/runtime/thunk_executor.cc`.

use rustc_hash::FxHashMap;

use crate::profiler::leaves::{LaneSpan, What, innermost};
use crate::span::Span;
use crate::trace::Kind;

/// What the pool told of one thread. Instants are CLOCK_REALTIME.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Tasks scheduled from this thread: (instant, id).
    pub(super) scheduled: Vec<(i64, u64)>,
    /// Tasks that ran on this thread: the instant with the id of one that begins, or `None` where one ends.
    pub(super) turns: Vec<(i64, Option<u64>)>,
}

/// A task on the thread that ran it.
struct Task {
    id: u64,
    start_ns: i64,
    end_ns: i64,
}

/// Where a task was scheduled.
#[derive(Clone, Copy)]
enum Scheduler {
    /// In an execution of an instruction, or in none.
    Execution(Option<Execution>),
    /// In another task.
    Task(u64),
}

#[derive(Clone, Copy)]
struct Execution {
    what: What,
    id: u64,
}

/// Adds to each thread's spans, which know their execution by its id, the tasks that instructions left to it.
/// `done` tells when an execution was done, by its id.
pub(super) fn add_tasks(threads: &mut [(Vec<LaneSpan>, Marks)], done: &FxHashMap<u64, i64>) {
    let mut tasks: Vec<Vec<Task>> = Vec::with_capacity(threads.len());
    let mut scheduled: Vec<(i64, u64, Scheduler)> = Vec::new();
    for (spans, marks) in threads.iter_mut() {
        let own = tasks_of(&mut marks.turns);
        marks.scheduled.sort_unstable();
        scheduled.extend(schedulers(spans, &own, &marks.scheduled));
        tasks.push(own);
    }
    // A task runs after it was scheduled, so that the one in which it was is known by then.
    scheduled.sort_by_key(|&(instant, id, _)| (instant, id));
    let is_done = |execution: &Execution, instant: i64| done.get(&execution.id).is_some_and(|&done| done <= instant);
    let mut owners: FxHashMap<u64, Execution> = FxHashMap::default();
    for (instant, id, scheduler) in scheduled {
        let execution = match scheduler {
            Scheduler::Execution(execution) => execution,
            Scheduler::Task(task) => owners.get(&task).copied(),
        };
        if let Some(execution) = execution.filter(|execution| !is_done(execution, instant)) {
            owners.insert(id, execution);
        }
    }
    for ((spans, _), tasks) in threads.iter_mut().zip(tasks) {
        for Task { id, start_ns, end_ns } in tasks {
            let Some(&Execution { what, id }) = owners.get(&id) else { continue };
            // The worker that does the last of an instruction's tasks goes on with other instructions.
            let end_ns = done.get(&id).map_or(end_ns, |&done| end_ns.min(done));
            if end_ns > start_ns {
                spans.push(LaneSpan { what, kind: Kind::Compute, start_ns, end_ns, correlation: Some(id) });
            }
        }
    }
}

/// The tasks that began and ended within the profile; one may run within another that waits for it.
fn tasks_of(turns: &mut [(i64, Option<u64>)]) -> Vec<Task> {
    if !turns.is_sorted_by_key(|turn| turn.0) {
        turns.sort_by_key(|turn| turn.0);
    }
    let (mut tasks, mut open) = (Vec::new(), Vec::new());
    for &(instant, turn) in turns.iter() {
        match turn {
            Some(id) => open.push((id, instant)),
            None => tasks.extend(open.pop().map(|(id, start_ns)| Task { id, start_ns, end_ns: instant })),
        }
    }
    tasks
}

/// Where each task that one thread scheduled was: (instant, id, in what).
fn schedulers(spans: &[LaneSpan], tasks: &[Task], scheduled: &[(i64, u64)]) -> Vec<(i64, u64, Scheduler)> {
    let execution = |span: &LaneSpan| span.correlation.map(|id| Execution { what: span.what, id });
    let spans = spans.iter().map(|span| (span.order(), Scheduler::Execution(execution(span))));
    let order = |task: &Task| (task.start_ns, std::cmp::Reverse(task.end_ns));
    let mut around: Vec<_> = spans.chain(tasks.iter().map(|task| (order(task), Scheduler::Task(task.id)))).collect();
    around.sort_by_key(|(order, _)| *order);
    let intervals: Vec<_> = around.iter().map(|((start_ns, end_ns), _)| Span::new(*start_ns, end_ns.0)).collect();
    let found = innermost(&intervals, scheduled.iter().map(|(instant, _)| *instant));
    let found = scheduled.iter().zip(found);
    found.filter_map(|(&(instant, id), found)| Some((instant, id, around[found?].1))).collect()
}
