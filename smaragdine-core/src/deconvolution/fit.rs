//! Powers of one partition of operations: fitted, with the lag of the register, and tested on steps held out.

use super::classes::{Classes, Level};
use super::design::{Design, Row, Scratch, mean};
use super::normal::Normal;

/// Steps are dealt into this many parts, of which each is predicted from the others.
const FOLDS: usize = 5;
/// A difference between paired steps counts from this many standard errors on.
const SIGNIFICANT: f64 = 2.0;

/// … and as a part of the errors. A tenth of a per cent better is as good.
const MARGIN: f64 = 1e-3;

/// How strongly the floor is tied to the power without operations, as a part of what the rows say at most.
const TIE: f64 = 0.02;

/// Which columns of the design are fitted, and as which.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) classes: Classes,
    /// By column of the design; `None`: not part of the model.
    pub(super) into: Vec<Option<usize>>,
    pub(super) quiet: usize,
    /// Power that is drawn once while anything runs, whatever and how much.
    pub(super) floor: Option<usize>,
    pub(super) columns: usize,
}

impl Model {
    pub(super) fn new(design: &Design, classes: Classes, floor: bool, others: bool) -> Self {
        let quiet = classes.count;
        let floor = floor.then_some(quiet + 1);
        let columns = quiet + 1 + usize::from(floor.is_some()) + usize::from(others);
        let mut into = classes.of.clone();
        into.resize(design.columns(), None);
        into[design.quiet()] = Some(quiet);
        into[design.busy()] = floor;
        into[design.others()] = others.then_some(columns - 1);
        Self { classes, into, quiet, floor, columns }
    }
}

/// A model with its powers.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    pub(super) level: Level,
    pub(super) model: Model,
    /// Watts by column of the model.
    pub(super) power_w: Vec<f64>,
    /// The register runs this much behind its stamps.
    pub(super) lag_ns: f64,
    /// Squared errors by step, at the lags one step below, at and one above `lag_ns`.
    pub(super) around: [Vec<f64>; 3],
    pub(super) lag_step_ns: f64,
    /// How far edges scatter, in parts of their uncertainty.
    pub(super) scatter: f64,
    pub(super) condition: f64,
    /// Squared errors by step, each predicted from other steps; and by equal share.
    pub(super) held_out: Vec<f64>,
    pub(super) held_out_equal: Vec<f64>,
    /// Squared errors of a step that are those of arithmetic.
    rounding: f64,
}

impl Fit {
    pub(super) fn new(design: &Design, level: Level, model: Model, lags_ns: &[f64]) -> Self {
        let everything = vec![1.0; design.steps];
        let at = |lag_ns: f64| {
            let shifts = design.shifts(lag_ns, || 0.0);
            let power = normal(design, &model, &shifts, &everything).solve();
            squared_errors(design, &model, &shifts, &power)
        };
        let total = |errors: &[f64]| errors.iter().sum::<f64>();
        let best = lags_ns.iter().copied().map(|lag| (total(&at(lag)), lag)).min_by(|a, b| a.0.total_cmp(&b.0));
        let best_ns = best.map_or(0.0, |(_, lag)| lag);
        let lag_step_ns = match lags_ns {
            [first, second, ..] => second - first,
            _ => 1.0,
        };
        let range = (lags_ns.first().copied().unwrap_or(0.0), lags_ns.last().copied().unwrap_or(0.0));
        let around = [-lag_step_ns, 0.0, lag_step_ns].map(|step| at(best_ns + step));
        let lag_ns =
            vertex(&around, lag_step_ns, |_| 1.0).map_or(best_ns, |lag| (best_ns + lag).clamp(range.0, range.1));

        let shifts = design.shifts(lag_ns, || 0.0);
        let folds: Vec<Normal> = (0..FOLDS)
            .map(|fold| {
                let weights: Vec<f64> =
                    (0..design.steps).map(|step| f64::from(u8::from(step % FOLDS == fold))).collect();
                normal(design, &model, &shifts, &weights)
            })
            .collect();
        let whole = sum(&folds, |_| true);
        let power_w = whole.solve();
        let powers: Vec<Vec<f64>> = (0..FOLDS).map(|fold| sum(&folds, |other| other != fold).solve()).collect();
        let held_out = errors_by_step(design, &model, &shifts, |step| &powers[step % FOLDS]);
        let equal: Vec<Vec<f64>> = (0..FOLDS).map(|fold| equal_powers(design, &model, &shifts, fold)).collect();
        let held_out_equal = errors_by_step(design, &model, &shifts, |step| &equal[step % FOLDS]);
        let around = [-lag_step_ns, 0.0, lag_step_ns].map(|step| at(lag_ns + step));
        let scatter = design.scatter(&errors_j(design, &model, &shifts, |_| &power_w));
        Self {
            level,
            power_w,
            lag_ns,
            around,
            lag_step_ns,
            scatter,
            rounding: 1e-18 * design.rows.iter().map(|row| row.energy_j.powi(2)).sum::<f64>() / design.steps as f64,
            condition: whole.condition(),
            held_out,
            held_out_equal,
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

/// Normal equations over all rows, each with the weight of its step.
pub(super) fn normal(design: &Design, model: &Model, shifts: &[f64], weights: &[f64]) -> Normal {
    let mut normal = Normal::new(model.columns);
    let mut scratch = Scratch::new(model.columns);
    for row in design.rows.iter().filter(|row| weights[row.step] > 0.0) {
        normal.add(design.times(row, shifts, &model.into, &mut scratch), row.energy_j, weights[row.step]);
    }
    // Where some operation always runs, the floor cannot be told from it: then it is what is drawn without any.
    if let Some(floor) = model.floor {
        normal.tie(model.quiet, floor, TIE);
    }
    normal
}

fn sum(folds: &[Normal], which: impl Fn(usize) -> bool) -> Normal {
    let mut chosen = folds.iter().enumerate().filter(|(fold, _)| which(*fold)).map(|(_, normal)| normal);
    let mut sum = chosen.next().cloned().unwrap_or_else(|| Normal::new(0));
    chosen.for_each(|normal| sum.plus(normal));
    sum
}

fn squared_errors(design: &Design, model: &Model, shifts: &[f64], power_w: &[f64]) -> Vec<f64> {
    errors_by_step(design, model, shifts, |_| power_w)
}

fn errors_by_step<'p>(
    design: &Design,
    model: &Model,
    shifts: &[f64],
    power_w: impl Fn(usize) -> &'p [f64],
) -> Vec<f64> {
    let mut errors = vec![0.0; design.steps];
    for (row, error) in design.rows.iter().zip(errors_j(design, model, shifts, power_w)) {
        errors[row.step] += error * error;
    }
    errors
}

/// What the energy of each row exceeds the fitted one by, with the powers that its step is to have.
fn errors_j<'p>(design: &Design, model: &Model, shifts: &[f64], power_w: impl Fn(usize) -> &'p [f64]) -> Vec<f64> {
    let mut scratch = Scratch::new(model.columns);
    let error = |row: &Row| {
        let power_w = power_w(row.step);
        let times = design.times(row, shifts, &model.into, &mut scratch);
        row.energy_j - times.iter().map(|(column, time)| power_w[*column] * time).sum::<f64>()
    };
    design.rows.iter().map(error).collect()
}

/// The powers that equal share gives each class, over all steps but those of one fold.
fn equal_powers(design: &Design, model: &Model, shifts: &[f64], without: usize) -> Vec<f64> {
    let (mut energy_j, mut time_s) = (vec![0.0; model.columns], vec![0.0; model.columns]);
    let mut scratch = Scratch::new(model.columns);
    for row in design.rows.iter().filter(|row| row.step % FOLDS != without) {
        let times = design.times(row, shifts, &model.into, &mut scratch);
        let sharing = || times.iter().filter(|(column, _)| *column <= model.quiet);
        let lanes_s: f64 = sharing().map(|(_, time)| time).sum();
        for (column, time) in sharing() {
            energy_j[*column] += row.energy_j * time / lanes_s;
            time_s[*column] += time;
        }
    }
    energy_j.iter().zip(time_s).map(|(energy, time)| if time > 0.0 { energy / time } else { 0.0 }).collect()
}

/// Where the parabola through three sums of errors is lowest, from its middle; `None` where it has no lowest point.
pub(super) fn vertex(around: &[Vec<f64>; 3], step_ns: f64, weight: impl Fn(usize) -> f64) -> Option<f64> {
    let [below, at, above] =
        [0, 1, 2].map(|side| around[side].iter().enumerate().map(|(step, error)| weight(step) * error).sum::<f64>());
    let bend = below - 2.0 * at + above;
    (bend > 0.0).then(|| (below - above) / (2.0 * bend) * step_ns)
}
