//! What a register counts along its waveform, and what it shows of that.

use crate::fault::{Fault, Kind};
use crate::waveform::Waveform;

/// A register of microjoules, with what goes wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    pub waveform: Waveform,
    /// It starts again at 0 after so many.
    pub range_uj: u64,
    /// What it holds at the start.
    pub initial_uj: u64,
    pub faults: Vec<Fault>,
}

impl Register {
    /// The truth: microjoules drawn in the first `seconds`.
    #[must_use]
    pub fn energy_uj(&self, seconds: f64) -> u64 {
        (self.waveform.energy_j(seconds) * 1e6).round() as u64
    }

    /// What goes wrong with it then, if anything.
    #[must_use]
    pub fn suffers(&self, seconds: f64) -> Option<Kind> {
        self.faults.iter().find(|fault| fault.holds(seconds)).map(|fault| fault.kind)
    }

    /// What it shows while it can be read.
    #[must_use]
    pub fn shows_uj(&self, seconds: f64) -> u64 {
        let of_kind = |kind: Kind| self.faults.iter().filter(move |fault| fault.kind == kind);
        if of_kind(Kind::Zero).any(|fault| fault.holds(seconds)) {
            return 0;
        }
        let stalled = of_kind(Kind::Stall).find(|fault| fault.holds(seconds));
        let seconds = stalled.map_or(seconds, |fault| fault.from_s);
        let resets = of_kind(Kind::Reset).map(|fault| fault.from_s);
        let counted = i128::from(self.energy_uj(seconds));
        let mut register = match resets.filter(|at_s| *at_s <= seconds).max_by(f64::total_cmp) {
            Some(at_s) => counted - i128::from(self.energy_uj(at_s)),
            None => i128::from(self.initial_uj) + counted,
        };
        for jump in of_kind(Kind::Jump).filter(|fault| fault.holds(seconds)) {
            register += (jump.by_j * 1e6).round() as i128;
        }
        for freeze in of_kind(Kind::Freeze).filter(|fault| fault.from_s <= seconds) {
            let untold_uj = self.energy_uj(seconds.min(freeze.from_s + freeze.for_s)) - self.energy_uj(freeze.from_s);
            register -= i128::from(untold_uj);
        }
        register.rem_euclid(i128::from(self.range_uj)) as u64
    }
}
