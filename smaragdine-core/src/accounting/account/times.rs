//! What the time of a device was, where no operation draws.

use super::split::{Class, Split};
use crate::span::{Span, joined, without};
use crate::trace::Event;

/// The time of a whole recording that its steps and profilers tell.
pub(super) struct Watched<'a> {
    /// Traced steps, in order of their start.
    pub(super) traced: &'a [Span],
    pub(super) profiling: &'a [Span],
    /// In which every event is known, in order and disjoint.
    pub(super) stretches: &'a [Span],
}

/// What a device's time was, as its events pass by.
pub(super) struct Times {
    /// Neither traced nor anything else than a stretch, or a profiler's start or stop; by [`Class`].
    idle: [Vec<Span>; 3],
    /// By class: spans before this one are over.
    first: [usize; 3],
    /// What draws, from the first to the last instant without a break.
    busy: Option<Span>,
    idle_from_ns: i64,
}

impl Times {
    pub(super) fn of(watched: &Watched) -> Self {
        let traced = joined(watched.traced.iter().copied());
        let profiling = joined(watched.profiling.iter().copied());
        let between = without(watched.stretches, &traced);
        let idle = [without(&traced, &profiling), without(&between, &profiling), profiling];
        Self { idle, first: [0; 3], busy: None, idle_from_ns: i64::MIN }
    }

    pub(super) fn see(&mut self, event: &Event, splits: &mut [Option<Split>]) {
        match &mut self.busy {
            Some(busy) if event.start_ns <= busy.end_ns => busy.end_ns = busy.end_ns.max(event.end_ns),
            _ => {
                self.enter_busy(splits);
                self.enter_idle(event.start_ns, splits);
                self.busy = Some(event.span());
            }
        }
    }

    pub(super) fn finish(&mut self, splits: &mut [Option<Split>]) {
        self.enter_busy(splits);
        self.enter_idle(i64::MAX, splits);
    }

    fn enter_busy(&mut self, splits: &mut [Option<Split>]) {
        let Some(busy) = self.busy.take() else { return };
        self.idle_from_ns = busy.end_ns;
        splits.iter_mut().flatten().for_each(|split| split.add_busy(busy));
    }

    fn enter_idle(&mut self, until_ns: i64, splits: &mut [Option<Split>]) {
        for class in Class::ALL {
            let (spans, first) = (&self.idle[class as usize], &mut self.first[class as usize]);
            while spans.get(*first).is_some_and(|span| span.end_ns <= self.idle_from_ns) {
                *first += 1;
            }
            for span in spans[*first..].iter().take_while(|span| span.start_ns < until_ns) {
                let within = Span::new(span.start_ns.max(self.idle_from_ns), span.end_ns.min(until_ns));
                splits.iter_mut().flatten().for_each(|split| split.add_idle(class, within));
            }
        }
    }
}
