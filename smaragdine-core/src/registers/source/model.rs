//! Power modelled from CPU use, for machines where nothing can be measured.
//!
//! A logical CPU draws `IDLE_W + ACTIVE_W × utilisation`; a socket draws the sum over its logical CPUs. That is no
//! measurement: shares follow time, and watts per operation mean nothing. Every domain says [`Basis::Modelled`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use crate::clock::monotonic_ns;
use crate::registers::source::{Observation, Source, Unavailable, Value, identity};
use crate::registers::topology::Topology;
use crate::trace::{Basis, Domain, Flags};

/// Watts of an idle logical CPU, and what full use adds: 0.64 W idle and 3.80 W busy are the averages per hardware
/// thread that Cloud Carbon Footprint derives from SPECpower_ssj2008 results of Cascade Lake servers. Other generations
/// lie between 0.45–1.87 W (Milan) and 1.90–5.99 W (Haswell).
pub const IDLE_W: f64 = 0.64;
pub const ACTIVE_W: f64 = 3.80 - IDLE_W;

/// `/proc/stat` steps by 10 ms: a shorter period would see use in steps of more than a tenth.
const SHORTEST_PERIOD_NS: i64 = 100_000_000;

/// Models one domain `package-N` per socket.
#[derive(Debug)]
pub struct ModelledPower {
    domains: Vec<Domain>,
    /// Logical CPU → index into `domains`.
    sockets: BTreeMap<u32, usize>,
    path: PathBuf,
    stat: File,
    text: String,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    read_ns: i64,
    times: BTreeMap<u32, Times>,
    /// Kept for an interval within which the clock did not tick.
    power_w: Vec<f64>,
}

/// Ticks since boot of one logical CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Times {
    active: u64,
    total: u64,
}

impl ModelledPower {
    /// Opens `proc_root/stat`; CPUs are in the sockets of `topology`, or all in one where these are not known.
    ///
    /// # Errors
    /// [`Unavailable`] where the file is missing or names no CPU.
    pub fn open(proc_root: &Path, topology: &Topology) -> Result<Self, Unavailable> {
        let unavailable = |path: &Path, problem: &dyn std::fmt::Display| Unavailable {
            problem: format!("cannot model power from {}: {problem}", path.display()),
            hint: "mount /proc, or point --proc-root to it".to_owned(),
        };
        let path = proc_root.join("stat");
        let stat = File::open(&path).map_err(|error| unavailable(&path, &error))?;
        let text = fs::read_to_string(&path).map_err(|error| unavailable(&path, &error))?;
        let cpus: Vec<u32> = cpu_times(&text).map(|(cpu, _)| cpu).collect();
        if cpus.is_empty() {
            return Err(unavailable(&path, &"it names no CPU"));
        }
        let topology = topology.clone().or_one_socket();
        let socket = |cpu: u32| topology.sockets()[topology.socket(cpu).unwrap_or(0)];
        let of_cpu: BTreeMap<u32, u32> = cpus.iter().map(|cpu| (*cpu, socket(*cpu))).collect();
        let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
        for socket in of_cpu.values() {
            *sizes.entry(*socket).or_default() += 1;
        }
        let index: BTreeMap<u32, usize> = sizes.keys().enumerate().map(|(index, socket)| (*socket, index)).collect();
        Ok(Self {
            domains: sizes.iter().map(|(socket, cpus)| domain(*socket, *cpus)).collect(),
            sockets: of_cpu.iter().map(|(cpu, socket)| (*cpu, index[socket])).collect(),
            path,
            stat,
            text,
            last: None,
        })
    }

    fn times(&mut self) -> io::Result<BTreeMap<u32, Times>> {
        self.text.clear();
        self.stat.rewind()?;
        self.stat.read_to_string(&mut self.text)?;
        let times: BTreeMap<u32, Times> = cpu_times(&self.text).collect();
        if times.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it names no CPU"));
        }
        Ok(times)
    }

    /// Watts of each domain between two looks at the clocks.
    fn power_w(&self, last: &Last, times: &BTreeMap<u32, Times>) -> Vec<f64> {
        let used = |cpu: &u32| -> Option<f64> {
            let (before, after) = (last.times.get(cpu)?, times.get(cpu)?);
            let total = after.total.checked_sub(before.total).filter(|total| *total > 0)?;
            Some((after.active.saturating_sub(before.active) as f64 / total as f64).min(1.0))
        };
        let ticked = self.sockets.keys().any(|cpu| used(cpu).is_some());
        if !ticked {
            return last.power_w.clone();
        }
        let mut power_w: Vec<f64> = self.domains.iter().map(|domain| domain.static_w.unwrap_or(0.0)).collect();
        for (cpu, socket) in &self.sockets {
            power_w[*socket] += ACTIVE_W * used(cpu).unwrap_or(0.0);
        }
        power_w
    }
}

impl Source for ModelledPower {
    fn name(&self) -> &'static str {
        "model"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        let stat = identity(&self.path, &self.stat);
        let cpus = |index| self.sockets.iter().filter(move |(_, socket)| **socket == index).map(|(cpu, _)| *cpu);
        let register = |index| format!("{stat} of CPUs {:?}", cpus(index).collect::<Vec<_>>());
        (0..self.domains.len()).map(register).collect()
    }

    /// The first read fixes where the first interval starts and adds nothing.
    fn read(&mut self, out: &mut Vec<Observation>) {
        let read_start_ns = monotonic_ns();
        let times = self.times();
        let read_end_ns = monotonic_ns();
        let end_ns = read_start_ns + (read_end_ns - read_start_ns) / 2;
        let observe =
            |domain: u16, value| Observation { domain, read_start_ns, read_end_ns, value, flags: Flags::NONE };
        let times = match times {
            Ok(times) => times,
            Err(error) => {
                let problem = format!("cannot read {}: {error}", self.path.display());
                out.extend(
                    (0..).zip(&self.domains).map(|(n, _)| observe(n, Value::Failed { problem: problem.clone() })),
                );
                return;
            }
        };
        let power_w = match &self.last {
            None => self.domains.iter().map(|domain| domain.static_w.unwrap_or(0.0)).collect(),
            Some(last) => {
                let power_w = self.power_w(last, &times);
                let start_ns = last.read_ns;
                let length_s = (end_ns - start_ns) as f64 * 1e-9;
                out.extend(
                    (0..)
                        .zip(&power_w)
                        .map(|(n, w)| observe(n, Value::Interval { start_ns, end_ns, energy_j: w * length_s })),
                );
                power_w
            }
        };
        self.last = Some(Last { read_ns: end_ns, times, power_w });
    }

    fn shortest_period_ns(&self) -> Option<i64> {
        Some(SHORTEST_PERIOD_NS)
    }
}

fn domain(socket: u32, cpus: u32) -> Domain {
    Domain {
        basis: Basis::Modelled,
        static_w: Some(IDLE_W * f64::from(cpus)),
        ..Domain::new(&format!("package-{socket}"), "CPU:0", "model", &format!("socket:{socket}"))
    }
}

/// The `cpuN` lines of `/proc/stat`.
fn cpu_times(stat: &str) -> impl Iterator<Item = (u32, Times)> {
    stat.lines().filter_map(|line| {
        let mut fields = line.strip_prefix("cpu")?.split_ascii_whitespace();
        let cpu =
            line.as_bytes().get(3).filter(|byte| byte.is_ascii_digit()).and_then(|_| fields.next()?.parse().ok())?;
        // user nice system idle iowait irq softirq steal; guest time is in user already.
        let ticks: Vec<u64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
        let [user, nice, system, idle, iowait, irq, softirq, steal] = *ticks.first_chunk()?;
        let active = user + nice + system + irq + softirq;
        Some((cpu, Times { active, total: active + idle + iowait + steal }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\nphysical id\t: 0\n\nprocessor\t: 1\nphysical id\t: 0\n\n\
                           processor\t: 2\nphysical id\t: 1\n";

    fn open(root: &tempfile::TempDir) -> Result<ModelledPower, Unavailable> {
        ModelledPower::open(root.path(), &Topology::read(&root.path().join("sys"), root.path()))
    }

    fn proc_root(stat: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::write(root.path().join("cpuinfo"), CPUINFO).expect("cpuinfo");
        fs::write(root.path().join("stat"), stat).expect("stat");
        root
    }

    /// user, system, idle, iowait, steal of each CPU.
    fn stat(cpus: &[[u64; 5]]) -> String {
        let lines = cpus.iter().enumerate().map(|(cpu, [user, system, idle, iowait, steal])| {
            format!("cpu{cpu} {user} 0 {system} {idle} {iowait} 0 0 {steal} 0 0\n")
        });
        format!("cpu  1 2 3 4 5 6 7 8 9 10\n{}intr 1\n", lines.collect::<String>())
    }

    /// Watts of each domain between two reads.
    fn power_w(model: &mut ModelledPower) -> Vec<f64> {
        let mut observations = Vec::new();
        model.read(&mut observations);
        let power_w = |observation: Observation| match observation.value {
            Value::Interval { start_ns, end_ns, energy_j } => energy_j / (end_ns - start_ns) as f64 * 1e9,
            value => panic!("no interval: {value:?}"),
        };
        observations.into_iter().map(power_w).collect()
    }

    fn assert_close(watts: &[f64], expected: &[f64]) {
        assert_eq!(watts.len(), expected.len());
        assert!(watts.iter().zip(expected).all(|(w, e)| (w - e).abs() < 1e-9), "{watts:?} is not {expected:?}");
    }

    #[test]
    fn every_socket_is_a_modelled_domain() {
        let root = proc_root(&stat(&[[0; 5]; 3]));
        let model = open(&root).expect("a model");
        let domains: Vec<_> = model.domains().iter().map(|domain| (domain.name.as_str(), domain.static_w)).collect();
        assert_eq!(domains, [("package-0", Some(2.0 * IDLE_W)), ("package-1", Some(IDLE_W))]);
        assert!(model.domains().iter().all(|domain| domain.basis == Basis::Modelled && domain.counted));
    }

    #[test]
    fn power_follows_the_use_of_each_logical_cpu() {
        let root = proc_root(&stat(&[[0; 5]; 3]));
        let mut model = open(&root).expect("a model");
        assert_close(&power_w(&mut model), &[]);
        // Waiting for input and stolen time are not active.
        let after = stat(&[[60, 40, 0, 0, 0], [0, 0, 50, 25, 25], [10, 15, 75, 0, 0]]);
        fs::write(root.path().join("stat"), after).expect("stat");
        assert_close(&power_w(&mut model), &[2.0 * IDLE_W + ACTIVE_W, IDLE_W + 0.25 * ACTIVE_W]);
        // No tick since: the last power goes on.
        assert_close(&power_w(&mut model), &[2.0 * IDLE_W + ACTIVE_W, IDLE_W + 0.25 * ACTIVE_W]);
    }

    #[test]
    fn a_failed_read_is_covered_by_the_next_interval() {
        let root = proc_root(&stat(&[[0; 5]; 3]));
        let mut model = open(&root).expect("a model");
        let mut observations = Vec::new();
        model.read(&mut observations);
        let first_ns = model.last.as_ref().expect("a first read").read_ns;
        fs::write(root.path().join("stat"), "").expect("stat");
        model.read(&mut observations);
        assert!(observations.iter().all(|observation| matches!(observation.value, Value::Failed { .. })));
        fs::write(root.path().join("stat"), stat(&[[0, 0, 1, 0, 0]; 3])).expect("stat");
        observations.clear();
        model.read(&mut observations);
        assert!(matches!(observations[0].value, Value::Interval { start_ns, .. } if start_ns == first_ns));
    }

    #[test]
    fn without_a_proc_root_a_hint_says_so() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let unavailable = open(&root).expect_err("no stat");
        assert!(unavailable.problem.contains("stat: No such file"), "{}", unavailable.problem);
        assert!(unavailable.hint.contains("--proc-root"));
    }
}
