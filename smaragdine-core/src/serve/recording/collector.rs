//! What arrives while a recording runs: readings, shares and metrics on their way into the journal, and the sums of
//! readings for watchers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::lock;
use super::merging::merge_neighbours;
use super::settling::{Settled, Settling};
use crate::registers::station::Listener;
use crate::store::journal::{Journal, Record};
use crate::store::tables::merge_untouched;
use crate::trace::{Domain, MetricSample, Reading, ShareSample, SourceReport};

/// How often is asked for what was sampled.
const PERIOD: Duration = Duration::from_millis(100);
/// For the first time sooner, so that views have something to show.
const FIRST: Duration = Duration::from_millis(20);
/// How often the journal is written: what a kill of the daemon costs is at most this, a period and a batch on its way.
const WRITE_PERIOD: Duration = Duration::from_millis(500);
/// How often a full disk gets something.
const FULL_PERIOD: Duration = Duration::from_secs(1);
/// How often it gets metrics: a look at them is longer than all readings of a second.
const FULL_METRICS_PERIOD: Duration = Duration::from_secs(60);
/// Readings, shares, and metrics, that wait at most: four domains for some hours at one a second.
const MOST_HELD: usize = 1 << 16;

/// Energy and power of each domain up to now, for whoever watches.
#[derive(Debug, Clone, Default)]
pub struct Live {
    pub end_ns: i64,
    pub energy_j: BTreeMap<String, f64>,
    pub power_w: BTreeMap<String, f64>,
    /// Whose energy it was, which is known some tenths of a second later.
    pub settled: Settled,
}

impl Live {
    fn add(&mut self, domains: &[Domain], batch: &[Reading]) {
        let mut recent: BTreeMap<&str, (f64, i64)> = BTreeMap::new();
        for reading in batch {
            let Some(Domain { name, .. }) = domains.get(usize::from(reading.domain)) else { continue };
            *self.energy_j.entry(name.clone()).or_default() += reading.energy_j;
            let (energy_j, length_ns) = recent.entry(name).or_default();
            *energy_j += reading.energy_j;
            *length_ns += reading.end_ns - reading.start_ns;
            self.end_ns = self.end_ns.max(reading.end_ns);
        }
        for (name, (energy_j, length_ns)) in recent {
            if length_ns > 0 {
                // Below 0 it takes back what was counted before.
                self.power_w.insert(name.to_owned(), energy_j.max(0.0) / (length_ns as f64 * 1e-9));
            }
        }
    }
}

/// Where what was sampled comes from.
pub(super) struct Incoming {
    pub(super) listeners: Vec<Listener>,
    pub(super) shares: Receiver<Vec<ShareSample>>,
    pub(super) metrics: Receiver<Vec<MetricSample>>,
    /// Closed once all who sample have ended.
    pub(super) end: Receiver<()>,
}

/// What became of it.
pub(super) struct Collected {
    /// How each source was read.
    pub(super) sources: Vec<SourceReport>,
    pub(super) problems: Vec<String>,
}

/// Moves what was sampled into the journal until all who sample have ended.
pub(super) fn collect(
    journal: &Mutex<Journal>,
    mut incoming: Incoming,
    domains: &[Domain],
    live: &tokio::sync::watch::Sender<Live>,
) -> Collected {
    let mut keeper = Keeper {
        journal,
        readings: Vec::new(),
        shares: Vec::new(),
        metrics: Vec::new(),
        kept: Instant::now(),
        metrics_kept: Instant::now(),
        problems: None,
    };
    let mut settling = Settling::new(domains.to_vec());
    let mut wait = FIRST;
    while incoming.end.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        wait = PERIOD;
        let mut batch = Vec::new();
        incoming.listeners.iter_mut().for_each(|listener| listener.take(&mut batch));
        let shared: Vec<_> = incoming.shares.try_iter().flatten().collect();
        keeper.metrics.extend(incoming.metrics.try_iter().flatten());
        if batch.is_empty() {
            live.send_if_modified(|live| settling.take(&[], &shared, &mut live.settled));
        } else {
            live.send_modify(|live| {
                live.add(domains, &batch);
                settling.take(&batch, &shared, &mut live.settled);
            });
        }
        keeper.readings.append(&mut batch);
        keeper.shares.extend(shared);
        keeper.keep();
    }
    let mut last = Vec::new();
    let sources = incoming.listeners.into_iter().map(|listener| listener.finish(&mut last)).collect();
    let shared: Vec<_> = incoming.shares.iter().flatten().collect();
    live.send_modify(|live| {
        live.add(domains, &last);
        settling.finish(&last, &shared, &mut live.settled);
    });
    keeper.readings.append(&mut last);
    keeper.shares.extend(shared);
    // Their samplers have ended before those of readings, but for one that a driver holds up: nobody waits for it.
    keeper.metrics.extend(incoming.metrics.try_iter().flatten());
    Collected { sources, problems: keeper.finish() }
}

/// What waits for the journal: nothing for long, unless the disk is full.
struct Keeper<'a> {
    journal: &'a Mutex<Journal>,
    readings: Vec<Reading>,
    shares: Vec<ShareSample>,
    metrics: Vec<MetricSample>,
    /// When the journal last took something.
    kept: Instant,
    metrics_kept: Instant,
    problems: Option<String>,
}

impl Keeper<'_> {
    /// Writes what there is, twice a second. While the disk is full, once a second what is merged to a second: energy
    /// belongs to intervals, so only resolution is lost, and the room that the journal holds lasts for an hour.
    fn keep(&mut self) {
        if !lock(self.journal).is_full() {
            if self.kept.elapsed() >= WRITE_PERIOD {
                self.write();
                self.kept = Instant::now();
            }
        } else if self.kept.elapsed() >= FULL_PERIOD {
            self.problems.get_or_insert_with(|| {
                "the disk that holds the journal was full for a while: readings were merged to a second each".to_owned()
            });
            self.merge();
            self.write();
            self.kept = Instant::now();
        }
    }

    fn merge(&mut self) {
        self.readings.sort_by_key(|reading| (reading.domain, reading.start_ns));
        self.readings = merge_untouched(&self.readings, &[]);
        // Not even the held room is left, for hours: resolution goes on falling, memory does not grow.
        if self.readings.len() > MOST_HELD {
            merge_neighbours(&mut self.readings);
        }
        self.readings.drain(..self.readings.len().saturating_sub(MOST_HELD));
        self.shares.drain(..self.shares.len().saturating_sub(MOST_HELD));
        let latest_ns = self.metrics.iter().map(|sample| sample.time_ns).max();
        self.metrics.retain(|sample| latest_ns.is_some_and(|latest_ns| latest_ns - sample.time_ns < 1_000_000_000));
    }

    /// What the journal does not take is kept for the next time.
    fn write(&mut self) {
        let mut journal = lock(self.journal);
        let metrics_wait = journal.is_full() && self.metrics_kept.elapsed() < FULL_METRICS_PERIOD;
        let mut taken = |record: Record| match journal.append(&record) {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::debug!("{error}");
                Err(record)
            }
        };
        if !self.readings.is_empty() {
            match taken(Record::Readings(std::mem::take(&mut self.readings))) {
                Ok(()) => self.kept = Instant::now(),
                Err(Record::Readings(readings)) => self.readings = readings,
                Err(_) => {}
            }
        }
        if !self.shares.is_empty()
            && let Err(Record::Shares(shares)) = taken(Record::Shares(std::mem::take(&mut self.shares)))
        {
            self.shares = shares;
        }
        if !self.metrics.is_empty() && !metrics_wait {
            match taken(Record::Metrics(std::mem::take(&mut self.metrics))) {
                Err(Record::Metrics(metrics)) => self.metrics = metrics,
                _ => self.metrics_kept = Instant::now(),
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        if lock(self.journal).is_full() {
            self.merge();
            // Whatever was held back of them is the last look, and the last that is written.
            self.metrics_kept = Instant::now().checked_sub(FULL_METRICS_PERIOD).unwrap_or(self.metrics_kept);
        }
        self.write();
        let lost = self.readings.len() + self.shares.len() + self.metrics.len();
        let lost =
            (lost > 0).then(|| format!("the disk took no more: the last {lost} readings, shares and metrics are lost"));
        self.problems.into_iter().chain(lost).collect()
    }
}
