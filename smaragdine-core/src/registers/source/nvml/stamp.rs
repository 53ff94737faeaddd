//! When the driver took a value, by its own word.
//!
//! A read by itself tells only that the driver looked between the call and its return. Fields carry a stamp of the wall
//! clock and how long the driver took for them. A stamp within the call narrows it down; an older one is the moment at
//! which the register was updated. One that cannot be right is not used, and the call is what is known, as without it.

use crate::clock::ClockPair;

/// The wall clock was set, if from one read to the next it moved by more against `CLOCK_MONOTONIC`: both are slewed
/// alike.
const STEP_NS: i64 = 1_000_000;
/// What the two clocks say of one moment is this far apart at most: they cannot be read at once.
const APART_NS: i64 = 10_000;
/// Values of registers that are updated every 20 to 100 ms are never older.
pub(super) const OLDEST_NS: i64 = 1_000_000_000;

/// Two moments of `CLOCK_MONOTONIC` between which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bracket {
    pub(super) from_ns: i64,
    pub(super) to_ns: i64,
}

impl Bracket {
    pub(super) fn middle_ns(self) -> i64 {
        self.from_ns + (self.to_ns - self.from_ns) / 2
    }
}

/// The wall clock at one read of all GPUs, for what the driver stamps by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallClock {
    offset_ns: i64,
    /// How far it was set since the read before; 0: it was not.
    pub(super) step_ns: i64,
}

impl WallClock {
    pub(super) fn now() -> Self {
        Self::at(ClockPair::now().offset_ns())
    }

    pub(super) fn at(offset_ns: i64) -> Self {
        Self { offset_ns, step_ns: 0 }
    }

    /// The same clock at the next read, when it is so far ahead of `CLOCK_MONOTONIC`.
    pub(super) fn next(self, offset_ns: i64) -> Self {
        let moved_ns = offset_ns.saturating_sub(self.offset_ns);
        Self { offset_ns, step_ns: if moved_ns.saturating_abs() > STEP_NS { moved_ns } else { 0 } }
    }

    /// Stamps are whole microseconds, cut off: the moment is up to one later.
    pub(super) fn monotonic_ns(self, stamp_us: i64) -> i64 {
        stamp_us.saturating_mul(1000).saturating_sub(self.offset_ns)
    }
}

/// What the driver says of when it took a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// Of the wall clock, since 1970.
    pub(super) at_us: i64,
    /// How long it took.
    pub(super) latency_us: i64,
}

impl Stamp {
    fn taken(self, call: Bracket, wall: WallClock) -> Option<Bracket> {
        let at_ns = wall.monotonic_ns(self.at_us);
        if self.latency_us < 0 || at_ns > call.to_ns.saturating_add(APART_NS) {
            return None;
        }
        let from_ns = at_ns.saturating_sub(self.latency_us.saturating_mul(1000));
        let to_ns = at_ns.saturating_add(1000);
        if to_ns.saturating_add(APART_NS) < call.from_ns {
            return Some(Bracket { from_ns, to_ns });
        }
        let within = |ns: i64| ns.clamp(call.from_ns, call.to_ns);
        Some(Bracket { from_ns: within(from_ns), to_ns: within(to_ns) })
    }
}

/// The stamps of one register.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    /// The last that was used, with what it stood for.
    last: Option<(i64, Bracket)>,
}

impl Stamps {
    /// Between when the value that `call` brought was taken; `None`: its stamp cannot be used.
    pub(super) fn place(&mut self, stamp: Stamp, call: Bracket, wall: WallClock) -> Option<Bracket> {
        if wall.step_ns != 0 {
            // The stamp may be from before the step or from after it.
            self.last = None;
            return None;
        }
        let taken = match self.last {
            Some((last_us, _)) if stamp.at_us < last_us => return None,
            // The same stamp is the same moment, wherever the clocks put it this time.
            Some((last_us, taken)) if stamp.at_us == last_us => taken,
            _ => stamp.taken(call, wall)?,
        };
        if taken.from_ns < call.from_ns.saturating_sub(OLDEST_NS) {
            return None;
        }
        self.last = Some((stamp.at_us, taken));
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    /// The wall clock began 5 s before the monotonic one.
    const WALL: WallClock = WallClock { offset_ns: 5_000 * MS, step_ns: 0 };
    const CALL: Bracket = Bracket { from_ns: 2_000 * MS, to_ns: 2_010 * MS };

    fn span(from_ns: i64, to_ns: i64) -> Option<Bracket> {
        Some(Bracket { from_ns, to_ns })
    }

    /// The wall clock's stamp of a monotonic instant, with a latency of 30 µs.
    fn stamp(at_ns: i64) -> Stamp {
        Stamp { at_us: (at_ns + WALL.offset_ns) / 1000, latency_us: 30 }
    }

    fn place(stamp: Stamp) -> Option<Bracket> {
        Stamps::default().place(stamp, CALL, WALL)
    }

    #[test]
    fn a_stamp_tells_to_the_microsecond_when_a_register_was_updated() {
        assert_eq!(place(stamp(1_990 * MS + 999)), span(1_990 * MS - 30_000, 1_990 * MS + 1_000));
    }

    #[test]
    fn a_stamp_within_the_call_narrows_it_and_never_leaves_it() {
        assert_eq!(place(stamp(2_004 * MS)), span(2_004 * MS - 30_000, 2_004 * MS + 1_000));
        assert_eq!(place(stamp(2_000 * MS)), span(2_000 * MS, 2_000 * MS + 1_000));
        assert_eq!(place(stamp(2_010 * MS)), span(2_010 * MS - 30_000, 2_010 * MS));
        // A little before the call only because the clocks cannot be read at once.
        assert_eq!(place(stamp(2_000 * MS - 5_000)), span(2_000 * MS, 2_000 * MS));
    }

    #[test]
    fn a_stamp_that_cannot_be_right_is_not_used() {
        for at_us in [0, i64::MIN, i64::MAX, -1, stamp(2_011 * MS).at_us, stamp(999 * MS).at_us] {
            for latency_us in [0, 30, i64::MAX, -1, i64::MIN] {
                assert_eq!(place(Stamp { at_us, latency_us }), None, "{at_us} {latency_us}");
            }
        }
        assert_eq!(place(Stamp { latency_us: i64::MAX, ..stamp(1_990 * MS) }), None);
        assert_eq!(place(Stamp { latency_us: i64::MAX, ..stamp(2_004 * MS) }), span(2_000 * MS, 2_004 * MS + 1_000));
    }

    #[test]
    fn stamps_never_run_backwards_and_the_same_one_is_the_same_moment() {
        let mut stamps = Stamps::default();
        let first = stamps.place(stamp(1_990 * MS), CALL, WALL);
        assert!(first.is_some());
        assert_eq!(stamps.place(stamp(1_980 * MS), CALL, WALL), None);
        let scattered = WallClock::at(WALL.offset_ns + 40);
        let next = Bracket { from_ns: 2_030 * MS, to_ns: 2_031 * MS };
        assert_eq!(stamps.place(stamp(1_990 * MS), next, scattered), first);
        let much_later = Bracket { from_ns: 3_030 * MS, to_ns: 3_031 * MS };
        assert_eq!(stamps.place(stamp(1_990 * MS), much_later, WALL), None);
    }

    #[test]
    fn at_a_step_of_the_wall_clock_stamps_are_not_used_and_then_anew() {
        for step_ns in [3_600_000 * MS, -3_600_000 * MS, 2 * MS, -2 * MS] {
            let mut stamps = Stamps::default();
            assert!(stamps.place(stamp(1_980 * MS), CALL, WALL).is_some());
            let stepped = WALL.next(WALL.offset_ns + step_ns);
            assert_eq!(stepped.step_ns, step_ns);
            let after = Stamp { at_us: (1_990 * MS + stepped.offset_ns) / 1000, latency_us: 30 };
            assert_eq!(stamps.place(after, CALL, stepped), None);
            let settled = stepped.next(stepped.offset_ns);
            assert_eq!(stamps.place(after, CALL, settled), span(1_990 * MS - 30_000, 1_990 * MS + 1_000));
        }
        assert_eq!(WALL.next(WALL.offset_ns + MS / 2).step_ns, 0);
    }
}
