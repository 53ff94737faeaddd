//! How long executions of an operation take, and by how much one of them took longer.

use crate::trace::Event;

/// An execution that took this many times longer than usual was interrupted: how much more so says nothing.
const LONGEST: f64 = 2.0;

/// Mean length of every operation.
#[derive(Debug, Clone, Default)]
pub(super) struct Lengths(Vec<f64>);

impl Lengths {
    pub(super) fn of(ops: usize, events: &[&Event]) -> Self {
        let mut sums = vec![(0.0, 0.0); ops];
        for event in events.iter().filter(|event| event.draws()) {
            if let Some((sum, count)) = sums.get_mut(event.op as usize) {
                *sum += length_ns(event);
                *count += 1.0;
            }
        }
        Self(sums.into_iter().map(|(sum, count)| sum / f64::max(count, 1.0)).collect())
    }

    /// The part by which an execution was longer than its operation's mean.
    #[inline]
    pub(super) fn longer(&self, event: &Event) -> f64 {
        let mean_ns = self.0.get(event.op as usize).copied().unwrap_or(0.0);
        if mean_ns > 0.0 { (length_ns(event) / mean_ns - 1.0).min(LONGEST) } else { 0.0 }
    }
}

fn length_ns(event: &Event) -> f64 {
    event.end_ns.saturating_sub(event.start_ns).max(0) as f64
}
