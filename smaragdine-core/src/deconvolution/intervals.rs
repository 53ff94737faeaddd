//! How far the energies of classes can be off: whole steps drawn anew, edges and lag moved within what is not known.

use super::design::{Design, Scratch, mean};
use super::fit::{Fit, normal, vertex};
use super::random::Random;

/// Fits drawn. Of as many, ten lie beyond each end of a 90 % interval.
const DRAWS: usize = 200;
const BEYOND: usize = DRAWS / 20;

/// What the draws tell of a fit, by column of its model.
pub(super) struct Spread {
    /// Watts, with the bias removed that moving the edges once more has shown.
    pub(super) power_w: Vec<f64>,
    /// Watts that the edges' uncertainty alone has added.
    pub(super) bias_w: Vec<f64>,
    /// Ends of the interval of the column's energy, as multiples of it.
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
    /// Standard deviation of the lag.
    pub(super) lag_error_ns: f64,
}

impl Spread {
    pub(super) fn of(design: &Design, fit: &Fit, lag_range_ns: f64) -> Self {
        let mut random = Random::new(0x5eed);
        let columns = fit.model.columns;
        let (mut powers, mut energies_j) = (Vec::with_capacity(DRAWS), Vec::with_capacity(DRAWS));
        let mut lags = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let mut weights = vec![0.0; design.steps];
            (0..design.steps).for_each(|_| weights[random.below(design.steps)] += 1.0);
            let lag_ns = match vertex(&fit.around, fit.lag_step_ns, |step| weights[step]) {
                Some(lag) => (fit.lag_ns + lag).clamp(-lag_range_ns, lag_range_ns),
                None => lag_range_ns * random.both(),
            };
            let shifts = design.shifts(lag_ns, || fit.scatter * random.both());
            let power_w = normal(design, &fit.model, &shifts, &weights).solve();
            energies_j.push(energies(design, fit, &shifts, &power_w));
            powers.push(power_w);
            lags.push(lag_ns);
        }
        let means: Vec<f64> = (0..columns).map(|column| mean(powers.iter().map(|power| power[column]))).collect();
        // Unknown edges blur powers into each other; drawn edges blur them as much again.
        let least = 1e-6 * mean(fit.power_w.iter().copied());
        let power_w = (0..columns).map(|column| (2.0 * fit.power_w[column] - means[column]).max(least)).collect();
        let ends = (0..columns).map(|column| ends(energies_j.iter().map(|energies| energies[column]).collect()));
        let (low, high) = ends.unzip();
        let lag = mean(lags.iter().copied());
        Self {
            bias_w: (0..columns).map(|column| means[column] - fit.power_w[column]).collect(),
            power_w,
            low,
            high,
            lag_error_ns: mean(lags.iter().map(|each| (each - lag).powi(2))).sqrt(),
        }
    }
}

/// Where nine of ten draws lie, as multiples of their mean.
fn ends(mut draws: Vec<f64>) -> (f64, f64) {
    draws.sort_unstable_by(f64::total_cmp);
    let mean = mean(draws.iter().copied());
    if mean > 0.0 { ((draws[BEYOND] / mean).min(1.0), (draws[DRAWS - 1 - BEYOND] / mean).max(1.0)) } else { (0.0, 1.0) }
}

/// Energies by column, every row's energy split by what `power_w` expects of each; what is drawn while anything runs
/// goes to whatever runs, by its time.
fn energies(design: &Design, fit: &Fit, shifts: &[f64], power_w: &[f64]) -> Vec<f64> {
    let mut energies = vec![0.0; fit.model.columns];
    let mut scratch = Scratch::new(fit.model.columns);
    for row in &design.rows {
        let times = design.times(row, shifts, &fit.model.into, &mut scratch);
        let sharing = || times.iter().filter(|(column, _)| *column < fit.model.quiet);
        let expected = |column: usize| {
            times.iter().filter(|(other, _)| *other == column).map(|(_, time)| power_w[column] * time).sum::<f64>()
        };
        let lanes_s: f64 = sharing().map(|(_, time)| time).sum();
        let floor = fit.model.floor.map_or(0.0, expected) / lanes_s.max(f64::MIN_POSITIVE);
        let quiet = expected(fit.model.quiet);
        let whole: f64 = quiet + sharing().map(|(column, time)| (power_w[*column] + floor) * time).sum::<f64>();
        let scale = if whole > 0.0 { row.energy_j / whole } else { 0.0 };
        for (column, time) in sharing() {
            energies[*column] += scale * (power_w[*column] + floor) * time;
        }
        energies[fit.model.quiet] += scale * quiet;
    }
    energies
}
