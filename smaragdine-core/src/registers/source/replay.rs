//! Readings that were taken before, played again at their own pace: for demonstrations and for tests without sensors.

use crate::clock::monotonic_ns;
use crate::registers::source::{Observation, Source, Value};
use crate::trace::{Domain, Reading};

/// Plays readings as if they were taken from the first read on.
#[derive(Debug)]
pub struct Replay {
    domains: Vec<Domain>,
    /// In order of their ends.
    readings: Vec<Reading>,
    next: usize,
    offset_ns: Option<i64>,
}

impl Replay {
    /// `readings` name their domain by its index in `domains`; a reading of no such domain is left out.
    #[must_use]
    pub fn new(domains: Vec<Domain>, mut readings: Vec<Reading>) -> Self {
        readings.retain(|reading| usize::from(reading.domain) < domains.len());
        readings.sort_by_key(|reading| reading.end_ns);
        let domains = domains.into_iter().map(|domain| Domain { source: "replay".to_owned(), ..domain }).collect();
        Self { domains, readings, next: 0, offset_ns: None }
    }
}

impl Source for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// Every reading that has ended by now; the first read fixes when the first one starts.
    fn read(&mut self, out: &mut Vec<Observation>) {
        let now_ns = monotonic_ns();
        let first_ns = self.readings.iter().map(|reading| reading.start_ns).min().unwrap_or(0);
        let offset_ns = *self.offset_ns.get_or_insert(now_ns - first_ns);
        while let Some(reading) = self.readings.get(self.next).filter(|reading| reading.end_ns + offset_ns <= now_ns) {
            let (start_ns, end_ns) = (reading.start_ns + offset_ns, reading.end_ns + offset_ns);
            out.push(Observation {
                domain: reading.domain,
                read_start_ns: reading.read_start_ns + offset_ns,
                read_end_ns: reading.read_end_ns + offset_ns,
                value: Value::Sampled { start_ns, end_ns, energy_j: reading.energy_j },
                flags: reading.flags,
            });
            self.next += 1;
        }
    }
}
