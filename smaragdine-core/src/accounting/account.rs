//! Accounting: readings and events of a trace become its footprint and its ledger.
//!
//! Pure, and a function of the trace alone: accounting twice is accounting once.

mod deconvolved;
mod device;
mod ledger;
mod stretches;

use std::collections::BTreeMap;

use self::deconvolved::deconvolved;
use self::device::{Aligned, Device, held_until_next, measured};
use self::ledger::Ledger;
use self::stretches::stretches;
use crate::accounting::attribution::split;
use crate::accounting::deconvolution::{Refusal, Solution};
use crate::accounting::footprint::DeviceFootprint;
use crate::accounting::response::{Response, enter_response, responses_of_registers};
use crate::span::{Span, ordered};
use crate::trace::{Deconvolution, Op, Policy, Reading, Solved, Step, Trace, Unmeasured, readings_of_domain};

/// Accounts `trace` by `policy`: replaces that policy's rows of `footprint`, `footprint_domains` and `ledger`, and
/// fills `energy_j` of the steps (the application's energy in each counted domain, whatever the policy).
///
/// Only counted domains enter. Of a device without a known reading there is no footprint: `coverage` tells its events
/// and their time. A counted domain without any reading has no ledger, for it is not measured.
///
/// The ledger sums to the readings whatever the policy. Recency moves energy between operations and what surrounds
/// them, and some of it across the ends of the recording: the difference to the equal share is entered under
/// `application`, which may thus be negative.
pub fn account(trace: &mut Trace, policy: Policy) {
    // Kept in this order by contract; a file rewritten elsewhere may have lost it.
    if !trace.readings.is_sorted_by_key(|reading| (reading.domain, reading.start_ns)) {
        trace.readings.sort_by_key(|reading| (reading.domain, reading.start_ns));
    }
    trace.footprint.retain(|row| row.policy != policy);
    trace.footprint_domains.retain(|row| row.policy != policy);
    trace.ledger.retain(|row| row.policy != policy);

    let traced = ordered(trace.steps.iter().filter(|step| step.traced).map(Step::span));
    let profiling = ordered(trace.metadata.profiling.iter().copied());
    let (mut rows, mut domain_rows, mut ledger_rows) = (Vec::new(), Vec::new(), Vec::new());
    let stretches = stretches(&trace.steps, &trace.events, &profiling);
    let (mut unmeasured, mut solved) = (BTreeMap::new(), BTreeMap::new());
    let listed = trace.metadata.sources.iter().any(|source| !source.sensors.is_empty());
    let mut responses = Vec::new();
    for name in device_names(trace) {
        let device = Device::of(trace, &name, &traced, &profiling);
        let registers = if policy == Policy::Deconvolved || listed {
            responses_of_registers(device.problems(&trace.ops, &stretches), &trace.metadata.sources)
        } else {
            Vec::new()
        };
        let accounted = Accounted::of(&device, policy, &trace.ops, &stretches, &registers);
        let Accounted { aligned, ledgers, solutions } = accounted;
        for ((domain, readings), ledger) in device.domains.iter().zip(&ledgers) {
            if !readings.is_empty() {
                ledger_rows.extend(ledger.rows(policy, &domain.name));
            }
        }
        responses.extend(device.domains.iter().map(|(domain, _)| domain.name.clone()).zip(registers));
        for ((domain, _), solution) in device.domains.iter().zip(&solutions) {
            solved.insert(domain.name.clone(), in_coverage(solution));
        }
        let domains = device.domains.iter().map(|(domain, _)| *domain).zip(aligned.known).collect();
        let footprint = DeviceFootprint { device: &name, domains, alignments: aligned.alignments, solutions };
        rows.extend(footprint.rows(policy));
        domain_rows.extend(footprint.domain_rows(policy));
        if let Some((events, time_s)) = footprint.unmeasured() {
            unmeasured.insert(name.clone(), Unmeasured { events, time_s });
        }
    }
    rows.sort_by(|a, b| (a.op, &a.device, a.basis).cmp(&(b.op, &b.device, b.basis)));
    domain_rows.sort_by(|a, b| (a.op, &a.domain).cmp(&(b.op, &b.domain)));
    trace.footprint.append(&mut rows);
    trace.footprint_domains.append(&mut domain_rows);
    trace.ledger.append(&mut ledger_rows);
    // In one order, whichever policy was accounted last.
    trace.footprint.sort_by_key(|row| row.policy);
    trace.footprint_domains.sort_by_key(|row| row.policy);
    trace.ledger.sort_by_key(|row| row.policy);
    trace.metadata.coverage.unmeasured_devices = unmeasured;
    if policy == Policy::Deconvolved {
        trace.metadata.coverage.deconvolution = Some(solved);
    }
    for sensor in trace.metadata.sources.iter_mut().flat_map(|source| &mut source.sensors) {
        let response = responses.iter().find(|(domain, _)| *domain == sensor.domain);
        enter_response(sensor, response.and_then(|(_, response)| *response));
    }
    fill_steps(trace);
}

/// One device by one policy.
struct Accounted {
    aligned: Aligned,
    /// By domain.
    ledgers: Vec<Ledger>,
    /// By domain; none where nothing was solved for.
    solutions: Vec<Result<Solution, Refusal>>,
}

impl Accounted {
    fn of(device: &Device, policy: Policy, ops: &[Op], stretches: &[Span], responses: &[Option<Response>]) -> Self {
        let mut aligned = device.align(&device.events, |_, readings, number| measured(readings, number));
        let domains = 0..device.domains.len();
        let ledgers = |aligned: &Aligned| domains.clone().map(|domain| Ledger::of(device, aligned, domain)).collect();
        match policy {
            Policy::Equal => Self { ledgers: ledgers(&aligned), aligned, solutions: Vec::new() },
            Policy::Recency => {
                let mut ledgers: Vec<Ledger> = ledgers(&aligned);
                let mut recent =
                    device.align(&device.distinct(), |_, readings, number| held_until_next(readings, number));
                for (domain, ledger) in ledgers.iter_mut().enumerate() {
                    ledger.move_operations(recent.operations_j(domain));
                }
                for (recent, equal) in recent.alignments.iter_mut().zip(&mut aligned.alignments) {
                    // An operation's time and count are those of its events.
                    recent.time_ns = std::mem::take(&mut equal.time_ns);
                    recent.count = std::mem::take(&mut equal.count);
                }
                Self { aligned: recent, ledgers, solutions: Vec::new() }
            }
            Policy::Deconvolved => {
                let (aligned, solutions) = deconvolved(device, aligned, ops, stretches, responses);
                Self { ledgers: ledgers(&aligned), aligned, solutions }
            }
        }
    }
}

/// A solution as `trace.json` tells it.
fn in_coverage(solution: &Result<Solution, Refusal>) -> Deconvolution {
    match solution {
        Err(refusal) => Deconvolution::Refused { refused: refusal.to_string() },
        Ok(solution) => Deconvolution::Solved(Solved {
            level: solution.level,
            classes: solution.classes as u64,
            readings: solution.readings as u64,
            condition: Some(solution.condition),
            residual_j: Some(solution.residual_j),
            held_out_error: Some(solution.held_out),
            quiet_w: Some(solution.quiet_w),
            floor_w: Some(solution.powers.floor_w()),
            disagreement: Some(solution.disagreement),
            lag_ns: Some(solution.lag_ns),
            lag_error_ns: Some(solution.lag_error_ns.round() as i64),
        }),
    }
}

/// Every device that executed something or was metered.
fn device_names(trace: &Trace) -> Vec<String> {
    let metered = trace.metadata.domains.iter().map(|domain| &domain.device);
    let mut names: Vec<String> = trace.metadata.devices.iter().chain(metered).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The application's energy over each step, in each counted domain of which some is known there.
fn fill_steps(trace: &mut Trace) {
    trace.steps.iter_mut().for_each(|step| step.energy_j.clear());
    for (number, domain) in (0..=u16::MAX).zip(&trace.metadata.domains).filter(|(_, domain)| domain.counted) {
        let readings = readings_of_domain(&trace.readings, number);
        for step in &mut trace.steps {
            if let Some(energy_j) = energy_within(readings, step.start_ns, step.end_ns) {
                step.energy_j.insert(domain.name.clone(), energy_j);
            }
        }
    }
}

fn energy_within(readings: &[Reading], start_ns: i64, end_ns: i64) -> Option<f64> {
    let first = readings.partition_point(|reading| reading.end_ns <= start_ns);
    let within = readings[first..].iter().take_while(|reading| reading.start_ns < end_ns);
    let pieces = within.filter_map(|reading| {
        let length = reading.end_ns.checked_sub(reading.start_ns).filter(|length| *length > 0)?;
        let within = reading.end_ns.min(end_ns).checked_sub(reading.start_ns.max(start_ns)).filter(|part| *part > 0)?;
        Some(split(reading).app? * (within as f64 / length as f64))
    });
    pieces.fold(None, |sum, energy_j| Some(sum.unwrap_or(0.0) + energy_j))
}
