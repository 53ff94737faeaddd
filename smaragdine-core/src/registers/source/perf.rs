//! RAPL energy registers through perf's `power` events, for machines where powercap is root's alone.
//!
//! The kernel counts each register on 64 bits, in a unit that it tells, from when the event is opened: nothing wraps.
//! An event is of one socket, or die, and opened through the CPU that the kernel names for it. Whoever may open it is
//! decided by `perf_event_paranoid` (0 or less) or `CAP_PERFMON`. It is the same register that powercap shows: where
//! both can be read, powercap is the authority (see [`Perf::beside`]).

mod event;

use std::path::Path;
use std::{fs, io};

use event::{Event, Opened};

use super::{Observation, Source, Unavailable, Value};
use crate::clock::monotonic_ns;
use crate::registers::topology::Topology;
use crate::trace::{Domain, Flag, Flags, RAPL_UPDATE_NS, UNKNOWN_SOCKET};

/// Where another source is the authority, its readings are only compared in the end.
const TWINS_PERIOD_NS: i64 = 1_000_000_000;
const TWIN: &str = "-perf";

/// Reads every event of the `power` unit, on every CPU that the kernel names.
#[derive(Debug)]
pub struct Perf {
    domains: Vec<Domain>,
    registers: Vec<Register>,
    problems: Vec<String>,
}

#[derive(Debug)]
struct Register {
    event: Event,
    cpu: u32,
    opened: Opened,
}

impl Register {
    /// For [`Source::registers`].
    fn identity(&self) -> String {
        match &self.opened {
            Opened::Kernel { .. } => format!("{:?} on CPU {}", self.event, self.cpu),
            Opened::Recorded(path) => path.display().to_string(),
        }
    }
}

impl Perf {
    /// Opens every energy event below `root` (`/sys/bus/event_source/devices`). Where `counters` names a directory,
    /// what an event's descriptor would yield is read from its files, `energy-pkg-0` for CPU 0: recorded or made-up
    /// machines have no events of their own.
    ///
    /// # Errors
    /// No such events, or none may be opened.
    pub fn open(root: &Path, counters: Option<&Path>, topology: &Topology) -> Result<Self, Unavailable> {
        let unit = root.join("power");
        let events = Event::all(&unit).map_err(|error| absent(&unit, &error.to_string()))?;
        let cpus = event::cpus(&unit).map_err(|error| absent(&unit, &error.to_string()))?;
        if events.is_empty() || cpus.is_empty() {
            return Err(absent(&unit, "it has no energy event"));
        }
        let sockets: Vec<Option<u32>> = cpus.iter().map(|cpu| socket(topology, *cpu)).collect();
        let mut perf = Self { domains: Vec::new(), registers: Vec::new(), problems: Vec::new() };
        let mut refused = None;
        for event in &events {
            for (place, &cpu) in cpus.iter().enumerate() {
                match event.open(cpu, counters).and_then(|mut opened| opened.read().map(|_| opened)) {
                    Ok(opened) => {
                        perf.domains.push(domain(event, place, &sockets));
                        perf.registers.push(Register { event: event.clone(), cpu, opened });
                    }
                    Err(error) => {
                        perf.problems.push(format!("cannot open power/{}/ on CPU {cpu}: {error}", event.name));
                        refused = Some(error);
                    }
                }
            }
        }
        match refused {
            Some(error) if perf.domains.is_empty() => Err(forbidden(&perf.problems[0], &error)),
            _ => Ok(perf.beside(&[])),
        }
    }

    /// Counts what none of `others`, which are powercap's, already tells: a register that both show is counted there,
    /// and read once a second here, to be compared.
    #[must_use]
    pub fn beside(mut self, others: &[Domain]) -> Self {
        let own: Vec<String> = self.domains.iter().map(|domain| domain.name.clone()).collect();
        let is_known = |name: &str| own.iter().any(|own| own == name) || others.iter().any(|other| other.name == name);
        let has_package =
            own.iter().chain(others.iter().map(|other| &other.name)).any(|name| name.starts_with("package-"));
        for domain in &mut self.domains {
            let (kind, of_socket) = domain.name.split_once('-').unwrap_or((&domain.name, "0"));
            let package = Some(format!("package-{of_socket}")).filter(|name| is_known(name));
            let platform = Some("psys".to_owned()).filter(|name| kind != "psys" && is_known(name));
            let container = match kind {
                "core" | "uncore" => package.or(platform),
                _ => platform,
            };
            let because = if others.iter().any(|other| other.name == domain.name) {
                Some(format!("reads the same register as {}, through perf", domain.name))
            } else if kind == "psys" && has_package {
                Some("contains the packages and their memory, which are counted".to_owned())
            } else {
                let holder = container.as_ref().filter(|holder| *holder != "psys" || !has_package);
                holder.map(|holder| format!("{holder} contains it"))
            };
            domain.parent = container;
            domain.counted = because.is_none();
            domain.not_counted_because = because;
        }
        for domain in self.domains.iter_mut().filter(|domain| others.iter().any(|other| other.name == domain.name)) {
            domain.name.push_str(TWIN);
        }
        self
    }
}

impl Source for Perf {
    fn name(&self) -> &'static str {
        "perf"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        self.registers.iter().map(Register::identity).collect()
    }

    fn update_ns(&self) -> Option<i64> {
        self.shortest_period_ns().is_none().then_some(RAPL_UPDATE_NS)
    }

    /// Nothing needs to be known sooner of what is not counted.
    fn shortest_period_ns(&self) -> Option<i64> {
        (!self.domains.iter().any(|domain| domain.counted)).then_some(TWINS_PERIOD_NS)
    }

    fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        for (domain, register) in (0..).zip(&mut self.registers) {
            let read_start_ns = monotonic_ns();
            let counted = register.opened.read();
            let read_end_ns = monotonic_ns();
            let (value, flags) = match counted {
                // What another listener has not seen of the failure is in the flag.
                Ok((count, anew)) => {
                    let flags = if anew { Flags::NONE.with(Flag::Reset) } else { Flags::NONE };
                    (Value::Counter { energy_uj: register.event.energy_uj(count) }, flags)
                }
                Err(error) => {
                    let (name, cpu) = (&register.event.name, register.cpu);
                    (Value::Failed { problem: format!("cannot read power/{name}/ on CPU {cpu}: {error}") }, Flags::NONE)
                }
            };
            out.push(Observation { domain, read_start_ns, read_end_ns, value, flags });
        }
    }
}

/// The kernel's number of a CPU's socket.
fn socket(topology: &Topology, cpu: u32) -> Option<u32> {
    topology.sockets().get(topology.socket(cpu)?).copied()
}

/// A register's domain, not yet counted or not; `place` is that of its CPU among those that sockets are read through.
fn domain(event: &Event, place: usize, sockets: &[Option<u32>]) -> Domain {
    let number = sockets[place].unwrap_or(place as u32);
    // Several CPUs of one socket are its dies.
    let is_of_socket = |other: &&Option<u32>| sockets[place].is_some() && **other == sockets[place];
    let dies = sockets.iter().filter(is_of_socket).count();
    let die = sockets[..place].iter().filter(is_of_socket).count();
    let name = match event.kind {
        // As powercap has it.
        "psys" if number == 0 => "psys".to_owned(),
        kind if dies > 1 => format!("{kind}-{number}-die-{die}"),
        kind => format!("{kind}-{number}"),
    };
    let scope = if event.kind == "psys" && sockets.len() > 1 { None } else { sockets[place] };
    let scope = scope.map_or(UNKNOWN_SOCKET.to_owned(), |socket| format!("socket:{socket}"));
    Domain::new(&name, "CPU:0", "perf", &scope)
}

fn absent(unit: &Path, problem: &str) -> Unavailable {
    Unavailable {
        problem: format!("{}: {problem}", unit.display()),
        hint: "on a real machine load the driver: `sudo modprobe rapl` (Intel and AMD); virtual machines rarely have \
               RAPL"
            .to_owned(),
    }
}

fn forbidden(problem: &str, error: &io::Error) -> Unavailable {
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "kernel.perf_event_paranoid is {}: ask the administrator for `sudo sysctl kernel.perf_event_paranoid=0`, or \
             for CAP_PERFMON for smaragdined; containers forbid the call altogether unless they are told otherwise",
            paranoid.trim()
        ),
        _ => "look into the kernel's log: `sudo dmesg | grep -i rapl`".to_owned(),
    };
    Unavailable { problem: problem.to_owned(), hint }
}
