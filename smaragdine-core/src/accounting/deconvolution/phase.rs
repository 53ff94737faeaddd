//! Whether steps and readings run in lockstep: then every step is cut at the same places, and its parts stay unknown.

use std::f64::consts::TAU;

use super::row::UsableReading;
use super::typical;
use crate::span::Span;

/// Phases this concentrated, 1 being all the same, are locked.
const LOCKED: f64 = 0.9;
/// Steps and readings lock in ratios of small numbers: 24 steps to 25 readings are as many phases for ever.
const HARMONICS: i32 = 32;

/// How concentrated the phases are at which readings end within steps, from 0 to 1, in the worst ratio.
pub(super) fn concentration(windows: &[UsableReading], steps: &[Span]) -> f64 {
    let Some(typical_ns) = typical(windows, UsableReading::length_ns) else { return 0.0 };
    let phase = |step: &Span| {
        let next = windows.get(windows.partition_point(|window| window.end_ns <= step.start_ns))?;
        // Only readings that border on the step tell where it is cut.
        (next.start_ns <= step.start_ns).then(|| (next.end_ns - step.start_ns) as f64 / typical_ns * TAU)
    };
    let phases: Vec<f64> = steps.iter().filter_map(phase).collect();
    let concentrated = |harmonic: i32| {
        let (mut x, mut y) = (0.0, 0.0);
        for phase in &phases {
            x += (phase * f64::from(harmonic)).cos();
            y += (phase * f64::from(harmonic)).sin();
        }
        x.hypot(y) / phases.len().max(1) as f64
    };
    (1..=HARMONICS).map(concentrated).fold(0.0, f64::max)
}

pub(in crate::accounting) fn locked(windows: &[UsableReading], steps: &[Span]) -> bool {
    concentration(windows, steps) > LOCKED
}
