//! The tensor energy footprint: energy, time, power and count by operation.

use crate::accounting::alignment::{Alignment, MOST_DOMAINS};
use crate::accounting::deconvolution::{Refusal, Solution};
use crate::trace::{Basis, Domain, FootprintDomainRow, FootprintRow, Policy};

/// What one device's operations took.
pub struct DeviceFootprint<'a> {
    pub device: &'a str,
    /// The counted domains that were aligned; those of which no energy of the application is known are not measured.
    pub domains: Vec<(&'a Domain, bool)>,
    /// One for each [`MOST_DOMAINS`] of the domains; all of the same events.
    pub alignments: Vec<Alignment>,
    /// By domain, under the deconvolved policy; none under others, which know no intervals.
    pub solutions: Vec<Result<Solution, Refusal>>,
}

impl DeviceFootprint<'_> {
    fn energy_j(&self, op: usize, domain: usize) -> f64 {
        self.alignments[domain / MOST_DOMAINS].energy_j(op, domain % MOST_DOMAINS)
    }

    /// The ends of the 90 % interval; `None` where a domain's energy was not solved for.
    fn interval_j(&self, op: usize, domain: usize) -> Option<(f64, f64)> {
        let solution = self.solutions.get(domain)?.as_ref().ok()?;
        let (low, high) = solution.interval(op)?;
        let energy_j = self.energy_j(op, domain);
        Some((energy_j * low, energy_j * high))
    }

    fn measured(&self) -> impl Iterator<Item = (usize, &Domain)> {
        let domains = self.domains.iter().enumerate();
        domains.filter(|(_, (_, known))| *known).map(|(place, (domain, _))| (place, *domain))
    }

    fn executed(&self) -> impl Iterator<Item = (u32, usize)> {
        let count = self.alignments.first().map_or(&[][..], |alignment| &alignment.count);
        (0u32..).zip(count).filter(|(_, count)| **count > 0).map(|(op, _)| (op, op as usize))
    }

    /// One row for each operation executed on the device and each basis of its domains.
    ///
    /// Time and count are the operation's on this device: where domains of both bases exist they stand in both rows.
    /// A device of which nothing is measured has no rows: what it took is not known, and 0 would say that it is.
    #[must_use]
    pub fn rows(&self, policy: Policy) -> Vec<FootprintRow> {
        let mut bases: Vec<Basis> = self.measured().map(|(_, domain)| domain.basis).collect();
        bases.sort_unstable();
        bases.dedup();
        let Some(alignment) = self.alignments.first() else { return Vec::new() };
        let row = |op: u32, place: usize, basis: Basis| {
            let domains = || self.measured().filter(|(_, domain)| domain.basis == basis).map(|(domain, _)| domain);
            let energy_j = domains().map(|domain| self.energy_j(place, domain)).sum();
            // What is not known may go together: ends add up.
            let interval = domains().try_fold((0.0, 0.0), |(low, high), domain| {
                self.interval_j(place, domain).map(|interval| (low + interval.0, high + interval.1))
            });
            let time_s = alignment.time_ns[place] as f64 / 1e9;
            FootprintRow {
                policy,
                op,
                device: self.device.to_owned(),
                basis,
                energy_j,
                energy_low_j: interval.map(|(low, _)| low),
                energy_high_j: interval.map(|(_, high)| high),
                time_s,
                power_w: (time_s > 0.0).then(|| energy_j / time_s),
                count: alignment.count[place],
            }
        };
        let row = &row;
        self.executed().flat_map(|(op, place)| bases.iter().map(move |basis| row(op, place, *basis))).collect()
    }

    /// One row for each operation executed on the device and each measured domain.
    #[must_use]
    pub fn domain_rows(&self, policy: Policy) -> Vec<FootprintDomainRow> {
        let rows = self.executed().flat_map(|(op, place)| {
            self.measured().map(move |(number, domain)| FootprintDomainRow {
                policy,
                op,
                domain: domain.name.clone(),
                energy_j: self.energy_j(place, number),
            })
        });
        rows.collect()
    }

    /// Events and their time in seconds, where nothing of the device is measured.
    #[must_use]
    pub fn unmeasured(&self) -> Option<(u64, f64)> {
        let alignment = self.alignments.first()?;
        let events = alignment.count.iter().sum();
        let time_ns = alignment.time_ns.iter().fold(0u64, |sum, time| sum.saturating_add(*time));
        (events > 0 && self.measured().next().is_none()).then(|| (events, time_ns as f64 / 1e9))
    }
}
