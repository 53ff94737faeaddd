//! Whether an answer is good enough to be given.

use super::classes::Classes;
use super::design::Design;
use super::fit::{Fit, normal};
use super::intervals::Spread;
use super::refusal::Refusal;

/// What the edges or the lag alone may move a class by.
const MOST_MOVED: f64 = 0.2;
/// Half the width of the intervals, at most, as a part of the energy: its mean over all energy.
const WIDEST: f64 = 0.2;

/// Power and time of each class, the floor included.
pub(super) struct Drawn {
    pub(super) floor_w: f64,
    /// Watts by class.
    power_w: Vec<f64>,
    time_s: Vec<f64>,
}

impl Drawn {
    pub(super) fn of(design: &Design, fit: &Fit, spread: &Spread) -> Self {
        let model = &fit.model;
        let mut time_s = vec![0.0; model.classes.count];
        for (column, time) in design.rows.iter().flat_map(|row| &row.times) {
            if let Some(sum) = model.into[*column].and_then(|class| time_s.get_mut(class)) {
                *sum += time;
            }
        }
        let floor_w = model.floor.map_or(0.0, |floor| spread.power_w[floor]);
        let shared_w = floor_w * design.whole_s(design.busy()) / time_s.iter().sum::<f64>();
        let power_w = spread.power_w[..model.classes.count].iter().map(|power| power + shared_w).collect();
        Self { floor_w, power_w, time_s }
    }
}

/// Ends of the intervals by class, as multiples of its energy. What is pooled has no power of its own: its operations
/// may draw what any class does.
pub(super) fn intervals(classes: &Classes, spread: &Spread, drawn: &Drawn) -> (Vec<f64>, Vec<f64>) {
    let (mut low, mut high) = (spread.low[..classes.count].to_vec(), spread.high[..classes.count].to_vec());
    if let Some(pool) = classes.pool {
        let end = |class: usize, end: &[f64]| drawn.power_w[class] * end[class] / drawn.power_w[pool];
        low[pool] = classes.own().map(|class| end(class, &spread.low)).fold(low[pool], f64::min);
        high[pool] = classes.own().map(|class| end(class, &spread.high)).fold(high[pool], f64::max);
    }
    (low, high)
}

/// # Errors
/// Where what is not known of the edges, or of a delay, moves a class too far, or intervals are too wide to be of use.
pub(super) fn judge(
    design: &Design,
    fit: &Fit,
    spread: &Spread,
    drawn: &Drawn,
    (low, high): (&[f64], &[f64]),
) -> Result<(), Refusal> {
    let classes = &fit.model.classes;
    let most = |moved_w: &dyn Fn(usize) -> f64| {
        classes.own().map(|class| moved_w(class).abs() / drawn.power_w[class]).fold(0.0, f64::max)
    };
    let moved = most(&|class| spread.bias_w[class]);
    if moved > MOST_MOVED {
        return Err(Refusal::Edges(moved));
    }
    let everything = vec![1.0; design.steps];
    let [early, late] = [-1.64, 1.64].map(|apart| {
        let shifts = design.shifts(fit.lag_ns + apart * spread.lag_error_ns, || 0.0);
        normal(design, &fit.model, &shifts, &everything).solve()
    });
    let moved = most(&|class| (early[class] - late[class]) / 2.0);
    if moved > MOST_MOVED {
        return Err(Refusal::Lag(moved));
    }
    let energy_j = |class: usize| drawn.time_s[class] * drawn.power_w[class];
    let whole_j: f64 = (0..classes.count).map(energy_j).sum();
    let half =
        (0..classes.count).map(|class| energy_j(class) * (high[class] - low[class]) / 2.0).sum::<f64>() / whole_j;
    if half > WIDEST { Err(Refusal::Wide(half)) } else { Ok(()) }
}
