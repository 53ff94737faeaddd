//! Accounting: readings and events of a trace become its footprint and its ledger.
//!
//! A function of the trace alone: accounting twice is accounting once. Events and readings are looked at as they pass by,
//! in order, whether they come from memory or not: the result is the same, bit by bit.

mod aligning;
mod deconvolved;
mod device;
mod ledger;
mod sample;
mod split;
mod steps;
mod stretches;
mod times;

use std::collections::BTreeMap;

use self::aligning::{Aligned, Aligning};
use self::deconvolved::{Splitting, problem, solutions};
use self::device::{Device, Pieces, devices, held_until_next, measured};
use self::ledger::Ledger;
use self::sample::Sample;
pub use self::steps::StepEnergies;
use self::stretches::Stretches;
use self::times::Watched;
use crate::accounting::deconvolution::{Refusal, Solution};
use crate::accounting::footprint::DeviceFootprint;
use crate::accounting::response::{Response, enter_response, responses_of_registers};
use crate::error::Result;
use crate::span::{Span, ordered};
use crate::trace::{Deconvolution, Held, Policy, Reader, Recorded, Solved, Step, Trace, Unmeasured};

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
    let (events, readings) = (std::mem::take(&mut trace.events), std::mem::take(&mut trace.readings));
    let mut steps = std::mem::take(&mut trace.steps);
    let held = Held::new(&events, &readings, &steps);
    let accounted = account_recorded(trace, &held, policy);
    let spans: Vec<Span> = steps.iter().map(Step::span).collect();
    let filled = StepEnergies::of(&spans, &trace.metadata.domains, &held);
    debug_assert!(accounted.is_ok() && filled.is_ok(), "what is in memory can be read");
    if let Ok(energies) = filled {
        energies.fill(&mut steps, 0);
    }
    (trace.events, trace.readings, trace.steps) = (events, readings, steps);
}

/// The same of a trace whose events, readings and steps are elsewhere; its steps are filled with [`StepEnergies`].
///
/// Memory holds what is active, the traced steps' instants and a sample to solve with; under [`Policy::Deconvolved`] some
/// numbers of each reading besides.
///
/// # Errors
/// Where what was recorded cannot be read; the rows are then those of no policy.
pub fn account_recorded(trace: &mut Trace, recorded: &dyn Recorded, policy: Policy) -> Result<()> {
    trace.footprint.retain(|row| row.policy != policy);
    trace.footprint_domains.retain(|row| row.policy != policy);
    trace.ledger.retain(|row| row.policy != policy);

    let devices = devices(&trace.metadata);
    let (accounting, stretches) = Accounting::of(trace, recorded, &devices)?;
    let accounted = accounting.by(policy, stretches)?;
    let (mut rows, mut domain_rows, mut ledger_rows) = (Vec::new(), Vec::new(), Vec::new());
    let (mut unmeasured, mut solved) = (BTreeMap::new(), BTreeMap::new());
    let mut responses = Vec::new();
    for (device, Accounted { aligned, ledgers, solutions, registers }) in devices.iter().zip(accounted) {
        for ((_, domain), ledger) in device.domains.iter().zip(&ledgers) {
            ledger_rows.extend(ledger.iter().flat_map(|ledger| ledger.rows(policy, &domain.name)));
        }
        responses.extend(device.domains.iter().map(|(_, domain)| domain.name.clone()).zip(registers));
        for ((_, domain), solution) in device.domains.iter().zip(&solutions) {
            solved.insert(domain.name.clone(), in_coverage(solution));
        }
        let domains = device.domains.iter().map(|(_, domain)| domain).zip(aligned.known).collect();
        let footprint = DeviceFootprint { device: &device.name, domains, alignments: aligned.alignments, solutions };
        rows.extend(footprint.rows(policy));
        domain_rows.extend(footprint.domain_rows(policy));
        if let Some((events, time_s)) = footprint.unmeasured() {
            unmeasured.insert(device.name.clone(), Unmeasured { events, time_s });
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
    Ok(())
}

/// One device by one policy.
struct Accounted {
    aligned: Aligned,
    /// By domain; `None`: it has no reading.
    ledgers: Vec<Option<Ledger>>,
    /// By domain; none where nothing was solved for.
    solutions: Vec<std::result::Result<Solution, Refusal>>,
    /// By domain, how its register responds; none where nobody asks.
    registers: Vec<Option<Response>>,
}

/// All devices of a trace, on their way to be accounted.
struct Accounting<'a> {
    trace: &'a Trace,
    recorded: &'a dyn Recorded,
    devices: &'a [Device],
    /// Traced steps, and then profilers' starts and stops, in order of their start.
    traced: Vec<Span>,
    profiling: Vec<Span>,
}

impl<'a> Accounting<'a> {
    fn of(trace: &'a Trace, recorded: &'a dyn Recorded, devices: &'a [Device]) -> Result<(Self, Stretches)> {
        let profiling = ordered(trace.metadata.profiling.iter().copied());
        let (stretches, traced) = Stretches::of(recorded, &profiling)?;
        Ok((Self { trace, recorded, devices, traced, profiling }, stretches))
    }

    fn by(&self, policy: Policy, mut stretches: Stretches) -> Result<Vec<Accounted>> {
        let (trace, recorded) = (self.trace, self.recorded);
        let mut equal = self.aligning(measured);
        let mut recent: Vec<Aligning> = match policy {
            Policy::Recency => self.aligning(held_until_next).into_iter().map(Aligning::distinct).collect(),
            Policy::Equal | Policy::Deconvolved => Vec::new(),
        };
        let listed = trace.metadata.sources.iter().any(|source| !source.sensors.is_empty());
        let asked = policy == Policy::Deconvolved || listed;
        let all = equal.iter_mut().chain(&mut recent).map(|aligning| aligning as &mut dyn Reader);
        let watching = asked.then_some(&mut stretches as &mut dyn Reader);
        recorded.show(None, &mut all.chain(watching).collect::<Vec<_>>())?;
        let equal = finished(equal)?;
        let stretches = stretches.finish(&self.traced);
        let mut registers: Vec<Vec<Option<Response>>> = Vec::new();
        let mut solved = Vec::new();
        if asked {
            let sample = Sample::of(recorded, self.devices, &self.traced, &stretches)?;
            for (place, device) in self.devices.iter().enumerate() {
                let of_device = sample.of_device(place);
                let problems =
                    (0..device.domains.len()).map(|domain| problem(device, domain, 0, &trace.ops, &sample, &of_device));
                let responses = responses_of_registers(problems, &trace.metadata.sources);
                if policy == Policy::Deconvolved {
                    solved.push(solutions(device, &trace.ops, &sample, &of_device, &responses));
                }
                registers.push(responses);
            }
        }
        registers.resize_with(self.devices.len(), Vec::new);
        let accounted = match policy {
            Policy::Equal => self.equal(equal),
            Policy::Recency => self.recent(equal, finished(recent)?),
            Policy::Deconvolved => self.deconvolved(equal, solved, &stretches)?,
        };
        let with = |(accounted, registers): (Accounted, Vec<_>)| Accounted { registers, ..accounted };
        Ok(accounted.into_iter().zip(registers).map(with).collect())
    }

    fn aligning(&self, of: for<'r> fn(&'r dyn Recorded, u16) -> Pieces<'r>) -> Vec<Aligning<'_>> {
        let of_device = |device: &Device| {
            let pieces = device.domains.iter().map(|(number, _)| of(self.recorded, *number)).collect();
            Aligning::new(device, self.trace.ops.len(), pieces, &self.traced, &self.profiling)
        };
        self.devices.iter().map(of_device).collect()
    }

    fn equal(&self, equal: Vec<Aligned>) -> Vec<Accounted> {
        let accounted = |(device, aligned): (&Device, Aligned)| {
            let ledgers = ledgers(device, &aligned);
            Accounted { ledgers, aligned, solutions: Vec::new(), registers: Vec::new() }
        };
        self.devices.iter().zip(equal).map(accounted).collect()
    }

    fn recent(&self, equal: Vec<Aligned>, recent: Vec<Aligned>) -> Vec<Accounted> {
        let accounted = |((device, mut equal), mut recent): ((&Device, Aligned), Aligned)| {
            let mut ledgers = ledgers(device, &equal);
            for (domain, ledger) in ledgers.iter_mut().enumerate() {
                if let Some(ledger) = ledger {
                    ledger.move_operations(recent.operations_j(domain));
                }
            }
            for (recent, equal) in recent.alignments.iter_mut().zip(&mut equal.alignments) {
                // An operation's time and count are those of its events.
                recent.time_ns = std::mem::take(&mut equal.time_ns);
                recent.count = std::mem::take(&mut equal.count);
            }
            Accounted { aligned: recent, ledgers, solutions: Vec::new(), registers: Vec::new() }
        };
        self.devices.iter().zip(equal).zip(recent).map(accounted).collect()
    }

    fn deconvolved(
        &self,
        equal: Vec<Aligned>,
        solved: Vec<Vec<std::result::Result<Solution, Refusal>>>,
        stretches: &[Span],
    ) -> Result<Vec<Accounted>> {
        let ops = self.trace.ops.len();
        let watched = Watched { traced: &self.traced, profiling: &self.profiling, stretches };
        let mut splittings = Vec::with_capacity(self.devices.len());
        for (device, solutions) in self.devices.iter().zip(&solved) {
            splittings.push(Splitting::of(device, ops, &watched, self.recorded, solutions)?);
        }
        let readers = splittings.iter_mut().map(|splitting| splitting as &mut dyn Reader);
        self.recorded.show(None, &mut readers.collect::<Vec<_>>())?;
        splittings.iter_mut().for_each(Splitting::expect);
        let floors: Vec<_> = splittings.iter().map(Splitting::floors).collect();
        let mut aligning = Vec::with_capacity(self.devices.len());
        for (device, floors) in self.devices.iter().zip(&floors) {
            aligning.push(Splitting::aligning(floors, device, ops, &watched, self.recorded));
        }
        let readers = aligning.iter_mut().map(|aligning| aligning as &mut dyn Reader);
        let splitting = splittings.iter_mut().map(|splitting| splitting as &mut dyn Reader);
        self.recorded.show(None, &mut readers.chain(splitting).collect::<Vec<_>>())?;
        let aligned: Vec<Aligned> = finished(aligning)?
            .into_iter()
            .zip(splittings)
            .zip(equal)
            .map(|((aligned, splitting), equal)| splitting.finish(aligned, equal))
            .collect();
        let accounted = |((device, aligned), solutions): ((&Device, Aligned), Vec<_>)| {
            let ledgers = ledgers(device, &aligned);
            Accounted { ledgers, aligned, solutions, registers: Vec::new() }
        };
        Ok(self.devices.iter().zip(aligned).zip(solved).map(accounted).collect())
    }
}

fn finished(aligning: Vec<Aligning>) -> Result<Vec<Aligned>> {
    aligning.into_iter().map(Aligning::finish).collect()
}

fn ledgers(device: &Device, aligned: &Aligned) -> Vec<Option<Ledger>> {
    (0..device.domains.len()).map(|domain| aligned.ledger(device, domain)).collect()
}

/// A solution as `trace.json` tells it.
fn in_coverage(solution: &std::result::Result<Solution, Refusal>) -> Deconvolution {
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
