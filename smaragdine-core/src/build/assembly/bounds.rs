//! When what a client tells can have happened: within the recording, and before it was told.
//!
//! Profilers hand out kernels with broken stamps now and then: 0, or durations of days to centuries. Such an event
//! would take all energy that is left, and make its profile look as if it held every step.

use std::ops::RangeInclusive;

use crate::clock::{ClockPair, TraceClock};
use crate::trace::Metadata;

/// Clocks are slewed between a stamp and the pair that maps it, by 500 µs a second at most.
const SLACK_NS: i64 = 1_000_000_000;
/// Of a recording whose end is not known: stamps further away belong to another clock, or to nobody. Keeps arithmetic
/// on stamps within its range.
const FURTHEST_NS: i64 = 10 * 366 * 86_400 * 1_000_000_000;

/// Trace time in which events can lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    from_ns: i64,
    to_ns: i64,
}

impl Bounds {
    /// Of all that a recording holds.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let from_ns = metadata.start_ns.saturating_sub(SLACK_NS);
        let end_ns = metadata.end_ns.filter(|end_ns| *end_ns >= metadata.start_ns);
        let to_ns = end_ns.unwrap_or(metadata.start_ns.saturating_add(FURTHEST_NS)).saturating_add(SLACK_NS);
        Self { from_ns, to_ns }
    }

    /// Of what was told when its sender read `pair`: nothing ends after it was told. A pair of zeros is none.
    pub(crate) fn told_at(self, clock: TraceClock, pair: ClockPair) -> Self {
        if pair.monotonic_ns == 0 {
            return self;
        }
        let told_ns = clock.from_monotonic(pair.monotonic_ns).saturating_add(SLACK_NS);
        Self { to_ns: self.to_ns.min(told_ns), ..self }
    }

    pub(crate) fn hold(&self, start_ns: i64, end_ns: i64) -> bool {
        self.from_ns <= start_ns && start_ns <= end_ns && end_ns <= self.to_ns
    }

    /// The same on the wall clock of whoever read `pair`.
    pub(crate) fn realtime(&self, clock: TraceClock, pair: ClockPair) -> RangeInclusive<i64> {
        let ahead_ns = pair.offset_ns().saturating_sub(clock.realtime_offset_ns);
        self.from_ns.saturating_add(ahead_ns)..=self.to_ns.saturating_add(ahead_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;
    const CLOCK: TraceClock = TraceClock { realtime_offset_ns: 1_000 * S };

    fn recording(end_ns: Option<i64>) -> Bounds {
        Bounds::of(&Metadata { start_ns: 1_100 * S, end_ns, ..Metadata::default() })
    }

    #[test]
    fn what_lies_beyond_the_recording_or_is_longer_cannot_be() {
        let bounds = recording(Some(1_110 * S));
        assert!(bounds.hold(1_100 * S, 1_110 * S) && bounds.hold(1_105 * S, 1_105 * S));
        for (start_s, end_s) in [(0, 1_105), (1_105, 1_105 + 40 * 86_400), (1_112, 1_113), (1_106, 1_105)] {
            assert!(!bounds.hold(start_s * S, end_s * S), "{start_s} to {end_s}");
        }
        assert!(!bounds.hold(i64::MIN, i64::MAX));
    }

    #[test]
    fn nothing_ends_after_it_was_told() {
        let pair = ClockPair { realtime_ns: 4_705 * S, monotonic_ns: 105 * S };
        for bounds in [recording(Some(1_110 * S)), recording(None)] {
            let told = bounds.told_at(CLOCK, pair);
            assert!(told.hold(1_104 * S, 1_105 * S) && !told.hold(1_104 * S, 1_107 * S));
            let untold = bounds.told_at(CLOCK, ClockPair { monotonic_ns: 0, ..pair });
            assert!(untold.hold(1_104 * S, 1_107 * S));
            // The sender's wall clock is an hour ahead of the recording's.
            assert_eq!(told.realtime(CLOCK, pair), 4_699 * S..=4_706 * S);
        }
    }

    #[test]
    fn without_an_end_only_another_age_is_beyond() {
        let bounds = recording(None);
        assert!(bounds.hold(1_100 * S, 1_100 * S + 40 * 86_400 * S));
        assert!(!bounds.hold(1_100 * S, 1_100 * S + 20 * 366 * 86_400 * S));
    }
}
