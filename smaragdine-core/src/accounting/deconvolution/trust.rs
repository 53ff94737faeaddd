//! How far readings are to be trusted: how well edges are known, and how far they really scatter, as errors tell.

use super::design::Design;

/// Edges that are known worse than is typical by this factor are known badly.
const UNEVEN: f64 = 2.0;

impl Design {
    fn typical_uncertainty_ns(&self) -> f64 {
        let mut uncertainties_ns: Vec<f64> = self.rows.iter().map(|row| row.uncertainty_ns).collect();
        let middle = uncertainties_ns.len() / 2;
        *uncertainties_ns.select_nth_unstable_by(middle, f64::total_cmp).1
    }

    /// Lets rows count by how much their `errors_j` are to be expected to scatter: as all do, and more where edges are
    /// known worse than is typical, as far as the errors of those are larger.
    pub(super) fn weigh(&mut self, errors_j: &[f64]) {
        let typical_ns = self.typical_uncertainty_ns();
        let (mut well, mut badly) = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0));
        for (row, error) in self.rows.iter().zip(errors_j) {
            let sums = if row.uncertainty_ns <= UNEVEN * typical_ns { &mut well } else { &mut badly };
            *sums = (sums.0 + 1.0, sums.1 + error * error, sums.2 + row.uncertainty_ns.powi(2));
        }
        let mean = |(count, square, uncertain): (f64, f64, f64)| {
            (square / f64::max(count, 1.0), uncertain / f64::max(count, 1.0))
        };
        let ((well_j, well_ns), (badly_j, badly_ns)) = (mean(well), mean(badly));
        let by_edges = ((badly_j - well_j) / (badly_ns - well_ns)).max(0.0);
        let otherwise = (well_j - by_edges * well_ns).max(0.0);
        let variance = |uncertainty_ns: f64| otherwise + by_edges * uncertainty_ns.powi(2);
        for row in &mut self.rows {
            row.weight = (variance(typical_ns) / variance(row.uncertainty_ns)).min(1.0);
            if !row.weight.is_finite() {
                row.weight = 1.0;
            }
        }
    }

    /// What part of their uncertainty edges really scatter by, from the `errors_j` of rows, in joules.
    ///
    /// An update that came late puts into one reading what it takes from the next: neighbours err in opposite
    /// directions, by the scatter times the power at the edge between them. Where edges were not seen they may be off
    /// by nearly the same for many readings on end, and nothing tells by how much.
    pub(super) fn scatter(&self, errors_j: &[f64]) -> f64 {
        if !self.seen {
            return 1.0;
        }
        let (mut products, mut squares, mut expected) = (0.0, 0.0, 0.0);
        for (rows, errors) in self.rows.windows(2).zip(errors_j.windows(2)) {
            if rows[0].edges[1] == rows[1].edges[0] {
                let edge = &self.edges[rows[1].edges[0]];
                let weight = rows[0].weight * rows[1].weight;
                products -= weight * errors[0] * errors[1];
                squares += (weight * errors[0] * errors[1]).powi(2);
                // The variance of a uniform draw from [−1, 1] is 1/3.
                expected += weight * (rows[0].energy_j / rows[0].length_s * 1e-9 * edge.uncertainty_ns).powi(2) / 3.0;
            }
        }
        // Not to be too sure of a scatter too small: one standard error more.
        let upper = (products + squares.sqrt()).max(0.0);
        if expected > 0.0 { (upper / expected).sqrt().min(1.0) } else { 0.0 }
    }
}
