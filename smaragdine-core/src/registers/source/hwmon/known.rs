//! Which driver's which meter measures what.
//!
//! Nothing in a machine tells: these are what the kernel's documentation and the drivers say. docs/sources.md goes
//! through them, those included that are kept without being counted.

use super::jetson;
use Meaning::{Core, Graphics, Module, Part, Shown, Socket};
use Number::{Index, Node, Order};

/// What a meter measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// All of a socket, or one of several parts that together are the socket.
    Socket(Number),
    /// A CPU and its GPU: a superchip, a Jetson.
    Module,
    /// Something inside the socket or module of the same number.
    Part,
    /// A core, of a number of its own.
    Core,
    /// A graphics card.
    Graphics,
    /// Something else, for which reason it is not counted.
    Shown(&'static str),
}

/// What the number of a socket's meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// Sockets, as firmware does.
    Index,
    /// NUMA nodes, through whose CPUs the driver reads the socket's register: several may be one socket.
    Node,
    /// Nothing: there is one chip for each socket, in their order.
    Order,
}

struct Row {
    driver: &'static str,
    /// `{}` stands for a number, nothing for any label.
    label: &'static str,
    meaning: Meaning,
}

const fn row(driver: &'static str, label: &'static str, meaning: Meaning) -> Row {
    Row { driver, label, meaning }
}

/// Of drivers that meter the same sockets the first is counted.
const TABLE: [Row; 17] = [
    row("amd_energy", "Esocket{}", Socket(Node)),
    row("amd_energy", "Ecore{}", Core),
    row("zenergy", "Esocket{}", Socket(Node)),
    row("zenergy", "Ecore{}", Core),
    row("amd_hsmp_hwmon", "", Socket(Order)),
    row("power_meter", "Grace Power Socket {}", Socket(Index)),
    row("power_meter", "Module Power Socket {}", Module),
    row("power_meter", "CPU Power Socket {}", Part),
    row("power_meter", "SysIO Power Socket {}", Part),
    row("apm_xgene", "CPU power", Socket(Order)),
    row("apm_xgene", "IO power", Socket(Order)),
    row("zenpower", "", Shown("the driver shows rails of the regulator, or the mean since anyone last asked")),
    row("fam15h_power", "", Shown("the processor estimates it, and averages tell of its cores alone")),
    row("amdgpu", "", Graphics),
    row("i915", "", Graphics),
    row("i915_gt{}", "", Graphics),
    row("xe", "", Graphics),
];

/// What is known of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The place of its driver's first row: of two drivers the lower one is counted.
    pub(super) rank: usize,
    pub(super) meaning: Meaning,
    /// The number in its label, where there is one.
    pub(super) number: Option<u32>,
}

impl Known {
    /// What a driver's meter of this label is, where the table has it.
    pub(super) fn of(driver: &str, label: &str) -> Option<Self> {
        let known = |row: &Row| {
            matched(row.driver, driver)?;
            let number = if row.label.is_empty() { None } else { matched(row.label, label)? };
            let rank = TABLE.iter().position(|first| first.driver == row.driver)?;
            Some(Self { rank, meaning: row.meaning, number })
        };
        // There is one module on a Jetson.
        let of_jetson = || Some(Self { rank: TABLE.len(), meaning: jetson::meaning(driver, label)?, number: Some(0) });
        TABLE.iter().find_map(known).or_else(of_jetson)
    }

    /// Whether it may enter sums.
    pub(super) fn counts(&self) -> bool {
        matches!(self.meaning, Socket(_) | Module)
    }
}

/// The number that `{}` stands for in a text of this pattern, if it has one and the text is of it; case is no matter.
fn matched(pattern: &str, text: &str) -> Option<Option<u32>> {
    let Some(prefix) = pattern.strip_suffix("{}") else { return pattern.eq_ignore_ascii_case(text).then_some(None) };
    let (head, number) = text.split_at_checked(prefix.len())?;
    let digits = head.eq_ignore_ascii_case(prefix) && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse().ok()).flatten().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(driver: &str, label: &str) -> Option<(Meaning, Option<u32>)> {
        Known::of(driver, label).map(|known| (known.meaning, known.number))
    }

    #[test]
    fn a_meter_is_known_by_its_driver_and_its_label_whatever_its_number() {
        assert_eq!(known("zenergy", "Esocket0"), Some((Socket(Node), Some(0))));
        assert_eq!(known("amd_energy", "Esocket12"), Some((Socket(Node), Some(12))));
        assert_eq!(known("zenergy", "Ecore1023"), Some((Core, Some(1023))));
        assert_eq!(known("power_meter", "Grace Power Socket 2364"), Some((Socket(Index), Some(2364))));
        assert_eq!(known("power_meter", "GRACE POWER SOCKET 1"), Some((Socket(Index), Some(1))));
        assert_eq!(known("apm_xgene", "IO power"), Some((Socket(Order), None)));
        assert_eq!(known("i915_gt1", "energy1"), Some((Graphics, None)));
    }

    #[test]
    fn what_only_looks_like_it_is_not_known() {
        for (driver, label) in [
            ("k10temp", "Esocket0"),
            ("zenergy", "Esocket"),
            ("zenergy", "Esocket+1"),
            ("zenergy", "Esocket0 "),
            ("power_meter", "Grace Power Socket"),
            ("power_meter", "power1"),
            ("apm_xgene", "power3"),
            ("power_meter", "Größe"),
        ] {
            assert_eq!(Known::of(driver, label), None, "{driver} {label}");
        }
    }

    #[test]
    fn energy_counters_come_before_power_of_the_same_sockets() {
        let rank = |driver, label| Known::of(driver, label).unwrap().rank;
        assert!(rank("amd_energy", "Ecore000") < rank("zenergy", "Esocket0"));
        assert!(rank("zenergy", "Esocket0") < rank("amd_hsmp_hwmon", "power1"));
    }
}
