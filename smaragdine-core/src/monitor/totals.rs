//! The counters: joules of each domain since the daemon began, and seconds of which nobody knows how many they were.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use crate::trace::{Domain, Reading};

type Amounts = Family<Labels, Counter<f64, AtomicU64>>;

/// Of a counted domain, none of whose energy is another's too: a sum over them is the machine's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    domain: String,
    device: String,
    basis: String,
}

#[derive(Debug)]
pub(super) struct Totals {
    registry: Registry,
    /// By number of the domain; `None`: it is not counted.
    amounts: Vec<Option<Amount>>,
}

#[derive(Debug)]
struct Amount {
    energy: Counter<f64, AtomicU64>,
    gaps: Counter<f64, AtomicU64>,
    energy_j: f64,
}

impl Totals {
    pub(super) fn new(domains: &[Domain]) -> Self {
        let (energies, gaps) = (Amounts::default(), Amounts::default());
        let mut registry = Registry::with_prefix("smaragdine");
        let help = "Energy since the daemon began, of domains that do not contain each other";
        registry.register_with_unit("energy", help, Unit::Joules, energies.clone());
        let help = "Time in which energy is missing: reads failed, or what the register showed cannot be";
        registry.register_with_unit("gap", help, Unit::Seconds, gaps.clone());
        let amounts = domains.iter().map(|domain| {
            let labels = Labels {
                domain: domain.name.clone(),
                device: domain.device.clone(),
                basis: domain.basis.name().to_owned(),
            };
            domain.counted.then(|| Amount {
                energy: energies.get_or_create(&labels).clone(),
                gaps: gaps.get_or_create(&labels).clone(),
                energy_j: 0.0,
            })
        });
        Self { amounts: amounts.collect(), registry }
    }

    pub(super) fn add(&mut self, readings: &[Reading]) {
        for reading in readings {
            if let Some(Some(amount)) = self.amounts.get_mut(usize::from(reading.domain)) {
                amount.add(reading);
            }
        }
    }

    /// OpenMetrics.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Amount {
    fn add(&mut self, reading: &Reading) {
        if reading.flags.is_gap() {
            self.gaps.inc_by((reading.end_ns - reading.start_ns).max(0) as f64 * 1e-9);
        }
        self.energy_j += reading.energy_j;
        // A reading below 0 takes back what was counted before. Counters do not, so this one waits until it is true.
        self.energy.inc_by((self.energy_j - self.energy.get()).max(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Flag, Flags};

    fn totals() -> Totals {
        let part = Domain { counted: false, ..Domain::new("core-0", "CPU:0", "powercap", "socket:0") };
        Totals::new(&[Domain::new("package-0", "CPU:0", "powercap", "socket:0"), part])
    }

    fn reading(domain: u16, energy_j: f64, flags: Flags) -> Reading {
        Reading {
            domain,
            start_ns: 0,
            end_ns: 500_000_000,
            edge_uncertainty_ns: None,
            read_start_ns: 0,
            read_end_ns: 0,
            energy_j,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags,
        }
    }

    #[test]
    fn what_is_counted_is_told_and_nothing_within_it() {
        let mut totals = totals();
        totals.add(&[reading(0, 2.5, Flags::NONE), reading(1, 1.0, Flags::NONE)]);
        insta::assert_snapshot!(totals.text());
    }

    #[test]
    fn a_counter_never_goes_backwards_and_loses_nothing() {
        let mut totals = totals();
        let energy_j = |totals: &Totals| totals.amounts[0].as_ref().unwrap().energy.get();
        let mut seen = Vec::new();
        for energy in [5.0, -1.0, 0.5, 2.0] {
            totals.add(&[reading(0, energy, Flags::NONE)]);
            seen.push(energy_j(&totals));
        }
        assert_eq!(seen, [5.0, 5.0, 5.0, 6.5]);
    }

    #[test]
    fn a_gap_is_as_long_as_what_is_not_known() {
        let mut totals = totals();
        totals.add(&[reading(0, 0.0, Flags::NONE.with(Flag::Lost)), reading(0, 1.0, Flags::NONE)]);
        assert!((totals.amounts[0].as_ref().unwrap().gaps.get() - 0.5).abs() < 1e-12);
    }
}
