//! How a register responds to load: how late it tells of it, and over which time it looks.
//!
//! Finding that out takes a load of which the course is known, and a traced recording has one: its operations. They are
//! looked at as the register would have seen them with each lag and window that come into question; with the right ones
//! they explain the energies of the readings best. Other work compares registers with an external meter for this (Yang
//! et al., "Part-time power measurements", SC'24), or loads the machine on purpose.

mod sensors;

pub(super) use self::sensors::{enter_response, responses_of_registers};
use crate::accounting::deconvolution::course::{Course, courses};
use crate::accounting::deconvolution::normal::Normal;
use crate::accounting::deconvolution::row::UsableReading;
use crate::accounting::deconvolution::{Problem, is_traced, phase, typical, usable_readings};
use crate::trace::Basis;

/// Fewer readings tell no lag.
const LEAST_TELLING: usize = 60;
/// … and more tell it no better than is needed.
const MOST_READINGS: usize = 300;
/// How far back the load may have to be known, as far as traced stretches reach.
const REACHES_NS: [f64; 5] = [4e9, 1.5e9, 5e8, 1e8, 2e7];
/// No register is taken to lag by more readings.
const MOST_LENGTHS: f64 = 20.0;
/// Lags are tried this many times a reading and a window, then ever closer around the best.
const PER_READING: f64 = 8.0;
const PER_LOOK: f64 = 4.0;
/// Windows that are tried, in parts of the distance of updates: GPUs look at a quarter, a half, or ten times of it.
const LOOKS: [f64; 4] = [0.25, 0.5, 2.0, 10.0];
/// … and around the best of them.
const NEAR_LOOKS: [f64; 5] = [0.65, 0.8, 1.0, 1.25, 1.55];
/// A window is only looked for where edges are known to this part of it, and readings hold no more than one update.
const EDGES_OF_LOOK: f64 = 0.1;
const ONE_UPDATE: f64 = 1.5;
/// Where this much of how energies differ is explained, there is nothing left for another window.
const ALL_EXPLAINED: f64 = 0.98;
/// What is left unexplained with the right lag, as a part of what is with any other: else operations are no load to go
/// by, or the right lag was not tried.
const CONTRAST: f64 = 0.4;
/// Squared standard errors within which a lag is as good as the best.
const AS_GOOD: f64 = 9.0;

/// How one register responds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Response {
    /// It tells of power this much after it was drawn, beyond what readings' edges say.
    pub(crate) lag_ns: f64,
    pub(crate) lag_error_ns: f64,
    /// An update tells the mean power of this time before it; `None`: all that was drawn since the last one.
    pub(crate) look_ns: Option<f64>,
}

impl Response {
    /// The lag, where it is beyond doubt; what is less the fit of a lag makes up for.
    pub(crate) fn late_ns(&self) -> i64 {
        if self.lag_ns.abs() > 2.0 * self.lag_error_ns { self.lag_ns.round() as i64 } else { 0 }
    }
}

/// The response of one domain's register, which is updated every `update_ns` where that is known; `None`: its readings
/// do not tell. It is beside what `problem` takes for late.
pub(crate) fn response(problem: &Problem, update_ns: Option<i64>) -> Option<Response> {
    if problem.domain.basis == Basis::Modelled {
        return None;
    }
    let mut windows = usable_readings(problem).ok()?;
    if phase::locked(&windows, problem.steps) {
        return None;
    }
    let length_ns = typical(&windows, UsableReading::length_ns)?;
    // All that ran so long before a reading is known.
    let is_known = |window: &UsableReading, reach_ns: f64| {
        is_traced(problem.stretches, window.start_ns.saturating_sub(reach_ns as i64), window.end_ns)
    };
    let reach_ns = REACHES_NS.into_iter().find(|reach_ns| {
        let known = windows.iter().filter(|window| is_known(window, *reach_ns)).count();
        known >= LEAST_TELLING && *reach_ns >= 2.0 * length_ns
    })?;
    windows.retain(|window| is_known(window, reach_ns));
    let every = windows.len().div_ceil(MOST_READINGS);
    let unseen_ns = windows.iter().filter(|window| !window.seen).map(|window| window.uncertainty_ns).max();
    let origin_ns = windows.first()?.start_ns;
    let courses = courses(problem, origin_ns);
    let seen = |window: &UsableReading| Seen {
        start_ns: window.start_ns.saturating_sub(origin_ns) as f64,
        end_ns: window.end_ns.saturating_sub(origin_ns) as f64,
        energy_j: window.energy_j,
    };
    let readings: Vec<Seen> = windows.iter().step_by(every).map(seen).collect();
    let load = Load { courses: &courses, readings: &readings };
    // Where no update was seen, edges are all put half a period early, give or take as much.
    let edges_ns = unseen_ns.unwrap_or(0) as f64;
    let uncertainty_ns = typical(&windows, |window| window.uncertainty_ns)?;
    let lags = Lags {
        // No register tells of power before it is drawn: what is earlier than edges may be off is another step's.
        from_ns: -(2.0 * uncertainty_ns).clamp(length_ns / PER_READING, length_ns / 2.0),
        to_ns: (reach_ns / 2.0).min(MOST_LENGTHS * length_ns),
        step_ns: length_ns / PER_READING,
    };
    let update_ns = update_ns.map_or(length_ns, |update_ns| update_ns as f64);
    let looks = if length_ns < ONE_UPDATE * update_ns { &LOOKS[..] } else { &[] };
    let looks: Vec<f64> =
        looks.iter().map(|part| part * update_ns).filter(|ns| *ns >= edges_ns / EDGES_OF_LOOK).collect();
    let found = load.search(&lags, &looks, reach_ns / 2.0)?;
    let lag_error_ns = found.lag_error_ns.max(edges_ns);
    (lag_error_ns <= length_ns / 2.0).then_some(Response { lag_error_ns, ..found })
}

/// Lags to try.
#[derive(Clone, Copy)]
struct Lags {
    from_ns: f64,
    to_ns: f64,
    step_ns: f64,
}

/// A reading, from the first one on.
struct Seen {
    start_ns: f64,
    end_ns: f64,
    energy_j: f64,
}

impl Seen {
    fn length_s(&self) -> f64 {
        (self.end_ns - self.start_ns) * 1e-9
    }

    /// Seconds of an operation that the register saw; `near` is where the reading before began and ended in its course.
    fn time_s(&self, course: &Course, near: &mut [usize; 2], lag_ns: f64, look_ns: Option<f64>) -> f64 {
        let (from_ns, to_ns) = (self.start_ns - lag_ns, self.end_ns - lag_ns);
        let began_ns = look_ns.map_or(from_ns, |look_ns| to_ns - look_ns);
        let [before, after] = near;
        let seen_s = course.until_s(to_ns, after) - course.until_s(began_ns, before);
        look_ns.map_or(seen_s, |look_ns| seen_s / look_ns * (to_ns - from_ns))
    }
}

/// What ran, and what the register made of it.
struct Load<'a> {
    /// Of operations of any kind; then of single kinds.
    courses: &'a [Course],
    readings: &'a [Seen],
}

impl Load<'_> {
    /// `None`: no lag explains the energies well and alone, or the window may be longer than `longest_ns`.
    fn search(&self, lags: &Lags, looks_ns: &[f64], longest_ns: f64) -> Option<Response> {
        let (mut lags, mut best) = (*lags, self.best(lags, None));
        if best.unexplained > (1.0 - ALL_EXPLAINED) * self.around_mean() {
            let tried = looks_ns.iter().copied().filter(|look_ns| *look_ns <= longest_ns);
            let other = tried.map(|look_ns| self.best(&lags.of(look_ns), Some(look_ns))).min_by(Best::order);
            if let Some(other) = other.filter(|other| other.unexplained * self.as_good() < best.unexplained) {
                let look_ns = other.look_ns?;
                if looks_ns.iter().any(|longer_ns| *longer_ns > longest_ns.max(look_ns)) {
                    return None;
                }
                lags = lags.of(look_ns);
                let around = lags.around(other.lag_ns);
                let near = NEAR_LOOKS.into_iter().map(|part| self.best(&around, Some(part * look_ns)));
                best = near.min_by(Best::order)?;
            }
        }
        let mut unexplained: Vec<(f64, f64)> =
            lags.tried().map(|lag_ns| (self.unexplained(lag_ns, best.look_ns), lag_ns)).collect();
        unexplained.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let as_good = best.unexplained * self.as_good();
        // Steps resemble each other, so a lag by a whole step may be as good.
        let another = unexplained.iter().any(|(left, lag_ns)| *left <= as_good && !lags.is_near(best.lag_ns, *lag_ns));
        let typical = unexplained.get(unexplained.len() / 2)?.0;
        if another || !typical.is_finite() || best.unexplained > CONTRAST * typical {
            return None;
        }
        let fine_ns = lags.step_ns / 50.0;
        let is_as_good = |lag_ns: f64| self.unexplained(lag_ns, best.look_ns) <= as_good;
        let width =
            |sign: f64| (1..=100).take_while(|n| is_as_good(best.lag_ns + sign * f64::from(*n) * fine_ns)).count();
        let chance_ns = (width(1.0).max(width(-1.0)) + 1) as f64 * fine_ns;
        // What operations do not explain may pull the lag to one side: so much as leaving out more of them does.
        let fewer = self.with_half_the_types().best(&lags.around(best.lag_ns), best.look_ns);
        let lag_error_ns = chance_ns + (fewer.lag_ns - best.lag_ns).abs();
        Some(Response { lag_ns: best.lag_ns, lag_error_ns, look_ns: best.look_ns })
    }

    /// The best lag with this window: of those to try, then ever closer.
    fn best(&self, lags: &Lags, look_ns: Option<f64>) -> Best {
        let at = |lag_ns| Best { lag_ns, look_ns, unexplained: self.unexplained(lag_ns, look_ns) };
        let mut best = lags.tried().map(at).min_by(Best::order).unwrap_or_else(|| at(0.0));
        let mut step_ns = lags.step_ns;
        for _ in 0..4 {
            step_ns /= 3.0;
            let closer = [-2.0, -1.0, 1.0, 2.0].map(|steps| at(best.lag_ns + steps * step_ns));
            best = closer.into_iter().chain([best]).min_by(Best::order).unwrap_or(best);
        }
        best
    }

    fn with_half_the_types(&self) -> Self {
        Self { courses: &self.courses[..self.courses.len().div_ceil(2)], ..*self }
    }

    /// By how much the residual may exceed the least for what left it to be as good.
    fn as_good(&self) -> f64 {
        1.0 + AS_GOOD / self.readings.len().saturating_sub(self.courses.len() + 1).max(1) as f64
    }

    /// Squared joules that differ from constant power.
    fn around_mean(&self) -> f64 {
        let mut normal = Normal::new(1);
        self.readings.iter().for_each(|reading| normal.add(&[(0, reading.length_s())], reading.energy_j, 1.0));
        normal.residual(&normal.solve(|_| false)).max(f64::MIN_POSITIVE)
    }

    /// Squared joules that the load, seen so, leaves unexplained.
    fn unexplained(&self, lag_ns: f64, look_ns: Option<f64>) -> f64 {
        let mut normal = Normal::new(self.courses.len() + 1);
        let mut row = Vec::with_capacity(self.courses.len() + 1);
        let mut near = vec![[0, 0]; self.courses.len()];
        for reading in self.readings {
            row.clear();
            let seen = |(course, near): (&Course, &mut _)| reading.time_s(course, near, lag_ns, look_ns);
            let times = self.courses.iter().zip(&mut near).map(seen);
            row.extend(times.enumerate().filter(|(_, time_s)| *time_s != 0.0));
            row.push((self.courses.len(), reading.length_s()));
            normal.add(&row, reading.energy_j, 1.0);
        }
        normal.residual(&normal.solve(|_| false))
    }
}

impl Lags {
    /// As close as a window of `look_ns` takes.
    fn of(self, look_ns: f64) -> Self {
        Self { step_ns: self.step_ns.min(look_ns / PER_LOOK), ..self }
    }

    fn around(self, lag_ns: f64) -> Self {
        Self { from_ns: lag_ns - self.step_ns, to_ns: lag_ns + self.step_ns, step_ns: self.step_ns / 2.0 }
    }

    fn is_near(&self, one_ns: f64, other_ns: f64) -> bool {
        (one_ns - other_ns).abs() <= 2.0 * self.step_ns
    }

    fn tried(&self) -> impl Iterator<Item = f64> {
        let steps = ((self.to_ns - self.from_ns) / self.step_ns) as i32;
        (0..=steps).map(|step| self.from_ns + f64::from(step) * self.step_ns)
    }
}

#[derive(Clone, Copy)]
struct Best {
    lag_ns: f64,
    look_ns: Option<f64>,
    unexplained: f64,
}

impl Best {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.unexplained.total_cmp(&other.unexplained)
    }
}
