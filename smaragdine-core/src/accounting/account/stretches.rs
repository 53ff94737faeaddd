//! The stretches of a trace in which every event is known.

use crate::error::Result;
use crate::span::{Span, joined, merged, ordered};
use crate::trace::{Event, Reader, Recorded};

/// Pauses between steps that are this many times longer than the median, and more, are not such pauses.
const LONGER: i64 = 3;
const MORE_NS: i64 = 1_000_000;

/// Traced steps, and what lies between two that follow each other: time that a profiler watched.
///
/// Starting and stopping a profiler breaks a stretch, and so does a step that is not traced. So does a pause that is far
/// longer than pauses are: then something went on that is no operation, an evaluation or a checkpoint, and that there
/// were no events does not say that nothing was drawn.
#[derive(Default)]
pub(super) struct Stretches {
    /// Between two steps that are traced, in order and disjoint.
    pauses: Vec<Span>,
    /// By pause: how much of it operations draw.
    busy_ns: Vec<i64>,
    /// Pauses before this one are over.
    first: usize,
    /// What draws, from the first to the last instant without a break.
    busy: Option<Span>,
}

impl Stretches {
    /// Also the traced steps, in order of their start, as `profiling` is.
    pub(super) fn of(recorded: &dyn Recorded, profiling: &[Span]) -> Result<(Self, Vec<Span>)> {
        let mut steps = Steps::default();
        let mut sorted = true;
        for batch in recorded.steps() {
            sorted &= batch?.iter().all(|(span, traced)| steps.add(*span, *traced));
            if !sorted {
                break;
            }
        }
        if !sorted {
            // Whoever wrote them anew kept no order.
            let mut all = Vec::new();
            for batch in recorded.steps() {
                all.extend_from_slice(&batch?);
            }
            all.sort_by_key(|(span, _)| span.start_ns);
            steps = Steps::default();
            all.into_iter().for_each(|(span, traced)| {
                steps.add(span, traced);
            });
        }
        let Steps { traced, mut pauses, .. } = steps;
        let profiling = merged(profiling.iter().copied());
        pauses.retain(|pause| {
            let first = profiling.partition_point(|span| span.end_ns <= pause.start_ns);
            !profiling.get(first).is_some_and(|span| span.overlaps(*pause))
        });
        Ok((Self { busy_ns: vec![0; pauses.len()], pauses, ..Self::default() }, ordered(traced)))
    }

    /// The stretches, in order and disjoint, after all events passed by.
    pub(super) fn finish(mut self, traced: &[Span]) -> Vec<Span> {
        self.enter_busy();
        let quiet_ns: Vec<i64> = self
            .pauses
            .iter()
            .zip(&self.busy_ns)
            .map(|(pause, busy_ns)| pause.length_ns().saturating_sub(*busy_ns))
            .collect();
        let mut ordered_ns = quiet_ns.clone();
        ordered_ns.sort_unstable();
        let median_ns = ordered_ns.get(ordered_ns.len() / 2).copied().unwrap_or(0);
        let longest_ns = median_ns.saturating_mul(LONGER).saturating_add(MORE_NS);
        // Pauses are watched that are like others, but for what is known to have run in them.
        let watched = self.pauses.iter().zip(quiet_ns).filter(|(_, quiet_ns)| *quiet_ns <= longest_ns);
        joined(ordered(traced.iter().copied().chain(watched.map(|(pause, _)| *pause))))
    }

    fn enter_busy(&mut self) {
        let Some(busy) = self.busy.take() else { return };
        while self.pauses.get(self.first).is_some_and(|pause| pause.end_ns <= busy.start_ns) {
            self.first += 1;
        }
        let pauses = self.pauses.iter().zip(&mut self.busy_ns).skip(self.first);
        for (pause, busy_ns) in pauses.take_while(|(pause, _)| pause.start_ns < busy.end_ns) {
            let within = Span::new(pause.start_ns.max(busy.start_ns), pause.end_ns.min(busy.end_ns));
            *busy_ns = busy_ns.saturating_add(within.length_ns());
        }
    }
}

impl Reader for Stretches {
    fn read(&mut self, events: &[Event]) -> Result<()> {
        for event in events.iter().filter(|event| event.draws()) {
            match &mut self.busy {
                Some(busy) if event.start_ns <= busy.end_ns => busy.end_ns = busy.end_ns.max(event.end_ns),
                _ => {
                    self.enter_busy();
                    self.busy = Some(event.span());
                }
            }
        }
        Ok(())
    }
}

/// Steps, as they come in order of their start.
#[derive(Default)]
struct Steps {
    traced: Vec<Span>,
    pauses: Vec<Span>,
    last_ns: Option<i64>,
    /// When the last one ended, and whether it was traced.
    ended: Option<(i64, bool)>,
}

impl Steps {
    /// `false`: it starts before the last one.
    fn add(&mut self, step: Span, traced: bool) -> bool {
        if self.last_ns.is_some_and(|last_ns| step.start_ns < last_ns) {
            return false;
        }
        self.last_ns = Some(step.start_ns);
        if traced {
            self.traced.push(step);
        }
        if step.start_ns >= step.end_ns {
            return true;
        }
        if let Some((end_ns, true)) = self.ended
            && traced
            && end_ns < step.start_ns
        {
            self.pauses.push(Span { start_ns: end_ns, end_ns: step.start_ns });
        }
        let end_ns = self.ended.map_or(step.end_ns, |(end_ns, _)| end_ns.max(step.end_ns));
        self.ended = Some((end_ns, traced));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::spans;
    use crate::trace::{Held, Kind, Step};

    fn step(start_ns: i64, end_ns: i64, traced: bool) -> Step {
        Step { start_ns, end_ns, traced, ..Step::default() }
    }

    fn stretches(steps: &[Step], events: &[Event], profiling: &[Span]) -> Vec<Span> {
        let held = Held::new(events, &[], steps);
        let (mut stretches, traced) = Stretches::of(&held, profiling).unwrap();
        held.events(None).for_each(|batch| stretches.read(&batch.unwrap()).unwrap());
        stretches.finish(&traced)
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
