//! What powers are taken to be before the readings are looked at, learnt from all of them together.
//!
//! Powers of classes scatter around a common mean, and so do their variations. How widely is not assumed but learnt
//! (expectation and maximisation, as in mixed models): where operations that take longer draw no more power, the
//! scatter of that variation comes out as next to nothing, and powers are told as well as if it had not been asked
//! for; where they do, each class gets its own. What readings do not tell of a class is filled in from the others, and
//! its uncertainty is theirs.

use std::ops::Range;

use super::design::Design;
use super::model::PowerModel;
use super::normal::Normal;

const ROUNDS: usize = 40;
/// Learnt is what changes by less than this part.
const SETTLED: f64 = 0.01;
/// A reading is never taken to be known better than to this part, in squares.
const LEAST_NOISE: f64 = 1e-9;
/// How far quiet time between steps may draw another power than within them, in parts of the mean.
const BETWEEN: f64 = 0.3;
/// How widely variations scatter, in parts of the mean, before anything is learnt.
const VARIATION: f64 = 0.1;

/// How far a scatter can be off the one that was learnt, in its standard errors: 95 % are below.
const CERTAIN: f64 = 1.64;

/// Mean and variance of every column of a model, and the variance of a row.
#[derive(Debug, Clone)]
pub(super) struct Prior {
    means: Vec<f64>,
    variances: Vec<f64>,
    /// Squared joules.
    pub(super) noise: f64,
    /// How many powers the rows tell, in effect.
    pub(super) effective: f64,
}

impl Prior {
    /// Learns from all rows of the design, which are those of `normal`, beginning with what was learnt `near`.
    pub(super) fn learn(model: &PowerModel, normal: &Normal, design: &Design, near: Option<Self>) -> Self {
        let (rows, mean_w) = (design.rows.len(), design.mean_w());
        let mut prior = near.unwrap_or_else(|| Self::before(model, normal, rows, mean_w));
        let groups: Vec<Vec<usize>> =
            groups(model).map(|group| group.filter(|column| normal.at(*column, *column) > 0.0).collect()).collect();
        let every: Vec<usize> = (0..model.columns).collect();
        let least = LEAST_NOISE * normal.square() / rows as f64;
        for _ in 0..ROUNDS {
            let whole = prior.added_to(normal);
            let powers = whole.solve(|_| true);
            let inverse = whole.inverse(&every);
            let variance = |column: usize| prior.noise * inverse[column * model.columns + column];
            let told: f64 = every.iter().map(|column| 1.0 - variance(*column) / prior.variances[*column]).sum();
            let noise = (normal.residual(&powers) + prior.noise * told) / rows as f64;
            let learnt: Vec<(f64, f64)> = groups
                .iter()
                .map(|group| {
                    let count = group.len().max(1) as f64;
                    let mean = group.iter().map(|column| powers[*column]).sum::<f64>() / count;
                    let square = |column: &usize| (powers[*column] - mean).powi(2) + variance(*column);
                    (mean, group.iter().map(square).sum::<f64>() / count)
                })
                .collect();
            let mut moved = (noise / prior.noise).ln().abs();
            (prior.noise, prior.effective) = (noise.max(least), told);
            for (group, (mean, variance)) in groups.iter().zip(learnt) {
                let variance = variance.max(1e-12 * mean_w * mean_w);
                for column in group {
                    moved =
                        moved.max((variance / prior.variances[*column]).ln().abs().min(1.0) * variance.sqrt() / mean_w);
                    (prior.means[*column], prior.variances[*column]) = (mean, variance);
                }
            }
            if moved < SETTLED {
                break;
            }
        }
        prior.doubt_likeness(model, normal, mean_w);
        prior
    }

    /// That powers of classes are alike is itself learnt from no more than there are classes, each known as well as the
    /// rows alone tell it: where that is badly, they are not taken to be alike because they look so.
    fn doubt_likeness(&mut self, model: &PowerModel, normal: &Normal, mean_w: f64) {
        let classes: Vec<usize> = (0..model.classes.count).filter(|class| normal.at(*class, *class) > 0.0).collect();
        let Some(first) = classes.first() else { return };
        let mut apart = self.clone();
        classes.iter().for_each(|class| apart.variances[*class] = mean_w * mean_w);
        let inverse = apart.added_to(normal).inverse(&(0..model.columns).collect::<Vec<_>>());
        let mut alone: Vec<f64> =
            classes.iter().map(|class| self.noise * inverse[class * model.columns + class]).collect();
        alone.sort_unstable_by(f64::total_cmp);
        let unsure = CERTAIN * (2.0 / classes.len() as f64).sqrt() * alone[alone.len() / 2];
        let variance = self.variances[*first].max(unsure);
        classes.iter().for_each(|class| self.variances[*class] = variance);
    }

    fn before(model: &PowerModel, normal: &Normal, rows: usize, mean_w: f64) -> Self {
        let square = mean_w * mean_w;
        let mut prior = Self {
            means: vec![0.0; model.columns],
            variances: vec![VARIATION * VARIATION * square; model.columns],
            noise: 1e-3 * normal.square() / rows as f64,
            effective: 0.0,
        };
        let mut set = |column: Option<usize>, mean: f64, variance: f64| {
            column.into_iter().for_each(|column| (prior.means[column], prior.variances[column]) = (mean, variance));
        };
        (0..model.classes.count).for_each(|class| set(Some(class), mean_w, square));
        set(Some(model.quiet), mean_w, square);
        set(model.between, 0.0, BETWEEN * BETWEEN * square);
        set(model.floor, mean_w / 2.0, square);
        set(model.others, mean_w, 4.0 * square);
        prior
    }

    /// The normal equations of rows together with what is known before them.
    pub(super) fn added_to(&self, normal: &Normal) -> Normal {
        let mut whole = normal.clone();
        self.add_to(&mut whole);
        whole
    }

    pub(super) fn add_to(&self, normal: &mut Normal) {
        for (column, (mean, variance)) in self.means.iter().zip(&self.variances).enumerate() {
            normal.expect_one(column, *mean, *variance, self.noise);
        }
    }

    /// What the prior adds to the precision of a column, in parts of a row's.
    pub(super) fn weight(&self, column: usize) -> f64 {
        self.noise / self.variances[column]
    }
}

/// Columns whose powers scatter around a common mean.
fn groups(model: &PowerModel) -> impl Iterator<Item = Range<usize>> {
    [0..model.classes.count, model.longer.clone()].into_iter().chain(model.course.clone())
}
