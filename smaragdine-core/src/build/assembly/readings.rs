//! Readings on their way from a journal into a trace: of a long recording only the last minutes are held as they came.
//!
//! What came before is settled: shares joined, and merged where no operation was traced.

use std::collections::BTreeMap;

use super::corrections::{correct, doubt_last_moves};
use super::tails::tails;
use crate::accounting::attribution::Shares;
use crate::registers::mirrors::{find_mirrors, may_mirror};
use crate::span::Span;
use crate::store::journal::Record;
use crate::store::tables::Merging;
use crate::trace::{Domain, Reading};

/// Readings of one register that are held as they came: two minutes and more. A rise that shows so much later to have
/// been none is taken from what was merged.
const RECENT: usize = 1 << 15;

/// Of all registers.
pub(super) struct Readings<'a> {
    domains: &'a [Domain],
    /// What stays as it is; `None`: everything.
    windows: Option<&'a [Span]>,
    shares: Shares,
    registers: BTreeMap<u16, Register>,
}

/// Of one.
struct Register {
    settled: Merging,
    /// In order of time.
    recent: Vec<Reading>,
    /// The first ones, of a register that may be another's mirror, as they came.
    first: Vec<Reading>,
    /// Until when all is settled.
    settled_ns: i64,
}

impl<'a> Readings<'a> {
    pub(super) fn new(domains: &'a [Domain], windows: Option<&'a [Span]>) -> Self {
        Self { domains, windows, shares: Shares::default(), registers: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, record: Record) {
        match record {
            Record::Readings(readings) => readings.into_iter().for_each(|reading| self.add_reading(reading)),
            Record::Shares(shares) => shares.into_iter().for_each(|sample| self.shares.add(sample)),
            Record::Start(_) | Record::Metrics(_) | Record::Request { .. } | Record::End(_) => {}
        }
    }

    fn add_reading(&mut self, reading: Reading) {
        if usize::from(reading.domain) >= self.domains.len() {
            return;
        }
        let windows = self.windows.unwrap_or_default();
        let register = self.registers.entry(reading.domain).or_insert_with(|| Register::new(windows));
        // They come in order, but for those of a source that waited.
        let place = register.recent.iter().rposition(|before| before.start_ns <= reading.start_ns);
        register.recent.insert(place.map_or(0, |place| place + 1), reading);
        if register.recent.len() >= 2 * RECENT {
            self.settle(reading.domain, RECENT);
        }
    }

    /// Settles the first `count` of a register's readings.
    fn settle(&mut self, number: u16, count: usize) {
        let Some(register) = self.registers.get_mut(&number) else { return };
        let domain = &self.domains[usize::from(number)];
        correct(&mut register.settled.joined, &mut register.recent, self.domains);
        // The reading after them may tell of the last one.
        let until = register.recent.len().min(count + 1);
        doubt_last_moves(&mut register.recent[..until]);
        if register.first.is_empty() && may_mirror(domain) {
            register.first.clone_from(&register.recent);
        }
        let settled = &mut register.recent[..count];
        self.shares.apply(settled, self.domains);
        register.settled_ns = settled.last().map_or(register.settled_ns, |last| last.end_ns);
        match self.windows {
            Some(_) => register.settled.extend(settled),
            None => register.settled.joined.extend_from_slice(settled),
        }
        register.recent.drain(..count);
        // A register that was not heard of yet may ask for any.
        let settled_ns = |number| self.registers.get(&number).map_or(i64::MIN, |register| register.settled_ns);
        let of_scope = (0..=u16::MAX).zip(self.domains).filter(|(_, other)| other.scope == domain.scope);
        let from_ns = of_scope.map(|(number, _)| settled_ns(number)).min().unwrap_or(i64::MIN);
        self.shares.forget(&domain.scope, from_ns);
    }

    /// All of them, by domain and time, and what was found of registers that mirror others: these are told as domains,
    /// and in words. `cut_from_ns`: when the recording started, if it has no end.
    pub(super) fn finish(mut self, cut_from_ns: Option<i64>) -> (Vec<Reading>, Vec<Domain>, Vec<String>) {
        for register in self.registers.values_mut() {
            correct(&mut register.settled.joined, &mut register.recent, self.domains);
        }
        if let Some(start_ns) = cut_from_ns {
            self.complete(start_ns);
        }
        let numbers: Vec<u16> = self.registers.keys().copied().collect();
        for number in numbers {
            let count = self.registers.get(&number).map_or(0, |register| register.recent.len());
            self.settle(number, count);
        }
        let first: Vec<Reading> = self.registers.values().flat_map(|register| &register.first).copied().collect();
        let mut domains = self.domains.to_vec();
        let found = find_mirrors(&mut domains, &first);
        let mut readings: Vec<Reading> =
            self.registers.into_values().flat_map(|register| register.settled.joined).collect();
        if !readings.is_sorted_by_key(|reading| (reading.domain, reading.start_ns)) {
            readings.sort_by_key(|reading| (reading.domain, reading.start_ns));
        }
        (readings, domains, found)
    }

    /// Adds the gaps of registers that told nothing to the end.
    fn complete(&mut self, start_ns: i64) {
        let last: Vec<Reading> = self.registers.values().filter_map(Register::last).collect();
        let windows = self.windows.unwrap_or_default();
        for gap in tails(&last, self.domains, start_ns) {
            self.registers.entry(gap.domain).or_insert_with(|| Register::new(windows)).recent.push(gap);
        }
    }
}

impl Register {
    fn new(windows: &[Span]) -> Self {
        Self { settled: Merging::new(windows), recent: Vec::new(), first: Vec::new(), settled_ns: i64::MIN }
    }

    fn last(&self) -> Option<Reading> {
        self.recent.last().or(self.settled.joined.last()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::attribution::apply_shares;
    use crate::store::tables::merge_untouched;
    use crate::trace::{Flag, Flags, ShareSample};

    const MS: i64 = 1_000_000;

    fn reading(domain: u16, number: i64) -> Reading {
        let end_ns = (number + 1) * 4 * MS;
        // Now and then a register jumps, falls back, or stands.
        let energy_j = match number % 5_000 {
            1_000 => 30.0,
            1_003 => -19.0,
            _ => 0.4 + 0.1 * ((number * number) % 97) as f64 / 97.0,
        };
        let flags = if number % 7_001 == 0 { Flags::NONE.with(Flag::Standing) } else { Flags::NONE };
        Reading {
            domain,
            start_ns: end_ns - 4 * MS,
            end_ns,
            edge_uncertainty_ns: None,
            read_start_ns: end_ns,
            read_end_ns: end_ns + 1_000,
            energy_j,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags,
        }
    }

    fn share(number: i64) -> ShareSample {
        let start_ns = number * 100 * MS;
        ShareSample {
            scope: "socket:0".into(),
            start_ns,
            end_ns: start_ns + 100 * MS,
            app: Some(0.5 + 0.4 * (number % 10) as f64 / 10.0),
            daemon: Some(0.01),
            idle: Some(0.05),
            flags: Flags::NONE,
        }
    }

    /// As a collector writes them: some of each register, then the shares, which come later.
    fn records(count: i64) -> impl Iterator<Item = Record> {
        (0..count).step_by(25).flat_map(move |first| {
            let of = |domain| (first..count.min(first + 25)).map(move |number| reading(domain, number));
            let late = (first / 25 - 3).max(0);
            [Record::Readings(of(0).chain(of(1)).collect()), Record::Shares(vec![share(late)])]
        })
    }

    #[test]
    fn however_much_is_settled_early_readings_are_what_they_are_when_all_are_held() {
        let domains =
            ["package-0-die-0", "package-0-die-1"].map(|name| Domain::new(name, "CPU:0", "powercap", "socket:0"));
        let count = 3 * RECENT as i64 + 77;
        let windows = [Span::new(10_000 * MS, 20_000 * MS), Span::new(300_000 * MS, 301_000 * MS)];
        let shares: Vec<ShareSample> = (0..count).step_by(25).map(|first| share((first / 25 - 3).max(0))).collect();
        let mut held: Vec<Reading> =
            (0..2).flat_map(|domain| (0..count).map(move |number| reading(domain, number))).collect();
        let (one, other) = held.split_at_mut(count as usize);
        correct(&mut [], one, &domains);
        correct(&mut [], other, &domains);
        doubt_last_moves(&mut held);
        apply_shares(&mut held, &domains, &shares);
        for windows in [Some(&windows[..]), None] {
            let mut readings = Readings::new(&domains, windows);
            records(count).for_each(|record| readings.add(record));
            let (settled, found_domains, found) = readings.finish(None);
            let batch = windows.map_or_else(|| held.clone(), |windows| merge_untouched(&held, windows));
            assert_eq!(settled.len(), batch.len());
            assert!(settled == batch);
            // Both show the same.
            assert_eq!((found_domains[1].counted, found.len()), (false, 1));
        }
    }

    #[test]
    fn no_register_pays_for_another_s_fall_and_order_does_not_matter() {
        let domains = ["package-0", "package-1"].map(|name| Domain::new(name, "CPU:0", "powercap", "socket:0"));
        let mut readings = Readings::new(&domains, None);
        let of = |domain, number, energy_j| Reading { energy_j, ..reading(domain, number) };
        let unordered = vec![of(0, 1, 50.0), of(1, 2, -19.0), of(1, 1, 0.4), of(7, 1, 1.0)];
        readings.add(Record::Readings(unordered));
        let (settled, _, _) = readings.finish(None);
        let told: Vec<_> = settled.iter().map(|reading| (reading.domain, reading.energy_j)).collect();
        assert_eq!(told, [(0, 50.0), (1, 0.4), (1, 0.0)]);
    }
}
