//! Suspends. `CLOCK_MONOTONIC` stands meanwhile and `CLOCK_BOOTTIME` goes on, so only their distance tells.

use crate::clock::monotonic_ns;

/// Tells suspends apart from stalls, in which both clocks go on.
pub(super) struct Suspensions {
    boottime: fn() -> i64,
    /// The largest distance of the clocks that the last look allows for.
    most_ns: i64,
}

impl Suspensions {
    pub(super) fn new(boottime: fn() -> i64) -> Self {
        let (_, most_ns) = distance(boottime);
        Self { boottime, most_ns }
    }

    /// How long the machine was suspended since the last call, if it was.
    ///
    /// Clocks are read one after the other, and a stall between two of them must not look like a suspend: what counts
    /// is by how much the least distance exceeds the largest one before.
    pub(super) fn since_last(&mut self) -> Option<i64> {
        let (least_ns, most_ns) = distance(self.boottime);
        let suspended_ns = least_ns - self.most_ns;
        // A wide look knows less than the narrow one before it.
        self.most_ns = if suspended_ns > 0 { most_ns } else { self.most_ns.min(most_ns) };
        (suspended_ns > 0).then_some(suspended_ns)
    }
}

fn distance(boottime: fn() -> i64) -> (i64, i64) {
    let before_ns = monotonic_ns();
    let boottime_ns = boottime();
    (boottime_ns - monotonic_ns(), boottime_ns - before_ns)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_suspend_is_told_once_and_a_stall_never() {
        static SUSPENDED_NS: AtomicI64 = AtomicI64::new(5_000);
        fn boottime() -> i64 {
            sleep(Duration::from_micros(300));
            monotonic_ns() + SUSPENDED_NS.load(Ordering::Relaxed)
        }
        let mut suspensions = Suspensions::new(boottime);
        sleep(Duration::from_millis(20));
        assert_eq!(suspensions.since_last(), None);
        SUSPENDED_NS.fetch_add(3_600_000_000_000, Ordering::Relaxed);
        let suspended_ns = suspensions.since_last().expect("an hour");
        assert!((3_590_000_000_000..=3_600_000_000_000).contains(&suspended_ns), "{suspended_ns}");
        assert_eq!(suspensions.since_last(), None);
    }

    #[test]
    fn this_machine_is_not_suspended_while_it_is_tested() {
        let mut suspensions = Suspensions::new(crate::clock::boottime_ns);
        assert!((0..1_000).all(|_| suspensions.since_last().is_none()));
    }
}
