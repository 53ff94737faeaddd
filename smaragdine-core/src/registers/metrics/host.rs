//! What metrics of machine and application are read through: the files of `/proc`, each read once a look.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::thread::Looks;
use super::{Absent, Metric, cpu, disk, frequency, load, memory, network};
use crate::registers::shares::{CpuTime, MachineStat, StatFile};
use crate::registers::source::Roots;
use crate::registers::topology::Topology;

pub(super) fn metrics() -> impl Iterator<Item = &'static Metric<HostLooks>> {
    let families = [cpu::METRICS, memory::METRICS, load::METRICS, frequency::METRICS, disk::METRICS, network::METRICS];
    families.into_iter().flatten()
}

/// Successive looks at the machine.
#[derive(Debug)]
pub(super) struct HostLooks {
    pub(super) proc_root: PathBuf,
    pub(super) sys_root: PathBuf,
    pub(super) now_ns: i64,
    pub(super) tick_s: f64,
    /// Processes of the application.
    pub(super) processes: CpuTime,
    /// What the last update of them told.
    pub(super) use_so_far: cpu::UseSoFar,
    pub(super) walks: memory::Walks,
    pub(super) frequencies: OnceCell<Vec<PathBuf>>,
    stat: StatFile,
    topology: Topology,
    texts: FxHashMap<&'static str, String>,
}

impl HostLooks {
    /// # Errors
    /// None: what cannot be read is each metric's own to tell.
    pub(super) fn new(roots: &Roots, application: i32, daemon: i32) -> Result<Self, String> {
        Ok(Self {
            proc_root: roots.proc.clone(),
            sys_root: roots.sys.clone(),
            now_ns: 0,
            tick_s: 1.0 / rustix::param::clock_ticks_per_second().max(1) as f64,
            processes: CpuTime::new(&roots.proc, application, vec![daemon]),
            use_so_far: cpu::UseSoFar::default(),
            walks: memory::Walks::default(),
            frequencies: OnceCell::new(),
            stat: StatFile::below(&roots.proc),
            topology: Topology::one_socket(),
            texts: FxHashMap::default(),
        })
    }

    /// The text of a file of `/proc`, as it was when this look first read it.
    pub(super) fn text(&mut self, file: &'static str) -> Result<&str, String> {
        if !self.texts.contains_key(file) {
            let path = self.proc_root.join(file);
            let bytes = std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            self.texts.insert(file, String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(&self.texts[file])
    }

    /// Whether a file of `/proc` that every kernel has is there.
    pub(super) fn has(&self, file: &str) -> Result<(), Absent> {
        let path = self.proc_root.join(file);
        match path.metadata() {
            Ok(_) => Ok(()),
            Err(error) => Err(Absent::Broken(format!("cannot read {}: {error}", path.display()))),
        }
    }

    /// Whether a directory below `/sys` is there.
    pub(super) fn shows(&self, directory: &str) -> Result<PathBuf, Absent> {
        let path = self.sys_root.join(directory);
        if path.is_dir() { Ok(path) } else { Err(Absent::NotHere(format!("there is no {}", path.display()))) }
    }
}

impl Looks for HostLooks {
    fn metrics() -> impl Iterator<Item = &'static Metric<Self>> {
        metrics()
    }

    fn begin(&mut self, now_ns: i64) {
        self.now_ns = now_ns;
        self.texts.clear();
        let machine = self.stat.read().map_err(|error| format!("cannot read {}: {error}", self.stat.path.display()));
        let forks = machine.as_ref().ok().and_then(|machine: &MachineStat| machine.forks);
        let ticks = self.processes.update(forks, &self.topology);
        self.use_so_far.add(machine, ticks, self.tick_s);
    }
}

/// The first number behind `key` in lines as `MemTotal:  16 kB` are.
pub(super) fn number_behind(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim_start_matches(':').split_ascii_whitespace().next()?.parse().ok()
}

/// The content of a small file, as a number.
pub(super) fn number_in(path: &Path) -> Option<f64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
