//! One Intel card: the energy counters among its hardware monitors.

use std::fs;
use std::path::Path;

use super::card::{Card, text};
use super::{Found, Meter};
use crate::clock::monotonic_ns;
use crate::registers::source::register::Register;
use crate::registers::source::{Observation, Value};
use crate::trace::Flags;

#[derive(Debug)]
pub(super) struct Counter(Register);

/// The counters of a card: of the whole card, and of its package within. Where only the package has one it stands for
/// the card, and the difference is told.
///
/// # Errors
/// Where none can be read.
pub(super) fn open(card: &Card) -> Result<Vec<Found>, String> {
    let monitor = card.monitor().ok_or("it has no hardware monitor")?;
    let mut problem = format!("{} has no energy counter", monitor.display());
    let mut found: Vec<(bool, Register)> = Vec::new();
    for (number, is_whole) in counters(&monitor) {
        let path = monitor.join(format!("energy{number}_input"));
        let opened = Register::open(&path).and_then(|mut register| register.read().map(|_| register));
        match opened {
            Ok(register) => found.push((is_whole, register)),
            Err(error) => problem = format!("cannot read {}: {error}", path.display()),
        }
    }
    // The whole card first.
    found.sort_by_key(|(is_whole, _)| !is_whole);
    let has_whole = found.first().is_some_and(|(is_whole, _)| *is_whole);
    found.truncate(if has_whole { 2 } else { 1 });
    let told = |(place, (_, register)): (usize, (bool, Register))| Found {
        meter: Meter::Intel(Counter(register)),
        part: (place > 0).then_some("package"),
        because: None,
        problem: (!has_whole)
            .then(|| "only its package has a counter: what its memory and its board draw is missing, not 0".to_owned()),
        range_uj: None,
    };
    if found.is_empty() { Err(problem) } else { Ok(found.into_iter().enumerate().map(told).collect()) }
}

/// The numbers of a monitor's counters, and whether each is of the whole card: by its label, and without one the first.
fn counters(monitor: &Path) -> Vec<(u32, bool)> {
    let number = |name: &str| name.strip_prefix("energy")?.strip_suffix("_input")?.parse().ok();
    let entries = fs::read_dir(monitor).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries.filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    let whole = |number: u32| match text(&monitor.join(format!("energy{number}_label"))) {
        Some(label) => Some(label == "card").filter(|is_card| *is_card || label == "pkg"),
        None => Some(number == 1),
    };
    numbers.into_iter().filter_map(|number| Some((number, whole(number)?))).collect()
}

impl Counter {
    pub(super) fn identity(&self) -> String {
        self.0.identity()
    }

    pub(super) fn read(&mut self, domain: u16) -> Observation {
        let Self(register) = self;
        let read_start_ns = monotonic_ns();
        let shown = register.read();
        let read_end_ns = monotonic_ns();
        let value = match shown {
            Ok(energy_uj) => Value::Counter { energy_uj },
            Err(error) => Value::Failed { problem: register.problem(&error) },
        };
        Observation { domain, read_start_ns, read_end_ns, value, flags: Flags::NONE }
    }
}
