//! Quantiles of series that may be long.

/// Quantiles over any length in bounded memory: when full, every other value is dropped, and from then on only every
/// other one is taken. Exact for the first [`Quantiles::MOST`] values (four minutes at 4 ms).
#[derive(Debug)]
pub(crate) struct Quantiles {
    values: Vec<i64>,
    every: u64,
    seen: u64,
}

impl Quantiles {
    const MOST: usize = 1 << 16;

    pub(crate) fn new() -> Self {
        Self { values: Vec::new(), every: 1, seen: 0 }
    }

    pub(crate) fn add(&mut self, value: i64) {
        if self.seen.is_multiple_of(self.every) {
            if self.values.len() == Self::MOST {
                let mut keep = false;
                self.values.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.every *= 2;
            }
            self.values.push(value);
        }
        self.seen += 1;
    }

    /// How many values it is of.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn quantile(&mut self, fraction: f64) -> Option<i64> {
        let last = self.values.len().checked_sub(1)?;
        let place = (last as f64 * fraction).round() as usize;
        Some(*self.values.select_nth_unstable(place).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_of_a_long_series_stay_those_of_the_series() {
        let mut quantiles = Quantiles::new();
        let values = 5 * Quantiles::MOST as i64;
        // A permutation of 0..values: the step is coprime with it.
        (0..values).for_each(|n| quantiles.add(n * 7_919 % values));
        assert!(quantiles.values.len() <= Quantiles::MOST);
        for fraction in [0.5, 0.99] {
            let quantile = quantiles.quantile(fraction).expect("values") as f64 / values as f64;
            assert!((quantile - fraction).abs() < 0.01, "{quantile} is not {fraction}");
        }
        assert_eq!(Quantiles::new().quantile(0.5), None);
    }
}
