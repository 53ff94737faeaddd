//! What arrives while a recording runs: readings and shares on their way into the journal, and their sums for watchers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::lock;
use crate::journal::{Journal, Record};
use crate::trace::{Reading, ShareSample};

/// Energy and power of each domain up to now, for whoever watches.
#[derive(Debug, Clone, Default)]
pub struct Live {
    pub end_ns: i64,
    pub energy_j: BTreeMap<String, f64>,
    pub power_w: BTreeMap<String, f64>,
}

impl Live {
    fn add(&mut self, domains: &[String], batch: &[Reading]) {
        let mut recent: BTreeMap<&str, (f64, i64)> = BTreeMap::new();
        for reading in batch {
            let Some(name) = domains.get(usize::from(reading.domain)) else { continue };
            *self.energy_j.entry(name.clone()).or_default() += reading.energy_j;
            let (energy_j, length_ns) = recent.entry(name).or_default();
            *energy_j += reading.energy_j;
            *length_ns += reading.end_ns - reading.start_ns;
            self.end_ns = self.end_ns.max(reading.end_ns);
        }
        for (name, (energy_j, length_ns)) in recent {
            if length_ns > 0 {
                self.power_w.insert(name.to_owned(), energy_j / (length_ns as f64 * 1e-9));
            }
        }
    }
}

/// Moves readings and shares into the journal until all samplers are gone; returns what went wrong.
pub(super) fn collect(
    journal: &Mutex<Journal>,
    readings: &Receiver<Vec<Reading>>,
    shares: &Receiver<Vec<ShareSample>>,
    domains: Vec<String>,
    live: &tokio::sync::watch::Sender<Live>,
) -> Vec<String> {
    let mut problem = None;
    let mut keep = |record: Record| {
        if let Err(error) = lock(journal).append(&record) {
            problem.get_or_insert_with(|| format!("the journal took no more, readings are missing: {error}"));
        }
    };
    loop {
        let batch = readings.recv_timeout(Duration::from_millis(100));
        for batch in shares.try_iter() {
            keep(Record::Shares(batch));
        }
        match batch {
            Ok(batch) => {
                live.send_modify(|live| live.add(&domains, &batch));
                keep(Record::Readings(batch));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for batch in shares {
        keep(Record::Shares(batch));
    }
    problem.into_iter().collect()
}
