//! Sources of energy: what reads registers.
//!
//! A source reads every one of its registers once per call and knows nothing of periods, threads or recordings;
//! those belong to [`crate::registers::sampler`] and [`crate::registers::station`]. To add one, implement [`Source`] in a file of its own and name it in [`discover`].

pub mod choice;
pub mod cray;
pub mod drm;
pub mod edge_lock;
pub mod hwmon;
pub mod meter;
pub mod model;
pub mod nvml;
pub mod perf;
mod power;
pub mod powercap;
mod register;
pub mod replay;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::registers::topology::{self, Topology};
use crate::trace::{Domain, Flags, GpuHardware};
use nvml::CudaEnvironment;

/// One register, read once. Stamps are `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Index into [`Source::domains`].
    pub domain: u16,
    pub read_start_ns: i64,
    pub read_end_ns: i64,
    pub value: Value,
    pub flags: Flags,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A cumulative counter, in microjoules; wraps at [`Domain::range_uj`].
    Counter { energy_uj: u64 },
    /// The same, of a counter that was seen to be updated to it between the start and the end of the read.
    Updated { energy_uj: u64 },
    /// The same, of a counter whose driver tells between when it took the value.
    Stamped { energy_uj: u64, from_ns: i64, to_ns: i64 },
    /// Energy from the source's last read to this one, which it knows itself (integrated power, a model).
    Interval { start_ns: i64, end_ns: i64, energy_j: f64 },
    /// Energy between two moments that no read chose: of samples that a driver took, or of an earlier recording.
    Sampled { start_ns: i64, end_ns: i64, energy_j: f64 },
    /// This register could not be read; the next success covers the interval.
    Failed { problem: String },
}

impl Value {
    /// It tells an energy by itself, rather than by its difference to another.
    pub(crate) fn is_energy(&self) -> bool {
        matches!(self, Self::Interval { .. } | Self::Sampled { .. })
    }

    /// An interval whose ends no read chose.
    fn sampled(self) -> Self {
        match self {
            Self::Interval { start_ns, end_ns, energy_j } => Self::Sampled { start_ns, end_ns, energy_j },
            other => other,
        }
    }
}

/// Reads energy registers.
pub trait Source: Send {
    /// powercap, perf, nvml, drm, cray, hwmon, meter, model, replay
    fn name(&self) -> &'static str;

    /// The registers, in the order of [`Observation::domain`].
    fn domains(&self) -> &[Domain];

    /// What each register is, in the order of [`Self::domains`]: equal for two sources of one name exactly where both
    /// read one register in one way, so that one of them reads it for all (see [`crate::registers::station`]). Empty:
    /// nobody else can read the same.
    fn registers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Reads every register once, appending one observation each. A failure is an observation, too.
    /// A source of [`Value::Interval`]s or [`Value::Sampled`] adds as many as are new: none on its first read, which
    /// fixes where its first interval starts.
    fn read(&mut self, out: &mut Vec<Observation>);

    /// What could not be opened beside what was, each in words.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// The GPUs that it knows of, read or not.
    fn gpu_hardware(&self) -> Vec<GpuHardware> {
        Vec::new()
    }

    /// Versions by name of what it reads through.
    fn software(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// How often its registers are updated, where that is known.
    fn update_ns(&self) -> Option<i64> {
        None
    }

    /// The shortest useful period, where polling faster tells nothing.
    fn shortest_period_ns(&self) -> Option<i64> {
        None
    }
}

/// An open file for [`Source::registers`]: its path, and which file it is, for another may lie there later.
fn identity(path: &Path, file: &File) -> String {
    let inode = file.metadata().map(|file| (file.dev(), file.ino())).unwrap_or_default();
    format!("{} {inode:?}", path.display())
}

/// Why a source cannot be used here, and what would change that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Unavailable {
    /// What failed, with the path or the value.
    pub problem: String,
    /// What to do about it, or whom to ask for what.
    pub hint: String,
}

/// Where sources look. Tests, containers and virtual machines point them elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    pub powercap: PathBuf,
    pub hwmon: PathBuf,
    pub drm: PathBuf,
    pub cray: PathBuf,
    /// Where perf's units are described.
    pub perf: PathBuf,
    /// Where their counters can be read as files; `None`: they are opened.
    pub perf_counters: Option<PathBuf>,
    pub sys: PathBuf,
    pub proc: PathBuf,
    /// `None`: the driver's library, wherever the loader finds it.
    pub nvml_library: Option<PathBuf>,
    /// Meters outside this machine, which are heard already.
    pub meters: Vec<meter::Meter>,
}

impl Roots {
    /// Which CPU is in which socket, now.
    #[must_use]
    pub fn topology(&self) -> Topology {
        Topology::read(&self.sys, &self.proc)
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            powercap: "/sys/class/powercap".into(),
            hwmon: "/sys/class/hwmon".into(),
            drm: "/sys/class/drm".into(),
            cray: "/sys/cray/pm_counters".into(),
            perf: "/sys/bus/event_source/devices".into(),
            perf_counters: None,
            sys: topology::SYS.into(),
            proc: "/proc".into(),
            nvml_library: None,
            meters: Vec::new(),
        }
    }
}

/// A kind of source, opened, or why it is not.
pub struct Discovered {
    /// powercap, perf, nvml, drm, cray, hwmon, meter, model
    pub name: &'static str,
    pub source: Result<Box<dyn Source>, Unavailable>,
}

impl Discovered {
    fn new<S: Source + 'static>(name: &'static str, source: Result<S, Unavailable>) -> Self {
        Self { name, source: source.map(|source| Box::new(source) as Box<dyn Source>) }
    }
}

/// Every kind of source, opened where it can be. The model comes last: it is for machines where nothing is measured.
/// `cuda` decides which GPU is the application's `GPU:0`.
#[must_use]
pub fn discover(roots: &Roots, cuda: &CudaEnvironment) -> Vec<Discovered> {
    let topology = roots.topology();
    let powercap = powercap::Powercap::open(&roots.powercap).map(|powercap| powercap.on(&roots.proc).across(&topology));
    let perf = perf::Perf::open(&roots.perf, roots.perf_counters.as_deref(), &topology);
    let perf = perf.map(|perf| match &powercap {
        Ok(powercap) => perf.beside(powercap.domains()),
        Err(_) => perf,
    });
    let rapl = powercap.iter().flat_map(Source::domains).chain(perf.iter().flat_map(Source::domains));
    let cray = cray::Cray::open(&roots.cray, &topology).map(|cray| cray.beside(rapl));
    let cpus = powercap.is_ok() || perf.is_ok() || cray.iter().flat_map(Source::domains).any(|domain| domain.counted);
    let nvml = nvml::Nvml::open_for(roots.nvml_library.as_deref(), cuda);
    let (nvidia, nvidia_counts) = nvml
        .as_ref()
        .map_or((0, false), |nvml| (nvml.gpus().len(), nvml.domains().iter().any(|domain| domain.counted)));
    let drm = drm::Drm::open_beside(&roots.drm, cuda, nvidia, nvidia_counts);
    let hwmon =
        hwmon::Hwmon::open(&roots.hwmon).map(|hwmon| hwmon.on(&topology).beside(cpus, nvml.is_ok(), drm.is_ok()));
    let mut discovered = vec![
        Discovered::new("powercap", powercap),
        Discovered::new("perf", perf),
        Discovered::new("nvml", nvml),
        Discovered::new("drm", drm),
        Discovered::new("cray", cray),
        Discovered::new("hwmon", hwmon),
    ];
    // Only whoever names one has any.
    if !roots.meters.is_empty() {
        discovered.push(Discovered::new("meter", Ok(meter::Meters::hear(&roots.meters))));
    }
    discovered.push(Discovered::new("model", model::ModelledPower::open(&roots.proc, &topology)));
    discovered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_source_is_there_or_says_why_not() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let nowhere = root.path().join("nowhere");
        let roots = Roots {
            powercap: nowhere.clone(),
            hwmon: nowhere.clone(),
            drm: nowhere.clone(),
            cray: nowhere.clone(),
            perf: nowhere.clone(),
            nvml_library: Some(nowhere),
            ..Roots::default()
        };
        let discovered = discover(&roots, &CudaEnvironment::default());
        assert_eq!(discovered.first().map(|first| first.name), Some("powercap"));
        assert_eq!(discovered.last().map(|last| last.name), Some("model"));
        for Discovered { name, source } in discovered {
            match source {
                Ok(source) => assert_eq!((source.name(), source.domains().is_empty()), (name, false)),
                Err(Unavailable { problem, hint }) => {
                    assert!(problem.contains("nowhere") && !hint.is_empty(), "{name}: {problem}");
                }
            }
        }
    }
}
