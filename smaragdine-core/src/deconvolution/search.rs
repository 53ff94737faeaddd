//! How finely operations can be told apart: from coarse classes to fine ones, as far as the data carry.

use super::classes::{Classes, Level, Unclear};
use super::design::{Design, mean};
use super::fit::{Fit, Model, normal};
use super::refusal::Refusal;
use crate::trace::Op;

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
/// How finely delays are tried: operations shorter than some of these have no use for a delay that is not known better.
const LAG_STEP_NS: f64 = 30_000.0;
/// A class whose standard error is a larger part of the mean power joins a coarser one.
const CLEAR: f64 = 0.1;

/// The finest partition that predicts steps held out better than coarser ones do.
pub(super) fn finest(ops: &[Op], design: &Design, lag_range_ns: f64) -> Result<Fit, Refusal> {
    let search = Search::new(ops, design);
    let lags_ns = lags_ns(lag_range_ns);
    let mut best: Option<Fit> = None;
    let mut refusal = Refusal::NoBetter;
    for level in Level::ALL {
        let model = search.clear(level, best.as_ref().map_or(0.0, |best| best.lag_ns));
        // Where all is pooled, or is divided as before, nothing is told.
        if model.classes.pool == Some(0) || best.as_ref().is_some_and(|best| best.model.classes.of == model.classes.of)
        {
            continue;
        }
        let fit = Fit::new(design, level, model, &lags_ns);
        if fit.condition > WORST_CONDITION {
            refusal = Refusal::IllConditioned(fit.condition);
        } else if best.as_ref().is_none_or(|best| fit.predicts_better(&best.held_out)) {
            best = Some(fit);
        }
    }
    let best = best.ok_or(refusal)?;
    if best.predicts_better(&best.held_out_equal) { Ok(best) } else { Err(Refusal::NoBetter) }
}

/// Delays of the register to try.
fn lags_ns(range_ns: f64) -> Vec<f64> {
    let half = ((range_ns / LAG_STEP_NS).ceil() as i32).clamp(1, 16);
    (-half..=half).map(|n| range_ns * f64::from(n) / f64::from(half)).collect()
}

struct Search<'a> {
    ops: &'a [Op],
    design: &'a Design,
    /// Seconds by operation.
    times_s: Vec<f64>,
    floor: bool,
    others: bool,
}

impl<'a> Search<'a> {
    fn new(ops: &'a [Op], design: &'a Design) -> Self {
        let mut times_s = vec![0.0; design.ops];
        let cells = design.rows.iter().flat_map(|row| &row.times).filter(|(column, _)| *column < design.ops);
        cells.for_each(|(column, time)| times_s[*column] += time);
        let others = design.whole_s(design.others()) > 0.0;
        // Where one operation runs at a time, the floor is part of its power.
        let floor = times_s.iter().sum::<f64>() > (1.0 + OVERLAP) * design.whole_s(design.busy());
        Self { ops, design, times_s, floor, others }
    }

    /// A model of `level` in which every class is clear: those that are not, join coarser ones.
    fn clear(&self, level: Level, lag_ns: f64) -> Model {
        let most = MOST_CLASSES.min(self.design.rows.len() / READINGS_PER_CLASS);
        let everything = vec![1.0; self.design.steps];
        let shifts = self.design.shifts(lag_ns, || 0.0);
        let mut least_s = LEAST_TIME * self.times_s.iter().sum::<f64>();
        let mut unclear = Unclear::default();
        loop {
            let classes = Classes::new(self.ops, &self.times_s, level, least_s, &unclear);
            if classes.count > most.max(1) {
                least_s *= 1.5;
                continue;
            }
            let model = Model::new(self.design, classes, self.floor, self.others);
            let (power_w, error_w) =
                normal(self.design, &model, &shifts, &everything).solve_with_errors(self.design.rows.len());
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
