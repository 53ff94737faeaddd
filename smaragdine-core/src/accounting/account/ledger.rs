//! Where every joule of a domain went.

use crate::accounting::alignment::Sum;
use crate::accounting::attribution::Parts;
use crate::trace::{Entry, LedgerRow, Policy};

/// Where the energy of one domain went, by [`Entry`].
#[derive(Clone, Default)]
pub(super) struct Ledger([Sum; Entry::ALL.len()]);

impl Ledger {
    /// Enters what of one reading is not the application's.
    pub(super) fn add_others(&mut self, parts: &Parts) {
        self.add(Entry::Daemon, parts.daemon);
        self.add(Entry::Other, parts.other);
        self.add(Entry::Idle, parts.idle);
        self.add(Entry::Gap, parts.gap);
    }

    pub(super) fn add(&mut self, entry: Entry, energy_j: f64) {
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
