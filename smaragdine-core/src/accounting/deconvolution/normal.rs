//! Non-negative least squares on normal equations: minimise |y − X p|² over p ≥ 0, knowing only XᵀX, Xᵀy and yᵀy.
//!
//! There are tens of columns and thousands of rows, so the rows are summed once and forgotten.

/// Pivots below this part of their column are rounding: the column depends on those before it.
const DEPENDENT: f64 = 1e-13;
/// Exchanges of several indices at once that may bring nothing before they are made one by one.
const PATIENCE: usize = 4;

/// Normal equations of n columns.
#[derive(Debug, Clone)]
pub(in crate::accounting) struct Normal {
    n: usize,
    /// XᵀX, row by row.
    xx: Vec<f64>,
    xy: Vec<f64>,
    yy: f64,
}

impl Normal {
    pub(in crate::accounting) fn new(n: usize) -> Self {
        Self { n, xx: vec![0.0; n * n], xy: vec![0.0; n], yy: 0.0 }
    }

    /// Adds a row, given by its columns that are not 0, in order and each once.
    pub(in crate::accounting) fn add(&mut self, row: &[(usize, f64)], y: f64, weight: f64) {
        debug_assert!(row.is_sorted_by_key(|(column, _)| *column), "a row's columns are in order");
        for (place, (i, x)) in row.iter().enumerate() {
            let scaled = x * weight;
            let line = &mut self.xx[i * self.n..][..=*i];
            for (j, other) in &row[..=place] {
                line[*j] += scaled * other;
            }
            self.xy[*i] += scaled * y;
        }
        self.yy += weight * y * y;
    }

    /// Draws p of `i` and `j` towards each other, where the rows leave open what they are.
    pub(in crate::accounting) fn tie(&mut self, i: usize, j: usize, part: f64) {
        let strength = part * self.at(j, j).sqrt();
        let (low, high) = (i.min(j), i.max(j));
        self.add(&[(low, strength), (high, -strength)], 0.0, 1.0);
    }

    /// Adds what is known of a column before any row is looked at: its mean and variance, where a row has the variance
    /// `noise`.
    pub(in crate::accounting) fn expect_one(&mut self, i: usize, mean: f64, variance: f64, noise: f64) {
        let weight = noise / variance;
        self.xx[i * self.n + i] += weight;
        self.xy[i] += weight * mean;
        self.yy += weight * mean * mean;
    }

    /// Of the first `n` columns alone.
    pub(in crate::accounting) fn first(&self, n: usize) -> Self {
        let xx = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| self.xx[i * self.n + j]).collect();
        Self { n, xx, xy: self.xy[..n].to_vec(), yy: self.yy }
    }

    pub(in crate::accounting) fn plus(&mut self, other: &Self) {
        let sums = self.xx.iter_mut().zip(&other.xx).chain(self.xy.iter_mut().zip(&other.xy));
        sums.for_each(|(sum, more)| *sum += more);
        self.yy += other.yy;
    }

    pub(in crate::accounting) fn at(&self, i: usize, j: usize) -> f64 {
        self.xx[i.max(j) * self.n + i.min(j)]
    }

    /// XᵀX with every column scaled to length 1, as far as it has any.
    fn scaled(&self, i: usize, j: usize) -> f64 {
        let lengths = (self.at(i, i) * self.at(j, j)).sqrt();
        if lengths > 0.0 { self.at(i, j) / lengths } else { f64::from(u8::from(i == j)) }
    }

    /// p of least residual, p ≥ 0 but where `is_signed`; columns without any entry get 0.
    ///
    /// Block principal pivoting: whatever is negative among the free p, and whatever would lower the residual among
    /// those held at 0, changes sides, until nothing does; one by one where that goes in circles.
    pub(in crate::accounting) fn solve(&self, is_signed: impl Fn(usize) -> bool) -> Vec<f64> {
        let mut free: Vec<bool> = (0..self.n).map(|i| self.at(i, i) > 0.0).collect();
        let (mut fewest, mut patience) = (usize::MAX, PATIENCE);
        let mut p = vec![0.0; self.n];
        for _ in 0..50 + 10 * self.n {
            let passive: Vec<usize> = (0..self.n).filter(|i| free[*i]).collect();
            p = self.solve_free(&passive);
            let wrong = (0..self.n).filter(|i| !is_signed(*i) && self.is_wrong(*i, free[*i], &p));
            let wrong: Vec<usize> = wrong.collect();
            let Some(last) = wrong.last() else { break };
            if wrong.len() < fewest {
                (fewest, patience) = (wrong.len(), PATIENCE);
            } else {
                patience = patience.saturating_sub(1);
            }
            if patience > 0 {
                wrong.iter().for_each(|i| free[*i] = !free[*i]);
            } else {
                free[*last] = !free[*last];
            }
        }
        p.iter_mut().enumerate().filter(|(i, _)| !is_signed(*i)).for_each(|(_, p)| *p = p.max(0.0));
        p
    }

    /// Whether `i` stands on the wrong side: negative though free, or of use though held at 0.
    fn is_wrong(&self, i: usize, free: bool, p: &[f64]) -> bool {
        if free {
            return p[i] < 0.0;
        }
        let gradient = self.xy[i] - (0..self.n).map(|j| self.at(i, j) * p[j]).sum::<f64>();
        gradient > 1e-9 * self.xy[i].abs()
    }

    /// Least squares over the columns `free`, the others held at 0.
    fn solve_free(&self, free: &[usize]) -> Vec<f64> {
        let factor = self.factor(free);
        let scales: Vec<f64> = free.iter().map(|i| self.at(*i, *i).sqrt()).collect();
        let mut x: Vec<f64> = free.iter().zip(&scales).map(|(i, scale)| self.xy[*i] / scale).collect();
        factor.solve(&mut x);
        let mut p = vec![0.0; self.n];
        for ((i, x), scale) in free.iter().zip(x).zip(scales) {
            p[*i] = x / scale;
        }
        p
    }

    /// (XᵀX)⁻¹ over the columns `of`, row by row.
    pub(in crate::accounting) fn inverse(&self, of: &[usize]) -> Vec<f64> {
        let n = of.len();
        let factor = self.factor(of);
        let scales: Vec<f64> = of.iter().map(|i| self.at(*i, *i).sqrt().max(f64::MIN_POSITIVE)).collect();
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            let row = &mut inverse[i * n..(i + 1) * n];
            row[i] = 1.0;
            factor.solve(row);
            row.iter_mut().zip(&scales).for_each(|(x, scale)| *x /= scale * scales[i]);
        }
        inverse
    }

    fn factor(&self, of: &[usize]) -> Factor {
        let n = of.len();
        let mut l = vec![0.0; n * n];
        let mut dependent = vec![false; n];
        for i in 0..n {
            for j in 0..=i {
                let products = l[i * n..i * n + j].iter().zip(&l[j * n..j * n + j]).map(|(a, b)| a * b);
                let rest = self.scaled(of[i], of[j]) - products.sum::<f64>();
                l[i * n + j] = if i == j {
                    dependent[i] = rest <= DEPENDENT;
                    // A dependent column is held where it is: a huge pivot gives it next to nothing.
                    if rest > DEPENDENT { rest.sqrt() } else { 1e12 }
                } else {
                    rest / l[j * n + j]
                };
            }
        }
        Factor { n, l, dependent }
    }

    /// |y|².
    pub(in crate::accounting) fn square(&self) -> f64 {
        self.yy
    }

    /// |y − X p|².
    pub(in crate::accounting) fn residual(&self, p: &[f64]) -> f64 {
        let fitted = |i: usize| (0..self.n).map(|j| self.at(i, j) * p[j]).sum::<f64>();
        (self.yy + (0..self.n).map(|i| p[i] * (fitted(i) - 2.0 * self.xy[i])).sum::<f64>()).max(0.0)
    }

    /// How much the solution may magnify an error: the ratio of the extreme singular values of X with its columns
    /// scaled to length 1. Infinite where columns depend on each other.
    pub(in crate::accounting) fn condition(&self) -> f64 {
        let all: Vec<usize> = (0..self.n).filter(|i| self.at(*i, *i) > 0.0).collect();
        let factor = self.factor(&all);
        if factor.dependent.contains(&true) {
            return f64::INFINITY;
        }
        let product = |v: &mut Vec<f64>| {
            *v = all.iter().map(|i| all.iter().zip(&*v).map(|(j, v)| self.scaled(*i, *j) * v).sum()).collect();
        };
        (power_iteration(all.len(), product) * power_iteration(all.len(), |v| factor.solve(v))).sqrt()
    }

    /// p, and the standard error of each as far as the residual of `rows` tells it.
    pub(in crate::accounting) fn solve_with_errors(
        &self,
        rows: usize,
        is_signed: impl Fn(usize) -> bool,
    ) -> (Vec<f64>, Vec<f64>) {
        let p = self.solve(is_signed);
        let variance = self.residual(&p) / rows.saturating_sub(self.n).max(1) as f64;
        let all: Vec<usize> = (0..self.n).collect();
        let factor = self.factor(&all);
        let error = |i: usize| {
            if factor.dependent[i] {
                return f64::INFINITY;
            }
            let mut unit = vec![0.0; self.n];
            unit[i] = 1.0;
            factor.solve(&mut unit);
            (variance * unit[i] / self.at(i, i).max(f64::MIN_POSITIVE)).sqrt()
        };
        (p, (0..self.n).map(error).collect())
    }
}

/// The lower triangle R, row by row, with R Rᵀ = `matrix`, which is positive semidefinite but for rounding.
pub(in crate::accounting) fn root(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut root = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let products = root[i * n..i * n + j].iter().zip(&root[j * n..j * n + j]).map(|(a, b)| a * b);
            let rest = matrix[i * n + j] - products.sum::<f64>();
            root[i * n + j] = if i == j {
                if rest > DEPENDENT * matrix[i * n + i] { rest.sqrt() } else { 0.0 }
            } else if root[j * n + j] > 0.0 {
                rest / root[j * n + j]
            } else {
                0.0
            };
        }
    }
    root
}

/// The largest eigenvalue of a positive definite product, to a few per cent.
fn power_iteration(n: usize, product: impl Fn(&mut Vec<f64>)) -> f64 {
    // No vector is orthogonal to all of interest by symmetry.
    let mut v: Vec<f64> =
        (0..n).map(|i| 1.0 + ((i * 7 + 3) % 11) as f64 / 11.0 * if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let mut value = 0.0;
    for _ in 0..60 {
        product(&mut v);
        value = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if value == 0.0 {
            break;
        }
        v.iter_mut().for_each(|x| *x /= value);
    }
    value
}

/// L of L Lᵀ, row by row.
struct Factor {
    n: usize,
    l: Vec<f64>,
    /// Columns that those before them make up.
    dependent: Vec<bool>,
}

impl Factor {
    /// Replaces b by the x of L Lᵀ x = b.
    fn solve(&self, b: &mut [f64]) {
        let n = self.n;
        for i in 0..n {
            let known: f64 = (0..i).map(|j| self.l[i * n + j] * b[j]).sum();
            b[i] = (b[i] - known) / self.l[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|j| self.l[j * n + i] * b[j]).sum();
            b[i] = (b[i] - known) / self.l[i * n + i];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(rows: &[Vec<f64>], y: &[f64]) -> Normal {
        let mut normal = Normal::new(rows[0].len());
        for (row, y) in rows.iter().zip(y) {
            let row: Vec<(usize, f64)> = row.iter().copied().enumerate().filter(|(_, x)| *x != 0.0).collect();
            normal.add(&row, *y, 1.0);
        }
        normal
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Karush, Kuhn and Tucker: nothing is negative, and no step that stays so lowers the residual.
        #[test]
        fn no_other_powers_that_are_not_negative_leave_less(
            (rows, y) in (1..9usize).prop_flat_map(|n| {
                let x = prop_oneof![2 => Just(0.0), 3 => 0.0..1.0f64];
                (prop::collection::vec(prop::collection::vec(x, n), 40), prop::collection::vec(-1.0..3.0f64, 40))
            }),
        ) {
            let normal = normal(&rows, &y);
            let p = normal.solve(|_| false);
            prop_assert!(p.iter().all(|p| *p >= 0.0 && p.is_finite()));
            for i in 0..p.len() {
                let gradient: f64 = rows.iter().zip(&y).map(|(row, y)| {
                    row[i] * (y - row.iter().zip(&p).map(|(x, p)| x * p).sum::<f64>())
                }).sum();
                prop_assert!(gradient <= 1e-6, "column {}: {}", i, gradient);
                prop_assert!(p[i] == 0.0 || gradient.abs() <= 1e-6, "column {}: {}", i, gradient);
            }
            let residual: f64 = rows.iter().zip(&y).map(|(row, y)| {
                (y - row.iter().zip(&p).map(|(x, p)| x * p).sum::<f64>()).powi(2)
            }).sum();
            prop_assert!((normal.residual(&p) - residual).abs() <= 1e-9 * (1.0 + residual));
        }
    }

    #[test]
    fn the_condition_is_one_of_orthogonal_columns_and_infinite_of_dependent_ones() {
        let rows = |rows: &[[f64; 2]]| rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>();
        let orthogonal = normal(&rows(&[[1.0, 0.0], [0.0, 5.0]]), &[1.0, 1.0]);
        assert!((orthogonal.condition() - 1.0).abs() < 1e-9);
        let known = normal(&rows(&[[1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]), &[1.0; 3]);
        // Correlation 1/3: eigenvalues 4/3 and 2/3.
        assert!((known.condition() - 2f64.sqrt()).abs() < 1e-3, "{}", known.condition());
        assert_eq!(normal(&rows(&[[1.0, 2.0], [2.0, 4.0]]), &[1.0, 1.0]).condition(), f64::INFINITY);
    }
}
