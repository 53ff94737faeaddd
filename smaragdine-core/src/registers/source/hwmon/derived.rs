//! What no meter shows and several tell together: a module whose rails lie side by side. Power is added of the same read,
//! and integrated.

use super::Hwmon;
use super::jetson::WHOLES;
use super::known::{Known, Meaning};
use super::meter::Meter;
use crate::clock::monotonic_ns;
use crate::registers::source::power::Integral;
use crate::registers::source::{Observation, Value};
use crate::trace::{Domain, Flag, Flags, Limit};

impl Hwmon {
    /// The meter of this label, which bears no number.
    fn labelled(&self, driver: &str, label: &str) -> Option<usize> {
        let name = super::domain(driver, label, None).name;
        self.domains.iter().position(|domain| domain.name == name)
    }

    /// Adds the rails of a module that has no meter as a whole.
    pub(super) fn derive(&mut self) {
        let is_metered = self
            .found
            .iter()
            .any(|(known, _)| known.is_some_and(|known| known.meaning == Meaning::Module && known.number == Some(0)));
        let all = |labels: &[&str]| labels.iter().map(|label| self.labelled("ina3221", label)).collect();
        let rails: Option<Vec<usize>> = WHOLES.into_iter().find_map(all);
        if let Some(rails) = rails.filter(|_| !is_metered) {
            let known = self.found[rails[0]].0.map(|known| Known { meaning: Meaning::Module, ..known });
            let domain = super::domain("ina3221", "module", known);
            self.derived.push(Derived::new(rails, domain.limit()));
            self.found.push((known, 0));
            self.add(domain);
        }
    }
}

#[derive(Debug)]
pub(super) struct Derived {
    /// Which meters.
    terms: Vec<usize>,
    power: Integral,
}

impl Derived {
    pub(super) fn new(terms: Vec<usize>, limit: Limit) -> Self {
        Self { terms, power: Integral::within(limit) }
    }

    /// Which registers these are, and how they are put together.
    pub(super) fn identity(&self, meters: &[Meter]) -> String {
        let term = |place: &usize| format!(" + {}", meters[*place].identity());
        format!("{} {:?}", self.terms.iter().map(term).collect::<String>(), self.power.limit())
    }

    /// What the meters' last reads, since `read_start_ns`, come to.
    pub(super) fn read(
        &mut self,
        domain: u16,
        meters: &[Meter],
        domains: &[Domain],
        read_start_ns: i64,
    ) -> Option<Observation> {
        let read_end_ns = monotonic_ns();
        let missing = self.terms.iter().find(|place| meters[**place].power_w().is_none());
        let (value, flags) = if let Some(place) = missing {
            self.power.fail(read_end_ns);
            let problem = format!("{} told no power of which to compute it", domains[*place].name);
            (Value::Failed { problem }, Flags::NONE)
        } else {
            let power_w = self.terms.iter().filter_map(|place| meters[*place].power_w()).sum();
            self.power.add(read_start_ns + (read_end_ns - read_start_ns) / 2, power_w)?
        };
        Some(Observation { domain, read_start_ns, read_end_ns, value, flags: flags.with(Flag::Derived) })
    }
}
