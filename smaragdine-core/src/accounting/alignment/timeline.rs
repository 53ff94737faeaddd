//! A value that holds over stretches of time and is 0 between them: the power of a domain, being in a traced step.

use std::collections::VecDeque;

#[derive(Debug, Clone, Copy)]
struct Stretch {
    start_ns: i64,
    end_ns: i64,
    value: f64,
}

/// Stretches to come, and the value now. Stretches do not overlap.
pub(super) struct Timeline {
    ahead: VecDeque<Stretch>,
    value: f64,
    /// When the value changes next.
    change_ns: i64,
    /// Nothing before this can be added any more.
    free_from_ns: i64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { ahead: VecDeque::new(), value: 0.0, change_ns: i64::MAX, free_from_ns: i64::MIN }
    }
}

impl Timeline {
    pub(super) fn value(&self) -> f64 {
        self.value
    }

    pub(super) fn change_ns(&self) -> i64 {
        self.change_ns
    }

    /// Adds a stretch whose value follows from its length in nanoseconds. What of it is already taken, or lies before
    /// `now_ns`, is cut off; `false`: nothing remained.
    pub(super) fn push(&mut self, now_ns: i64, start_ns: i64, end_ns: i64, value: impl FnOnce(f64) -> f64) -> bool {
        let start_ns = start_ns.max(self.free_from_ns).max(now_ns);
        let length = end_ns.checked_sub(start_ns).filter(|length| *length > 0);
        // The last of all instants stands for "never" in the sweep.
        let (Some(length), true) = (length, end_ns < i64::MAX) else { return false };
        let value = value(length as f64);
        if !value.is_finite() {
            return false;
        }
        self.free_from_ns = end_ns;
        if self.ahead.is_empty() {
            self.change_ns = start_ns;
        }
        self.ahead.push_back(Stretch { start_ns, end_ns, value });
        true
    }

    /// Moves to `now_ns`, which is no later than the next change.
    pub(super) fn turn(&mut self, now_ns: i64) {
        while self.change_ns <= now_ns {
            if self.ahead.front().is_some_and(|stretch| stretch.end_ns <= now_ns) {
                self.ahead.pop_front();
            }
            (self.value, self.change_ns) = match self.ahead.front() {
                Some(stretch) if stretch.start_ns <= now_ns => (stretch.value, stretch.end_ns),
                Some(stretch) => (0.0, stretch.start_ns),
                None => (0.0, i64::MAX),
            };
            if self.ahead.is_empty() {
                break;
            }
        }
    }
}
