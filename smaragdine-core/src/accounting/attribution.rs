//! Shares and readings joined: whose energy a reading is.
//!
//! Shares have a period of their own, longer than that of readings (law 5): they are interpolated onto them, and then
//! split each reading's energy into parts that sum to it. Measured and modelled readings alike.

use rustc_hash::FxHashMap;

use crate::trace::{Domain, Reading, ShareSample};

/// Gives each of `readings` the time-weighted mean of the `shares` of its domain's scope.
///
/// A reading that samples cover only in part takes the mean over the covered part. One that none covers, or whose
/// samples do not know the application's share, keeps what it had: `None` is unknown.
/// The order of `shares` and `readings` does not matter.
pub fn apply_shares(readings: &mut [Reading], domains: &[Domain], shares: &[ShareSample]) {
    let mut known = Shares::default();
    shares.iter().for_each(|sample| known.add(sample.clone()));
    known.apply(readings, domains);
}

/// Shares by their scope.
#[derive(Debug, Default)]
pub struct Shares {
    scopes: FxHashMap<String, Vec<ShareSample>>,
    sorted: bool,
}

impl Shares {
    /// One that says nothing is passed over.
    pub fn add(&mut self, sample: ShareSample) {
        if known(sample.app).is_none() || sample.start_ns >= sample.end_ns {
            return;
        }
        self.sorted = false;
        match self.scopes.get_mut(&sample.scope) {
            // The scope is told once.
            Some(samples) => samples.push(ShareSample { scope: String::new(), ..sample }),
            None => {
                let scope = sample.scope.clone();
                self.scopes.insert(scope, vec![ShareSample { scope: String::new(), ..sample }]);
            }
        }
    }

    /// See [`apply_shares`].
    pub fn apply(&mut self, readings: &mut [Reading], domains: &[Domain]) {
        if !self.sorted {
            self.scopes.values_mut().for_each(|samples| samples.sort_by_key(|sample| (sample.end_ns, sample.start_ns)));
            self.sorted = true;
        }
        for reading in readings {
            let scope = domains.get(usize::from(reading.domain)).map(|domain| domain.scope.as_str());
            if let Some(samples) = scope.and_then(|scope| self.scopes.get(scope)) {
                interpolate(reading, samples);
            }
        }
    }

    /// Forgets what no reading of this scope can ask for any more that starts at `from_ns` or later.
    pub fn forget(&mut self, scope: &str, from_ns: i64) {
        if let Some(samples) = self.scopes.get_mut(scope) {
            samples.retain(|sample| sample.end_ns > from_ns);
        }
    }
}

fn interpolate(reading: &mut Reading, samples: &[ShareSample]) {
    let first = samples.partition_point(|sample| sample.end_ns <= reading.start_ns);
    let overlapping = samples[first..].iter().take_while(|sample| sample.start_ns < reading.end_ns);
    let (mut covered, mut app) = (0.0, 0.0);
    let (mut daemon, mut idle) = (None, None);
    let mut flags = reading.flags;
    for sample in overlapping {
        let start = sample.start_ns.max(reading.start_ns);
        let weight = sample.end_ns.min(reading.end_ns).saturating_sub(start) as f64;
        covered += weight;
        app += weight * sample.app.unwrap_or(0.0);
        // One denominator for all three, so that shares which summed to at most 1 still do.
        for (sum, share) in [(&mut daemon, known(sample.daemon)), (&mut idle, known(sample.idle))] {
            if let Some(share) = share {
                *sum = Some(sum.unwrap_or(0.0) + weight * share);
            }
        }
        flags = flags.union(sample.flags);
    }
    if covered > 0.0 {
        reading.app_share = Some(app / covered);
        reading.daemon_share = daemon.map(|sum| sum / covered);
        reading.idle_share = idle.map(|sum| sum / covered);
        reading.flags = flags;
    }
}

/// A share that is a fraction; what is not a number is not known.
fn known(share: Option<f64>) -> Option<f64> {
    share.filter(|share| share.is_finite()).map(|share| share.clamp(0.0, 1.0))
}

/// One reading's energy by whose it is, in joules; the parts sum to the reading's energy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Parts {
    /// The application's; `None`: not known, and the whole energy is `gap`.
    pub app: Option<f64>,
    pub daemon: f64,
    pub other: f64,
    pub idle: f64,
    pub gap: f64,
}

/// Splits the energy of `reading`. Where its share is unknown or its energy doubtful, all of it is `gap`.
#[must_use]
pub fn split(reading: &Reading) -> Parts {
    let energy = if reading.energy_j.is_finite() { reading.energy_j } else { 0.0 };
    let Some(app) = known(reading.app_share).filter(|_| !reading.flags.is_gap()) else {
        return Parts { gap: energy, ..Parts::default() };
    };
    let (daemon, idle) = (known(reading.daemon_share).unwrap_or(0.0), known(reading.idle_share).unwrap_or(0.0));
    // Fractions of one whole that exceed it by rounding, or by a foreign file's fault, must not create energy.
    let scale = energy / (app + daemon + idle).max(1.0);
    let (app, daemon, idle) = (app * scale, daemon * scale, idle * scale);
    let rest = energy - app - daemon - idle;
    // Where the three are the whole, what remains is rounding: it is nobody's process.
    let (other, idle) = if rest.abs() <= 1e-12 * energy.abs() { (0.0, idle + rest) } else { (rest, idle) };
    Parts { app: Some(app), daemon, other, idle, gap: 0.0 }
}
