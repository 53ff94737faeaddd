//! The stretches of a trace in which every event is known.

use crate::span::{Span, joined, ordered, without};
use crate::trace::{Event, Step};

/// Pauses between steps that are this many times longer than the median, and more, are not such pauses.
const LONGER: i64 = 3;
const MORE_NS: i64 = 1_000_000;

/// Traced steps, and what lies between two that follow each other: time that a profiler watched.
///
/// Starting and stopping a profiler breaks a stretch, and so does a step that is not traced. So does a pause that is far
/// longer than pauses are: then something went on that is no operation, an evaluation or a checkpoint, and that there
/// were no events does not say that nothing was drawn.
pub(super) fn stretches(steps: &[Step], events: &[Event], profiling: &[Span]) -> Vec<Span> {
    let mut steps: Vec<&Step> = steps.iter().filter(|step| step.start_ns < step.end_ns).collect();
    steps.sort_by_key(|step| step.start_ns);
    let mut pauses = Vec::new();
    let mut last: Option<(i64, bool)> = None;
    for step in &steps {
        if let Some((end_ns, true)) = last
            && step.traced
            && end_ns < step.start_ns
        {
            pauses.push(Span { start_ns: end_ns, end_ns: step.start_ns });
        }
        let end_ns = last.map_or(step.end_ns, |(end_ns, _)| end_ns.max(step.end_ns));
        last = Some((end_ns, step.traced));
    }
    pauses.retain(|pause| !profiling.iter().any(|span| span.overlaps(*pause)));
    let pauses = watched(pauses, events);
    let traced = steps.iter().filter(|step| step.traced).map(|step| step.span());
    joined(ordered(traced.chain(pauses)))
}

/// Those of `pauses` that are like others, but for what is known to have run in them.
fn watched(pauses: Vec<Span>, events: &[Event]) -> Vec<Span> {
    let busy = joined(ordered(events.iter().filter(|event| event.draws()).map(Event::span)));
    let quiet = without(&pauses, &busy);
    let mut parts = quiet.iter().peekable();
    let mut quiet_ns = |pause: &Span| {
        let mut quiet_ns = 0_i64;
        while let Some(part) = parts.next_if(|part| part.end_ns <= pause.end_ns) {
            quiet_ns = part.length_ns().saturating_add(quiet_ns);
        }
        quiet_ns
    };
    let lengths: Vec<i64> = pauses.iter().map(&mut quiet_ns).collect();
    let mut ordered = lengths.clone();
    ordered.sort_unstable();
    let median_ns = ordered.get(ordered.len() / 2).copied().unwrap_or(0);
    let longest_ns = median_ns.saturating_mul(LONGER).saturating_add(MORE_NS);
    pauses.into_iter().zip(lengths).filter(|(_, quiet_ns)| *quiet_ns <= longest_ns).map(|(pause, _)| pause).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::spans;
    use crate::trace::Kind;

    fn step(start_ns: i64, end_ns: i64, traced: bool) -> Step {
        Step { start_ns, end_ns, traced, ..Step::default() }
    }

    #[test]
    fn traced_steps_and_pauses_between_them_are_stretches() {
        let steps = [step(0, 10, true), step(12, 20, true), step(20, 30, false), step(31, 40, true)];
        assert_eq!(stretches(&steps, &[], &[]), spans([(0, 20), (31, 40)]));
        assert_eq!(stretches(&steps, &[], &spans([(11, 12)])), spans([(0, 10), (12, 20), (31, 40)]));
    }

    #[test]
    fn a_pause_far_longer_than_others_is_not_known_unless_events_tell_what_ran_in_it() {
        let ms = |ms: i64| ms * 1_000_000;
        let mut steps: Vec<Step> = (0..6).map(|n| step(ms(10 * n), ms(10 * n + 8), true)).collect();
        steps.push(step(ms(100), ms(108), true));
        assert_eq!(stretches(&steps, &[], &[]), spans([(0, ms(58)), (ms(100), ms(108))]));
        let (start_ns, end_ns) = (ms(60), ms(99));
        let event =
            Event { op: 0, device: 0, lane: 0, kind: Kind::Compute, start_ns, end_ns, step: None, correlation: None };
        assert_eq!(stretches(&steps, &[event], &[]), spans([(0, ms(108))]));
    }
}
