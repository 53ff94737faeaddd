//! Which CPU is in which socket.
//!
//! The kernel's topology tells (`/sys/devices/system/cpu/cpuN/topology`), on Arm as on x86; `/proc/cpuinfo` only where
//! there is none. Where neither does, sockets are unknown: one socket is nothing to assume, for two registers would
//! then be shared by the CPU time of both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use crate::registers::cpuinfo::Cpuinfo;
use crate::registers::mounts::laid_over;

/// Where the kernel shows its devices.
pub const SYS: &str = "/sys";

/// CPUs and their sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Physical ids as the kernel has them (36 and 2364 on some machines of two), ascending but for one whose first CPU
    /// came online later.
    sockets: Vec<u32>,
    /// CPU → index into `sockets`.
    socket_of: FxHashMap<u32, usize>,
    /// NUMA node → physical id.
    nodes: BTreeMap<u32, u32>,
    /// CPUs that are there, offline ones included, which are in no known socket.
    present: usize,
    origin: Origin,
    /// What makes CPU time a weaker stand-in for energy here.
    pub(crate) caveats: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// `/sys/devices/system/cpu`
    Kernel(PathBuf),
    /// The root of `/proc`.
    Cpuinfo(PathBuf),
    /// All CPUs are taken to be in one socket.
    Assumed,
    /// Why sockets are not known.
    Unknown(String),
}

impl Topology {
    /// Learns what `sys` (mostly `/sys`) and `proc_root` tell.
    #[must_use]
    pub fn read(sys: &Path, proc_root: &Path) -> Self {
        let directory = sys.join("devices/system/cpu");
        let kernel = packages(&directory);
        let cpuinfo = Cpuinfo::read(proc_root).unwrap_or_default();
        let mut caveats = Vec::new();
        if cpuinfo.smt {
            caveats.push("SMT neighbours share cores");
        }
        if cpuinfo.has("hypervisor") {
            caveats.push("virtual machine");
        }
        // A container's own cpuinfo numbers its CPUs anew.
        let own = if laid_over(&proc_root.join("cpuinfo")).is_none() { cpuinfo.cpus } else { Vec::new() };
        let told: BTreeMap<u32, u32> = match own.as_slice() {
            [(cpu, None)] => BTreeMap::from([(*cpu, 0)]),
            _ => own.iter().filter_map(|(cpu, id)| Some((*cpu, (*id)?))).collect(),
        };
        let online = online(proc_root);
        let covers = |known: &BTreeMap<u32, u32>| !known.is_empty() && online.iter().all(|cpu| known.contains_key(cpu));
        let known: BTreeMap<u32, u32> = kernel.iter().filter_map(|(cpu, id)| Some((*cpu, (*id)?))).collect();
        // The two never differ on one machine. Where only `proc_root` was pointed to another's, that is the one meant.
        let agree = known.iter().all(|(cpu, id)| told.get(cpu).is_none_or(|other| other == id));
        let by_kernel = covers(&known) && (agree || sys != Path::new(SYS));
        let by_cpuinfo = !by_kernel && covers(&told);
        let origin = if by_kernel {
            Origin::Kernel(directory)
        } else if by_cpuinfo {
            Origin::Cpuinfo(proc_root.to_owned())
        } else {
            Origin::Unknown(format!(
                "which CPU is in which socket is not known, so shares are unknown: {} shows no topology of every CPU, \
                 and {} no `physical id`",
                directory.display(),
                proc_root.join("cpuinfo").display()
            ))
        };
        let present = kernel.len().max(online.len());
        let placed = match &origin {
            Origin::Kernel(_) => known,
            Origin::Cpuinfo(_) => told,
            _ => BTreeMap::new(),
        };
        let mut topology = Self { present, origin, caveats, ..Self::of(&placed) };
        if matches!(topology.origin, Origin::Kernel(_)) {
            topology.nodes = nodes(&sys.join("devices/system/node"), &placed);
        }
        topology
    }

    fn of(placed: &BTreeMap<u32, u32>) -> Self {
        let ids: BTreeSet<u32> = placed.values().copied().collect();
        let sockets: Vec<u32> = ids.into_iter().collect();
        let index = |id: &u32| sockets.binary_search(id).ok();
        let socket_of = placed.iter().filter_map(|(cpu, id)| Some((*cpu, index(id)?))).collect();
        let (nodes, caveats) = (BTreeMap::new(), Vec::new());
        Self { sockets, socket_of, nodes, present: placed.len(), origin: Origin::Assumed, caveats }
    }

    /// Every CPU in one socket: for what is not divided by sockets.
    pub(crate) fn one_socket() -> Self {
        Self::of(&BTreeMap::from([(0, 0)]))
    }

    /// The same machine, with all CPUs in one socket where sockets are not known: for power that is computed from the
    /// use of all of them.
    #[must_use]
    pub fn or_one_socket(self) -> Self {
        if matches!(self.origin, Origin::Unknown(_)) {
            return Self { caveats: self.caveats, ..Self::one_socket() };
        }
        self
    }

    /// Physical ids of the sockets.
    #[must_use]
    pub fn sockets(&self) -> &[u32] {
        &self.sockets
    }

    /// The index of a CPU's socket in [`Self::sockets`], where it is known.
    #[must_use]
    pub fn socket(&self, cpu: u32) -> Option<usize> {
        self.socket_of.get(&cpu).copied().or((self.origin == Origin::Assumed).then_some(0))
    }

    /// Asks again for a CPU that is not known: it may have come online since. Whether it is known now.
    pub(crate) fn learn(&mut self, cpu: u32) -> bool {
        let id = match &self.origin {
            Origin::Kernel(directory) => package(&directory.join(format!("cpu{cpu}"))),
            Origin::Cpuinfo(proc_root) => Cpuinfo::read(proc_root)
                .ok()
                .and_then(|cpuinfo| cpuinfo.cpus.into_iter().find(|(other, _)| *other == cpu)?.1),
            Origin::Assumed | Origin::Unknown(_) => None,
        };
        let Some(id) = id else { return false };
        let index = self.sockets.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.sockets.push(id);
            self.sockets.len() - 1
        });
        self.socket_of.insert(cpu, index);
        true
    }

    /// Whether the kernel shows which NUMA nodes there are.
    #[must_use]
    pub fn has_nodes(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// The physical id of the socket that a NUMA node is in.
    #[must_use]
    pub fn of_node(&self, node: u32) -> Option<u32> {
        self.nodes.get(&node).copied()
    }

    /// The physical id of the socket that a meter calls `number`, one of all `numbers` of its kind.
    ///
    /// Meters count sockets from 0 where the kernel's ids may be anything, so a number is an index unless none can be
    /// so high. While CPUs are offline, and their sockets unknown, an index may be any socket's.
    #[must_use]
    pub fn numbered(&self, number: u32, numbers: &[u32]) -> Option<u32> {
        let mut sorted = self.sockets.clone();
        sorted.sort_unstable();
        let at = |number: u32| sorted.get(number as usize).copied();
        let all_seen =
            self.socket_of.len() >= self.present || (0..).zip(&sorted).all(|(index, _)| numbers.contains(&index));
        if numbers.iter().all(|number| at(*number).is_some()) && all_seen && self.ids_follow_cpus(&sorted) {
            return at(number);
        }
        // No socket that is not seen can come before these.
        if at(number) == Some(number) && sorted.iter().zip(0..=number).all(|(id, index)| *id == index) {
            return Some(number);
        }
        let are_ids = numbers.iter().any(|number| *number as usize >= self.present)
            || numbers.iter().all(|number| sorted.contains(number));
        (are_ids && sorted.contains(&number)).then_some(number)
    }

    /// Whether ids ascend with the CPUs' numbers, so that firmware and kernel count sockets alike.
    fn ids_follow_cpus(&self, sorted: &[u32]) -> bool {
        let first = |id: &u32| {
            let index = self.sockets.iter().position(|known| known == id);
            self.socket_of.iter().filter(|(_, socket)| Some(**socket) == index).map(|(cpu, _)| *cpu).min()
        };
        sorted.iter().map(first).is_sorted()
    }

    /// Why sockets are not known, where they are not.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match &self.origin {
            Origin::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// Where sockets are known from.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.origin {
            Origin::Kernel(directory) => format!("sockets by the kernel's topology, {}", directory.display()),
            Origin::Cpuinfo(proc_root) => format!("sockets by {}", proc_root.join("cpuinfo").display()),
            Origin::Assumed => "all CPUs taken for one socket's".to_owned(),
            Origin::Unknown(_) => "which CPU is in which socket is not known".to_owned(),
        }
    }
}

/// Every CPU that the kernel shows, with its package; one that is offline has none.
fn packages(directory: &Path) -> BTreeMap<u32, Option<u32>> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let cpu = |entry: std::fs::DirEntry| {
        let number = entry.file_name().to_str()?.strip_prefix("cpu")?.parse().ok()?;
        Some((number, package(&entry.path())))
    };
    entries.filter_map(cpu).collect()
}

/// The package of the CPU at `/sys/devices/system/cpu/cpuN`. Kernels that do not know it say -1.
fn package(cpu: &Path) -> Option<u32> {
    std::fs::read_to_string(cpu.join("topology/physical_package_id")).ok()?.trim().parse().ok()
}

/// Each NUMA node's package: that of its first known CPU.
fn nodes(directory: &Path, placed: &BTreeMap<u32, u32>) -> BTreeMap<u32, u32> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let node = |entry: std::fs::DirEntry| {
        let number = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
        let list = std::fs::read_to_string(entry.path().join("cpulist")).ok()?;
        let first = list.trim().split(['-', ',']).next()?.parse().ok()?;
        Some((number, *placed.get(&first)?))
    };
    entries.filter_map(node).collect()
}

/// The CPUs whose time `/proc/stat` tells.
fn online(proc_root: &Path) -> Vec<u32> {
    let stat = std::fs::read_to_string(proc_root.join("stat")).unwrap_or_default();
    let cpu = |line: &str| line.strip_prefix("cpu")?.split_ascii_whitespace().next()?.parse().ok();
    stat.lines().filter(|line| !line.starts_with("cpu ")).filter_map(cpu).collect()
}

#[cfg(test)]
mod tests;
