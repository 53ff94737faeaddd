//! Where every joule of a domain went.

use super::device::{Aligned, Device};
use crate::accounting::alignment::Sum;
use crate::accounting::attribution::split;
use crate::trace::{Entry, LedgerRow, Policy};

/// Where the energy of one domain went, by [`Entry`].
#[derive(Default)]
pub(super) struct Ledger([Sum; Entry::ALL.len()]);

impl Ledger {
    pub(super) fn of(device: &Device, aligned: &Aligned, domain: usize) -> Self {
        let mut ledger = Self::default();
        for reading in device.domains[domain].1 {
            let parts = split(reading);
            ledger.add(Entry::Daemon, parts.daemon);
            ledger.add(Entry::Other, parts.other);
            ledger.add(Entry::Idle, parts.idle);
            ledger.add(Entry::Gap, parts.gap);
        }
        let (alignment, place) = aligned.alignment_of(domain);
        ledger.add(Entry::Operations, alignment.operations_j(place));
        // What a GPU draws in a traced step without executing anything, it draws idle; a CPU may work for the
        // application without that being an operation.
        let gpu = device.domains[domain].0.is_of_gpu();
        ledger.add(if gpu { Entry::Idle } else { Entry::Application }, alignment.traced_j[place]);
        ledger.add(Entry::Profiling, alignment.profiling_j[place]);
        ledger.add(Entry::Untraced, alignment.untraced_j[place]);
        ledger.add(Entry::Gap, aligned.misplaced_j[domain]);
        ledger
    }

    fn add(&mut self, entry: Entry, energy_j: f64) {
        self.0[entry as usize].add(energy_j);
    }

    /// Enters `energy_j` as that of operations, at the expense of the application's other energy.
    pub(super) fn move_operations(&mut self, energy_j: f64) {
        let equal_j = self.0[Entry::Operations as usize].value();
        self.0[Entry::Operations as usize] = Sum::default();
        self.add(Entry::Operations, energy_j);
        self.add(Entry::Application, equal_j);
        self.add(Entry::Application, -energy_j);
    }

    pub(super) fn rows(&self, policy: Policy, domain: &str) -> impl Iterator<Item = LedgerRow> {
        Entry::ALL.into_iter().map(move |entry| LedgerRow {
            policy,
            domain: domain.to_owned(),
            entry,
            energy_j: self.0[entry as usize].value(),
        })
    }
}
