//! The machine's own side of shares: which CPU belongs to which socket, and how long each has been active.

use std::io;
use std::path::Path;

use rustc_hash::FxHashMap;

/// CPUs and their sockets, from `/proc/cpuinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topology {
    /// Physical ids in ascending order, as powercap numbers its packages.
    pub(crate) sockets: Vec<u32>,
    /// CPU → index into `sockets`.
    socket_of: FxHashMap<u32, usize>,
    /// What makes CPU time a weaker stand-in for energy here.
    pub(crate) caveats: Vec<&'static str>,
}

impl Topology {
    pub(crate) fn read(proc_root: &Path) -> io::Result<Self> {
        let path = proc_root.join("cpuinfo");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{} names no processor", path.display())))
    }

    /// Machines that name no `physical id` (most of Arm, some virtual ones) have one socket, 0.
    fn parse(text: &str) -> Option<Self> {
        let mut physical: Vec<(u32, u32)> = Vec::new();
        let (mut siblings, mut cores, mut hypervisor) = (1, 1, false);
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            match (key.trim(), value.trim()) {
                ("processor", cpu) => physical.extend(cpu.parse().ok().map(|cpu| (cpu, 0))),
                ("physical id", id) => {
                    if let (Some(last), Ok(id)) = (physical.last_mut(), id.parse()) {
                        last.1 = id;
                    }
                }
                ("siblings", count) => siblings = count.parse().unwrap_or(1),
                ("cpu cores", count) => cores = count.parse().unwrap_or(1),
                ("flags", flags) => hypervisor |= flags.split_ascii_whitespace().any(|flag| flag == "hypervisor"),
                _ => {}
            }
        }
        let mut sockets: Vec<u32> = physical.iter().map(|(_, id)| *id).collect();
        sockets.sort_unstable();
        sockets.dedup();
        let socket_of = physical.iter().filter_map(|(cpu, id)| Some((*cpu, sockets.binary_search(id).ok()?))).collect();
        let mut caveats = Vec::new();
        if siblings > cores {
            caveats.push("SMT neighbours share cores");
        }
        if hypervisor {
            caveats.push("virtual machine");
        }
        (!sockets.is_empty()).then_some(Self { sockets, socket_of, caveats })
    }

    /// The index of a CPU's socket; one that came online since is taken for the first socket's.
    pub(crate) fn socket(&self, cpu: u32) -> usize {
        self.socket_of.get(&cpu).copied().unwrap_or(0)
    }
}

/// `/proc/stat` at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineStat {
    /// Active ticks of each online CPU: user + nice + system + irq + softirq.
    pub(crate) active: Vec<(u32, u64)>,
    /// Processes and threads made since boot; while it stands still there is nothing new to find.
    pub(crate) forks: Option<u64>,
}

impl MachineStat {
    pub(crate) fn read(proc_root: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(proc_root.join("stat"))?;
        let read = Self::parse(&text);
        if read.active.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it names no CPU"));
        }
        Ok(read)
    }

    fn parse(text: &str) -> Self {
        let mut read = Self { active: Vec::new(), forks: None };
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            match fields.next() {
                Some("processes") => read.forks = fields.next().and_then(|count| count.parse().ok()),
                Some(name) => {
                    let Some(Ok(cpu)) = name.strip_prefix("cpu").map(str::parse::<u32>) else { continue };
                    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
                    // user nice system idle iowait irq softirq steal guest guest_nice: guests are inside user and nice.
                    let active = [0, 1, 2, 5, 6].iter().filter_map(|column| ticks.get(*column)).sum();
                    read.active.push((cpu, active));
                }
                None => {}
            }
        }
        read
    }

    /// Active ticks of each socket since `earlier`. A CPU that went offline or came online between is left out.
    pub(crate) fn active_since(&self, earlier: &Self, topology: &Topology) -> Vec<u64> {
        let mut sockets = vec![0; topology.sockets.len()];
        for (cpu, now) in &self.active {
            if let Some((_, before)) = earlier.active.iter().find(|(other, _)| other == cpu) {
                sockets[topology.socket(*cpu)] += now.saturating_sub(*before);
            }
        }
        sockets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_keep_their_physical_numbers() {
        let text =
            "processor : 0\nphysical id : 3\n\nprocessor : 1\nphysical id : 1\n\nprocessor : 2\nphysical id : 3\n";
        let topology = Topology::parse(text).unwrap();
        assert_eq!(topology.sockets, [1, 3]);
        assert_eq!([0, 1, 2].map(|cpu| topology.socket(cpu)), [1, 0, 1]);
    }

    #[test]
    fn a_machine_without_physical_ids_has_one_socket() {
        let topology = Topology::parse("processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\n").unwrap();
        assert_eq!(topology.sockets, [0]);
        assert_eq!(Topology::parse("nothing\n"), None);
    }

    #[test]
    fn smt_and_virtual_machines_are_told() {
        let text = "processor: 0\nsiblings: 4\ncpu cores: 2\nflags: fpu hypervisor\n";
        assert_eq!(Topology::parse(text).unwrap().caveats, ["SMT neighbours share cores", "virtual machine"]);
    }

    #[test]
    fn idle_iowait_steal_and_guests_are_not_active() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 20 30 4000 500 6 7 800 90 10\nintr 5\nprocesses 42\n";
        let stat = MachineStat::parse(text);
        assert_eq!(stat, MachineStat { active: vec![(0, 163)], forks: Some(42) });
    }

    #[test]
    fn active_time_is_summed_by_socket_and_a_new_cpu_waits_for_its_second_read() {
        let topology = Topology::parse("processor: 0\nphysical id: 0\n\nprocessor: 1\nphysical id: 1\n").unwrap();
        let before = MachineStat { active: vec![(0, 10)], forks: None };
        let now = MachineStat { active: vec![(0, 25), (1, 900)], forks: None };
        assert_eq!(now.active_since(&before, &topology), [15, 0]);
    }
}
