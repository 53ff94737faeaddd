//! A powercap tree as the kernel lays it out, with energy registers that follow a known waveform.
//!
//! ```text
//! ROOT/class/powercap/intel-rapl      -> ../../devices/virtual/powercap/intel-rapl
//! ROOT/class/powercap/intel-rapl:0    -> ../../devices/virtual/powercap/intel-rapl/intel-rapl:0
//! ROOT/class/powercap/intel-rapl:0:0  -> …/intel-rapl/intel-rapl:0/intel-rapl:0:0
//! ROOT/devices/virtual/powercap/intel-rapl/intel-rapl:0/{name,energy_uj,max_energy_range_uj,subsystem}
//! ROOT/devices/virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0/{name,…}
//! ```
//!
//! **Values are not read torn.** A register is sixteen bytes: fifteen digits, padded with zeros, and a newline. Its
//! length never changes, so no digit is ever missing, and each update is one `pwrite` of all sixteen bytes at offset 0:
//! one aligned block within one cache line of one page, which the kernel copies in one go on either side.

mod fault;
pub mod moving;
mod register;
mod waveform;
mod zone;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub use fault::{Fault, Kind};
pub use register::Register;
pub use waveform::Waveform;
pub use zone::LARGEST_RANGE_UJ;
use zone::{Zone, link};

use moving::Registers;

/// What `--powercap-root` takes lies there, below a tree's root.
pub const POWERCAP: &str = "class/powercap";

/// What the tree holds, and what goes wrong in it.
///
/// Of several waveforms the first package has the first, and so on, over and over; none means that there is no such zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub sockets: u32,
    /// Dies per socket; more than one names the packages `package-0-die-1`.
    pub dies: u32,
    pub package: Vec<Waveform>,
    pub dram: Vec<Waveform>,
    pub core: Vec<Waveform>,
    pub uncore: Vec<Waveform>,
    pub psys: Option<Waveform>,
    /// A second control type, `intel-rapl-mmio`, whose packages repeat those of `intel-rapl`.
    pub mmio: bool,
    /// Registers start again at 0 after this many microjoules.
    pub range_uj: u64,
    /// What every register holds at the start.
    pub initial_uj: u64,
    /// What packages are told to draw at most, in the long term.
    pub max_power_uw: Option<u64>,
    /// Nobody may read the registers but root, not even their owner.
    pub forbidden: bool,
    pub faults: Vec<Fault>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            sockets: 1,
            dies: 1,
            package: vec![Waveform::Constant { watts: 100.0 }],
            dram: vec![Waveform::Constant { watts: 10.0 }],
            core: Vec::new(),
            uncore: Vec::new(),
            psys: None,
            mmio: false,
            // That of a Xeon.
            range_uj: 262_143_328_850,
            initial_uj: 0,
            max_power_uw: None,
            forbidden: false,
            faults: Vec::new(),
        }
    }
}

/// The tree on disk.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    zones: Vec<Zone>,
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
        let mut tree = Self { root: root.to_owned(), zones: Vec::new() };
        let controls = &["intel-rapl", "intel-rapl-mmio"][..if layout.mmio { 2 } else { 1 }];
        controls.iter().for_each(|control| tree.plan(control, layout));
        for fault in &layout.faults {
            if !tree.zones.iter().any(|zone| zone.id == fault.zone) {
                let ids = tree.ids().collect::<Vec<_>>().join(", ");
                return Err(invalid(format!("there is no zone {}: there are {ids}", fault.zone)));
            }
        }
        std::fs::create_dir_all(tree.powercap_root())?;
        for control in controls {
            let device = device(control);
            std::fs::create_dir_all(root.join(&device))?;
            link(&class_from(&device), &root.join(&device).join("subsystem"))?;
            link(&Path::new("../..").join(device), &tree.powercap_root().join(control))?;
        }
        tree.write(0)?;
        Ok(tree)
    }

    /// What `--powercap-root` takes.
    #[must_use]
    pub fn powercap_root(&self) -> PathBuf {
        self.root.join(POWERCAP)
    }

    /// The zones: `intel-rapl:0`, `intel-rapl:0:0` …
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.zones.iter().map(|zone| zone.id.as_str())
    }

    /// What the zones call themselves: `package-0`, `dram` …
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.zones.iter().map(|zone| zone.name.as_str())
    }

    /// The truth: microjoules that each zone drew in the first `elapsed_ns`, without wraps, resets and other faults.
    pub fn energy_uj(&self, elapsed_ns: i64) -> impl Iterator<Item = u64> {
        self.zones.iter().map(move |zone| zone.energy_uj(elapsed_ns as f64 * 1e-9))
    }

    fn plan(&mut self, control: &str, layout: &Layout) {
        let mut number = 0;
        for socket in 0..layout.sockets {
            for die in 0..layout.dies {
                let die = if layout.dies > 1 { format!("-die-{die}") } else { String::new() };
                let package = device(control).join(format!("{control}:{number}"));
                let waves = |waves: &[Waveform]| waves.iter().cycle().nth(number).copied();
                let Some(waveform) = waves(&layout.package) else { continue };
                self.add(&package, &format!("package-{socket}{die}"), waveform, layout);
                // MMIO has the package alone.
                let children = [("core", &layout.core), ("uncore", &layout.uncore), ("dram", &layout.dram)];
                let children = children.into_iter().filter(|_| control == "intel-rapl");
                for (child, (name, waveform)) in
                    children.filter_map(|(name, shapes)| Some((name, waves(shapes)?))).enumerate()
                {
                    self.add(&package.join(format!("{control}:{number}:{child}")), name, waveform, layout);
                }
                number += 1;
            }
        }
        if let Some(psys) = layout.psys.filter(|_| control == "intel-rapl") {
            self.add(&device(control).join(format!("{control}:{number}")), "psys", psys, layout);
        }
    }

    fn add(&mut self, device: &Path, name: &str, waveform: Waveform, layout: &Layout) {
        let id = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.zones.push(Zone {
            name: name.to_owned(),
            counted: Register {
                waveform,
                range_uj: layout.range_uj,
                initial_uj: layout.initial_uj,
                faults: layout.faults.iter().filter(|fault| fault.concerns(&id)).cloned().collect(),
            },
            max_power_uw: layout.max_power_uw.filter(|_| name.starts_with("package")),
            mode: if layout.forbidden { 0o000 } else { 0o444 },
            directory: self.root.join(device),
            link: self.powercap_root().join(&id),
            target: Path::new("../..").join(device),
            class: class_from(device),
            register: Mutex::new(None),
            id,
        });
    }
}

impl Registers for Tree {
    fn write(&self, elapsed_ns: i64) -> io::Result<()> {
        // Those within others first, so that they can vanish in order.
        self.zones.iter().rev().try_for_each(|zone| zone.write(elapsed_ns as f64 * 1e-9))
    }

    fn truth_uj(&self, elapsed_ns: i64) -> Vec<(&str, u64)> {
        self.ids().zip(self.energy_uj(elapsed_ns)).collect()
    }
}

/// The class as seen from a device's directory, which sysfs links as `subsystem`.
fn class_from(device: &Path) -> PathBuf {
    device.components().map(|_| "..").chain(["class/powercap"]).collect()
}

fn device(control: &str) -> PathBuf {
    Path::new("devices/virtual/powercap").join(control)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn a_register_is_never_read_torn() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let layout = Layout { package: vec![Waveform::Constant { watts: 1.0 }], dram: vec![], ..Layout::default() };
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

    fn shown(tree: &Tree, zone: &str) -> io::Result<String> {
        fs::read_to_string(tree.powercap_root().join(zone).join("energy_uj"))
    }

    #[test]
    fn each_fault_ends_and_the_energy_has_gone_on() {
        for kind in [Kind::Fail, Kind::Garbage, Kind::Deny, Kind::Stall, Kind::Vanish] {
            let root = tempfile::tempdir().expect("a temporary directory");
            let faults = vec![Fault::new(kind, "intel-rapl:0", 1.0, 1.0)];
            let tree = Tree::create(root.path(), &Layout { faults, ..Layout::default() }).expect("a tree");
            let open = File::open(tree.powercap_root().join("intel-rapl:0/energy_uj")).expect("a register");
            tree.write(1_500_000_000).expect("a write");
            let during = shown(&tree, "intel-rapl:0");
            match kind {
                Kind::Stall => assert_eq!(during.expect("its value"), "000000100000000\n"),
                Kind::Garbage => assert_eq!(during.expect("its text"), "no number here!\n"),
                Kind::Vanish => assert_eq!(during.expect_err("gone").kind(), io::ErrorKind::NotFound),
                _ => assert_eq!(during.expect("root may read"), ""),
            }
            let mut buffer = [0; 32];
            let length = open.read_at(&mut buffer, 0).expect("a read");
            assert_eq!(length == 0, !matches!(kind, Kind::Stall | Kind::Garbage), "{kind:?}");
            assert_eq!(shown(&tree, "intel-rapl:0:0").is_err(), kind == Kind::Vanish);
            tree.write(2_000_000_000).expect("a write");
            assert_eq!(shown(&tree, "intel-rapl:0").expect("its value"), "000000200000000\n", "{kind:?}");
            assert_eq!(shown(&tree, "intel-rapl:0:0").expect("its value"), "000000020000000\n", "{kind:?}");
        }
    }

    #[test]
    fn a_register_that_lies_shows_what_it_is_told_to_and_the_truth_goes_on() {
        let during_and_after = |fault: Fault| {
            let root = tempfile::tempdir().expect("a temporary directory");
            let tree = Tree::create(root.path(), &Layout { faults: vec![fault], ..Layout::default() }).expect("a tree");
            [15, 20].map(|tenths| {
                tree.write(tenths * 100_000_000).expect("a write");
                assert_eq!(tree.energy_uj(tenths * 100_000_000).next(), Some(tenths as u64 * 10_000_000));
                shown(&tree, "intel-rapl:0").expect("its value")
            })
        };
        let fault = |kind| Fault::new(kind, "intel-rapl:0", 1.0, 1.0);
        assert_eq!(during_and_after(fault(Kind::Zero)), ["000000000000000\n", "000000200000000\n"]);
        assert_eq!(during_and_after(fault(Kind::Freeze)), ["000000100000000\n", "000000100000000\n"]);
        let jump = |by_j| Fault::jump("intel-rapl:0", 1.0, 1.0, by_j);
        assert_eq!(during_and_after(jump(702.0)), ["000000852000000\n", "000000200000000\n"]);
        // Below 0 it is where it was before its range.
        assert_eq!(during_and_after(jump(-150.5)), ["000262142828850\n", "000000200000000\n"]);
    }

    #[test]
    fn packages_take_their_waveforms_in_turn() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let package = vec![Waveform::Constant { watts: 100.0 }, Waveform::Constant { watts: 80.0 }];
        let layout = Layout { dies: 3, package, dram: vec![], ..Layout::default() };
        let tree = Tree::create(root.path(), &layout).expect("a tree");
        assert_eq!(tree.energy_uj(1_000_000_000).collect::<Vec<_>>(), [100_000_000, 80_000_000, 100_000_000]);
    }

    #[test]
    fn a_fault_in_a_zone_that_does_not_exist_is_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let faults = vec![Fault::new(Kind::Reset, "intel-rapl:7", 1.0, 0.0)];
        let error = Tree::create(root.path(), &Layout { faults, ..Layout::default() }).expect_err("no such zone");
        assert_eq!(error.to_string(), "there is no zone intel-rapl:7: there are intel-rapl:0, intel-rapl:0:0");
    }
}
