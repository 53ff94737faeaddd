//! Whether parts of a recording tell the same: its halves, and every other stretch of it.

use super::design::Design;
use super::edges::Place;
use super::fit::{Fit, normal, solve, sum};
use super::intervals::energies;

/// Stretches that go to one part and to the other in turn.
const STRETCHES: usize = 32;

/// Energies by class of every part, by its own powers over those of the whole.
pub(super) struct Parts(Vec<Vec<f64>>);

impl Parts {
    pub(super) fn of(design: &Design, fit: &Fit) -> Self {
        let rows = design.rows.len();
        let half = |row: usize| usize::from(2 * row >= rows);
        let turn = |row: usize| row * STRETCHES / rows % 2;
        let quarter = |number: usize| {
            let is_of = |row| 2 * half(row) + turn(row) == number;
            normal(design, &fit.model, Place::later(fit.lag_ns), fit.model.columns, is_of)
        };
        let quarters = [0, 1, 2, 3].map(quarter);
        let ratios = |of_quarter: fn(usize) -> usize, of_row: &dyn Fn(usize) -> usize, part: usize| {
            let own_w = solve(&fit.model, &fit.prior, &sum(&quarters, |quarter| of_quarter(quarter) == part));
            let is_of = |row| of_row(row) == part;
            let own_j = energies(design, fit, Place::later(fit.lag_ns), &own_w, is_of);
            let whole_j = energies(design, fit, Place::later(fit.lag_ns), &fit.power_w, is_of);
            own_j.iter().zip(whole_j).map(|(own, whole)| if whole > 0.0 { own / whole } else { 1.0 }).collect()
        };
        let of_half = |part| ratios(|quarter| quarter / 2, &half, part);
        let of_turn = |part| ratios(|quarter| quarter % 2, &turn, part);
        Self(vec![of_half(0), of_half(1), of_turn(0), of_turn(1)])
    }

    /// Root mean square of how far parts are off the whole, in what that is to be by chance where an energy has these
    /// standard `deviations`, as parts of it: 1 is what they allow. Half the rows err twice as much in squares, and the
    /// whole goes along with half of that.
    pub(super) fn disagreement(&self, deviations: &[f64]) -> f64 {
        let (mut squares, mut count) = (0.0, 0.0);
        for ratios in &self.0 {
            for (ratio, deviation) in ratios.iter().zip(deviations).filter(|(_, deviation)| **deviation > 0.0) {
                squares += ((ratio - 1.0) / deviation).powi(2);
                count += 1.0;
            }
        }
        if count > 0.0 { f64::sqrt(squares / count) } else { 1.0 }
    }
}
