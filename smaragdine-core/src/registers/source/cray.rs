//! Cray's counters (`pm_counters`) of a node and its parts: whole joules, ten times a second, each with the moment at
//! which the node's controller took it. Everybody may read them.
//!
//! The node's own counter holds all others and what they leave out, fans and regulators too. It is not counted, and
//! checks what is: the parts cannot draw more than the whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::register::{Register, parse};
use super::{Observation, Source, Unavailable, Value};
use crate::clock::{ClockPair, monotonic_ns};
use crate::registers::topology::Topology;
use crate::trace::{Domain, Flag, Flags, UNKNOWN_SOCKET, WHOLE_NODE};

/// Twice for each update, and no part of a tenth of a second: reads then fall ever elsewhere between updates.
const SHORTEST_PERIOD_NS: i64 = 47_000_000;
/// An update is shown no later than the next is due.
const LATEST_NS: i64 = 100_000_000;
/// What two clocks say of one moment is this far apart at most: they cannot be read at once.
const APART_NS: i64 = 10_000;
/// What changes when the counters may have started again.
const GENERATIONS: [&str; 2] = ["generation", "startup"];

/// Reads the counters of this node.
#[derive(Debug)]
pub struct Cray {
    root: PathBuf,
    domains: Vec<Domain>,
    meters: Vec<Meter>,
    problems: Vec<String>,
    generations: Vec<Option<String>>,
}

#[derive(Debug)]
struct Meter {
    register: Register,
    /// The last stamp, and the moment of `CLOCK_MONOTONIC` that it tells, if it can.
    stamped: Option<(i64, Option<i64>)>,
    /// When it was last looked at.
    looked_ns: Option<i64>,
}

impl Cray {
    /// Opens every counter in `root` (`/sys/cray/pm_counters`).
    ///
    /// # Errors
    /// Where there is none, or none may be read.
    pub fn open(root: &Path, topology: &Topology) -> Result<Self, Unavailable> {
        let absent = |problem: &str| Unavailable {
            problem: format!("{}: {problem}", root.display()),
            hint: "nodes of Cray EX and XC have these counters; in a container mount /sys/cray read-only".to_owned(),
        };
        let entries = fs::read_dir(root).map_err(|error| absent(&error.to_string()))?;
        let mut files: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|file| is_energy(file))
            .collect();
        files.sort();
        let scope = match topology.sockets() {
            [one] => format!("socket:{one}"),
            _ => UNKNOWN_SOCKET.to_owned(),
        };
        let (root, generations) = (root.to_owned(), Vec::new());
        let mut cray = Self { root, domains: Vec::new(), meters: Vec::new(), problems: Vec::new(), generations };
        for file in files {
            let path = cray.root.join(&file);
            match Register::open(&path).and_then(|mut register| register.read_as(line).map(|_| register)) {
                Ok(register) => {
                    cray.domains.push(domain(&file, &scope));
                    cray.meters.push(Meter { register, stamped: None, looked_ns: None });
                }
                Err(error) => cray.problems.push(format!("cannot read {}: {error}", path.display())),
            }
        }
        if cray.domains.is_empty() {
            let problem = cray.problems.first().cloned();
            return Err(absent(problem.as_deref().unwrap_or("it holds no energy counter")));
        }
        let has_node = cray.domains.iter().any(|domain| domain.name == WHOLE_NODE);
        let parts = cray.domains.iter_mut().filter(|domain| has_node && domain.name != WHOLE_NODE);
        parts.for_each(|domain| domain.parent = Some(WHOLE_NODE.to_owned()));
        cray.generations = cray.generation();
        Ok(cray)
    }

    /// Stops counting what RAPL meters: its packages the CPUs, its memory the memory.
    #[must_use]
    pub fn beside<'a>(mut self, rapl: impl Iterator<Item = &'a Domain> + Clone) -> Self {
        let has = |kind: &str| rapl.clone().any(|domain| domain.counted && domain.name.starts_with(kind));
        for (name, metered) in [("cpu", has("package") || has("psys")), ("dram", has("dram") || has("psys"))] {
            for domain in self.domains.iter_mut().filter(|domain| metered && domain.name == name) {
                domain.counted = false;
                domain.not_counted_because = Some("RAPL meters what it holds".to_owned());
            }
        }
        self
    }

    fn generation(&self) -> Vec<Option<String>> {
        GENERATIONS.map(|file| fs::read_to_string(self.root.join(file)).ok()).to_vec()
    }
}

/// `energy`, `cpu_energy`, `accel0_energy`
fn is_energy(file: &str) -> bool {
    file == "energy" || file.ends_with("_energy")
}

fn domain(file: &str, scope: &str) -> Domain {
    let part = file.strip_suffix("_energy");
    let name = match part {
        Some("memory") => "dram",
        Some(part) => part,
        None => WHOLE_NODE,
    };
    let because = match part {
        None => Some("contains the parts that are counted, and checks their sum"),
        Some(part) if part.starts_with("accel") => {
            Some("which of the program's GPUs it is, and of how many, these counters do not tell")
        }
        Some(part) if part == "cpu" || part == "memory" => None,
        // Of several sockets `cpu` is the sum.
        Some(_) => Some("a part of what is counted, or of nobody knows what"),
    };
    let domain = Domain::new(name, "CPU:0", "cray", scope);
    Domain { counted: because.is_none(), not_counted_because: because.map(str::to_owned), ..domain }
}

/// `1234 J 1669118372310104 us`, of older machines without a stamp: joules and microseconds since 1970.
fn line(text: &[u8]) -> io::Result<(u64, Option<i64>)> {
    let wrong =
        || io::Error::new(io::ErrorKind::InvalidData, format!("{:?} are no joules", text.escape_ascii().to_string()));
    let mut words = text.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let joules = parse(words.next().ok_or_else(wrong)?)?;
    if words.next() != Some(b"J") {
        return Err(wrong());
    }
    let stamp_us = words.next().and_then(|word| parse(word).ok()).filter(|_| words.next() == Some(b"us"));
    let energy_uj = joules.checked_mul(1_000_000).ok_or_else(wrong)?;
    Ok((energy_uj, stamp_us.and_then(|stamp_us| i64::try_from(stamp_us).ok())))
}

impl Source for Cray {
    fn name(&self) -> &'static str {
        "cray"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        self.meters.iter().map(|meter| meter.register.identity()).collect()
    }

    fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        // A counter that started again may have passed by now what it showed before.
        let generations = self.generation();
        let is_new = generations != self.generations && generations.iter().all(Option::is_some);
        let flags = if is_new { Flags::NONE.with(Flag::Reset) } else { Flags::NONE };
        if is_new {
            self.generations = generations;
        }
        let offset_ns = ClockPair::now().offset_ns();
        for (domain, meter) in (0..).zip(&mut self.meters) {
            let observation = meter.read(domain, offset_ns);
            out.push(Observation { flags: observation.flags.union(flags), ..observation });
        }
    }

    fn shortest_period_ns(&self) -> Option<i64> {
        Some(SHORTEST_PERIOD_NS)
    }
}

impl Meter {
    fn read(&mut self, domain: u16, offset_ns: i64) -> Observation {
        let read_start_ns = monotonic_ns();
        let shown = self.register.read_as(line);
        let read_end_ns = monotonic_ns();
        let value = match shown {
            Ok((energy_uj, stamp_us)) => {
                let at_ns = stamp_us.and_then(|stamp_us| self.stamp(stamp_us, offset_ns, read_end_ns));
                self.looked_ns = Some(read_start_ns);
                match at_ns {
                    Some(at_ns) => Value::Stamped { energy_uj, from_ns: at_ns, to_ns: at_ns },
                    None => Value::Counter { energy_uj },
                }
            }
            Err(error) => Value::Failed { problem: self.register.problem(&error) },
        };
        Observation { domain, read_start_ns, read_end_ns, value, flags: Flags::NONE }
    }

    /// The moment that a stamp tells. The controller's clock is its own: one that runs backwards, that is ahead of ours,
    /// or so far behind that the update would have been seen before, tells none.
    fn stamp(&mut self, stamp_us: i64, offset_ns: i64, read_end_ns: i64) -> Option<i64> {
        if let Some((last_us, at_ns)) = self.stamped
            && last_us == stamp_us
        {
            return at_ns;
        }
        let ns = stamp_us.saturating_mul(1_000).saturating_sub(offset_ns);
        let least_ns = self.looked_ns.unwrap_or(read_end_ns) - LATEST_NS;
        let goes_on = self.stamped.is_none_or(|(last_us, _)| last_us < stamp_us);
        let at_ns = Some(ns).filter(|ns| goes_on && (least_ns..=read_end_ns + APART_NS).contains(ns));
        let at_ns = at_ns.map(|ns| ns.min(read_end_ns));
        self.stamped = Some((stamp_us, at_ns));
        at_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn meter() -> (tempfile::TempDir, Meter) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("energy");
        fs::write(&path, "5 J 5 us\n").unwrap();
        (root, Meter { register: Register::open(&path).unwrap(), stamped: None, looked_ns: None })
    }

    #[test]
    fn a_line_is_joules_with_or_without_a_stamp_and_nothing_else() {
        assert_eq!(
            line(b"24299836 J 1669118372310104 us\n").unwrap(),
            (24_299_836_000_000, Some(1_669_118_372_310_104))
        );
        assert_eq!(line(b"77 J\n").unwrap(), (77_000_000, None));
        assert_eq!(line(b"77 J 5 ms\n").unwrap(), (77_000_000, None));
        for text in ["", "J", "77", "77 W 5 us", "-3 J 5 us", "99999999999999999999 J", "9999999999999999999 J"] {
            assert!(line(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stamp_is_the_moment_of_the_update_where_it_can_be_right() {
        let (_root, mut meter) = meter();
        // The wall clock is 1 s ahead of the monotonic one.
        let at = |meter: &mut Meter, stamp_ms: i64, read_ms: i64| {
            let at_ns = meter.stamp(stamp_ms * 1_000, 1_000 * MS, read_ms * MS);
            meter.looked_ns = Some(read_ms * MS);
            at_ns.map(|ns| ns / MS)
        };
        assert_eq!(at(&mut meter, 2_990, 2_000), Some(1_990));
        assert_eq!(at(&mut meter, 2_990, 2_050), Some(1_990), "it stands");
        assert_eq!(at(&mut meter, 3_090, 2_100), Some(2_090));
        assert_eq!(at(&mut meter, 3_080, 2_150), None, "it runs backwards");
        assert_eq!(at(&mut meter, 3_290, 2_200), None, "it is ahead");
        assert_eq!(at(&mut meter, 3_310, 2_700), Some(2_310));
        assert_eq!(at(&mut meter, 3_590, 2_900), None, "it would have been seen before");
        assert_eq!(at(&mut meter, 3_890, 3_000), Some(2_890));
    }
}
