//! RAPL energy registers of CPUs and memory, through the kernel's powercap files.
//!
//! `/sys/class/powercap` is flat: it holds a link to every zone, `intel-rapl:0` (a package) as well as `intel-rapl:0:1`
//! (its memory). The zones themselves are nested directories. Both layouts are followed, each zone is taken once.
//! AMD processors appear under the same names, with packages and cores only.
//!
//! One joule can be counted by several registers: psys ⊃ package ⊃ core, uncore, and a package can be readable both as
//! an MSR (`intel-rapl`) and through MMIO (`intel-rapl-mmio`). `name_and_count` decides which one is counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::clock::monotonic_ns;
use crate::registers::cpuinfo::Cpuinfo;
use crate::registers::source::register::{Register, parse};
use crate::registers::source::{Observation, Source, Unavailable, Value};
use crate::registers::topology::Topology;
use crate::trace::{Basis, Domain, Flag, Flags, RAPL_UPDATE_NS, UNKNOWN_SOCKET};

/// Nests at most: control type, package, domain.
const DEEPEST: usize = 4;
/// Long term, short term and peak.
const CONSTRAINTS: usize = 3;
const MMIO: &str = "intel-rapl-mmio";
const FILTERED: &str = "SGX is enabled, so the processor blurs its energy registers within tens of milliseconds; sums \
                        over seconds hold, and operations are not told apart by power (disable SGX in the firmware if \
                        nothing needs it)";

/// Reads every zone's `energy_uj`; the descriptors stay open.
#[derive(Debug)]
pub struct Powercap {
    domains: Vec<Domain>,
    registers: Vec<Register>,
    unreadable: Vec<Unavailable>,
    filtered: bool,
}

/// One zone's directory, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Zone {
    /// `intel-rapl:0:1`: unique in the class, and it tells the zone's parent.
    id: String,
    /// What the kernel calls it: `package-0`, `dram`
    name: String,
    /// Its name among all zones, sockets and dies: `package-0`, `dram-0`, `core-0-die-1`, `psys`
    unique: String,
    directory: PathBuf,
}

impl Powercap {
    /// Opens every zone under `root` (`/sys/class/powercap`).
    ///
    /// A zone that cannot be opened is left out and told by [`Powercap::unreadable`]; the domains are then those of the
    /// others, so that what is counted can be read.
    ///
    /// # Errors
    /// [`Unavailable`] where there is no zone, or none may be read.
    pub fn open(root: &Path) -> Result<Self, Unavailable> {
        let zones = find_zones(root).map_err(|error| absent(root, &error.to_string()))?;
        if zones.is_empty() {
            return Err(absent(root, "it holds no energy zone"));
        }
        let mut readable = Vec::new();
        let mut registers = Vec::new();
        let mut unreadable = Vec::new();
        for zone in zones {
            let path = zone.directory.join("energy_uj");
            match Register::open(&path) {
                Ok(register) => {
                    readable.push(zone);
                    registers.push(register);
                }
                Err(error) => unreadable.push(forbidden(&path, &error)),
            }
        }
        let domains = name_and_count(&readable);
        for problem in &unreadable {
            tracing::warn!("{problem}");
        }
        match unreadable.first() {
            Some(first) if registers.is_empty() => Err(first.clone()),
            _ => Ok(Self { domains, registers, unreadable, filtered: false }),
        }
    }

    /// Whether the processor blurs its registers, as `proc_root/cpuinfo` tells.
    ///
    /// Where SGX is enabled, processors filter their energy counters so that single readings betray no secrets
    /// (INTEL-SA-00389): noise that cancels over tens of milliseconds. It cannot be undone, and is not tried to be.
    #[must_use]
    pub fn on(mut self, proc_root: &Path) -> Self {
        self.filtered = Cpuinfo::read(proc_root).is_ok_and(|cpuinfo| cpuinfo.has("sgx"));
        self
    }

    /// On a machine of several sockets no socket's share is the platform's.
    #[must_use]
    pub fn across(mut self, topology: &Topology) -> Self {
        if topology.sockets().len() > 1 {
            let platforms = self.domains.iter_mut().filter(|domain| domain.name == "psys");
            platforms.for_each(|domain| UNKNOWN_SOCKET.clone_into(&mut domain.scope));
        }
        self
    }

    /// The zones that exist but cannot be opened, and what to do about it.
    #[must_use]
    pub fn unreadable(&self) -> &[Unavailable] {
        &self.unreadable
    }
}

impl Source for Powercap {
    fn name(&self) -> &'static str {
        "powercap"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        let blurred = if self.filtered { " blurred" } else { "" };
        self.registers.iter().map(|register| register.identity() + blurred).collect()
    }

    fn update_ns(&self) -> Option<i64> {
        Some(RAPL_UPDATE_NS)
    }

    fn problems(&self) -> Vec<String> {
        let filtered = self.filtered.then(|| FILTERED.to_owned());
        self.unreadable.iter().map(ToString::to_string).chain(filtered).collect()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        let flags = if self.filtered { Flags::NONE.with(Flag::Filtered) } else { Flags::NONE };
        for (domain, register) in (0..).zip(&mut self.registers) {
            let read_start_ns = monotonic_ns();
            let energy_uj = register.read();
            let read_end_ns = monotonic_ns();
            let value = match energy_uj {
                Ok(energy_uj) => Value::Counter { energy_uj },
                Err(error) => Value::Failed { problem: register.problem(&error) },
            };
            out.push(Observation { domain, read_start_ns, read_end_ns, value, flags });
        }
    }
}

/// Every zone under `root` with its canonical directory, in order of identity.
fn find_zones(root: &Path) -> io::Result<Vec<Zone>> {
    fn visit(directory: &Path, depth: usize, zones: &mut BTreeMap<String, Zone>) {
        // A directory that vanishes while it is read holds no zone.
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let Ok(id) = entry.file_name().into_string() else { continue };
            // Zones and control types only: `subsystem` and `device` lead back up.
            if !id.starts_with("intel-rapl") {
                continue;
            }
            let Ok(directory) = fs::canonicalize(entry.path()) else { continue };
            if let Some(zone) = Zone::at(&id, &directory) {
                zones.entry(id).or_insert(zone);
            }
            if depth < DEEPEST {
                visit(&directory, depth + 1, zones);
            }
        }
    }

    fs::read_dir(root)?;
    let mut zones = BTreeMap::new();
    visit(root, 1, &mut zones);
    // MSR before MMIO; by number, not by text: intel-rapl:10 comes after intel-rapl:2.
    let mut zones: Vec<Zone> = zones.into_values().collect();
    zones.sort_by_key(|zone| (zone.control().to_owned(), zone.numbers()));
    // Now, while all are known: a memory's package may be forbidden where the memory is not.
    let names: Vec<String> = zones.iter().map(|zone| zone.unique_among(&zones)).collect();
    zones.iter_mut().zip(names).for_each(|(zone, name)| zone.unique = name);
    Ok(zones)
}

impl Zone {
    fn at(id: &str, directory: &Path) -> Option<Self> {
        let name = fs::read_to_string(directory.join("name")).ok()?.trim().to_owned();
        let zone = Self { id: id.to_owned(), unique: name.clone(), name, directory: directory.to_owned() };
        directory.join("energy_uj").exists().then_some(zone)
    }

    /// `intel-rapl`
    fn control(&self) -> &str {
        self.id.split(':').next().unwrap_or(&self.id)
    }

    fn numbers(&self) -> Vec<u32> {
        self.id.split(':').skip(1).map(|number| number.parse().unwrap_or(u32::MAX)).collect()
    }

    fn unique_among(&self, zones: &[Self]) -> String {
        let parent = self.id.rsplit_once(':').and_then(|(parent, _)| zones.iter().find(|zone| zone.id == parent));
        match parent.and_then(|parent| parent.name.strip_prefix("package-")) {
            Some(package) => format!("{}-{package}", self.name),
            None => self.name.clone(),
        }
    }

    fn range_uj(&self) -> Option<u64> {
        self.number("max_energy_range_uj")
    }

    /// The highest that the processor's own data or its firmware allow a package over any of their windows. Both are
    /// told, and either may be too low: firmware lifts what the data say, and users lower what firmware allows.
    fn limit_w(&self) -> Option<f64> {
        let is_package = self.name.starts_with("package");
        let files = (0..CONSTRAINTS)
            .flat_map(|number| ["max_power_uw", "power_limit_uw"].map(|what| format!("constraint_{number}_{what}")));
        let told_uw = files.filter_map(|file| self.number(&file)).max()?;
        is_package.then_some(told_uw as f64 / 1e6)
    }

    /// What a file of the zone says, unless that is 0 or nothing.
    fn number(&self, file: &str) -> Option<u64> {
        let text = fs::read(self.directory.join(file)).ok()?;
        parse(&text).ok().filter(|number| *number > 0)
    }
}

/// One domain per zone, and which of them enter sums (law 9).
fn name_and_count(zones: &[Zone]) -> Vec<Domain> {
    let names: Vec<&str> = zones.iter().map(|zone| zone.unique.as_str()).collect();
    let known = |name: String| names.contains(&name.as_str()).then_some(name);
    let has_package = names.iter().any(|name| name.starts_with("package-"));

    let domain = |(place, zone): (usize, &Zone)| {
        let name = zone.unique.as_str();
        let socket = socket(name);
        let is_platform = name.starts_with("psys");
        let platform = || known(format!("psys-{socket}")).or_else(|| known("psys".to_owned())).filter(|_| !is_platform);
        let package = matches!(zone.name.as_str(), "core" | "uncore")
            .then(|| name.strip_prefix(&zone.name))
            .flatten()
            .and_then(|of_package| known(format!("package{of_package}")));
        // MSR zones come before their MMIO twins, so the first of a name is the one to count.
        let twin = names[..place].contains(&name);

        let not_counted_because = if twin && zone.control() == MMIO {
            Some(format!("reads the same register as {name}, through MMIO"))
        } else if twin {
            Some(format!("{} repeats {name}", zone.id))
        } else if is_platform && has_package {
            Some("contains the packages and their memory, which are counted".to_owned())
        } else {
            // Where there are packages, psys is not counted and takes nothing from what it contains.
            let container = package.clone().or_else(|| platform().filter(|_| !has_package));
            container.map(|container| format!("{container} contains it"))
        };
        Domain {
            name: match (twin, zone.control()) {
                (false, _) => name.to_owned(),
                (true, MMIO) => format!("{name}-mmio"),
                (true, _) => format!("{name}-{}", zone.id),
            },
            device: "CPU:0".to_owned(),
            parent: package.or_else(platform),
            counted: not_counted_because.is_none(),
            not_counted_because,
            basis: Basis::Measured,
            source: "powercap".to_owned(),
            static_w: None,
            range_uj: zone.range_uj(),
            limit_w: zone.limit_w(),
            scope: format!("socket:{socket}"),
        }
    };
    zones.iter().enumerate().map(domain).collect()
}

/// The first number in `package-1-die-0`; 0 where there is none.
fn socket(name: &str) -> u32 {
    name.split('-').find_map(|part| part.parse().ok()).unwrap_or(0)
}

fn absent(root: &Path, problem: &str) -> Unavailable {
    Unavailable {
        problem: format!("{}: {problem}", root.display()),
        hint: "on a real machine load the driver: `sudo modprobe intel_rapl_msr` (Intel and AMD); virtual machines rarely \
               have RAPL; containers hide it: mount /sys/devices/virtual/powercap read-only, or run smaragdined on the host"
            .to_owned(),
    }
}

fn forbidden(path: &Path, error: &io::Error) -> Unavailable {
    let hint = if error.kind() == io::ErrorKind::PermissionDenied {
        "Linux lets only root read energy_uj, because fine-grained energy can betray secrets (CVE-2020-8694). Ask the \
         administrator to install smaragdined as a service with CAP_DAC_READ_SEARCH, or to let one group read it: \
         `sudo chgrp energy /sys/class/powercap/intel-rapl:*/energy_uj && sudo chmod 0440 \
         /sys/class/powercap/intel-rapl:*/energy_uj` (until the next boot)"
    } else {
        "look into the kernel's log: `sudo dmesg | grep -i rapl`"
    };
    Unavailable { problem: format!("cannot open {}: {error}", path.display()), hint: hint.to_owned() }
}
