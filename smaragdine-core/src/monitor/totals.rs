//! The counters: joules of each domain since the daemon began, and seconds of which nobody knows how many they were.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use crate::monitor::raise;
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
    /// By number of the domain; `None`: it is not counted.
    amounts: Vec<Option<Amount>>,
}

#[derive(Debug)]
struct Amount {
    energy: Counter<f64, AtomicU64>,
    gaps: Counter<f64, AtomicU64>,
    energy_j: f64,
    /// From when until when there are readings, in nanoseconds since 1970.
    read_ns: Option<(i64, i64)>,
}

/// What is counted of a domain, and of which time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Count {
    pub(super) energy_j: f64,
    pub(super) gaps_s: f64,
    /// Nanoseconds since 1970.
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
}

impl Totals {
    pub(super) fn new(domains: &[Domain], registry: &mut Registry) -> Self {
        let (energies, gaps) = (Amounts::default(), Amounts::default());
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
                read_ns: None,
            })
        });
        Self { amounts: amounts.collect() }
    }

    pub(super) fn add(&mut self, readings: &[Reading]) {
        for reading in readings {
            if let Some(Some(amount)) = self.amounts.get_mut(usize::from(reading.domain)) {
                amount.add(reading);
            }
        }
    }

    /// By number of the domain; `None`: it is not counted, or was not read yet.
    pub(super) fn counts(&self) -> impl Iterator<Item = Option<Count>> {
        self.amounts.iter().map(|amount| amount.as_ref().and_then(Amount::count))
    }
}

impl Amount {
    fn add(&mut self, reading: &Reading) {
        if reading.flags.is_gap() {
            self.gaps.inc_by((reading.end_ns - reading.start_ns).max(0) as f64 * 1e-9);
        }
        let (start_ns, end_ns) = self.read_ns.unwrap_or((reading.start_ns, reading.end_ns));
        self.read_ns = Some((start_ns, end_ns.max(reading.end_ns)));
        self.energy_j += reading.energy_j;
        raise(&self.energy, self.energy_j);
    }

    fn count(&self) -> Option<Count> {
        let (start_ns, end_ns) = self.read_ns?;
        Some(Count { energy_j: self.energy.get(), gaps_s: self.gaps.get(), start_ns, end_ns })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::monitor::{registry, text};
    use crate::trace::{Flag, Flags};

    fn totals() -> Totals {
        totals_in(&mut registry())
    }

    fn totals_in(registry: &mut Registry) -> Totals {
        let part = Domain { counted: false, ..Domain::new("core-0", "CPU:0", "powercap", "socket:0") };
        Totals::new(&[Domain::new("package-0", "CPU:0", "powercap", "socket:0"), part], registry)
    }

    /// Of half a second.
    pub(in crate::monitor) fn reading(domain: u16, energy_j: f64, flags: Flags) -> Reading {
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
        let mut registry = registry();
        let mut totals = totals_in(&mut registry);
        totals.add(&[reading(0, 2.5, Flags::NONE), reading(1, 1.0, Flags::NONE)]);
        insta::assert_snapshot!(text(&registry));
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
