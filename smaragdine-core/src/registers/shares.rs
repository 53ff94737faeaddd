//! Shares: how much of each socket's and GPU's energy is the application's, the daemon's, or nobody's (law 5).
//!
//! Per socket, never per core: application CPU time ÷ active CPU time there, both read from `/proc` at one instant.
//! Both advance by scheduler ticks, so shares have a period of their own, and are interpolated onto readings later
//! (see [`crate::accounting::attribution`]). To account by something else than processes, replace [`cpu_time`].

mod cpu_time;
pub mod gpu;
mod machine;
mod members;
mod periodic;
mod process_stat;
mod socket;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use crate::clock::{TraceClock, monotonic_ns};
use crate::registers::topology::Topology;
use crate::trace::{Domain, Flags, ShareSample};

pub(crate) use cpu_time::{CpuTime, Ticks};
pub(crate) use machine::{MachineStat, StatFile};
pub(crate) use members::Members;
use periodic::{Look, Periodic};
use process_stat::ProcessStat;
pub use socket::{Fractions, SocketShares, Use};

/// Default period of share samples.
pub const PERIOD_NS: i64 = 100_000_000;

/// A share over fewer ticks than this is mostly rounding.
const TICKS_PER_SAMPLE: i64 = 20;

/// CPU times that have not moved for so many ticks do not follow the time at all.
const STANDING_TICKS: i64 = 5;

/// How shares were measured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShareReport {
    /// Where they came from, with what weakens them on this machine.
    pub source: String,
    /// The step of the clock that they were measured with.
    pub tick_ns: i64,
    /// Why shares were unknown, each reason once.
    pub problems: Vec<String>,
}

/// When the process of this number started, in ticks since boot: with the number, who it is. `None`: it is not seen.
pub(crate) fn started(proc_root: &Path, pid: i32) -> Option<u64> {
    ProcessStat::read(&proc_root.join(pid.to_string())).ok().map(|stat| stat.start)
}

/// The machine whose energy is shared.
#[derive(Debug, Clone)]
pub struct Machine {
    proc_root: PathBuf,
    topology: Topology,
    /// Energy is computed from the CPU times that are shown, so it is of what they show, whoever is left out.
    modelled: bool,
}

impl Machine {
    /// One whose registers hold the energy of everything that runs there.
    #[must_use]
    pub fn measured(topology: Topology, proc_root: &Path) -> Self {
        Self { proc_root: proc_root.to_owned(), topology, modelled: false }
    }

    /// One whose energy is modelled from the very CPU times that are shared.
    #[must_use]
    pub fn modelled(topology: Topology, proc_root: &Path) -> Self {
        Self { proc_root: proc_root.to_owned(), topology: topology.or_one_socket(), modelled: true }
    }

    /// What is counted of sockets in which no CPU is seen, in words: its share is unknown.
    #[must_use]
    pub fn unshared(&self, domains: &[Domain]) -> Option<String> {
        if self.topology.problem().is_some() {
            return None;
        }
        let seen = |domain: &Domain| match domain.scope.strip_prefix("socket:").map(str::parse) {
            Some(Ok(socket)) => self.topology.sockets().contains(&socket),
            Some(Err(_)) => false,
            None => true,
        };
        let unseen = domains.iter().filter(|domain| domain.counted && !seen(domain));
        let names: Vec<&str> = unseen.map(|domain| domain.name.as_str()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "the share of {} is unknown: no CPU is known to be in the socket that it meters ({}, which shows {})",
                names.join(", "),
                self.topology.source(),
                match self.topology.sockets() {
                    [one] => format!("socket {one} alone"),
                    many => format!("sockets {}", many.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
                }
            )
        })
    }
}

/// Samples CPU shares on an OS thread of its own.
#[derive(Debug)]
pub struct ShareSampler(Periodic);

impl ShareSampler {
    /// Takes the first look and starts; each later look sends one sample per socket to `sink`.
    ///
    /// The period is at least 20 scheduler ticks, whatever `period_ns` asks for. `application`, the process that has this
    /// number now, counts with its descendants, exited ones included, without the `excluded` daemon's.
    ///
    /// # Errors
    /// Where no thread can be started. A machine or an application that cannot be seen is no error: shares are unknown,
    /// and the report says why.
    pub fn start(
        machine: Machine,
        application: i32,
        excluded: Vec<i32>,
        period_ns: i64,
        clock: TraceClock,
        sink: SyncSender<Vec<ShareSample>>,
    ) -> io::Result<Self> {
        let mut looks = Looks::new(machine, application, excluded, clock);
        let period_ns = period_ns.max(TICKS_PER_SAMPLE * looks.tick_ns);
        looks.look();
        Periodic::start("shares", period_ns, sink, looks).map(Self)
    }

    /// Takes a last look, so that shares reach to the end, and joins the thread.
    #[must_use]
    pub fn stop(self) -> ShareReport {
        self.0.stop()
    }
}

/// Successive looks at `/proc`.
#[derive(Debug)]
struct Looks {
    machine: Machine,
    stat: StatFile,
    clock: TraceClock,
    tick_ns: i64,
    cpu_time: CpuTime,
    sockets: Vec<SocketShares>,
    /// When the last look was, monotonic, and what it saw of the machine.
    previous: Option<(i64, Option<MachineStat>)>,
    problems: Vec<String>,
}

impl Looks {
    fn new(machine: Machine, application: i32, excluded: Vec<i32>, clock: TraceClock) -> Self {
        // The kernel shows times to every program in this unit, whatever its own ticks are.
        let tick_ns = 1_000_000_000 / i64::try_from(rustix::param::clock_ticks_per_second().max(1)).unwrap_or(100);
        Self {
            stat: StatFile::below(&machine.proc_root),
            clock,
            tick_ns,
            sockets: vec![SocketShares::default(); machine.topology.sockets().len()],
            cpu_time: CpuTime::new(&machine.proc_root, application, excluded),
            previous: None,
            problems: machine.topology.problem().map(str::to_owned).into_iter().collect(),
            machine,
        }
    }

    fn note(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// What `/proc/stat` tells of the whole machine, if it does.
    fn machine(&mut self) -> Option<MachineStat> {
        let read = self.stat.read();
        let path = self.stat.path.display().to_string();
        let machine = read.map_err(|error| self.note(format!("cannot read {path}: {error}"))).ok();
        let Some(kind) = self.stat.laid_over().map(str::to_owned) else { return machine };
        let own = format!("{path} is a mount of its own ({kind}), as a container's");
        if self.machine.modelled {
            self.note(format!(
                "{own}: power is modelled from the CPU time that it shows, which is not all that the machine used"
            ));
            return machine;
        }
        self.note(format!(
            "{own}: it may show this container's CPU time alone, so which share of the machine's energy is the \
             application's is unknown; run the daemon on the host, or mount the host's /proc and name it by --proc-root"
        ));
        None
    }

    /// Learns of CPUs that came online since. Whether a socket appeared with one, of which nothing was followed before.
    fn learn(&mut self, machine: &MachineStat) -> bool {
        let topology = &mut self.machine.topology;
        for cpu in machine.cpus.iter().map(|stat| stat.cpu) {
            if topology.problem().is_none() && topology.socket(cpu).is_none() && !topology.learn(cpu) {
                let problem = format!("CPU {cpu} is in no known socket ({}), so shares are unknown", topology.source());
                self.problems.extend((!self.problems.contains(&problem)).then_some(problem));
                break;
            }
        }
        let known = self.sockets.len();
        self.sockets.resize(self.machine.topology.sockets().len(), SocketShares::default());
        self.sockets.len() > known
    }

    /// Active ticks of each socket since the last look, where that is known.
    fn active(&mut self, machine: Option<&MachineStat>, now_ns: i64) -> Option<Vec<u64>> {
        let (start_ns, Some(earlier)) = self.previous.as_ref()? else { return None };
        let machine = machine?;
        if now_ns - start_ns >= STANDING_TICKS * self.tick_ns && machine.stands_since(earlier) {
            let path = self.stat.path.display();
            self.note(format!("the CPU times of {path} stand still, as in a sandbox, so shares are unknown"));
            return None;
        }
        machine.active_since(earlier, &self.machine.topology)
    }
}

impl Look for Looks {
    fn look(&mut self) -> Vec<ShareSample> {
        let before_ns = monotonic_ns();
        let machine = self.machine();
        let now_ns = before_ns + (monotonic_ns() - before_ns) / 2;
        let appeared = machine.as_ref().is_some_and(|machine| self.learn(machine));
        let active = self.active(machine.as_ref(), now_ns).filter(|_| !appeared);
        let ticks = self.cpu_time.update(machine.as_ref().and_then(|machine| machine.forks), &self.machine.topology);
        if appeared {
            self.cpu_time.look_at_threads(&self.machine.topology);
        }
        if let Some(problem) = ticks.problem {
            self.note(problem);
        }
        let mut samples = Vec::with_capacity(self.sockets.len());
        if let Some((start_ns, _)) = &self.previous {
            for (index, socket) in self.sockets.iter_mut().enumerate() {
                let ns = |ticks: &Option<Vec<f64>>| ticks.as_ref().map(|ticks| ticks[index] * self.tick_ns as f64);
                let fractions = match &active {
                    Some(active) => socket.update(&Use {
                        wall_ns: (now_ns - start_ns) as f64,
                        active_ns: active[index] as f64 * self.tick_ns as f64,
                        application_ns: ns(&ticks.application),
                        daemon_ns: ns(&ticks.daemon),
                    }),
                    None => Fractions { application: None, daemon: None, idle: None },
                };
                samples.push(ShareSample {
                    scope: format!("socket:{}", self.machine.topology.sockets()[index]),
                    start_ns: self.clock.from_monotonic(*start_ns),
                    end_ns: self.clock.from_monotonic(now_ns),
                    app: fractions.application,
                    daemon: fractions.daemon,
                    idle: fractions.idle,
                    flags: Flags::NONE,
                });
            }
        }
        self.previous = Some((now_ns, machine));
        samples
    }

    fn report(mut self) -> ShareReport {
        let owed_ns: f64 = self.sockets.iter().map(SocketShares::application_owed_ns).sum();
        if owed_ns > (TICKS_PER_SAMPLE * self.tick_ns) as f64 {
            self.note(format!(
                "the application used {:.1} s more CPU time than its sockets were active; this kernel may count time \
                 that the hypervisor took away as the application's",
                owed_ns / 1e9
            ));
        }
        let topology = &self.machine.topology;
        let caveats: String = topology.caveats.iter().map(|caveat| format!("; {caveat}")).collect();
        let proc_root = self.machine.proc_root.display();
        ShareReport {
            source: format!("CPU time of processes by socket, {proc_root}; {}{caveats}", topology.source()),
            tick_ns: self.tick_ns,
            problems: self.problems,
        }
    }
}

#[cfg(test)]
mod tests;
