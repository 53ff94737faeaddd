//! The machine's own side of shares: how long each CPU has been active, as `/proc/stat` tells.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Topology;
use crate::registers::mounts::laid_over;

/// `/proc/stat` at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MachineStat {
    /// What each online CPU did so far.
    pub(crate) cpus: Vec<CpuStat>,
    /// Processes and threads made since boot; while it stands still there is nothing new to find.
    pub(crate) forks: Option<u64>,
}

/// One CPU's ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuStat {
    pub(crate) cpu: u32,
    /// user + nice + system + irq + softirq
    pub(crate) active: u64,
    /// Whatever it did, idling and waiting included: the kernel's own moves on as long as there is time.
    pub(crate) passed: u64,
}

impl MachineStat {
    fn parse(text: &str) -> Self {
        let mut read = Self::default();
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            match fields.next() {
                Some("processes") => read.forks = fields.next().and_then(|count| count.parse().ok()),
                Some(name) => {
                    let Some(Ok(cpu)) = name.strip_prefix("cpu").map(str::parse::<u32>) else { continue };
                    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
                    // user nice system idle iowait irq softirq steal guest guest_nice: guests are inside user and nice.
                    let active = [0, 1, 2, 5, 6].iter().filter_map(|column| ticks.get(*column)).sum();
                    read.cpus.push(CpuStat { cpu, active, passed: ticks.iter().take(8).sum() });
                }
                None => {}
            }
        }
        read
    }

    /// Active ticks of each socket since `earlier`; `None` where it is not known which socket some CPU is in.
    /// A CPU that went offline or came online between is left out.
    pub(crate) fn active_since(&self, earlier: &Self, topology: &Topology) -> Option<Vec<u64>> {
        let mut sockets = vec![0; topology.sockets().len()];
        for now in &self.cpus {
            let socket = topology.socket(now.cpu)?;
            if let Some(before) = earlier.cpus.iter().find(|before| before.cpu == now.cpu) {
                sockets[socket] += now.active.saturating_sub(before.active);
            }
        }
        Some(sockets)
    }

    /// Ticks since `earlier` in which CPUs were active, and all that passed on them.
    pub(crate) fn since(&self, earlier: &Self) -> (u64, u64) {
        let pairs = self.cpus.iter().filter_map(|now| {
            let before = earlier.cpus.iter().find(|before| before.cpu == now.cpu)?;
            Some((now.active.saturating_sub(before.active), now.passed.saturating_sub(before.passed)))
        });
        pairs.fold((0, 0), |(active, passed), one| (active + one.0, passed + one.1))
    }

    /// Whether no CPU's time moved since `earlier`, as in sandboxes that show zeros.
    pub(crate) fn stands_since(&self, earlier: &Self) -> bool {
        self.cpus.iter().map(|cpu| cpu.passed).eq(earlier.cpus.iter().map(|cpu| cpu.passed))
    }
}

/// The file, and whether it is the kernel's own.
#[derive(Debug)]
pub(crate) struct StatFile {
    pub(crate) path: PathBuf,
    /// The file system that it was on when that was last looked into.
    device: Option<u64>,
    laid_over: Option<String>,
}

impl StatFile {
    pub(crate) fn below(proc_root: &Path) -> Self {
        Self { path: proc_root.join("stat"), device: None, laid_over: None }
    }

    /// Reads it. Of a file that lies over the kernel's own it is not known which processes it counts.
    ///
    /// # Errors
    /// Where it cannot be read or names no CPU.
    pub(crate) fn read(&mut self) -> io::Result<MachineStat> {
        let mut file = File::open(&self.path)?;
        let device = file.metadata()?.dev();
        // A mount comes and goes with a file system; looking for it every time would cost more than all else.
        if self.device.replace(device) != Some(device) {
            self.laid_over = laid_over(&self.path);
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut read = MachineStat::parse(&text);
        if read.cpus.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it names no CPU"));
        }
        if self.laid_over.is_some() {
            read.forks = None;
        }
        Ok(read)
    }

    /// The kind of file system that lies over the kernel's own file, as of the last read.
    pub(crate) fn laid_over(&self) -> Option<&str> {
        self.laid_over.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Two CPUs in sockets of their own.
    fn topology() -> Topology {
        let root = tempfile::tempdir().unwrap();
        let cpuinfo = "processor: 0\nphysical id: 0\n\nprocessor: 1\nphysical id: 1\n";
        fs::write(root.path().join("cpuinfo"), cpuinfo).unwrap();
        Topology::read(Path::new("/nonexistent"), root.path())
    }

    fn stat(cpus: &[(u32, u64)]) -> MachineStat {
        let cpus = cpus.iter().map(|&(cpu, active)| CpuStat { cpu, active, passed: active }).collect();
        MachineStat { cpus, forks: None }
    }

    #[test]
    fn idle_iowait_steal_and_guests_are_not_active() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 20 30 4000 500 6 7 800 90 10\nintr 5\nprocesses 42\n";
        let cpu = CpuStat { cpu: 0, active: 163, passed: 5463 };
        assert_eq!(MachineStat::parse(text), MachineStat { cpus: vec![cpu], forks: Some(42) });
    }

    #[test]
    fn active_time_is_summed_by_socket_and_a_new_cpu_waits_for_its_second_read() {
        let (before, now) = (stat(&[(0, 10)]), stat(&[(0, 25), (1, 900)]));
        assert_eq!(now.active_since(&before, &topology()), Some(vec![15, 0]));
    }

    #[test]
    fn a_cpu_in_no_known_socket_leaves_every_socket_s_active_time_unknown() {
        let (before, now) = (stat(&[(0, 10), (7, 10)]), stat(&[(0, 25), (7, 20)]));
        assert_eq!(now.active_since(&before, &topology()), None);
    }

    #[test]
    fn a_file_that_shows_the_same_for_ever_stands() {
        assert!(stat(&[(0, 10), (1, 5)]).stands_since(&stat(&[(0, 10), (1, 5)])));
        assert!(!stat(&[(0, 10), (1, 6)]).stands_since(&stat(&[(0, 10), (1, 5)])));
    }

    #[test]
    fn a_file_of_a_tree_that_was_laid_out_is_taken_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("stat"), "cpu0 1 2 3 4\nprocesses 7\n").unwrap();
        let mut file = StatFile::below(root.path());
        assert_eq!(file.read().unwrap().forks, Some(7));
        assert_eq!(file.laid_over(), None);
        fs::write(root.path().join("stat"), "").unwrap();
        assert!(file.read().unwrap_err().to_string().contains("names no CPU"));
    }
}
