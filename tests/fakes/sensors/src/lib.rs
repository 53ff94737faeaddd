//! Sensors beside powercap and NVML, as Linux shows them, whose registers follow a known waveform.
//!
//! ```text
//! ROOT/class/drm/card0              -> ../../devices/pci/0000:03:00.0/drm/card0
//! ROOT/devices/pci/0000:03:00.0/    {vendor,device,unique_id,product_name,gpu_metrics}        a GPU of AMD's
//! ROOT/devices/pci/0000:83:00.0/    {vendor,device,hwmon/hwmon7/{name,energy1_label,energy1_input}}   one of Intel's
//! ROOT/bus/event_source/devices/power/{type,cpumask,events/energy-pkg{,.unit,.scale}}         perf's RAPL
//! ROOT/counters/energy-pkg-0        what reading that event's descriptor on CPU 0 yields: eight bytes
//! ROOT/class/hwmon/hwmon0/{name,in1_label,in1_input,curr1_input,…,power1_label,power1_input}  rails and meters of power
//! ROOT/cray/pm_counters/{energy,cpu_energy,…,generation,freshness}                            Cray's counters
//! ```
//!
//! Every value is written in one go, so that none is read torn.

mod amd;
mod cray;
mod intel;
mod monitor;
mod perf;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

pub use amd::Amd;
pub use cray::Cray;
use fake_powercap::moving::Registers;
use fake_powercap::{Fault, Kind, Register, Waveform};
pub use intel::Intel;
pub use monitor::Monitor;
pub use perf::Perf;

/// What there is, and what goes wrong with it: a fault's zone is the name of a register.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    pub amd: Vec<Amd>,
    pub intel: Vec<Intel>,
    pub perf: Option<Perf>,
    pub cray: Option<Cray>,
    pub monitors: Vec<Monitor>,
    pub faults: Vec<Fault>,
}

/// The tree on disk.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    shown: Vec<Shown>,
}

/// A register with its file.
#[derive(Debug)]
struct Shown {
    name: String,
    register: Register,
    path: PathBuf,
    file: File,
    form: Form,
}

/// How a register's file tells its value.
#[derive(Debug, Clone)]
enum Form {
    Table(Amd),
    Digits,
    /// Eight bytes, in units of so many microjoules.
    Count(f64),
    Stamped(Cray),
    /// So many for each watt that is drawn now.
    Power {
        per_w: f64,
    },
}

impl Tree {
    /// Lays the tree out under `root`, with every register at its start.
    ///
    /// # Errors
    /// Where a file cannot be written, or a fault names no register.
    pub fn create(root: &Path, layout: &Layout) -> io::Result<Self> {
        let mut tree = Self { root: root.to_owned(), shown: Vec::new() };
        // Those of AMD's come first on the bus.
        for (number, amd) in layout.amd.iter().enumerate() {
            amd.lay_out(&mut tree, number)?;
        }
        for (number, intel) in layout.intel.iter().enumerate() {
            intel.lay_out(&mut tree, layout.amd.len() + number)?;
        }
        if let Some(perf) = &layout.perf {
            perf.lay_out(&mut tree)?;
        }
        if let Some(cray) = &layout.cray {
            cray.lay_out(&mut tree)?;
        }
        monitor::lay_out(&layout.monitors, &mut tree)?;
        for fault in &layout.faults {
            let Some(shown) = tree.shown.iter_mut().find(|shown| shown.name == fault.zone) else {
                let names = tree.names().collect::<Vec<_>>().join(", ");
                let problem = format!("there is no register {}: there are {names}", fault.zone);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
            };
            shown.register.faults.push(fault.clone());
        }
        tree.write(0)?;
        Ok(tree)
    }

    /// `card0`, `energy-pkg-0`, `cpu_energy` …
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shown.iter().map(|shown| shown.name.as_str())
    }

    /// The truth: microjoules that each register's part drew in the first `elapsed_ns`, up to its last update, whatever
    /// it showed.
    pub fn energy_uj(&self, elapsed_ns: i64) -> impl Iterator<Item = u64> {
        self.shown.iter().map(move |shown| shown.register.energy_uj(shown.form.updated(elapsed_ns as f64 * 1e-9)))
    }

    fn add(&mut self, name: &str, path: PathBuf, waveform: Waveform, form: Form) -> io::Result<()> {
        let file = File::options().write(true).create(true).truncate(true).open(&path)?;
        let register = Register { waveform, range_uj: u64::MAX, initial_uj: 1_000_000_000, faults: Vec::new() };
        self.shown.push(Shown { name: name.to_owned(), register, path, file, form });
        Ok(())
    }

    /// A file that stays as it is.
    fn put(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.root.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, format!("{text}\n"))
    }

    /// A card of the class, whose device is at `device` below the root.
    fn card(&self, number: usize, device: &str) -> io::Result<()> {
        let (class, card) = (self.root.join("class/drm"), format!("{device}/drm/card{number}"));
        fs::create_dir_all(&class)?;
        fs::create_dir_all(self.root.join(&card))?;
        for (target, link) in [
            (format!("../../{card}"), class.join(format!("card{number}"))),
            ("../..".to_owned(), self.root.join(card).join("device")),
        ] {
            if !link.is_symlink() {
                symlink(target, link)?;
            }
        }
        Ok(())
    }
}

impl Registers for Tree {
    fn write(&self, elapsed_ns: i64) -> io::Result<()> {
        self.shown.iter().try_for_each(|shown| shown.write(elapsed_ns as f64 * 1e-9))
    }

    fn truth_uj(&self, elapsed_ns: i64) -> Vec<(&str, u64)> {
        self.names().zip(self.energy_uj(elapsed_ns)).collect()
    }
}

impl Shown {
    fn write(&self, seconds: f64) -> io::Result<()> {
        let kind = self.register.suffers(seconds);
        if self.register.faults.iter().any(|fault| fault.kind == Kind::Deny) {
            let mode = if kind == Some(Kind::Deny) { 0o000 } else { 0o444 };
            fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))?;
        }
        let bytes = match kind {
            Some(Kind::Fail | Kind::Deny | Kind::Vanish) => return self.file.set_len(0),
            Some(Kind::Garbage) => b"no number here!\n".to_vec(),
            _ => {
                let updated = self.form.updated(seconds);
                self.form.bytes(&self.register, seconds, updated)
            }
        };
        self.file.write_all_at(&bytes, 0)?;
        self.file.set_len(bytes.len() as u64)
    }
}

impl Form {
    /// When a register was last updated.
    fn updated(&self, seconds: f64) -> f64 {
        match self {
            Self::Stamped(_) => (seconds * cray::UPDATES_PER_S).floor() / cray::UPDATES_PER_S,
            _ => seconds,
        }
    }

    fn bytes(&self, register: &Register, seconds: f64, updated: f64) -> Vec<u8> {
        let energy_uj = register.shows_uj(updated);
        match self {
            Self::Table(amd) => amd.table(energy_uj, power_w(register.waveform, seconds)),
            // Padded, so that no digit is ever missing.
            Self::Digits => format!("{energy_uj:015}\n").into_bytes(),
            Self::Count(unit_uj) => ((energy_uj as f64 / unit_uj).round() as u64).to_ne_bytes().to_vec(),
            Self::Stamped(cray) => cray.line(energy_uj, seconds - updated),
            Self::Power { per_w } => format!("{:.0}\n", monitor::shown_w(register, seconds) * per_w).into_bytes(),
        }
    }
}

/// Watts at one moment, as a waveform has them.
fn power_w(waveform: Waveform, seconds: f64) -> f64 {
    const STEP_S: f64 = 1e-4;
    (waveform.energy_j(seconds + STEP_S) - waveform.energy_j(seconds)) / STEP_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_shows_its_truth_and_a_fault_hides_it_for_a_while() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let layout = Layout {
            amd: vec!["constant:300".parse().expect("an AMD card")],
            intel: vec!["constant:120".parse().expect("an Intel card")],
            perf: Some(Perf::default()),
            cray: Some(Cray::default()),
            monitors: vec!["VDD_IN=constant:20".parse().expect("a rail")],
            faults: vec![Fault::new(Kind::Fail, "card1", 1.0, 1.0), Fault::new(Kind::Stall, "energy-pkg-0", 1.0, 1.0)],
        };
        let tree = Tree::create(root.path(), &layout).expect("a tree");
        let shows = |path: &str| fs::read(root.path().join(path)).expect(path);
        let energy1 = "devices/pci/0000:04:00.0/hwmon/hwmon1/energy1_input";
        tree.write(500_000_000).expect("a write");
        assert_eq!(shows(energy1), b"000001060000000\n");
        assert_eq!(shows("class/drm/card0/device/vendor"), b"0x1002\n");
        tree.write(1_500_000_000).expect("a write");
        assert_eq!(shows(energy1), b"");
        let counted = u64::from_ne_bytes(shows("counters/energy-pkg-0").try_into().expect("eight bytes"));
        assert!((counted as f64 / 2_f64.powi(32) - 1_100.0).abs() < 1e-6, "{counted}");
        let card = tree.names().position(|name| name == "card1").expect("the Intel card");
        assert_eq!(tree.energy_uj(1_500_000_000).nth(card), Some(180_000_000));
        tree.write(2_000_000_000).expect("a write");
        assert_eq!(shows(energy1), b"000001240000000\n");
        assert!(shows("cray/pm_counters/cpu_energy").starts_with(b"1200 J "));
    }

    #[test]
    fn a_fault_of_a_register_that_does_not_exist_is_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let layout = Layout {
            cray: Some(Cray::default()),
            faults: vec![Fault::new(Kind::Fail, "card7", 1.0, 1.0)],
            ..Layout::default()
        };
        let error = Tree::create(root.path(), &layout).expect_err("no such register");
        assert!(error.to_string().starts_with("there is no register card7: there are energy, cpu_energy"), "{error}");
    }
}
