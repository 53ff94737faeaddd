//! Meters that Linux shows as hardware monitors: `energyN_input` in microjoules, `powerN_average` and `powerN_input`
//! in microwatts.
//!
//! What such a meter measures is written nowhere in the machine: a rail, a socket, a whole board. Only those that are
//! [known] to meter whole sockets or modules are counted; all others keep their readings, visible. Beside powercap or
//! NVML the same energy would be counted again: see [`Hwmon::beside`].

mod chip;
mod derived;
mod jetson;
mod known;
mod meter;
mod overlap;
mod sockets;

use std::collections::HashSet;
use std::path::Path;

use self::derived::Derived;
use self::known::{Known, Meaning};
use self::meter::Meter;
use super::{Observation, Source, Unavailable};
use crate::clock::monotonic_ns;
use crate::trace::{Domain, UNKNOWN_SOCKET};

/// Reads the energy and power meters below a hwmon root.
#[derive(Debug, Default)]
pub struct Hwmon {
    domains: Vec<Domain>,
    /// Of the first domains.
    meters: Vec<Meter>,
    /// Of those that follow: what meters tell together.
    derived: Vec<Derived>,
    /// What each domain is, and which of its driver's chips it is of.
    found: Vec<(Option<Known>, u32)>,
    problems: Vec<String>,
}

impl Hwmon {
    /// Opens every readable meter below `root`, mostly `/sys/class/hwmon`.
    ///
    /// # Errors
    /// Where there is no meter of energy or power, or none may be read.
    pub fn open(root: &Path) -> Result<Self, Unavailable> {
        let chips = chip::chips(root).map_err(|error| none(&format!("cannot list {}: {error}", root.display())))?;
        let mut hwmon = Self::default();
        let mut refused = None;
        let mut drivers: Vec<&str> = Vec::new();
        let keep_inputs = jetson::keep_inputs(&chips);
        // Two chips of one device may both show its files.
        let mut seen = HashSet::new();
        for chip in &chips {
            let order = drivers.iter().filter(|driver| **driver == chip.driver).count() as u32;
            drivers.push(&chip.driver);
            for channel in &chip.channels {
                let mut files = channel.files.iter().filter_map(|path| std::fs::canonicalize(path).ok());
                if !files.all(|path| seen.insert(path)) {
                    continue;
                }
                let known = Known::of(&chip.driver, &channel.label);
                let known = known.filter(|_| keep_inputs || !jetson::is_input(&chip.driver));
                let domain = domain(&chip.driver, &channel.label, known);
                match Meter::open(channel, domain.limit()) {
                    Ok(meter) => {
                        hwmon.found.push((known, order));
                        hwmon.add(domain);
                        hwmon.meters.push(meter);
                    }
                    Err((path, error)) => {
                        let problem = format!("cannot read {}: {error}", path.display());
                        if known.is_some_and(|known| known.counts()) {
                            hwmon.problems.push(problem.clone());
                        }
                        refused = Some((path, problem));
                    }
                }
            }
        }
        hwmon.derive();
        hwmon.count_once();
        match refused {
            _ if !hwmon.meters.is_empty() => Ok(hwmon),
            Some((path, problem)) => {
                let hint = format!("ask the administrator for read access to {}", path.display());
                Err(Unavailable { problem, hint })
            }
            None => Err(none(&format!("no chip below {} meters energy or power", root.display()))),
        }
    }

    /// Two chips of one kind may repeat their labels; the second and later ones are told apart by a number.
    fn add(&mut self, mut domain: Domain) {
        let plain = domain.name.clone();
        let mut count = 1;
        while self.domains.iter().any(|other| other.name == domain.name) {
            count += 1;
            domain.name = format!("{plain}-{count}");
        }
        self.domains.push(domain);
    }
}

impl Source for Hwmon {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        let derived = self.derived.iter().map(|derived| derived.identity(&self.meters));
        self.meters.iter().map(Meter::identity).chain(derived).collect()
    }

    /// Meters of sockets that cannot be read, and sockets that none meters.
    fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        let read_start_ns = monotonic_ns();
        for (domain, meter) in (0..).zip(&mut self.meters) {
            out.extend(meter.read(domain));
        }
        for (number, derived) in (self.meters.len()..).zip(&mut self.derived) {
            // There are fewer domains than that.
            let Ok(domain) = u16::try_from(number) else { return };
            out.extend(derived.read(domain, &self.meters, &self.domains, read_start_ns));
        }
    }
}

/// A meter's domain, of no known socket yet.
fn domain(driver: &str, label: &str, known: Option<Known>) -> Domain {
    let because = match known.map(|known| known.meaning) {
        Some(Meaning::Socket(_) | Meaning::Module) => None,
        Some(Meaning::Part | Meaning::Core) => Some("a part of a socket that is not metered as a whole"),
        Some(Meaning::Graphics) => Some("a graphics card's own meter, which its own source, drm, could not read"),
        Some(Meaning::Shown(because)) => Some(because),
        None => Some("what this meter measures, and whether another holds it, is not known"),
    };
    let slug: String = label
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' })
        .collect();
    let module = known.filter(|known| known.meaning == Meaning::Module).and_then(|known| known.number);
    let device = module.map_or("CPU:0".to_owned(), |number| format!("MODULE:{number}"));
    let domain = Domain::new(&format!("hwmon-{driver}-{slug}"), &device, "hwmon", UNKNOWN_SOCKET);
    Domain { counted: because.is_none(), not_counted_because: because.map(str::to_owned), ..domain }
}

fn none(problem: &str) -> Unavailable {
    Unavailable {
        problem: problem.to_owned(),
        hint: "few machines show energy here; powercap is the usual source of CPUs".into(),
    }
}

#[cfg(test)]
mod tests;
