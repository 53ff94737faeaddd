//! What the readings leave open of all powers and of the lag, together.

use super::design::Design;
use super::edges::Place;
use super::fit::{Fit, Lagged, errors_j};
use super::intervals::NORMAL;
use super::model::Scratch;
use super::normal::{Normal, root};
use super::random::Random;

/// Neighbouring readings err together, so they are taken together, as many at least.
const LEAST_ROWS: usize = 6;
/// What not knowing the edges adds to a power is itself known to this part only.
const UNSURE: f64 = 1.0;

/// Covariance of all powers that are not 0, and of the lag, which comes last.
pub(super) struct Covariance {
    of: Vec<usize>,
    matrix: Vec<f64>,
    /// Lower triangle R with R Rᵀ the matrix.
    root: Vec<f64>,
}

impl Covariance {
    /// By how rows of a step err together; what the prior adds is as uncertain as it says.
    pub(super) fn of(design: &Design, fit: &Fit, bias_w: &[f64], lag_range_ns: f64) -> Self {
        let model = &fit.model;
        let lagged = Lagged { lag_ns: fit.lag_ns, range_ns: lag_range_ns.max(1.0), power_w: &fit.power_w };
        let slopes = lagged.slopes(design, model);
        let whole = lagged.normal(design, model, &fit.prior, &slopes);
        let is_free =
            |column: &usize| *column == model.columns || model.is_signed(*column) || fit.power_w[*column] > 0.0;
        let of: Vec<usize> = (0..=model.columns).filter(is_free).collect();
        let inverse = whole.inverse(&of);
        let mut middle = scores(design, fit, &slopes, &of);
        let n = of.len();
        for (place, column) in of.iter().enumerate() {
            let weight = if *column < model.columns {
                fit.prior.weight(*column)
            } else {
                3.0 * fit.prior.noise / lagged.range_ns.powi(2)
            };
            middle[place * n + place] += fit.prior.noise * weight;
        }
        let mut matrix = product(&product(&inverse, &middle, n), &inverse, n);
        // How much the edges blur is itself known to a part only.
        let unsure = |place: usize| bias_w.get(of[place]).map_or(0.0, |bias_w| UNSURE * bias_w);
        (0..n * n).for_each(|at| matrix[at] += unsure(at / n) * unsure(at % n));
        Self { root: root(&matrix, n), of, matrix }
    }

    /// Powers around `power_w`, and what is to be added to the lag.
    pub(super) fn draw(&self, power_w: &[f64], random: &mut Random) -> (Vec<f64>, f64) {
        let n = self.of.len();
        let normal: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let (mut drawn_w, mut lag_ns) = (power_w.to_vec(), 0.0);
        for (place, column) in self.of.iter().enumerate() {
            let row = &self.root[place * n..place * n + place + 1];
            let by: f64 = row.iter().zip(&normal).map(|(root, normal)| root * normal).sum();
            match drawn_w.get_mut(*column) {
                Some(power_w) => *power_w += by,
                None => lag_ns = by,
            }
        }
        (drawn_w, lag_ns)
    }

    pub(super) fn lag_error_ns(&self) -> f64 {
        self.matrix[self.matrix.len() - 1].max(0.0).sqrt()
    }

    pub(super) fn by_lag_w(&self, columns: usize) -> Vec<f64> {
        let (n, error_ns) = (self.of.len(), self.lag_error_ns().max(f64::MIN_POSITIVE));
        let mut by_lag_w = vec![0.0; columns];
        for (place, column) in self.of.iter().enumerate().filter(|(_, column)| **column < columns) {
            by_lag_w[*column] = NORMAL * self.matrix[place * n + n - 1] / error_ns;
        }
        by_lag_w
    }
}

/// Sum over clusters of rows of the outer product of what each cluster's errors pull the columns `of` by.
fn scores(design: &Design, fit: &Fit, slopes: &[f64], of: &[usize]) -> Vec<f64> {
    let (model, n) = (&fit.model, of.len());
    let errors = errors_j(design, model, Place::later(fit.lag_ns), |_| &fit.power_w);
    let mut place = vec![None; model.columns + 1];
    of.iter().enumerate().for_each(|(number, column)| place[*column] = Some(number));
    let mut sums = Normal::new(n);
    let mut pull = vec![0.0; n];
    let mut scratch = Scratch::new(model.columns);
    let (mut rows, mut clusters) = (0, 0);
    let mut flush = |pull: &mut Vec<f64>| {
        let touched: Vec<(usize, f64)> = pull.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect();
        sums.add(&touched, 0.0, 1.0);
        pull.fill(0.0);
    };
    for (number, row) in design.rows.iter().enumerate() {
        let times = model.times(design, number, Place::later(fit.lag_ns), &mut scratch);
        for (column, value) in times.iter().copied().chain([(model.columns, slopes[number])]) {
            if let Some(place) = place[column] {
                pull[place] += value * errors[number] * row.weight;
            }
        }
        rows += 1;
        let ends = design.rows.get(number + 1).is_none_or(|next| next.step != row.step);
        if rows >= LEAST_ROWS && ends {
            flush(&mut pull);
            (rows, clusters) = (0, clusters + 1);
        }
    }
    if rows > 0 {
        flush(&mut pull);
        clusters += 1;
    }
    // Few clusters, and rows that were fitted, err less than others would.
    let (clusters, all) = (f64::from(clusters), design.rows.len() as f64);
    let more = clusters / (clusters - 1.0).max(1.0) * all / (all - fit.prior.effective).max(1.0);
    (0..n * n).map(|at| more * sums.at(at / n, at % n)).collect()
}

fn product(one: &[f64], other: &[f64], n: usize) -> Vec<f64> {
    let mut product = vec![0.0; n * n];
    for i in 0..n {
        for k in 0..n {
            let factor = one[i * n + k];
            if factor != 0.0 {
                let row = &other[k * n..(k + 1) * n];
                product[i * n..(i + 1) * n].iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
            }
        }
    }
    product
}
