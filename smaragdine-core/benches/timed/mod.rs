//! What criterion's samples came to, for numbers that a bench hands over.

use std::hint::black_box;
use std::time::Instant;

use criterion::Bencher;

/// As many as criterion is told to take.
pub(crate) const SAMPLES: usize = 20;

/// Seconds that one call took, by sample.
#[derive(Debug, Default)]
pub(crate) struct Timed(Vec<f64>);

impl Timed {
    /// Lets criterion time `work`.
    pub(crate) fn time<T>(&mut self, bencher: &mut Bencher, mut work: impl FnMut() -> T) {
        bencher.iter_custom(|calls| {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(work());
            }
            let spent = start.elapsed();
            self.0.push(spent.as_secs_f64() / calls as f64);
            spent
        });
    }

    /// The median, without the calls that only warm up, which come first; `None` where it was left out.
    pub(crate) fn median_s(mut self) -> Option<f64> {
        let mut samples = self.0.split_off(self.0.len().saturating_sub(SAMPLES));
        samples.sort_unstable_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied()
    }
}
