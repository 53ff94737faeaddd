//! Power over time whose energy has a closed form, so that the truth has no rounding to argue about.

use std::f64::consts::TAU;
use std::str::FromStr;

/// Watts as a function of the seconds since the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Waveform {
    Constant {
        watts: f64,
    },
    /// `high` for the first half of every period, then `low`.
    Square {
        low: f64,
        high: f64,
        period_s: f64,
    },
    /// Never below 0: the amplitude is at most the mean.
    Sine {
        mean: f64,
        amplitude: f64,
        period_s: f64,
    },
}

impl Waveform {
    /// Joules drawn in the first `seconds`.
    #[must_use]
    pub fn energy_j(&self, seconds: f64) -> f64 {
        match *self {
            Self::Constant { watts } => watts * seconds,
            Self::Square { low, high, period_s } => {
                let periods = (seconds / period_s).floor();
                let rest = seconds - periods * period_s;
                let half = period_s / 2.0;
                periods * half * (low + high) + high * rest.min(half) + low * (rest - half).max(0.0)
            }
            Self::Sine { mean, amplitude, period_s } => {
                let turn = TAU / period_s;
                mean * seconds + amplitude / turn * (1.0 - (turn * seconds).cos())
            }
        }
    }
}

impl FromStr for Waveform {
    type Err = String;

    /// `constant:W`, `square:LOW:HIGH:PERIOD_S`, `sine:MEAN:AMPLITUDE:PERIOD_S`
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no waveform: constant:W, square:LOW:HIGH:PERIOD_S or sine:MEAN:AMPLITUDE:PERIOD_S");
        let mut parts = text.split(':');
        let shape = parts.next().unwrap_or_default();
        let numbers: Vec<f64> = parts.map(|part| part.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        if numbers.iter().any(|number| !number.is_finite() || *number < 0.0) {
            return Err(wrong());
        }
        match (shape, numbers.as_slice()) {
            ("constant", &[watts]) => Ok(Self::Constant { watts }),
            ("square", &[low, high, period_s]) if period_s > 0.0 => Ok(Self::Square { low, high, period_s }),
            ("sine", &[mean, amplitude, period_s]) if period_s > 0.0 && amplitude <= mean => {
                Ok(Self::Sine { mean, amplitude, period_s })
            }
            _ => Err(wrong()),
        }
    }
}
