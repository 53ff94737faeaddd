//! Whether an answer is good enough to be given.

use super::classes::Classes;
use super::design::{Design, mean};
use super::fit::Fit;
use super::intervals::PowerSpread;
use super::refusal::Refusal;

/// What the edges or the lag alone may move a class by.
const MOST_MOVED: f64 = 0.2;
/// Half the width of the intervals, at most, as a part of the energy: its mean over classes. Energies are then some 5 %
/// off, or less. A class of which next to nothing is known says so itself, and does not take the others with it: it
/// counts as this much.
const WIDEST: f64 = 0.1;
const NEXT_TO_NOTHING: f64 = 0.25;
/// Parts of a recording that disagree by so many times what intervals allow are not of one piece.
const MOST_DISAGREEMENT: f64 = 3.0;

/// Power of each class, the floor included.
pub(super) struct Drawn {
    /// Watts by class.
    power_w: Vec<f64>,
}

impl Drawn {
    pub(super) fn of(design: &Design, fit: &Fit, spread: &PowerSpread) -> Self {
        let model = &fit.model;
        let mut time_s = vec![0.0; model.classes.count];
        let whole_s = design.whole_s();
        for (class, time) in model.classes.of.iter().zip(&whole_s) {
            class.iter().for_each(|class| time_s[*class] += time);
        }
        let floor_w = model.floor.map_or(0.0, |floor| spread.power_w[floor]);
        let shared_w = floor_w * whole_s[design.busy()] / time_s.iter().sum::<f64>();
        let power_w = spread.power_w[..model.classes.count].iter().map(|power| power + shared_w).collect();
        Self { power_w }
    }
}

/// Ends of the intervals by class, as multiples of its energy. What is pooled has no power of its own: its operations
/// may draw what any class does.
pub(super) fn intervals(classes: &Classes, spread: &PowerSpread, drawn: &Drawn) -> (Vec<f64>, Vec<f64>) {
    let (mut low, mut high): (Vec<f64>, Vec<f64>) = (0..classes.count).map(|class| spread.ends(class)).unzip();
    if let Some(pool) = classes.pool {
        let end = |class: usize, end: &[f64]| drawn.power_w[class] * end[class] / drawn.power_w[pool];
        low[pool] = classes.own().map(|class| end(class, &low)).fold(low[pool], f64::min);
        high[pool] = classes.own().map(|class| end(class, &high)).fold(high[pool], f64::max);
    }
    (low, high)
}

/// # Errors
/// Where what is not known of the edges, or of a delay, moves a class too far, or intervals are too wide to be of use.
pub(super) fn judge(
    classes: &Classes,
    spread: &PowerSpread,
    drawn: &Drawn,
    (low, high): (&[f64], &[f64]),
) -> Result<(), Refusal> {
    let most = |moved_w: &dyn Fn(usize) -> f64| {
        classes.own().map(|class| moved_w(class).abs() / drawn.power_w[class]).fold(0.0, f64::max)
    };
    let moved = most(&|class| spread.bias_w[class]);
    if moved > MOST_MOVED {
        return Err(Refusal::Edges(moved));
    }
    let moved = most(&|class| spread.by_lag_w[class]);
    if moved > MOST_MOVED {
        return Err(Refusal::Lag(moved));
    }
    if spread.disagreement > MOST_DISAGREEMENT {
        return Err(Refusal::Disagree(spread.disagreement));
    }
    let half = |class: usize| (high[class] - low[class]) / 2.0;
    let half = mean(classes.own().map(|class| half(class).min(NEXT_TO_NOTHING)));
    if half > WIDEST { Err(Refusal::Wide(half)) } else { Ok(()) }
}
