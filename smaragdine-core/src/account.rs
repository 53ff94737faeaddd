//! Accounting: readings and events of a trace become its footprint and its ledger.
//!
//! Pure, and a function of the trace alone: accounting twice is accounting once.

mod device;

use self::device::{Aligned, Device, held, measured};
use crate::alignment::Sum;
use crate::attribution::split;
use crate::footprint::DeviceFootprint;
use crate::trace::{Entry, LedgerRow, Policy, Reading, Trace};

/// In [`crate::trace::Metadata::coverage`]: devices that executed events and of which nothing is measured.
const UNMEASURED: &str = "unmeasured_devices";

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

    let traced = trace.steps.iter().filter(|step| step.traced).map(|step| (step.start_ns, step.end_ns));
    let traced = ordered(traced.collect());
    let profiling = ordered(trace.metadata.profiling.clone());
    let (mut rows, mut domain_rows, mut ledger_rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut unmeasured = serde_json::Map::new();
    for name in device_names(trace) {
        let device = Device::of(trace, &name, &traced, &profiling);
        let mut aligned = device.align(&device.events, measured);
        let ledger = |domain| Ledger::of(&device, &aligned, domain, name.starts_with("GPU:"));
        let mut ledgers: Vec<Ledger> = (0..device.domains.len()).map(ledger).collect();
        if policy == Policy::Recency {
            let mut recent = device.align(&device.distinct(), held);
            for (domain, ledger) in ledgers.iter_mut().enumerate() {
                ledger.move_operations(recent.operations_j(domain));
            }
            for (recent, equal) in recent.alignments.iter_mut().zip(&mut aligned.alignments) {
                // An operation's time and count are those of its events.
                recent.time_ns = std::mem::take(&mut equal.time_ns);
                recent.count = std::mem::take(&mut equal.count);
            }
            aligned = recent;
        }
        let domains = device.domains.iter().map(|(domain, _)| *domain).zip(aligned.known).collect();
        let footprint = DeviceFootprint { device: &name, domains, alignments: aligned.alignments };
        rows.extend(footprint.rows(policy));
        domain_rows.extend(footprint.domain_rows(policy));
        if let Some((events, time_s)) = footprint.unmeasured() {
            unmeasured.insert(name.clone(), serde_json::json!({ "events": events, "time_s": time_s }));
        }
        for ((domain, readings), ledger) in device.domains.iter().zip(&ledgers) {
            if !readings.is_empty() {
                ledger_rows.extend(ledger.rows(policy, &domain.name));
            }
        }
    }
    rows.sort_by(|a, b| (a.op, &a.device, a.basis).cmp(&(b.op, &b.device, b.basis)));
    domain_rows.sort_by(|a, b| (a.op, &a.domain).cmp(&(b.op, &b.domain)));
    trace.footprint.append(&mut rows);
    trace.footprint_domains.append(&mut domain_rows);
    trace.ledger.append(&mut ledger_rows);
    trace.metadata.coverage.remove(UNMEASURED);
    if !unmeasured.is_empty() {
        trace.metadata.coverage.insert(UNMEASURED.into(), unmeasured.into());
    }
    fill_steps(trace);
}

fn ordered(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    spans
}

/// Every device that executed something or was metered.
fn device_names(trace: &Trace) -> Vec<String> {
    let metered = trace.metadata.domains.iter().map(|domain| &domain.device);
    let mut names: Vec<String> = trace.metadata.devices.iter().chain(metered).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Where the energy of one domain went, by [`Entry`].
#[derive(Default)]
struct Ledger([Sum; Entry::ALL.len()]);

impl Ledger {
    fn of(device: &Device, aligned: &Aligned, domain: usize, gpu: bool) -> Self {
        let mut ledger = Self::default();
        for reading in device.domains[domain].1 {
            let parts = split(reading);
            ledger.add(Entry::Daemon, parts.daemon);
            ledger.add(Entry::Other, parts.other);
            ledger.add(Entry::Idle, parts.idle);
            ledger.add(Entry::Gap, parts.gap);
        }
        let (alignment, place) = aligned.of(domain);
        ledger.add(Entry::Operations, alignment.operations_j(place));
        // What a GPU draws in a traced step without executing anything, it draws idle; a CPU may work for the
        // application without that being an operation.
        ledger.add(if gpu { Entry::Idle } else { Entry::Application }, alignment.traced_j[place]);
        ledger.add(Entry::Profiling, alignment.profiling_j[place]);
        ledger.add(Entry::Untraced, alignment.untraced_j[place]);
        ledger.add(Entry::Gap, aligned.misplaced_j[domain]);
        ledger
    }

    fn add(&mut self, entry: Entry, energy_j: f64) {
        self.0[entry as usize].add(energy_j);
    }

    /// Enters `energy_j` as that of operations, at the expense of the application's other energy.
    fn move_operations(&mut self, energy_j: f64) {
        let equal_j = self.0[Entry::Operations as usize].value();
        self.0[Entry::Operations as usize] = Sum::default();
        self.add(Entry::Operations, energy_j);
        self.add(Entry::Application, equal_j);
        self.add(Entry::Application, -energy_j);
    }

    fn rows(&self, policy: Policy, domain: &str) -> impl Iterator<Item = LedgerRow> {
        Entry::ALL.into_iter().map(move |entry| LedgerRow {
            policy,
            domain: domain.to_owned(),
            entry,
            energy_j: self.0[entry as usize].value(),
        })
    }
}

/// The application's energy over each step, in each counted domain of which some is known there.
fn fill_steps(trace: &mut Trace) {
    trace.steps.iter_mut().for_each(|step| step.energy_j.clear());
    for (number, domain) in (0..=u16::MAX).zip(&trace.metadata.domains).filter(|(_, domain)| domain.counted) {
        let start = trace.readings.partition_point(|reading| reading.domain < number);
        let end = trace.readings.partition_point(|reading| reading.domain <= number);
        let readings = &trace.readings[start..end];
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
