//! How far accounted energies are from the truth, by type of operation.

use smaragdine_core::accounting::account::account;
use smaragdine_core::trace::{Policy, Trace};

use crate::training::Training;

/// Energy of one type of operation: accounted and true, with the interval where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    pub energy_j: f64,
    pub interval_j: Option<(f64, f64)>,
    pub truth_j: f64,
}

impl Estimate {
    #[must_use]
    pub fn error(&self) -> f64 {
        (self.energy_j - self.truth_j).abs() / self.truth_j
    }

    #[must_use]
    pub fn covered(&self) -> Option<bool> {
        self.interval_j.map(|(low, high)| low <= self.truth_j && self.truth_j <= high)
    }

    /// Half the interval, as a part of the energy.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        self.interval_j.map(|(low, high)| (high - low) / 2.0 / self.energy_j)
    }
}

/// One trace by one policy.
#[derive(Debug, Clone)]
pub struct Score {
    /// By type.
    pub estimates: Vec<Estimate>,
    /// Why deconvolution was refused, and the energies are those of equal share.
    pub refusal: Option<String>,
}

impl Score {
    /// Of energies by operation, without intervals.
    #[must_use]
    pub fn of(training: &Training, energies_j: &[f64]) -> Self {
        let bounds = vec![None; energies_j.len()];
        Self::with_intervals(training, energies_j, &bounds, None)
    }

    #[must_use]
    pub fn by_policy(training: &Training, trace: &mut Trace, policy: Policy) -> Self {
        account(trace, policy);
        let (mut energies_j, mut bounds) = (vec![0.0; trace.ops.len()], vec![None; trace.ops.len()]);
        for row in trace.footprint.iter().filter(|row| row.policy == policy) {
            energies_j[row.op as usize] += row.energy_j;
            bounds[row.op as usize] = row.energy_low_j.zip(row.energy_high_j);
        }
        let refusal = (policy == Policy::Deconvolved).then(|| refusal(trace)).flatten();
        Self::with_intervals(training, &energies_j, &bounds, refusal)
    }

    fn with_intervals(
        training: &Training,
        energies_j: &[f64],
        bounds: &[Option<(f64, f64)>],
        refusal: Option<String>,
    ) -> Self {
        let estimates = (0..training.kinds).map(|kind| {
            let of_type = || (kind..energies_j.len()).step_by(training.kinds);
            Estimate {
                energy_j: of_type().map(|op| energies_j[op]).sum(),
                interval_j: of_type()
                    .try_fold((0.0, 0.0), |sum, op| bounds[op].map(|(low, high)| (sum.0 + low, sum.1 + high))),
                truth_j: of_type().map(|op| training.truth_j[op]).sum(),
            }
        });
        Self { estimates: estimates.collect(), refusal }
    }

    #[must_use]
    pub fn mean_error(&self) -> f64 {
        self.estimates.iter().map(Estimate::error).sum::<f64>() / self.estimates.len() as f64
    }

    #[must_use]
    pub fn worst_error(&self) -> f64 {
        self.estimates.iter().map(Estimate::error).fold(0.0, f64::max)
    }
}

fn refusal(trace: &Trace) -> Option<String> {
    let mut told = trace.metadata.coverage.deconvolution.as_ref()?.values();
    told.find_map(|domain| domain.refused().map(str::to_owned))
}
