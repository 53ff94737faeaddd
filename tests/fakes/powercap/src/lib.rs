//! A powercap tree as the kernel lays it out, with energy registers that follow a known waveform.
//!
//! ```text
//! ROOT/class/powercap/intel-rapl      -> ../../devices/virtual/powercap/intel-rapl
//! ROOT/class/powercap/intel-rapl:0    -> ../../devices/virtual/powercap/intel-rapl/intel-rapl:0
//! ROOT/class/powercap/intel-rapl:0:0  -> …/intel-rapl/intel-rapl:0/intel-rapl:0:0
//! ROOT/devices/virtual/powercap/intel-rapl/intel-rapl:0/{name,energy_uj,max_energy_range_uj}
//! ROOT/devices/virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0/{name,…}
//! ```
//!
//! **Values are not read torn.** A register is sixteen bytes: fifteen digits, padded with zeros, and a newline. Its
//! length never changes, so no digit is ever missing, and each update is one `pwrite` of all sixteen bytes at offset 0:
//! one aligned block within one cache line of one page, which the kernel copies in one go on either side.

mod waveform;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

pub use waveform::Waveform;

const DIGITS: usize = 15;
/// The largest range that fifteen digits hold.
pub const LARGEST_RANGE_UJ: u64 = 999_999_999_999_999;

/// What the tree holds, and what goes wrong in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub sockets: u32,
    /// Dies per socket; more than one names the packages `package-0-die-1`.
    pub dies: u32,
    pub package: Waveform,
    pub dram: Option<Waveform>,
    pub core: Option<Waveform>,
    pub uncore: Option<Waveform>,
    pub psys: Option<Waveform>,
    /// A second control type, `intel-rapl-mmio`, whose packages repeat those of `intel-rapl`.
    pub mmio: bool,
    /// Registers start again at 0 after this many microjoules.
    pub range_uj: u64,
    /// What every register holds at the start.
    pub initial_uj: u64,
    /// Nobody may read the registers but root, not even their owner.
    pub forbidden: bool,
    pub failures: Vec<Failure>,
    pub resets: Vec<Reset>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            sockets: 1,
            dies: 1,
            package: Waveform::Constant { watts: 100.0 },
            dram: Some(Waveform::Constant { watts: 10.0 }),
            core: None,
            uncore: None,
            psys: None,
            mmio: false,
            // That of a Xeon.
            range_uj: 262_143_328_850,
            initial_uj: 0,
            forbidden: false,
            failures: Vec::new(),
            resets: Vec::new(),
        }
    }
}

/// Reads of `zone` yield nothing for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// `intel-rapl:0:0`
    pub zone: String,
    pub from_s: f64,
    pub for_s: f64,
}

/// The register of `zone` starts again at 0, as after a reload of its driver; its energy goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Reset {
    pub zone: String,
    pub at_s: f64,
}

/// The tree on disk.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    range_uj: u64,
    zones: Vec<Zone>,
}

#[derive(Debug)]
struct Zone {
    id: String,
    name: String,
    waveform: Waveform,
    register: File,
    initial_uj: u64,
    failures: Vec<Failure>,
    resets: Vec<Reset>,
}

impl Tree {
    /// Lays the tree out under `root`, with every register at its initial value.
    ///
    /// # Errors
    /// Where a file cannot be written, a fault names no zone, or a value does not fit.
    pub fn create(root: &Path, layout: &Layout) -> io::Result<Self> {
        let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidInput, problem);
        if layout.range_uj == 0 || layout.range_uj > LARGEST_RANGE_UJ || layout.initial_uj >= layout.range_uj {
            return Err(invalid(format!(
                "a register from {} to {} uJ: the range is at most {LARGEST_RANGE_UJ}, the initial value below it",
                layout.initial_uj, layout.range_uj
            )));
        }
        fs::create_dir_all(root.join("class/powercap"))?;
        let mut tree = Self { root: root.to_owned(), range_uj: layout.range_uj, zones: Vec::new() };
        for control in ["intel-rapl", "intel-rapl-mmio"].into_iter().take(if layout.mmio { 2 } else { 1 }) {
            tree.add_control(control, layout)?;
        }
        let known = |zone: &str| tree.zones.iter().any(|known| known.id == zone);
        let named =
            layout.failures.iter().map(|fault| &fault.zone).chain(layout.resets.iter().map(|fault| &fault.zone));
        if let Some(zone) = named.into_iter().find(|zone| !known(zone)) {
            return Err(invalid(format!(
                "there is no zone {zone}: there are {}",
                tree.ids().collect::<Vec<_>>().join(", ")
            )));
        }
        tree.write(0)?;
        Ok(tree)
    }

    /// What `--powercap-root` takes.
    #[must_use]
    pub fn powercap_root(&self) -> PathBuf {
        self.root.join("class/powercap")
    }

    /// The zones: `intel-rapl:0`, `intel-rapl:0:0` …
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.zones.iter().map(|zone| zone.id.as_str())
    }

    /// What the zones call themselves: `package-0`, `dram` …
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.zones.iter().map(|zone| zone.name.as_str())
    }

    /// The truth: microjoules that each zone drew in the first `elapsed_ns`, without wraps, resets and failures.
    pub fn energy_uj(&self, elapsed_ns: i64) -> impl Iterator<Item = u64> {
        self.zones.iter().map(move |zone| zone.energy_uj(elapsed_ns as f64 * 1e-9))
    }

    /// Moves every register to where it stands `elapsed_ns` after the start.
    ///
    /// # Errors
    /// Where a register cannot be written.
    pub fn write(&self, elapsed_ns: i64) -> io::Result<()> {
        self.zones.iter().try_for_each(|zone| zone.write(elapsed_ns as f64 * 1e-9, self.range_uj))
    }

    fn add_control(&mut self, control: &str, layout: &Layout) -> io::Result<()> {
        let device = Path::new("devices/virtual/powercap").join(control);
        fs::create_dir_all(self.root.join(&device))?;
        self.link(control, &device)?;
        let mut number = 0;
        for socket in 0..layout.sockets {
            for die in 0..layout.dies {
                let die = if layout.dies > 1 { format!("-die-{die}") } else { String::new() };
                let package = device.join(format!("{control}:{number}"));
                self.add_zone(&package, &format!("package-{socket}{die}"), layout.package, layout)?;
                // MMIO has the package alone.
                let children = [("core", layout.core), ("uncore", layout.uncore), ("dram", layout.dram)];
                let children = children.into_iter().filter(|_| control == "intel-rapl");
                for (child, (name, waveform)) in
                    children.filter_map(|(name, waveform)| Some((name, waveform?))).enumerate()
                {
                    let directory = package.join(format!("{control}:{number}:{child}"));
                    self.add_zone(&directory, name, waveform, layout)?;
                }
                number += 1;
            }
        }
        match layout.psys {
            Some(psys) if control == "intel-rapl" => {
                self.add_zone(&device.join(format!("{control}:{number}")), "psys", psys, layout)
            }
            _ => Ok(()),
        }
    }

    fn add_zone(&mut self, device: &Path, name: &str, waveform: Waveform, layout: &Layout) -> io::Result<()> {
        let id = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let directory = self.root.join(device);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("name"), format!("{name}\n"))?;
        fs::write(directory.join("max_energy_range_uj"), format!("{}\n", layout.range_uj))?;
        fs::write(directory.join("enabled"), "0\n")?;
        let register = File::options().write(true).create(true).truncate(true).open(directory.join("energy_uj"))?;
        register.set_permissions(fs::Permissions::from_mode(if layout.forbidden { 0o000 } else { 0o444 }))?;
        self.link(&id, device)?;
        self.zones.push(Zone {
            name: name.to_owned(),
            waveform,
            register,
            initial_uj: layout.initial_uj,
            failures: layout.failures.iter().filter(|failure| failure.zone == id).cloned().collect(),
            resets: layout.resets.iter().filter(|reset| reset.zone == id).cloned().collect(),
            id,
        });
        Ok(())
    }

    /// `class/powercap/NAME`, relative as in sysfs, so that the tree can be moved or mounted elsewhere.
    fn link(&self, name: &str, device: &Path) -> io::Result<()> {
        let link = self.powercap_root().join(name);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => symlink(Path::new("../..").join(device), link),
        }
    }
}

impl Zone {
    fn energy_uj(&self, seconds: f64) -> u64 {
        (self.waveform.energy_j(seconds) * 1e6).round() as u64
    }

    fn write(&self, seconds: f64, range_uj: u64) -> io::Result<()> {
        let fails = |failure: &Failure| (failure.from_s..failure.from_s + failure.for_s).contains(&seconds);
        if self.failures.iter().any(fails) {
            // An empty file is a read without a value, also on a descriptor that is open already.
            return self.register.set_len(0);
        }
        let reset = self.resets.iter().map(|reset| reset.at_s).filter(|at_s| *at_s <= seconds).max_by(f64::total_cmp);
        let counted = self.energy_uj(seconds);
        let register = match reset {
            Some(at_s) => counted - self.energy_uj(at_s),
            None => self.initial_uj + counted,
        };
        let text = format!("{:0DIGITS$}\n", register % range_uj);
        self.register.write_all_at(text.as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_never_read_torn() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let layout = Layout { package: Waveform::Constant { watts: 1.0 }, dram: None, ..Layout::default() };
        let tree = Tree::create(root.path(), &layout).expect("a tree");
        let register = File::open(tree.powercap_root().join("intel-rapl:0/energy_uj")).expect("a register");
        // At 1 W the register counts microseconds: these values differ in every digit.
        let elapsed_ns = [111_111_111_111_000, 222_222_222_222_000];
        let written = elapsed_ns.map(|ns| format!("{:015}\n", ns / 1_000));
        tree.write(elapsed_ns[0]).expect("a write");

        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                (0..100_000).find_map(|_| {
                    let mut buffer = [0; 32];
                    let length = register.read_at(&mut buffer, 0).expect("a read");
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    (!written.contains(&text)).then_some(text)
                })
            });
            for ns in elapsed_ns.iter().cycle() {
                tree.write(*ns).expect("a write");
                if reader.is_finished() {
                    break;
                }
            }
            assert_eq!(reader.join().expect("the reader ends"), None);
        });
    }

    #[test]
    fn energy_is_the_integral_of_the_waveform() {
        for text in ["constant:100", "square:20:80:0.3", "sine:50:50:0.7"] {
            let waveform: Waveform = text.parse().expect(text);
            let power_w = |seconds: f64| match waveform {
                Waveform::Constant { watts } => watts,
                Waveform::Square { low, high, period_s } => {
                    if seconds % period_s < period_s / 2.0 {
                        high
                    } else {
                        low
                    }
                }
                Waveform::Sine { mean, amplitude, period_s } => {
                    mean + amplitude * (std::f64::consts::TAU * seconds / period_s).sin()
                }
            };
            let step_s = 1e-5;
            let integral: f64 = (0..200_000).map(|n| power_w((f64::from(n) + 0.5) * step_s) * step_s).sum();
            assert!(
                (waveform.energy_j(2.0) - integral).abs() < 1e-3,
                "{text}: {} J, {integral} J",
                waveform.energy_j(2.0)
            );
        }
    }

    #[test]
    fn a_fault_in_a_zone_that_does_not_exist_is_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let resets = vec![Reset { zone: "intel-rapl:7".to_owned(), at_s: 1.0 }];
        let error = Tree::create(root.path(), &Layout { resets, ..Layout::default() }).expect_err("no such zone");
        assert_eq!(error.to_string(), "there is no zone intel-rapl:7: there are intel-rapl:0, intel-rapl:0:0");
    }
}
