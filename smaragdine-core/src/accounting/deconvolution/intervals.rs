//! How far the energies of classes can be off.
//!
//! What the readings leave open of all powers and of the lag, together, follows from how far they differ from the fit,
//! and from what was known beforehand. Powers and lag are drawn from that many times, and every reading is split anew.

use super::covariance::Covariance;
use super::design::{Design, mean};
use super::edges::Place;
use super::fit::{Fit, normal, solve};
use super::parts::Parts;
use super::powers::Beside;
use super::random::Random;

/// Powers drawn: as many tell a standard deviation to 9 %.
const DRAWS: usize = 64;
/// Parts may disagree by so much more than expected by chance.
const CHANCE: f64 = 1.3;
/// Powers vary in more ways than any model has: no energy is taken to be known better than to this part.
const LEAST_DEVIATION: f64 = 0.002;
/// Fits with moved edges, to see what not knowing them does.
const MOVED: usize = 12;

/// What the draws tell of a fit, by column of its model.
pub(super) struct PowerSpread {
    /// Watts, with the bias removed that moving the edges once more has shown.
    pub(super) power_w: Vec<f64>,
    /// Watts that the edges' uncertainty alone has added.
    pub(super) bias_w: Vec<f64>,
    /// Watts by which one and a half standard deviations of the lag move each.
    pub(super) by_lag_w: Vec<f64>,
    /// Standard deviation of each class's energy, as a part of it.
    deviations: Vec<f64>,
    /// Standard deviation of the lag.
    pub(super) lag_error_ns: f64,
    /// How much more parts of the recording disagree than these intervals allow: 1 as expected.
    pub(super) disagreement: f64,
}

impl PowerSpread {
    pub(super) fn of(design: &Design, fit: &Fit, lag_range_ns: f64) -> Self {
        let mut random = Random::new(0x5eed);
        let columns = fit.model.columns;
        let bias_w = bias(design, fit, &mut random);
        let least = 1e-6 * design.mean_w();
        // Unknown edges blur powers into each other; moved edges blur them as much again.
        let sharp = |(column, bias_w): (usize, &f64)| {
            let power_w = fit.power_w[column] - bias_w;
            if fit.model.is_signed(column) { power_w } else { power_w.max(least) }
        };
        let power_w: Vec<f64> = bias_w.iter().enumerate().map(sharp).collect();
        let covariance = Covariance::of(design, fit, &bias_w, lag_range_ns);
        let mut energies_j = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let (mut drawn_w, lag_ns) = covariance.draw(&power_w, &mut random);
            (0..columns).filter(|column| !fit.model.is_signed(*column)).for_each(|column| {
                drawn_w[column] = drawn_w[column].max(least);
            });
            let lag_ns = (fit.lag_ns + lag_ns).clamp(-lag_range_ns, lag_range_ns);
            energies_j.push(energies(design, fit, Place::later(lag_ns), &drawn_w, |_| true));
        }
        let deviations: Vec<f64> = (0..fit.model.classes.count)
            .map(|class| deviation(&energies_j.iter().map(|energies| energies[class]).collect::<Vec<_>>()))
            .map(|deviation| deviation.max(LEAST_DEVIATION))
            .collect();
        Self {
            disagreement: Parts::of(design, fit).disagreement(&deviations),
            by_lag_w: covariance.by_lag_w(columns),
            lag_error_ns: covariance.lag_error_ns(),
            power_w,
            bias_w,
            deviations,
        }
    }
}

impl PowerSpread {
    /// Ends of the 90 % interval of a class's energy, as multiples of it.
    pub(super) fn ends(&self, class: usize) -> (f64, f64) {
        // Where parts of the recording disagree, intervals are made so wide that they do not.
        let wider = if self.disagreement > CHANCE { self.disagreement } else { 1.0 };
        // How widely powers scatter was learnt from as many classes: Student's distribution, approximately.
        let freedom = (self.deviations.len() as f64 - 1.0).max(LEAST_FREEDOM);
        let half = NORMAL * (1.0 + STUDENT / freedom) * wider * self.deviations[class];
        if half.is_finite() { ((1.0 - half).max(0.0), 1.0 + half) } else { (0.0, f64::INFINITY) }
    }
}

/// Standard deviations from the middle to the ends of an interval that holds nine of ten; and how much more there are
/// of Student's, as a part, times the degrees of freedom.
pub(super) const NORMAL: f64 = 1.645;
const STUDENT: f64 = 0.95;
const LEAST_FREEDOM: f64 = 8.0;

/// What not knowing the edges adds to each power, as far as moving them once more within what is not known shows it.
fn bias(design: &Design, fit: &Fit, random: &mut Random) -> Vec<f64> {
    let columns = fit.model.columns;
    let mut sums = vec![0.0; columns];
    for _ in 0..MOVED {
        let moves_ns = design.moves_ns(|| fit.scatter * random.both());
        let place = Place { lag_ns: fit.lag_ns, moves_ns: Some(&moves_ns) };
        let moved_w = solve(&fit.model, &fit.prior, &normal(design, &fit.model, place, columns, |_| true));
        sums.iter_mut().zip(moved_w).for_each(|(sum, moved_w)| *sum += moved_w);
    }
    sums.iter().zip(&fit.power_w).map(|(sum, power_w)| sum / MOVED as f64 - power_w).collect()
}

/// Standard deviation of draws, as a part of their mean.
fn deviation(draws: &[f64]) -> f64 {
    let middle = mean(draws.iter().copied());
    mean(draws.iter().map(|draw| (draw - middle).powi(2))).sqrt() / middle
}

/// Energies by class, every row's energy split by what `power_w` expects of each; what is drawn while anything runs
/// goes to whatever runs, by its time, and what others draw does not.
pub(super) fn energies(
    design: &Design,
    fit: &Fit,
    place: Place,
    power_w: &[f64],
    is_of: impl Fn(usize) -> bool,
) -> Vec<f64> {
    let model = &fit.model;
    let mut energies = vec![0.0; model.classes.count];
    let beside = Beside::of(design, model, power_w);
    let mut own: Vec<(usize, f64, f64)> = Vec::new();
    for (number, row) in design.rows.iter().enumerate().filter(|(number, _)| is_of(*number)) {
        own.clear();
        let (mut quiet_j, mut quiet_s, mut busy_s, mut lanes_s) = (0.0, 0.0, 0.0, 0.0);
        model.expect(design, (number, row), place, power_w, |cell, energy_j| {
            if let Some(class) = model.classes.of.get(cell.column).copied().flatten() {
                own.push((class, cell.time_s, energy_j));
                lanes_s += cell.time_s;
            } else if cell.column == design.quiet() {
                quiet_j += energy_j;
                quiet_s += cell.time_s;
            } else if cell.column == design.busy() {
                busy_s += cell.time_s;
            } else if cell.column == design.between() {
                quiet_j += energy_j;
            }
        });
        let others_w = beside.others_w(row.others);
        let each_w = (beside.floor_w - others_w) * busy_s / lanes_s.max(f64::MIN_POSITIVE);
        let operations_j: f64 = own.iter().map(|(_, time_s, energy_j)| energy_j + each_w * time_s).sum();
        let whole_j = operations_j + (quiet_j - others_w * quiet_s).max(0.0);
        let scale = if whole_j > 0.0 { row.energy_j * (1.0 - row.others) / whole_j } else { 0.0 };
        own.iter().for_each(|(class, time_s, energy_j)| energies[*class] += scale * (energy_j + each_w * time_s));
    }
    energies
}
