//! What no meter shows and several tell together: a module whose rails lie side by side, and the memory of a Grace, which
//! is what its cores and its input and output leave of it.
//!
//! Power is added or taken away of the same read, and integrated. Meters average over moments of their own, so that
//! where load changes steeply a difference may come out below 0, which is a gap: none is made up.

use super::Hwmon;
use super::jetson::WHOLES;
use super::known::{Known, Meaning, Number};
use super::meter::Meter;
use crate::clock::monotonic_ns;
use crate::registers::source::power::Integral;
use crate::registers::source::{Observation, Value};
use crate::trace::{Domain, Flag, Flags, Limit};

impl Hwmon {
    /// Adds what the meters tell together.
    pub(super) fn derive(&mut self) {
        self.derive_modules();
        self.derive_memory();
    }

    /// The meter of this label, which bears no number.
    fn labelled(&self, driver: &str, label: &str) -> Option<usize> {
        let name = super::domain(driver, label, None).name;
        self.domains.iter().position(|domain| domain.name == name)
    }

    /// The rails of a module that has no meter as a whole.
    fn derive_modules(&mut self) {
        let is_metered = self
            .found
            .iter()
            .any(|(known, _)| known.is_some_and(|known| known.meaning == Meaning::Module && known.number == Some(0)));
        let all = |labels: &[&str]| labels.iter().map(|label| self.labelled("ina3221", label)).collect();
        let rails: Option<Vec<usize>> = WHOLES.into_iter().find_map(all);
        if let Some(rails) = rails.filter(|_| !is_metered) {
            let known = self.found[rails[0]].0.map(|known| Known { meaning: Meaning::Module, ..known });
            let domain = super::domain("ina3221", "module", known);
            self.push_derived(domain, known, rails.into_iter().map(|rail| (rail, true)).collect());
        }
    }

    /// The memory of each Grace whose other parts are metered.
    fn derive_memory(&mut self) {
        for grace in 0..self.found.len() {
            let Some(known @ Known { meaning: Meaning::Socket(Number::Index), number: Some(number), .. }) =
                self.found[grace].0
            else {
                continue;
            };
            let part = |name: &str| self.labelled("power_meter", &format!("{name} Power Socket {number}"));
            let Some([cpu, io]) = part("CPU").zip(part("SysIO")).map(<[usize; 2]>::from) else { continue };
            let known = Known { meaning: Meaning::Part, ..known };
            let mut domain = super::domain("power_meter", "memory", Some(known));
            domain.name = format!("dram-{number}-by-difference");
            self.push_derived(domain, Some(known), vec![(grace, true), (cpu, false), (io, false)]);
        }
    }

    /// Gives what is derived and not counted the reason that it is no meter's.
    pub(super) fn tell_derived(&mut self) {
        for (place, derived) in (self.meters.len()..).zip(&self.derived) {
            let taken = derived.terms.iter().filter(|(_, added)| !added).map(|(place, _)| &*self.domains[*place].name);
            let names = taken.collect::<Vec<_>>().join(" and ");
            let domain = &mut self.domains[place];
            if let Some(because) = domain.not_counted_because.as_mut().filter(|_| !names.is_empty()) {
                because.push_str(&format!("; no meter's: what {names} leave of it"));
            }
        }
    }

    fn push_derived(&mut self, domain: Domain, known: Option<Known>, terms: Vec<(usize, bool)>) {
        self.derived.push(Derived::new(terms, domain.limit()));
        self.found.push((known, 0));
        self.add(domain);
    }
}

#[derive(Debug)]
pub(super) struct Derived {
    /// Which meters, and whether their power is added.
    terms: Vec<(usize, bool)>,
    power: Integral,
}

impl Derived {
    pub(super) fn new(terms: Vec<(usize, bool)>, limit: Limit) -> Self {
        Self { terms, power: Integral::within(limit) }
    }

    /// Which registers these are, and how they are put together.
    pub(super) fn identity(&self, meters: &[Meter]) -> String {
        let term = |(place, added): &(usize, bool)| {
            format!("{}{}", if *added { " + " } else { " - " }, meters[*place].identity())
        };
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
        let missing = self.terms.iter().find(|(place, _)| meters[*place].power_w().is_none());
        let (value, flags) = if let Some((place, _)) = missing {
            self.power.fail(read_end_ns);
            let problem = format!("{} told no power of which to compute it", domains[*place].name);
            (Value::Failed { problem }, Flags::NONE)
        } else {
            let signed = |(place, added): &(usize, bool)| {
                let power_w = meters[*place].power_w().unwrap_or(0.0);
                if *added { power_w } else { -power_w }
            };
            let power_w = self.terms.iter().map(signed).sum();
            self.power.add(read_start_ns + (read_end_ns - read_start_ns) / 2, power_w)?
        };
        Some(Observation { domain, read_start_ns, read_end_ns, value, flags: flags.with(Flag::Derived) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;
    use crate::registers::source::Source;

    const POWER: &str = "power1_average";

    /// Meters of a Grace in watts, in this order.
    fn grace(watts: &[(&str, f64)]) -> (tempfile::TempDir, Hwmon) {
        let mut files = Vec::new();
        for (number, (label, power_w)) in watts.iter().enumerate() {
            files.push((format!("hwmon{number}/name"), "power_meter".to_owned()));
            files.push((format!("hwmon{number}/power1_label"), format!("{label} Power Socket 0")));
            files.push((format!("hwmon{number}/{POWER}"), (power_w * 1e6).to_string()));
        }
        let root = tree(&files.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>());
        let hwmon = Hwmon::open(root.path()).unwrap();
        (root, hwmon)
    }

    fn last(hwmon: &mut Hwmon) -> Observation {
        let mut out = Vec::new();
        hwmon.read(&mut out);
        out.pop().unwrap()
    }

    const ALL: [(&str, f64); 4] = [("Module", 410.0), ("Grace", 120.0), ("CPU", 70.0), ("SysIO", 9.0)];

    #[test]
    fn the_memory_of_a_grace_is_what_its_other_parts_leave_and_is_not_added_again() {
        let (_root, mut hwmon) = grace(&ALL);
        let memory = hwmon.domains().last().unwrap();
        let grace = "hwmon-power_meter-grace-power-socket-0";
        assert_eq!(
            (&*memory.name, memory.counted, memory.parent.as_deref()),
            ("dram-0-by-difference", false, Some(grace))
        );
        let because = "hwmon-power_meter-grace-power-socket-0 holds its energy; no meter's: what \
                       hwmon-power_meter-cpu-power-socket-0 and hwmon-power_meter-sysio-power-socket-0 leave of it";
        assert_eq!(memory.not_counted_because.as_deref(), Some(because));
        let mut first = Vec::new();
        hwmon.read(&mut first);
        assert!(first.is_empty());
        let Observation { value: Value::Interval { start_ns, end_ns, energy_j }, flags, .. } = last(&mut hwmon) else {
            panic!("an interval")
        };
        assert!((energy_j - 41.0 * (end_ns - start_ns) as f64 / 1e9).abs() < 1e-9);
        assert!(flags.has(Flag::Derived) && flags.has(Flag::Integrated) && !flags.is_gap());
    }

    #[test]
    fn a_difference_below_zero_and_one_of_which_a_part_is_not_known_are_gaps_and_no_energy() {
        let (root, mut hwmon) = grace(&ALL);
        let cpu = root.path().join("hwmon2").join(POWER);
        hwmon.read(&mut Vec::new());
        for (shown, is_impossible) in [("115000000", true), ("nothing", false)] {
            std::fs::write(&cpu, shown).unwrap();
            let failed = last(&mut hwmon);
            assert!(matches!(failed.value, Value::Failed { .. }), "{failed:?}");
            assert_eq!(failed.flags.has(Flag::Impossible), is_impossible);
            std::fs::write(&cpu, "70000000").unwrap();
            let after = last(&mut hwmon);
            assert!(matches!(after.value, Value::Interval { energy_j: 0.0, .. }) && after.flags.has(Flag::Lost));
            assert!(!last(&mut hwmon).flags.is_gap());
        }
    }

    #[test]
    fn without_all_of_its_parts_nothing_is_derived() {
        for without in 1..4 {
            let some: Vec<_> = (0..4).filter(|place| *place != without).map(|place| ALL[place]).collect();
            assert_eq!(grace(&some).1.domains().len(), 3);
        }
    }
}
