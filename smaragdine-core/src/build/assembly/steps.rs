//! Which step an event belongs to, and which stretches of a trace are broken down.

use crate::span::{Span, merged, ordered};
use crate::trace::{Coverage, Event, NamedSpan, Step};

/// Gives each event the step that its middle lies in, believes a step to be traced only if it has events, and leaves out
/// the events of others.
///
/// Sorts both by time.
pub(crate) fn find_steps(steps: &mut [Step], events: &mut Vec<Event>) {
    steps.sort_by_key(|step| (step.start_ns, step.end_ns));
    events.sort_unstable_by_key(|event| (event.start_ns, event.end_ns, event.op));
    let mut with_events = vec![false; steps.len()];
    for event in events.iter_mut() {
        let middle = middle_ns(event);
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
    drop_partial(steps, events);
}

/// Leaves out what a profiler saw of steps that it did not see whole: it is stopped while the next step begins.
///
/// Where no step at all is marked as traced, the client did not say which ones were.
fn drop_partial(steps: &[Step], events: &mut Vec<Event>) {
    let whole = windows(steps, &[], &[]);
    if whole.is_empty() {
        return;
    }
    // Steps of two programs may overlap, and then an event's own is not known: any that is traced will do.
    events.retain(|event| {
        let middle = middle_ns(event);
        let after = whole.partition_point(|stretch| stretch.start_ns <= middle);
        event.step.is_none() || after.checked_sub(1).is_some_and(|index| middle < whole[index].end_ns)
    });
}

/// Marks the steps that another's profile with these events holds whole.
pub(crate) fn mark_traced(steps: &mut [Step], events: &[Event]) {
    let start_ns = events.iter().map(|event| event.start_ns).min();
    let end_ns = events.iter().map(|event| event.end_ns).max();
    let (Some(start_ns), Some(end_ns)) = (start_ns, end_ns) else { return };
    for step in steps {
        step.traced |= start_ns <= step.start_ns && step.end_ns <= end_ns;
    }
}

/// Tells in `coverage` how many of the steps are traced, and for how long.
pub(crate) fn cover(coverage: &mut Coverage, steps: &[Step]) {
    let traced = steps.iter().filter(|step| step.traced);
    let seconds = |ns: i64| ns as f64 * 1e-9;
    coverage.steps = Some(steps.len() as u64);
    coverage.traced_steps = Some(traced.clone().count() as u64);
    coverage.steps_s = Some(seconds(steps.iter().map(|step| step.end_ns - step.start_ns).sum()));
    coverage.traced_s = Some(seconds(traced.map(|step| step.end_ns - step.start_ns).sum()));
}

/// The stretches whose readings are kept as they are: traced steps, events outside any step, and around the edges of what
/// the program names itself. In order, disjoint.
pub(crate) fn windows(steps: &[Step], events: &[Event], spans: &[NamedSpan]) -> Vec<Span> {
    let steps = steps.iter().filter(|step| step.traced).map(Step::span);
    merged(ordered(steps.chain(events.iter().map(Event::span)).chain(spans.iter().flat_map(NamedSpan::edges))))
}

fn middle_ns(event: &Event) -> i64 {
    event.start_ns + (event.end_ns - event.start_ns) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::spans;
    use crate::trace::Kind;

    fn step(step: i64, start_ns: i64, end_ns: i64) -> Step {
        Step { step, start_ns, end_ns, traced: true, ..Step::default() }
    }

    fn event(start_ns: i64, end_ns: i64) -> Event {
        Event { op: 0, device: 0, lane: 0, kind: Kind::Compute, start_ns, end_ns, step: None, correlation: None }
    }

    #[test]
    fn an_event_belongs_to_the_step_that_its_middle_lies_in() {
        let mut steps = [step(2, 100, 200), step(1, 0, 100)];
        let mut events = vec![event(90, 130), event(10, 20), event(250, 260)];
        find_steps(&mut steps, &mut events);
        assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), [Some(1), Some(2), None]);
    }

    #[test]
    fn a_step_marked_as_traced_that_has_no_events_is_not() {
        let mut steps = [step(1, 0, 100), step(2, 100, 200)];
        find_steps(&mut steps, &mut vec![event(10, 20)]);
        assert_eq!(steps.map(|step| step.traced), [true, false]);
    }

    #[test]
    fn what_a_profiler_saw_of_a_step_that_is_not_traced_is_left_out() {
        let mut steps = [step(1, 0, 100), step(2, 100, 200)];
        steps[1].traced = false;
        let events = [event(10, 20), event(90, 130), event(250, 260)];
        let kept = |steps: &mut [Step]| {
            let mut kept = events.to_vec();
            find_steps(steps, &mut kept);
            kept.iter().map(|event| event.start_ns).collect::<Vec<_>>()
        };
        assert_eq!(kept(&mut steps), [10, 250]);
        steps[0].traced = false;
        assert_eq!(kept(&mut steps), [10, 90, 250]);
    }

    #[test]
    fn a_profile_of_anothers_traces_the_steps_that_it_holds_whole() {
        let mut steps: [Step; 4] = [0, 100, 200, 300].map(|start_ns| step(0, start_ns, start_ns + 100));
        steps.iter_mut().for_each(|step| step.traced = false);
        mark_traced(&mut steps, &[event(90, 130), event(150, 320)]);
        assert_eq!(steps.map(|step| step.traced), [false, true, true, false]);
        let mut steps = [step(0, 0, 100)];
        mark_traced(&mut steps, &[]);
        assert!(steps[0].traced, "what was traced stays so");
    }

    #[test]
    fn readings_are_kept_at_the_edges_of_spans_and_not_within() {
        let span = NamedSpan { start_ns: 5, end_ns: 1_000_000, ..NamedSpan::default() };
        assert_eq!(windows(&[], &[], &[span]), spans([(5, 6), (1_000_000, 1_000_001)]));
    }

    #[test]
    fn stretches_that_touch_are_one() {
        let steps = [step(1, 0, 100), step(2, 100, 200)];
        assert_eq!(windows(&steps, &[event(150, 230), event(300, 310)], &[]), spans([(0, 230), (300, 310)]));
    }
}
