//! The clocks: deadlines and lengths use `CLOCK_MONOTONIC`; stored nanoseconds are monotonic plus one
//! `CLOCK_REALTIME` offset fixed when a recording starts, so they never run backwards.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[must_use]
pub fn monotonic_ns() -> i64 {
    nanoseconds(ClockId::Monotonic)
}

/// Nanoseconds of `CLOCK_REALTIME` since 1970.
#[must_use]
pub fn realtime_ns() -> i64 {
    nanoseconds(ClockId::Realtime)
}

/// Nanoseconds of `CLOCK_BOOTTIME`: monotonic, but it goes on while the machine is suspended.
#[must_use]
pub fn boottime_ns() -> i64 {
    nanoseconds(ClockId::Boottime)
}

fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// One instant on both clocks, the realtime read bracketed by two monotonic ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPair {
    pub realtime_ns: i64,
    pub monotonic_ns: i64,
}

impl ClockPair {
    /// The tightest of a few brackets: a preemption between two reads would skew the offset.
    #[must_use]
    pub fn now() -> Self {
        (0..5)
            .map(|_| {
                let before = monotonic_ns();
                let realtime_ns = realtime_ns();
                let after = monotonic_ns();
                (after - before, Self { realtime_ns, monotonic_ns: before + (after - before) / 2 })
            })
            .min_by_key(|(width, _)| *width)
            .map_or_else(|| unreachable!("five brackets were taken"), |(_, pair)| pair)
    }

    #[must_use]
    pub fn offset_ns(self) -> i64 {
        self.realtime_ns.wrapping_sub(self.monotonic_ns)
    }
}

/// Trace time of one recording: monotonic plus an offset that never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceClock {
    pub realtime_offset_ns: i64,
}

impl TraceClock {
    #[must_use]
    pub fn start() -> Self {
        Self { realtime_offset_ns: ClockPair::now().offset_ns() }
    }

    #[must_use]
    pub fn now_ns(self) -> i64 {
        self.from_monotonic(monotonic_ns())
    }

    #[must_use]
    pub fn from_monotonic(self, monotonic_ns: i64) -> i64 {
        monotonic_ns.saturating_add(self.realtime_offset_ns)
    }

    /// Maps a realtime stamp with the offset in force when its sender read `pair`:
    /// the wall clock may have been stepped since the recording started.
    #[must_use]
    pub fn from_realtime(self, realtime_ns: i64, pair: ClockPair) -> i64 {
        self.from_monotonic(realtime_ns.saturating_sub(pair.offset_ns()))
    }
}
