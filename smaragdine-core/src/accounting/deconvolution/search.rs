//! How finely operations can be told apart: from coarse classes to fine ones, as far as the data carry.

use super::classes::{Classes, Kin, Unclear};
use super::design::{Design, mean};
use super::edges::Place;
use super::fit::{Fit, normal, rough};
use super::model::{Beside, PowerModel};
use super::refusal::Refusal;
use crate::trace::{Level, Op};

/// Readings for each power that is to be told.
const READINGS_PER_CLASS: usize = 8;
/// The most classes that are tried.
const MOST_CLASSES: usize = 200;
/// A class of its own takes at least this part of the operations' time.
const LEAST_TIME: f64 = 0.005;
/// Errors magnified beyond this are ill-conditioned.
const WORST_CONDITION: f64 = 1e3;
/// Operations overlap where they do for this part of the time.
const OVERLAP: f64 = 0.01;
/// What others draw is looked into where they have this part of a reading at least …
const LEAST_OTHERS: f64 = 0.02;
/// … and is taken to follow the application where that leaves less than this part of the squared errors.
const CLEARLY: f64 = 0.9;
/// How finely delays are tried: operations shorter than some of these have no use for a delay that is not known better.
const LAG_STEP_NS: f64 = 30_000.0;
/// A class whose standard error is a larger part of the mean power joins a coarser one.
const CLEAR: f64 = 0.1;

/// Partitions from coarse to fine, each of which predicts steps held out better than those before it, and than equal
/// share.
///
/// # Errors
/// Where there is none.
pub(super) fn ever_finer(ops: &[Op], design: &mut Design, lag_range_ns: f64) -> Result<Vec<Fit>, Refusal> {
    let lags_ns = lags_ns(lag_range_ns);
    let (lag_ns, errors_j) = Search::new(ops, design)?.rough(&lags_ns);
    let (mut lag_ns, errors_j) = match others_alike(ops, design, &errors_j, &lags_ns)? {
        Some((alike, lag_ns, errors_j)) => {
            *design = alike;
            (lag_ns, errors_j)
        }
        None => (lag_ns, errors_j),
    };
    design.weigh(&errors_j);
    let design = &*design;
    let search = Search::new(ops, design)?;
    let mut better: Vec<Fit> = Vec::new();
    let mut refusal = Refusal::NoBetter;
    for level in Level::ALL {
        let model = search.clear(level, Place::later(lag_ns));
        let best = better.last();
        // Where all is pooled, or is divided as before, nothing is told.
        if model.classes.pool == Some(0) || best.is_some_and(|best| best.model.classes.of == model.classes.of) {
            continue;
        }
        let fit = Fit::new(design, level, model, lag_ns, lag_range_ns);
        // The lag is the register's, however operations are told apart.
        lag_ns = fit.lag_ns;
        if fit.condition > WORST_CONDITION {
            refusal = Refusal::IllConditioned(fit.condition);
        } else if best.is_none_or(|best| fit.predicts_better(&best.held_out)) {
            better.push(fit);
        }
    }
    let best = better.last().ok_or(refusal)?;
    if !best.predicts_better(&best.held_out_equal) {
        return Err(Refusal::NoBetter);
    }
    better.retain(|fit| fit.predicts_better(&fit.held_out_equal));
    Ok(better)
}

/// The design in which others draw a part of whatever is drawn, with its lag and errors, where that leaves clearly less
/// unexplained than `errors_j`, which they leave with a power of their own.
fn others_alike(
    ops: &[Op],
    design: &Design,
    errors_j: &[f64],
    lags_ns: &[f64],
) -> Result<Option<(Design, f64, Vec<f64>)>, Refusal> {
    if design.rows.iter().all(|row| row.others < LEAST_OTHERS) {
        return Ok(None);
    }
    let own_j: f64 = errors_j.iter().zip(&design.rows).map(|(error, row)| ((1.0 - row.others) * error).powi(2)).sum();
    let alike = design.as_alike();
    let (lag_ns, alike_j) = Search::new(ops, &alike)?.rough(lags_ns);
    let clearly = alike_j.iter().map(|error| error * error).sum::<f64>() < CLEARLY * own_j;
    Ok(clearly.then_some((alike, lag_ns, alike_j)))
}

/// Delays of the register to try.
fn lags_ns(range_ns: f64) -> Vec<f64> {
    let half = ((range_ns / LAG_STEP_NS).ceil() as i32).clamp(1, 16);
    (-half..=half).map(|n| range_ns * f64::from(n) / f64::from(half)).collect()
}

/// Whether there is enough of a part to be told, and of the rest.
fn is_part(part_s: f64, whole_s: f64) -> bool {
    (OVERLAP..1.0 - OVERLAP).contains(&(part_s / whole_s))
}

struct Search<'a> {
    ops: &'a [Op],
    design: &'a Design,
    /// Seconds by operation.
    times_s: Vec<f64>,
    kin: Kin,
    beside: Beside,
}

impl<'a> Search<'a> {
    fn new(ops: &'a [Op], design: &'a Design) -> Result<Self, Refusal> {
        let whole_s = design.whole_s();
        let times_s = whole_s[..design.ops].to_vec();
        let mut search = Self {
            ops,
            design,
            kin: Kin::new(ops, &times_s),
            beside: Beside {
                // Where one operation runs at a time, the floor is part of its power.
                floor: times_s.iter().sum::<f64>() > (1.0 + OVERLAP) * whole_s[design.busy()],
                others: whole_s[design.others()] > 0.0,
                // Quiet time of one kind alone is all quiet time.
                between: is_part(whole_s[design.between()], whole_s[design.quiet()]),
            },
            times_s,
        };
        if search.beside.floor {
            let condition = search.condition();
            // … and where always as many run, a part of each. Where now fewer do, now more, it is somebody's.
            search.beside.floor = condition <= WORST_CONDITION;
            if !search.beside.floor && !design.runs_alike(OVERLAP) {
                return Err(Refusal::IllConditioned(condition));
            }
        }
        Ok(search)
    }

    /// The best lag for types' plain powers, and what they leave of each row.
    fn rough(&self, lags_ns: &[f64]) -> (f64, Vec<f64>) {
        rough(self.design, &self.clear(Level::Type, Place::STAMPED), lags_ns)
    }

    /// How well all types are told apart, with what there is beside them.
    fn condition(&self) -> f64 {
        let classes = Classes::new(self.ops, &self.times_s, Level::Type, 0.0, &Unclear::default());
        let model = PowerModel::new(classes, self.kin.clone(), self.beside);
        normal(self.design, &model, Place::STAMPED, model.plain(), |_| true).condition()
    }

    /// A model of `level` in which every class is clear: those that are not, join coarser ones.
    fn clear(&self, level: Level, place: Place) -> PowerModel {
        let most = MOST_CLASSES.min(self.design.rows.len() / READINGS_PER_CLASS);
        let mut least_s = LEAST_TIME * self.times_s.iter().sum::<f64>();
        let mut unclear = Unclear::default();
        loop {
            let classes = Classes::new(self.ops, &self.times_s, level, least_s, &unclear);
            if classes.count > most.max(1) {
                least_s *= 1.5;
                continue;
            }
            let model = PowerModel::new(classes, self.kin.clone(), self.beside);
            let rows = normal(self.design, &model, place, model.plain(), |_| true);
            let (power_w, error_w) = rows.solve_with_errors(self.design.rows.len(), |column| model.is_signed(column));
            let typical_w = mean(power_w[..model.classes.count].iter().copied());
            let errors = || {
                model.classes.own().map(|class| (class, error_w[class])).filter(|(_, error)| *error > CLEAR * typical_w)
            };
            let worst_w = errors().map(|(_, error)| error).fold(0.0, f64::max);
            if worst_w == 0.0 {
                return model;
            }
            // Of those that are mixed up with each other, one may do: the worst go first.
            errors()
                .filter(|(_, error)| *error > worst_w / 2.0)
                .for_each(|(class, _)| unclear.add(&model.classes, class));
        }
    }
}
