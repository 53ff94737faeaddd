//! What a sampling thread read, on its way to those who listen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::registers::source::Observation;

/// Observations that wait for one listener at most: 5 MB, or a minute of four domains at 250 Hz.
pub(crate) const MOST_WAITING: usize = 1 << 16;

/// Successive reads of a source. `CLOCK_MONOTONIC`.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) ticks: Vec<Tick>,
    /// Of all ticks, in their order.
    observations: Vec<Observation>,
    /// CPU time of the thread before and after, in nanoseconds.
    pub(crate) cpu_from_ns: i64,
    pub(crate) cpu_to_ns: i64,
    /// How far the updates of each register are apart, as close looks told.
    pub(crate) updates_ns: Arc<[Option<i64>]>,
}

/// One read of all registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    /// Before anything was read.
    pub(crate) at_ns: i64,
    /// The latest deadline that passed, and the next.
    pub(crate) served_ns: i64,
    pub(crate) next_ns: i64,
    /// From there on.
    pub(crate) period_ns: i64,
    /// Since the earliest deadline that this read serves; `None`: somebody came or went, and no deadline had passed.
    pub(crate) late_ns: Option<i64>,
    pub(crate) suspended: Option<Suspended>,
    /// Where its observations end among those of the batch.
    pub(crate) end: usize,
}

/// The machine slept for so long since the tick before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspended {
    pub(crate) noticed_ns: i64,
    pub(crate) slept_ns: i64,
}

impl Batch {
    /// An empty one, to be filled after `before`.
    pub(crate) fn after(before: &Self) -> Self {
        Self {
            ticks: Vec::with_capacity(before.ticks.len()),
            observations: Vec::with_capacity(before.observations.len()),
            cpu_from_ns: before.cpu_to_ns,
            cpu_to_ns: before.cpu_to_ns,
            updates_ns: Arc::clone(&before.updates_ns),
        }
    }

    /// Where the next tick's observations go.
    pub(crate) fn observations(&mut self) -> &mut Vec<Observation> {
        &mut self.observations
    }

    /// Ends a tick with the observations that were added since the last.
    pub(crate) fn close(&mut self, tick: Tick) {
        self.ticks.push(Tick { end: self.observations.len(), ..tick });
    }

    /// Each tick with what was observed at it.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (&Tick, &[Observation])> {
        let mut start = 0;
        self.ticks.iter().map(move |tick| {
            let observations = &self.observations[start..tick.end];
            start = tick.end;
            (tick, observations)
        })
    }
}

impl Tick {
    /// A read because somebody comes or goes.
    pub(crate) fn at(at_ns: i64) -> Self {
        let (served_ns, next_ns) = (i64::MIN, i64::MAX);
        Self { at_ns, served_ns, next_ns, period_ns: 0, late_ns: None, suspended: None, end: 0 }
    }
}

/// A batch as one listener gets it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) batch: Arc<Batch>,
    /// Batches before it were left out, for too many waited; the machine was suspended so in them.
    pub(crate) left_out: Option<Vec<Suspended>>,
    /// Its last tick is the listener's last.
    pub(crate) last: bool,
}

/// Where batches for one listener go in. Sending never waits.
#[derive(Debug)]
pub(crate) struct Inbox {
    batches: Sender<Sent>,
    waiting: Arc<AtomicUsize>,
    left_out: Option<Vec<Suspended>>,
}

/// Where they come out.
#[derive(Debug)]
pub(crate) struct Outlet {
    batches: Receiver<Sent>,
    waiting: Arc<AtomicUsize>,
}

pub(crate) fn inbox() -> (Inbox, Outlet) {
    let (sender, receiver) = channel();
    let waiting = Arc::<AtomicUsize>::default();
    (Inbox { batches: sender, waiting: Arc::clone(&waiting), left_out: None }, Outlet { batches: receiver, waiting })
}

impl Inbox {
    pub(crate) fn send(&mut self, batch: &Arc<Batch>, last: bool) {
        let size = batch.observations.len();
        if !last && self.waiting.load(Ordering::Acquire) + size > MOST_WAITING {
            let suspended = batch.ticks.iter().filter_map(|tick| tick.suspended);
            self.left_out.get_or_insert_default().extend(suspended);
            return;
        }
        self.waiting.fetch_add(size, Ordering::AcqRel);
        // Who does not listen any more needs nothing.
        let _ = self.batches.send(Sent { batch: Arc::clone(batch), left_out: self.left_out.take(), last });
    }
}

impl Outlet {
    /// The next batch that waits, if any does.
    pub(crate) fn next(&self) -> Option<Sent> {
        let sent = self.batches.try_recv().ok()?;
        self.waiting.fetch_sub(sent.batch.observations.len(), Ordering::AcqRel);
        Some(sent)
    }
}
