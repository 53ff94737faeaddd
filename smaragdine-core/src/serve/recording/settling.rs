//! Whose energy readings were, as soon as their shares are known: for whoever watches a recording.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::accounting::attribution::{apply_shares, split};
use crate::trace::{Domain, Flags, Reading, ShareSample};

/// How long a reading waits for shares, and for a register that is late; without them, whose it is stays unknown.
const PATIENCE_NS: i64 = 2_000_000_000;

/// Energy of counted domains up to `until_ns`, to within one reading; the trace, which knows all shares, has the last
/// word.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// Trace time; 0: nothing is settled yet.
    pub until_ns: i64,
    pub domains: BTreeMap<String, Whose>,
}

/// Energy of one domain by whose it was, in joules.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Whose {
    pub energy_j: f64,
    /// What of it is known to be the application's.
    pub application_j: f64,
    pub daemon_j: f64,
    pub other_j: f64,
    pub idle_j: f64,
    /// What of it nobody can tell whose it is.
    pub unknown_j: f64,
}

impl Settled {
    /// One kind of energy of all domains.
    pub fn by_domain(&self, kind: impl Fn(&Whose) -> f64) -> impl Iterator<Item = (String, f64)> {
        self.domains.iter().map(move |(domain, whose)| (domain.clone(), kind(whose)))
    }
}

/// Readings that wait for their shares.
pub(super) struct Settling {
    domains: Vec<Domain>,
    readings: Vec<Reading>,
    shares: Vec<ShareSample>,
    /// Until when each domain was read, and each scope looked at.
    read_ns: FxHashMap<u16, i64>,
    shared_ns: FxHashMap<String, i64>,
    first_ns: Option<i64>,
}

impl Settling {
    pub(super) fn new(domains: Vec<Domain>) -> Self {
        Self {
            domains,
            readings: Vec::new(),
            shares: Vec::new(),
            read_ns: FxHashMap::default(),
            shared_ns: FxHashMap::default(),
            first_ns: None,
        }
    }

    /// Takes what was read and looked at since the last call into `settled`, as far as both are there; returns whether
    /// that was anything.
    pub(super) fn take(&mut self, readings: &[Reading], shares: &[ShareSample], settled: &mut Settled) -> bool {
        for reading in readings {
            if self.domains.get(usize::from(reading.domain)).is_some_and(|domain| domain.counted) {
                self.first_ns.get_or_insert(reading.start_ns);
                let read_ns = self.read_ns.entry(reading.domain).or_insert(reading.end_ns);
                *read_ns = reading.end_ns.max(*read_ns);
                self.readings.push(*reading);
            }
        }
        for sample in shares {
            let shared_ns = self.shared_ns.entry(sample.scope.clone()).or_insert(sample.end_ns);
            *shared_ns = sample.end_ns.max(*shared_ns);
            self.shares.push(sample.clone());
        }
        let Some(until_ns) = self.known_until_ns().filter(|until_ns| *until_ns > settled.until_ns) else {
            return false;
        };
        self.settle(until_ns, settled);
        true
    }

    /// Takes what is left as well: nothing comes after it.
    pub(super) fn finish(mut self, readings: &[Reading], shares: &[ShareSample], settled: &mut Settled) {
        self.take(readings, shares, settled);
        if let Some(until_ns) = self.readings.iter().map(|reading| reading.end_ns).max() {
            self.settle(until_ns.max(settled.until_ns), settled);
        }
    }

    fn settle(&mut self, until_ns: i64, settled: &mut Settled) {
        let (mut ready, waiting): (Vec<_>, Vec<_>) =
            self.readings.drain(..).partition(|reading| reading.end_ns <= until_ns);
        self.readings = waiting;
        apply_shares(&mut ready, &self.domains, &self.shares);
        for reading in &ready {
            add(settled, &self.domains[usize::from(reading.domain)].name, reading);
        }
        settled.until_ns = until_ns;
        let from_ns = self.readings.iter().map(|reading| reading.start_ns).min().unwrap_or(until_ns);
        self.shares.retain(|sample| sample.end_ns > from_ns);
    }

    /// Until when all counted domains were read and their shares are known, or waited for long enough.
    fn known_until_ns(&self) -> Option<i64> {
        let newest_ns = *self.read_ns.values().max()?;
        let waited_ns = newest_ns - PATIENCE_NS;
        let known_ns = |(domain, read_ns): (&u16, &i64)| {
            let scope = &self.domains[usize::from(*domain)].scope;
            let shared_ns = match self.shared_ns.get(scope) {
                Some(shared_ns) => *shared_ns,
                // Nobody looks at it.
                None if self.first_ns.is_some_and(|first_ns| first_ns < waited_ns) => newest_ns,
                None => i64::MIN,
            };
            shared_ns.min(*read_ns).max(waited_ns)
        };
        self.read_ns.iter().map(known_ns).min()
    }
}

fn add(settled: &mut Settled, domain: &str, reading: &Reading) {
    // Below 0 it takes back what was counted before: from the application as much as it has of this reading.
    let reading = if reading.energy_j < 0.0 { Reading { flags: Flags::NONE, ..*reading } } else { *reading };
    let parts = split(&reading);
    if !settled.domains.contains_key(domain) {
        settled.domains.insert(domain.to_owned(), Whose::default());
    }
    let Some(whose) = settled.domains.get_mut(domain) else { return };
    let sums = [
        (&mut whose.energy_j, reading.energy_j),
        (&mut whose.application_j, parts.app.unwrap_or(0.0)),
        (&mut whose.daemon_j, parts.daemon),
        (&mut whose.other_j, parts.other),
        (&mut whose.idle_j, parts.idle),
        (&mut whose.unknown_j, parts.gap),
    ];
    for (sum, energy_j) in sums {
        *sum = (*sum + energy_j).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Flag;

    const MS: i64 = 1_000_000;

    fn domain(name: &str, scope: &str) -> Domain {
        Domain { scope: scope.to_owned(), counted: true, ..Domain::new(name, "CPU:0", "powercap", scope) }
    }

    fn reading(domain: u16, start_ms: i64, energy_j: f64) -> Reading {
        Reading {
            domain,
            start_ns: start_ms * MS,
            end_ns: (start_ms + 100) * MS,
            edge_uncertainty_ns: None,
            read_start_ns: 0,
            read_end_ns: 0,
            energy_j,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE,
        }
    }

    fn share(scope: &str, start_ms: i64, app: Option<f64>) -> ShareSample {
        let (start_ns, end_ns) = (start_ms * MS, (start_ms + 100) * MS);
        let flags = Flags::NONE;
        ShareSample { scope: scope.to_owned(), start_ns, end_ns, app, daemon: None, idle: None, flags }
    }

    fn of(settled: &Settled, domain: &str) -> (f64, f64, f64) {
        let whose = settled.domains[domain];
        (whose.energy_j, whose.application_j, whose.unknown_j)
    }

    #[test]
    fn energy_is_settled_once_its_share_is_known_and_not_before() {
        let mut settling = Settling::new(vec![domain("package-0", "socket:0")]);
        let mut settled = Settled::default();
        settling.take(&[reading(0, 1_000, 4.0), reading(0, 1_100, 4.0)], &[], &mut settled);
        assert_eq!(settled, Settled::default());
        settling.take(&[], &[share("socket:0", 1_000, Some(0.25))], &mut settled);
        assert_eq!((settled.until_ns, of(&settled, "package-0")), (1_100 * MS, (4.0, 1.0, 0.0)));
        settling.take(&[], &[share("socket:0", 1_100, Some(0.5))], &mut settled);
        assert_eq!((settled.until_ns, of(&settled, "package-0")), (1_200 * MS, (8.0, 3.0, 0.0)));
    }

    #[test]
    fn an_unknown_share_is_unknown_and_so_is_a_doubtful_reading() {
        let mut settling = Settling::new(vec![domain("package-0", "socket:0")]);
        let mut settled = Settled::default();
        let doubtful = Reading { flags: Flags::NONE.with(Flag::Impossible), ..reading(0, 1_100, 2.0) };
        let shares = [share("socket:0", 1_000, None), share("socket:0", 1_100, Some(1.0))];
        settling.take(&[reading(0, 1_000, 4.0), doubtful], &shares, &mut settled);
        assert_eq!(of(&settled, "package-0"), (6.0, 0.0, 6.0));
    }

    #[test]
    fn what_is_settled_is_of_one_time_whichever_register_is_late() {
        let mut settling = Settling::new(vec![domain("package-0", "socket:0"), domain("gpu-0", "gpu:0")]);
        let mut settled = Settled::default();
        let shares = [share("socket:0", 1_000, Some(0.5)), share("gpu:0", 1_000, Some(1.0))];
        let later = [share("socket:0", 1_100, Some(0.5)), share("gpu:0", 1_100, Some(1.0))];
        let shares = [shares, later].concat();
        settling.take(
            &[reading(0, 1_000, 4.0), reading(0, 1_100, 4.0), reading(1, 1_000, 30.0)],
            &shares,
            &mut settled,
        );
        assert_eq!(settled.until_ns, 1_100 * MS);
        assert_eq!((of(&settled, "package-0"), of(&settled, "gpu-0")), ((4.0, 2.0, 0.0), (30.0, 30.0, 0.0)));
    }

    #[test]
    fn nothing_is_waited_for_for_ever() {
        let mut settling = Settling::new(vec![domain("package-0", "socket:0"), domain("gpu-0", "gpu:0")]);
        let mut settled = Settled::default();
        for n in 0..40 {
            let share = share("socket:0", n * 100, Some(0.5));
            settling.take(&[reading(0, n * 100, 1.0), reading(1, n * 100, 1.0)], &[share], &mut settled);
        }
        // Nobody looks at the GPU: whose its energy is stays unknown.
        assert_eq!(settled.until_ns, 4_000 * MS);
        assert_eq!((of(&settled, "package-0"), of(&settled, "gpu-0")), ((40.0, 20.0, 0.0), (40.0, 0.0, 40.0)));
        assert_eq!((settling.readings.len(), settling.shares.len()), (0, 0));
    }

    #[test]
    fn at_the_end_all_is_settled_as_far_as_it_is_known() {
        let mut settling = Settling::new(vec![domain("package-0", "socket:0")]);
        let mut settled = Settled::default();
        settling.take(&[reading(0, 1_000, 4.0)], &[share("socket:0", 1_000, Some(0.25))], &mut settled);
        settling.finish(
            &[reading(0, 1_100, 4.0), reading(0, 1_200, 4.0)],
            &[share("socket:0", 1_100, Some(0.5))],
            &mut settled,
        );
        assert_eq!((settled.until_ns, of(&settled, "package-0")), (1_300 * MS, (12.0, 3.0, 4.0)));
    }

    #[test]
    fn the_parts_of_what_is_settled_are_the_whole() {
        let settling = Settling::new(vec![domain("package-0", "socket:0")]);
        let mut settled = Settled::default();
        let known = ShareSample { daemon: Some(0.125), idle: Some(0.25), ..share("socket:0", 1_000, Some(0.5)) };
        settling.finish(&[reading(0, 1_000, 8.0), reading(0, 1_100, 2.0)], &[known], &mut settled);
        let whose =
            Whose { energy_j: 10.0, application_j: 4.0, daemon_j: 1.0, other_j: 1.0, idle_j: 2.0, unknown_j: 2.0 };
        assert_eq!(settled.domains["package-0"], whose);
    }

    #[test]
    fn what_was_not_drawn_is_taken_back() {
        let mut settling = Settling::new(vec![domain("package-0", "socket:0")]);
        let mut settled = Settled::default();
        let fall = Reading { flags: Flags::NONE.with(Flag::Impossible), ..reading(0, 1_100, -6.0) };
        let shares = [share("socket:0", 1_000, Some(0.5)), share("socket:0", 1_100, Some(0.5))];
        settling.take(&[reading(0, 1_000, 10.0), fall], &shares, &mut settled);
        assert_eq!(of(&settled, "package-0"), (4.0, 2.0, 0.0));
    }
}
