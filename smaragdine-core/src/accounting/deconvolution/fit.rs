//! Powers of one partition of operations: fitted, with the lag of the register, and tested on steps held out.

use super::design::{Design, mean};
use super::edges::Place;
use super::model::{PowerModel, Scratch};
use super::normal::Normal;
use super::prior::Prior;
use super::row::Row;
use crate::trace::Level;

/// Steps are dealt into this many parts, of which each is predicted from the others.
const FOLDS: usize = 5;
/// A difference between paired steps counts from this many standard errors on.
const SIGNIFICANT: f64 = 2.0;

/// … and as a part of the errors. A tenth of a per cent better is as good.
const MARGIN: f64 = 1e-3;

/// How strongly the floor is tied to the power without operations, as a part of what the rows say at most.
const TIE: f64 = 0.02;
/// A model with its powers.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    pub(super) level: Level,
    pub(super) model: PowerModel,
    pub(super) prior: Prior,
    /// Watts by column of the model.
    pub(super) power_w: Vec<f64>,
    /// The register runs this much behind its stamps.
    pub(super) lag_ns: f64,
    /// How far edges scatter, in parts of their uncertainty.
    pub(super) scatter: f64,
    pub(super) condition: f64,
    /// Root mean square of what rows differ from the fit, in joules.
    pub(super) residual_j: f64,
    /// Squared errors by step, each predicted from other steps; and by equal share.
    pub(super) held_out: Vec<f64>,
    pub(super) held_out_equal: Vec<f64>,
    /// Squared errors of a step that are those of arithmetic.
    rounding: f64,
}

impl Fit {
    /// Fits `model` with the best lag within ±`lag_range_ns`, which is near `lag_ns`.
    pub(super) fn new(design: &Design, level: Level, model: PowerModel, mut lag_ns: f64, lag_range_ns: f64) -> Self {
        let near = folds(design, &model, Place::later(lag_ns));
        let near_prior = Prior::learn(&model, &sum(&near, |_| true), design, None);
        let near_w = solve(&model, &near_prior, &sum(&near, |_| true));
        let lagged = Lagged { lag_ns, range_ns: lag_range_ns.max(1.0), power_w: &near_w };
        lag_ns = (lag_ns + lagged.solve(design, &model, &near_prior).1).clamp(-lag_range_ns, lag_range_ns);
        let folds = folds(design, &model, Place::later(lag_ns));
        let whole = sum(&folds, |_| true);
        let prior = Prior::learn(&model, &whole, design, Some(near_prior));
        let power_w = solve(&model, &prior, &whole);
        let place = Place::later(lag_ns);
        let powers: Vec<Vec<f64>> =
            (0..FOLDS).map(|fold| solve(&model, &prior, &sum(&folds, |other| other != fold))).collect();
        let held_out = errors_by_step(design, &model, place, |step| &powers[step % FOLDS]);
        let equal: Vec<Vec<f64>> = (0..FOLDS).map(|fold| equal_powers(design, &model, place, fold)).collect();
        let held_out_equal = errors_by_step(design, &model, place, |step| &equal[step % FOLDS]);
        let errors = errors_j(design, &model, place, |_| &power_w);
        let square = |values: &[f64]| values.iter().map(|each| each * each).sum::<f64>();
        Self {
            level,
            lag_ns,
            scatter: design.scatter(&errors),
            rounding: 1e-18 * design.rows.iter().map(|row| row.energy_j.powi(2)).sum::<f64>() / design.steps as f64,
            condition: whole.first(model.plain()).condition(),
            residual_j: (square(&errors) / design.rows.len() as f64).sqrt(),
            held_out,
            held_out_equal,
            power_w,
            prior,
            model,
        }
    }

    /// Whether held-out steps are predicted better than by `other`, beyond what chance does.
    pub(super) fn predicts_better(&self, other: &[f64]) -> bool {
        let gains: Vec<f64> = other.iter().zip(&self.held_out).map(|(other, mine)| other - mine).collect();
        let gain = mean(gains.iter().copied());
        let variance = mean(gains.iter().map(|each| (each - gain).powi(2)));
        let certain = SIGNIFICANT * (variance / gains.len() as f64).sqrt();
        gain > certain.max(MARGIN * mean(other.iter().copied())).max(self.rounding)
    }
}

/// A fit with the lag as one more unknown, near `lag_ns`, where powers are about `power_w`.
pub(super) struct Lagged<'a> {
    pub(super) lag_ns: f64,
    pub(super) range_ns: f64,
    pub(super) power_w: &'a [f64],
}

impl Lagged<'_> {
    /// How the expected energy of each row changes with the lag, in joules per nanosecond.
    pub(super) fn slopes(&self, design: &Design, model: &PowerModel) -> Vec<f64> {
        let apart_ns = self.range_ns / 10.0;
        let [before, after] = [-apart_ns, apart_ns]
            .map(|apart_ns| errors_j(design, model, Place::later(self.lag_ns + apart_ns), |_| self.power_w));
        before.iter().zip(after).map(|(before, after)| (before - after) / (2.0 * apart_ns)).collect()
    }

    /// The rows with the lag as their last column, and what is known beforehand.
    pub(super) fn normal(&self, design: &Design, model: &PowerModel, prior: &Prior, slopes: &[f64]) -> Normal {
        let mut scratch = Scratch::new(model.columns);
        let mut normal = Normal::new(model.columns + 1);
        let mut times = Vec::new();
        for (number, row) in design.rows.iter().enumerate() {
            times.clear();
            times.extend_from_slice(model.times(design, number, Place::later(self.lag_ns), &mut scratch));
            times.push((model.columns, slopes[number]));
            normal.add(&times, row.energy_j, row.weight);
        }
        tie(model, &mut normal);
        prior.add_to(&mut normal);
        // Evenly within its range, as far as a variance tells.
        normal.expect_one(model.columns, -self.lag_ns, self.range_ns * self.range_ns / 3.0, prior.noise);
        normal
    }

    /// Powers, and what is to be added to the lag.
    pub(super) fn solve(&self, design: &Design, model: &PowerModel, prior: &Prior) -> (Vec<f64>, f64) {
        let normal = self.normal(design, model, prior, &self.slopes(design, model));
        let mut powers = normal.solve(|column| column == model.columns || model.is_signed(column));
        let lag_ns = powers.pop().unwrap_or(0.0);
        (powers, lag_ns)
    }
}

/// The best of `lags_ns`, and what plain powers there leave of the energy of each row.
pub(super) fn rough(design: &Design, model: &PowerModel, lags_ns: &[f64]) -> (f64, Vec<f64>) {
    let lag_ns = coarse_lag(design, model, lags_ns);
    let place = Place::later(lag_ns);
    let plain = normal(design, model, place, model.plain(), |_| true);
    let mut power_w = plain.solve(|column| model.is_signed(column));
    power_w.resize(model.columns, 0.0);
    (lag_ns, errors_j(design, model, place, |_| &power_w))
}

/// The best of `lags_ns` by plain powers, or where the parabola through its neighbours is lowest.
fn coarse_lag(design: &Design, model: &PowerModel, lags_ns: &[f64]) -> f64 {
    let left = |lag_ns: &f64| {
        let plain = normal(design, model, Place::later(*lag_ns), model.plain(), |_| true);
        plain.residual(&plain.solve(|column| model.is_signed(column)))
    };
    let left: Vec<f64> = lags_ns.iter().map(left).collect();
    let best = (0..left.len()).min_by(|one, other| left[*one].total_cmp(&left[*other])).unwrap_or(0);
    let middle = best.clamp(1, left.len() - 2);
    let (below, at, above) = (left[middle - 1], left[middle], left[middle + 1]);
    let bend = below - 2.0 * at + above;
    let step_ns = lags_ns[1] - lags_ns[0];
    let vertex_ns = if bend > 0.0 { lags_ns[middle] + (below - above) / (2.0 * bend) * step_ns } else { lags_ns[best] };
    vertex_ns.clamp(lags_ns[0], lags_ns[lags_ns.len() - 1])
}

/// Normal equations over the rows of some steps, of the first `columns` columns.
pub(super) fn normal(
    design: &Design,
    model: &PowerModel,
    place: Place,
    columns: usize,
    is_of: impl Fn(usize) -> bool,
) -> Normal {
    let mut normal = Normal::new(columns);
    let mut scratch = Scratch::new(model.columns);
    let mut times = Vec::new();
    for (number, row) in design.rows.iter().enumerate().filter(|(number, _)| is_of(*number)) {
        let all = model.times(design, number, place, &mut scratch);
        times.clear();
        times.extend(all.iter().copied().filter(|(column, _)| *column < columns));
        normal.add(&times, row.energy_j, row.weight);
    }
    tie(model, &mut normal);
    normal
}

/// Where some operation always runs, the floor cannot be told from it: then it is what is drawn without any.
fn tie(model: &PowerModel, normal: &mut Normal) {
    if let Some(floor) = model.floor.filter(|_| normal.at(model.quiet, model.quiet) > 0.0) {
        normal.tie(model.quiet, floor, TIE);
    }
}

/// Powers by what rows and the prior tell together.
pub(super) fn solve(model: &PowerModel, prior: &Prior, rows: &Normal) -> Vec<f64> {
    prior.added_to(rows).solve(|column| model.is_signed(column))
}

fn folds(design: &Design, model: &PowerModel, place: Place) -> Vec<Normal> {
    let of_fold =
        |fold| normal(design, model, place, model.columns, |number: usize| design.rows[number].step % FOLDS == fold);
    (0..FOLDS).map(of_fold).collect()
}

pub(super) fn sum(parts: &[Normal], which: impl Fn(usize) -> bool) -> Normal {
    let mut chosen = parts.iter().enumerate().filter(|(part, _)| which(*part)).map(|(_, normal)| normal);
    let mut sum = chosen.next().cloned().unwrap_or_else(|| Normal::new(0));
    chosen.for_each(|normal| sum.plus(normal));
    sum
}

fn errors_by_step<'p>(
    design: &Design,
    model: &PowerModel,
    place: Place,
    power_w: impl Fn(usize) -> &'p [f64],
) -> Vec<f64> {
    let mut errors = vec![0.0; design.steps];
    for (row, error) in design.rows.iter().zip(errors_j(design, model, place, power_w)) {
        errors[row.step] += row.weight * error * error;
    }
    errors
}

/// What the energy of each row exceeds the fitted one by, with the powers that its step is to have.
pub(super) fn errors_j<'p>(
    design: &Design,
    model: &PowerModel,
    place: Place,
    power_w: impl Fn(usize) -> &'p [f64],
) -> Vec<f64> {
    let error = |(number, row): (usize, &Row)| {
        let mut left_j = row.energy_j;
        model.expect(design, (number, row), place, power_w(row.step), |_, energy_j| left_j -= energy_j);
        left_j
    };
    design.rows.iter().enumerate().map(error).collect()
}

/// The powers that equal share gives each class, over all steps but those of one fold.
fn equal_powers(design: &Design, model: &PowerModel, place: Place, without: usize) -> Vec<f64> {
    let (mut energy_j, mut time_s) = (vec![0.0; model.columns], vec![0.0; model.columns]);
    let mut scratch = Scratch::new(model.columns);
    for (number, row) in design.rows.iter().enumerate().filter(|(_, row)| row.step % FOLDS != without) {
        let times = model.times(design, number, place, &mut scratch);
        let sharing = || times.iter().filter(|(column, _)| *column <= model.quiet);
        let lanes_s: f64 = sharing().map(|(_, time)| time).sum();
        for (column, time) in sharing() {
            energy_j[*column] += row.energy_j * time / lanes_s;
            time_s[*column] += time;
        }
    }
    energy_j.iter().zip(time_s).map(|(energy, time)| if time > 0.0 { energy / time } else { 0.0 }).collect()
}
