//! Sampling never waits for its consumer.
//!
//! A batch that the channel cannot take is kept and offered again on the next tick. When [`MOST_KEPT`] readings are
//! kept, neighbours of one domain are merged into one, which halves them: energy belongs to intervals, so only
//! resolution is lost, and memory stays bounded however long the consumer stands still.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use crate::trace::{Flag, Reading};

/// How long a reading waits at most before it is offered to the channel.
const BATCH_NS: i64 = 100_000_000;
/// About 7 MB, or a minute of four domains at 250 Hz.
const MOST_KEPT: usize = 1 << 16;
/// How long the end of sampling waits for room in the channel before it gives up on the last batch.
const LAST_SEND: Duration = Duration::from_secs(5);

/// Readings on their way to the consumer.
pub(super) struct Outbox {
    kept: Vec<Reading>,
    /// When the next batch is to be offered, monotonic; the first at once, so that views have something to show.
    due_ns: i64,
    /// `None` once nobody listens.
    sink: Option<SyncSender<Vec<Reading>>>,
}

impl Outbox {
    pub(super) fn new(sink: SyncSender<Vec<Reading>>) -> Self {
        Self { kept: Vec::new(), due_ns: 0, sink: Some(sink) }
    }

    pub(super) fn push(&mut self, reading: Reading) {
        self.kept.push(reading);
    }

    /// Hands over what is kept when it is due and there is room, and never waits.
    pub(super) fn offer(&mut self, now_ns: i64) {
        if now_ns < self.due_ns {
            return;
        }
        if self.try_send() {
            self.due_ns = now_ns + BATCH_NS;
        } else if self.kept.len() >= MOST_KEPT {
            merge_neighbours(&mut self.kept);
        }
    }

    fn try_send(&mut self) -> bool {
        if self.kept.is_empty() {
            return true;
        }
        let batch = std::mem::take(&mut self.kept);
        match self.sink.as_ref().map(|sink| sink.try_send(batch)) {
            Some(Err(TrySendError::Full(batch))) => {
                self.kept = batch;
                false
            }
            Some(Err(TrySendError::Disconnected(_))) => {
                tracing::warn!("nobody takes readings any more");
                self.sink = None;
                true
            }
            Some(Ok(())) | None => true,
        }
    }

    pub(super) fn send_rest(&mut self) {
        let until = Instant::now() + LAST_SEND;
        while !self.try_send() {
            if Instant::now() >= until {
                tracing::error!("the last {} readings are lost: nobody took them for {LAST_SEND:?}", self.kept.len());
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Merges each two neighbouring readings of a domain into one. Energy is kept, so are flags; a hole is never bridged.
pub(crate) fn merge_neighbours(readings: &mut Vec<Reading>) {
    let domains = readings.iter().map(|reading| usize::from(reading.domain) + 1).max().unwrap_or(0);
    // The single reading of each domain, by its place in `merged`, that still waits for its neighbour.
    let mut waiting: Vec<Option<usize>> = vec![None; domains];
    let mut merged: Vec<Reading> = Vec::with_capacity(readings.len() / 2 + domains);
    for reading in readings.drain(..) {
        let waits = &mut waiting[usize::from(reading.domain)];
        match waits.take().map(|place| &mut merged[place]).filter(|first| first.end_ns == reading.start_ns) {
            Some(first) => {
                first.end_ns = reading.end_ns;
                first.read_start_ns = reading.read_start_ns;
                first.read_end_ns = reading.read_end_ns;
                first.energy_j += reading.energy_j;
                first.edge_uncertainty_ns =
                    first.edge_uncertainty_ns.zip(reading.edge_uncertainty_ns).map(|(start, end)| start.max(end));
                first.flags = first.flags.union(reading.flags).with(Flag::Merged);
            }
            None => {
                *waits = Some(merged.len());
                merged.push(reading);
            }
        }
    }
    *readings = merged;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::Flags;

    fn reading(domain: u16, start_ns: i64, end_ns: i64) -> Reading {
        Reading {
            domain,
            start_ns,
            end_ns,
            edge_uncertainty_ns: None,
            read_start_ns: end_ns - 1,
            read_end_ns: end_ns + 1,
            energy_j: (end_ns - start_ns) as f64,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE,
        }
    }

    proptest! {
        /// Energy in every stretch that one reading covers afterwards is what it was before.
        #[test]
        fn merging_halves_readings_and_keeps_energy(
            steps in prop::collection::vec((0..3_u16, 1..1_000_i64, prop::bool::weighted(0.02)), 0..300),
        ) {
            let mut ends = [0; 3];
            let mut holes = 0;
            let before: Vec<Reading> = steps
                .iter()
                .map(|(domain, length, hole)| {
                    let end = &mut ends[usize::from(*domain)];
                    *end += if *hole { 10 } else { 0 };
                    holes += usize::from(*hole);
                    *end += length;
                    reading(*domain, *end - length, *end)
                })
                .collect();
            let mut after = before.clone();
            merge_neighbours(&mut after);
            prop_assert!(after.len() <= before.len() / 2 + 3 + holes);
            for merged in &after {
                let within = before.iter().filter(|reading| {
                    reading.domain == merged.domain
                        && merged.start_ns <= reading.start_ns
                        && reading.end_ns <= merged.end_ns
                });
                // Lengths are energies here, so this also says that no hole was bridged.
                prop_assert_eq!(within.map(|reading| reading.energy_j).sum::<f64>(), merged.energy_j);
                prop_assert_eq!(merged.energy_j, (merged.end_ns - merged.start_ns) as f64);
            }
        }
    }

    #[test]
    fn what_an_absent_consumer_leaves_is_bounded() {
        let (sink, readings) = std::sync::mpsc::sync_channel(0);
        let mut outbox = Outbox::new(sink);
        let ticks = 3 * MOST_KEPT as i64;
        for tick in 0..ticks {
            outbox.push(reading(0, tick, tick + 1));
            outbox.offer(tick);
            assert!(outbox.kept.len() <= MOST_KEPT);
        }
        assert_eq!(outbox.kept.iter().map(|reading| reading.energy_j).sum::<f64>(), ticks as f64);
        drop(readings);
    }
}
