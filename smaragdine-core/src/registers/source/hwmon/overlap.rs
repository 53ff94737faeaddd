//! Which of the meters that hold one another's energy is counted (law 9).

use super::Hwmon;
use super::known::{Known, Meaning};
use crate::trace::Domain;

impl Hwmon {
    /// Leaves one of those counted, and gives the others their reasons.
    pub(super) fn count_once(&mut self) {
        let drivers = self.found.iter().filter_map(|(known, _)| known.filter(Known::counts)).map(|known| known.rank);
        let first = drivers.min();
        for (domain, (known, _)) in self.domains.iter_mut().zip(&self.found) {
            if domain.counted && known.map(|known| known.rank) != first {
                stop(domain, "another driver meters the same sockets");
            }
        }
        self.stop_repeated();
        // Where the Grace is metered apart, so is its GPU, by NVML; the module is both once more.
        if self.sockets().next().is_some() {
            self.stop_modules("the Grace and its GPU are metered apart");
        }
        let holders: Vec<Option<String>> = self.found.iter().map(|(known, _)| self.holder(known.as_ref()?)).collect();
        for (domain, (holder, (known, _))) in self.domains.iter_mut().zip(holders.into_iter().zip(&self.found)) {
            if let Some(holder) = &holder
                && known.is_some_and(|known| !known.counts())
            {
                stop(domain, &format!("{holder} holds its energy"));
            }
            domain.parent = holder;
        }
    }

    /// Stops counting what bears the number of another of its kind, as powercap does.
    fn stop_repeated(&mut self) {
        for place in 1..self.domains.len() {
            let Some(known @ Known { number: Some(_), .. }) = self.found[place].0.filter(Known::counts) else {
                continue;
            };
            let first = (0..place).find(|first| self.found[*first].0 == Some(known) && self.domains[*first].counted);
            if let Some(first) = first.filter(|_| self.domains[place].counted) {
                let because = format!("repeats {}", self.domains[first].name);
                stop(&mut self.domains[place], &because);
            }
        }
    }

    /// The meter that this one's energy is in.
    fn holder(&self, known: &Known) -> Option<String> {
        let both = || self.domains.iter().zip(self.found.iter().map(|(known, _)| *known));
        let of = |wanted: fn(Meaning) -> bool, number: Option<u32>| {
            let mut alike = both().filter(|(_, other)| {
                other.is_some_and(|other| {
                    other.rank == known.rank && wanted(other.meaning) && number.is_none_or(|_| other.number == number)
                })
            });
            let found = alike.next().map(|(domain, _)| domain.name.clone());
            // Which of several sockets a core is in, its number does not tell.
            found.filter(|_| number.is_some() || alike.next().is_none())
        };
        let is_socket: fn(Meaning) -> bool = |meaning| matches!(meaning, Meaning::Socket(_));
        let is_module: fn(Meaning) -> bool = |meaning| meaning == Meaning::Module;
        match (known.meaning, known.number) {
            (Meaning::Part, Some(_)) => of(is_socket, known.number).or_else(|| of(is_module, known.number)),
            (Meaning::Core, _) => of(is_socket, None),
            (Meaning::Socket(_), Some(_)) => of(is_module, known.number),
            _ => None,
        }
    }

    /// Stops counting what other sources hold, too: sockets where another counts the CPUs, modules beside either, and
    /// cards whose own source, `drm`, reads them.
    #[must_use]
    pub fn beside(mut self, cpus: bool, nvml: bool, drm: bool) -> Self {
        for domain in self.domains.iter_mut().filter(|domain| cpus && domain.counted) {
            stop(domain, "another source meters what it holds");
        }
        if nvml && !cpus {
            self.stop_modules("NVML meters its GPU");
        }
        let is_card = |known: &Option<Known>| known.is_some_and(|known| known.meaning == Meaning::Graphics);
        for (domain, _) in self.domains.iter_mut().zip(&self.found).filter(|(_, (known, _))| drm && is_card(known)) {
            stop(domain, "a graphics card's own meter, of which drm tells what is counted");
        }
        if cpus {
            self.problems.clear();
        }
        self
    }

    /// What is counted of sockets.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Domain> {
        let is_socket = |known: &Option<Known>| known.is_some_and(|known| matches!(known.meaning, Meaning::Socket(_)));
        let both = self.domains.iter().zip(&self.found);
        both.filter(move |(domain, (known, _))| domain.counted && is_socket(known)).map(|(domain, _)| domain)
    }

    fn stop_modules(&mut self, because: &str) {
        let modules = self.domains.iter_mut().filter(|domain| domain.counted && domain.device.starts_with("MODULE"));
        modules.for_each(|domain| stop(domain, because));
    }
}

pub(super) fn stop(domain: &mut Domain, because: &str) {
    domain.counted = false;
    domain.not_counted_because = Some(because.to_owned());
}
