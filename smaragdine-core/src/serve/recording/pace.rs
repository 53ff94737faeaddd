//! How fast clients may send to one recording. Who sends faster is read more slowly, so that it waits: nothing is lost.

use std::time::{Duration, Instant};

/// Sustained, and at once: some windows of profiles, or a minute's steps of a fast loop.
const BYTES_PER_S: f64 = (64 << 20) as f64;
const BURST: f64 = (256 << 20) as f64;
/// A message costs as much as this many bytes: its record in the journal takes a system call.
const MESSAGE: u64 = 4 << 10;

/// A token bucket.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Bytes beyond what the rate has worked off by `since`.
    debt: f64,
    since: Option<Instant>,
}

impl Pace {
    /// Takes a message of `bytes`; returns how long its sender is to wait.
    pub(super) fn take(&mut self, bytes: u64) -> Duration {
        self.take_at(bytes, Instant::now())
    }

    fn take_at(&mut self, bytes: u64, now: Instant) -> Duration {
        let elapsed = self.since.replace(now).map_or(0.0, |since| (now - since).as_secs_f64());
        self.debt = (self.debt - elapsed * BYTES_PER_S).max(0.0) + bytes.max(MESSAGE) as f64;
        Duration::from_secs_f64((self.debt - BURST).max(0.0) / BYTES_PER_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_is_held_to_the_rate() {
        let start = Instant::now();
        let (mut pace, mut now, mut sent) = (Pace::default(), start, 0_u64);
        while (now - start) < Duration::from_secs(60) {
            now += pace.take_at(1 << 20, now);
            sent += 1 << 20;
            assert!(sent <= BURST as u64 || now > start);
        }
        let allowed = BURST + 60.0 * BYTES_PER_S;
        assert!((sent as f64 / allowed - 1.0).abs() < 0.01, "{sent} bytes in a minute");
    }

    #[test]
    fn small_messages_are_held_by_their_number() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let free = (0..).take_while(|_| pace.take_at(10, start).is_zero()).count() as f64;
        assert!((free / (BURST / MESSAGE as f64) - 1.0).abs() < 0.01, "{free} messages at once");
    }

    #[test]
    fn who_paused_may_go_on_at_once() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert!(pace.take_at(1 << 30, start) > Duration::from_secs(10));
        assert_eq!(pace.take_at(1, start + Duration::from_secs(60)), Duration::ZERO);
    }
}
