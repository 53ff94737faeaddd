//! Deconvolution (law 6): the power of operations that are shorter than a reading.
//!
//! A reading holds the energy of all that ran within it. As steps and readings are not in lockstep, the same operations
//! fall into ever other company, and the powers of which all readings would come out as they did can be solved for:
//! ΔE ≈ Σ p·τ with p ≥ 0, where τ is the time of each class of operations within a reading, and of no operation running.
//!
//! What comes out is an estimate, so it comes with an interval, and where the data cannot tell it is refused in words.

mod classes;
pub(super) mod course;
mod covariance;
mod design;
mod edges;
mod fit;
mod intervals;
mod length;
mod model;
pub(super) mod normal;
mod parts;
pub(super) mod phase;
mod powers;
mod prior;
mod random;
mod refusal;
pub(super) mod row;
mod search;
mod trust;
mod verdict;

use self::design::Design;
use self::fit::Fit;
use self::intervals::PowerSpread;
pub(crate) use self::powers::Moment;
pub use self::powers::Powers;
pub use self::refusal::Refusal;
use self::row::UsableReading;
use self::search::ever_finer;
use self::verdict::Drawn;
use crate::accounting::attribution::split;
use crate::span::{Span, joined};
use crate::trace::{Basis, Domain, Event, Flag, Kind, Level, Op, Reading};

/// Fewer steps or readings than these say nothing about how far off a power may be.
const LEAST_STEPS: usize = 10;
const LEAST_SOLVABLE: usize = 100;
/// Readings whose edges were seen are taken alone where they are at least this part of all.
const ENOUGH_SEEN: f64 = 0.1;
/// No reading that is of use here is longer.
const LONGEST_NS: i64 = 60_000_000_000;
/// How far the clock of events may be off that of readings: both are the host's, a GPU's events are mapped onto it.
const CPU_CLOCK_NS: f64 = 10_000.0;
const GPU_CLOCK_NS: f64 = 50_000.0;

/// One domain of a device with what the device did.
pub struct Problem<'a> {
    pub domain: &'a Domain,
    /// How late its register tells of power: each reading is of a time that is so much past.
    pub late_ns: i64,
    pub ops: &'a [Op],
    /// In order of time.
    pub readings: &'a [Reading],
    /// In order of their start.
    pub events: &'a [&'a Event],
    /// Traced steps, in order of their start.
    pub steps: &'a [Span],
    /// Stretches in which every event is known, in order and disjoint.
    pub stretches: &'a [Span],
}

/// Powers of one domain, and how well they are known.
pub struct Solution {
    pub level: Level,
    pub powers: Powers,
    /// Ends of the 90 % interval of a class's energy, as multiples of it.
    low: Vec<f64>,
    high: Vec<f64>,
    pub classes: usize,
    /// Watts while no operation runs.
    pub quiet_w: f64,
    /// The register's updates lie this much after where readings put them (see [`unseen_ns`]).
    pub lag_ns: i64,
    pub lag_error_ns: f64,
    pub condition: f64,
    /// Root mean square of what readings differ from the fit, in joules.
    pub residual_j: f64,
    /// Squared errors of steps held out, as a part of those of equal share.
    pub held_out: f64,
    /// How much more parts of the recording disagree than intervals allow before they are widened; 1 is as expected.
    pub disagreement: f64,
    pub readings: usize,
}

impl Solution {
    /// Ends of the 90 % interval of an operation's energy, as multiples of it; `None`: it was in nothing solved.
    #[must_use]
    pub fn interval(&self, op: usize) -> Option<(f64, f64)> {
        let class = self.powers.class(op)?;
        Some((self.low[class], self.high[class]))
    }
}

/// Solves for the powers of one domain.
///
/// # Errors
/// A [`Refusal`], where the data do not tell them.
pub fn deconvolve(problem: &Problem) -> Result<Solution, Refusal> {
    if problem.domain.basis == Basis::Modelled {
        return Err(Refusal::Modelled);
    }
    if problem.steps.len() < LEAST_STEPS {
        return Err(Refusal::FewSteps(problem.steps.len()));
    }
    let windows = usable_readings(problem)?;
    if phase::locked(&windows, problem.steps) {
        return Err(Refusal::StepLocked);
    }
    let typical = |value: fn(&UsableReading) -> i64| typical(&windows, value).unwrap_or(0.0);
    let uncertainty_ns = typical(|window| window.uncertainty_ns);
    let lag_range_ns = uncertainty_ns + clock_ns(problem.domain);
    let reading_ns = typical(UsableReading::length_ns);
    if 4.0 * lag_range_ns > reading_ns {
        return Err(Refusal::UnknownEdges { uncertainty_ns, than: "readings", length_ns: reading_ns });
    }
    let reach_ns = 1.5 * lag_range_ns;
    let mut design = Design::new(problem, &windows, reach_ns);
    let fits = ever_finer(problem.ops, &mut design, lag_range_ns)?;
    let mut refusal = None;
    // What cannot be told of single operations may be told of their types.
    for fit in fits.iter().rev() {
        match solution(problem, &design, fit, lag_range_ns) {
            Ok(solution) => return Ok(Solution { lag_ns: solution.lag_ns - problem.late_ns, ..solution }),
            Err(refused) => refusal = refusal.or(Some(refused)),
        }
    }
    Err(refusal.unwrap_or(Refusal::NoBetter))
}

fn clock_ns(domain: &Domain) -> f64 {
    if domain.is_of_cpu() { CPU_CLOCK_NS } else { GPU_CLOCK_NS }
}

/// The median over readings.
pub(super) fn typical(windows: &[UsableReading], value: fn(&UsableReading) -> i64) -> Option<f64> {
    let mut values: Vec<i64> = windows.iter().map(value).collect();
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1 as f64)
}

/// Whether every event is known from one instant to another.
pub(super) fn is_traced(stretches: &[Span], from_ns: i64, to_ns: i64) -> bool {
    let stretch = stretches.partition_point(|stretch| stretch.end_ns < to_ns);
    stretches.get(stretch).is_some_and(|stretch| stretch.start_ns <= from_ns)
}

/// How long an operation lasts that runs at some instant, on average: brief ones weigh little.
fn typical_length_ns(events: &[&Event]) -> f64 {
    let lengths = events.iter().filter(|event| event.kind != Kind::Wait);
    let lengths = lengths.map(|event| event.end_ns.saturating_sub(event.start_ns).max(0) as f64);
    let (sum, squares) = lengths.fold((0.0, 0.0), |(sum, squares), length| (sum + length, squares + length * length));
    if sum > 0.0 { squares / sum } else { 0.0 }
}

/// How much earlier than stamped the edges of `reading` are, give or take as much: where the update was not seen, it
/// happened up to one period before the read.
pub(crate) fn unseen_ns(domain: &Domain, reading: &Reading) -> i64 {
    if reading.edge_uncertainty_ns.is_some() {
        return 0;
    }
    let length_ns = reading.end_ns.saturating_sub(reading.start_ns);
    domain.update_ns().map_or(length_ns, |update_ns| update_ns.min(length_ns)) / 2
}

/// The readings that lie wholly in traced time and whose energy is known, as the design takes them.
pub(super) fn usable_readings(problem: &Problem) -> Result<Vec<UsableReading>, Refusal> {
    let mut windows: Vec<UsableReading> = Vec::new();
    let (mut integrated, mut filtered) = (0, 0);
    for reading in problem.readings {
        let [from_ns, to_ns] = [reading.start_ns, reading.end_ns].map(|at_ns| at_ns.saturating_sub(problem.late_ns));
        let in_order = windows.last().is_none_or(|last| last.end_ns <= from_ns);
        if is_traced(problem.stretches, from_ns, to_ns)
            && in_order
            && let Some(window) = usable_reading(problem, reading)
        {
            integrated += usize::from(reading.flags.has(Flag::Integrated));
            filtered += usize::from(reading.flags.has(Flag::Filtered));
            windows.push(window);
        }
    }
    if integrated * 2 > windows.len() {
        return Err(Refusal::Integrated);
    }
    if filtered > 0 {
        return Err(Refusal::Filtered);
    }
    // Where enough updates were seen, those that were not would only blur them.
    let seen = windows.iter().filter(|window| window.seen).count();
    if seen >= LEAST_SOLVABLE && seen as f64 > ENOUGH_SEEN * windows.len() as f64 {
        windows.retain(|window| window.seen);
    }
    if windows.len() < LEAST_SOLVABLE {
        return Err(Refusal::FewReadings(windows.len()));
    }
    Ok(windows)
}

/// `None`: its energy is not known, or it cannot have been read on this earth.
fn usable_reading(problem: &Problem, reading: &Reading) -> Option<UsableReading> {
    let length_ns = reading.end_ns.checked_sub(reading.start_ns)?;
    let uncertainty_ns = reading.edge_uncertainty_ns.unwrap_or_else(|| unseen_ns(problem.domain, reading));
    let near = |at_ns: i64| at_ns.abs() < i64::MAX / 2;
    if !near(reading.start_ns)
        || !near(reading.end_ns)
        || !(1..LONGEST_NS).contains(&length_ns)
        || !(0..LONGEST_NS).contains(&uncertainty_ns)
    {
        return None;
    }
    let parts = split(reading);
    parts.app?;
    let others = (parts.other + parts.daemon) / reading.energy_j;
    let earlier_ns = unseen_ns(problem.domain, reading) + problem.late_ns;
    Some(UsableReading {
        start_ns: reading.start_ns - earlier_ns,
        end_ns: reading.end_ns - earlier_ns,
        uncertainty_ns,
        seen: reading.edge_uncertainty_ns.is_some(),
        energy_j: reading.energy_j,
        others: if others.is_finite() { others } else { 0.0 },
    })
}

fn solution(problem: &Problem, design: &Design, fit: &Fit, lag_range_ns: f64) -> Result<Solution, Refusal> {
    let uncertainty_ns = lag_range_ns - clock_ns(problem.domain);
    let (scatter_ns, op_ns) = (fit.scatter * uncertainty_ns, typical_length_ns(problem.events));
    if scatter_ns > op_ns {
        return Err(Refusal::UnknownEdges { uncertainty_ns: scatter_ns, than: "operations", length_ns: op_ns });
    }
    let spread = PowerSpread::of(design, fit, lag_range_ns);
    let classes = &fit.model.classes;
    let drawn = Drawn::of(design, fit, &spread);
    let (low, high) = verdict::intervals(classes, &spread, &drawn);
    verdict::judge(classes, &spread, &drawn, (&low, &high))?;
    let sum = |errors: &[f64]| errors.iter().sum::<f64>();
    Ok(Solution {
        level: fit.level,
        low,
        high,
        classes: classes.count,
        quiet_w: spread.power_w[fit.model.quiet],
        lag_ns: fit.lag_ns.round() as i64,
        lag_error_ns: spread.lag_error_ns,
        condition: fit.condition,
        residual_j: fit.residual_j,
        held_out: sum(&fit.held_out) / sum(&fit.held_out_equal),
        disagreement: spread.disagreement,
        readings: design.rows.len(),
        powers: Powers::of(design, fit, spread.power_w),
    })
}

/// The stretches in which any of `events`, in order of their start, draws energy.
pub(crate) fn union(events: &[&Event]) -> Vec<Span> {
    joined(events.iter().filter(|event| event.draws()).map(|event| event.span()))
}
