//! Columns to rows, trusting nothing: a file may be truncated, foreign or made to mislead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow_array::types::{Float64Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, StringArray};
use rustc_hash::FxHashMap;

use super::checksum::{Checksum, Checksums};
use super::columns::{Checked, Columns, index, known_op, named, parsed, value};
use super::file::{ReadTable, TableFile};
use super::layout::{
    EDGES, EVENTS, FOOTPRINT, FOOTPRINT_DOMAINS, LEDGER, Layout, METRICS, OPS, READINGS, SPANS, STEPS,
};
use crate::error::{Error, Result};
use crate::span::Span;
use crate::trace::{
    Basis, Entry, Event, Flag, Flags, FootprintDomainRow, FootprintRow, Kind, LedgerRow, NamedSpan, Op, Phase, Policy,
    Reading, State, Step, Trace,
};

/// Reads tables by their rows, and keeps what each was found to be.
pub(super) struct Tables<'a> {
    dir: &'a Path,
    state: State,
    sealed: Option<&'a Checksums>,
    pub(super) found: BTreeMap<&'static str, ReadTable>,
}

impl<'a> Tables<'a> {
    pub(super) fn of(dir: &'a Path, state: State, sealed: Option<&'a Checksums>) -> Self {
        Self { dir, state, sealed, found: BTreeMap::new() }
    }

    /// Calls `row` with each batch; a table that an earlier version did not write has none.
    pub(super) fn rows(&mut self, layout: &'static Layout, row: &mut dyn FnMut(&Columns) -> Checked<()>) -> Result<()> {
        let sealed = self.sealed_as(layout);
        if !TableFile::is_of_later_versions(self.dir, layout, sealed) {
            let read = TableFile::open(self.dir, layout, self.state)?.each_batch(sealed, row)?;
            self.found.insert(layout.name, read);
        }
        Ok(())
    }

    pub(super) fn sealed_as(&self, layout: &Layout) -> Option<&'a Checksum> {
        self.sealed.and_then(|sealed| sealed.get(layout.name))
    }

    /// Fills all tables of `trace`, whose metadata is there.
    pub(super) fn all(&mut self, trace: &mut Trace) -> Result<()> {
        self.small(trace)?;
        let ops = trace.ops.len();
        self.rows(&EDGES, &mut |batch| edges(batch, ops, &mut trace.edges))?;
        let domains = index(trace.metadata.domains.iter().map(|domain| domain.name.clone()));
        let mut unknown = UnknownFlags::new();
        self.rows(&READINGS, &mut |batch| readings(batch, &domains, &mut trace.readings, &mut unknown))?;
        warn_of_flags(&unknown, &mut trace.metadata.warnings);
        let devices = index(trace.metadata.devices.iter().cloned());
        self.rows(&EVENTS, &mut |batch| events(batch, &devices, ops, &mut trace.events))?;
        self.rows(&STEPS, &mut |batch| steps(batch, &mut trace.steps))?;
        self.rows(&METRICS, &mut |batch| metrics(batch, trace))
    }

    /// Fills those that are small however long was recorded: operations, spans, and what accounting derives but for the
    /// steps.
    pub(super) fn small(&mut self, trace: &mut Trace) -> Result<()> {
        let mut numbered = Vec::new();
        self.rows(&OPS, &mut |batch| ops(batch, &mut numbered))?;
        trace.ops = in_order(numbered)
            .map_err(|problem| Error::DamagedTrace { path: self.dir.join("ops.parquet"), problem })?;
        self.rows(&FOOTPRINT, &mut |batch| footprint(batch, trace))?;
        self.rows(&FOOTPRINT_DOMAINS, &mut |batch| footprint_domains(batch, trace))?;
        self.rows(&LEDGER, &mut |batch| ledger(batch, trace))?;
        self.rows(&SPANS, &mut |batch| spans(batch, trace))
    }
}

/// What readings say of themselves that this version does not know.
pub(super) type UnknownFlags = BTreeSet<String>;

pub(super) fn readings(
    batch: &Columns,
    domains: &FxHashMap<String, u16>,
    readings: &mut Vec<Reading>,
    unknown: &mut UnknownFlags,
) -> Checked<()> {
    let (domain, energy) =
        (batch.numbered("domain", |name| named(domains, name, "domain"))?, batch.required::<Float64Type>("energy_j")?);
    let (start, end) = (batch.required::<Int64Type>("start_ns")?, batch.required::<Int64Type>("end_ns")?);
    let uncertainty = batch.primitives::<Int64Type>("edge_uncertainty_ns")?;
    let read_start = batch.required::<Int64Type>("read_start_ns")?;
    let read_end = batch.required::<Int64Type>("read_end_ns")?;
    let app = batch.primitives::<Float64Type>("app_share")?;
    let daemon = batch.primitives::<Float64Type>("daemon_share")?;
    let idle = batch.primitives::<Float64Type>("idle_share")?;
    let flags = batch.string_lists("flags")?;
    readings.reserve(batch.rows());
    for (row, flags) in flags.iter().enumerate() {
        let energy_j = energy.value(row);
        if !energy_j.is_finite() {
            return Err(format!("an energy is {energy_j}"));
        }
        readings.push(Reading {
            domain: domain[row],
            start_ns: start.value(row),
            end_ns: end.value(row),
            edge_uncertainty_ns: value(&uncertainty, row),
            read_start_ns: read_start.value(row),
            read_end_ns: read_end.value(row),
            energy_j,
            app_share: value(&app, row),
            daemon_share: value(&daemon, row),
            idle_share: value(&idle, row),
            flags: parse_flags(flags, unknown),
        });
    }
    Ok(())
}

fn parse_flags(list: &StringArray, unknown: &mut UnknownFlags) -> Flags {
    let mut flags = Flags::NONE;
    for name in list.iter().flatten() {
        if let Some(flag) = Flag::parse(name) {
            flags = flags.with(flag);
        } else if !unknown.contains(name) {
            // A newer version's flag: kept in the file, which accounting does not rewrite; said once.
            unknown.insert(name.to_owned());
        }
    }
    flags
}

/// Warns of flags, each once.
pub(super) fn warn_of_flags(unknown: &UnknownFlags, warnings: &mut Vec<String>) {
    for name in unknown {
        let warning = format!("readings carry the flag `{name}`, which this version does not know");
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

/// `ops`: how many operations there are. Step and correlation are only read where the batch has them.
pub(super) fn events(
    batch: &Columns,
    devices: &FxHashMap<String, u16>,
    ops: usize,
    events: &mut Vec<Event>,
) -> Checked<()> {
    let op = batch.required::<UInt32Type>("op")?;
    let device = batch.numbered("device", |name| named(devices, name, "device"))?;
    let kind = batch.numbered("kind", |name| parsed(name, "kind", Kind::parse))?;
    let (start, end) = (batch.required::<Int64Type>("start_ns")?, batch.required::<Int64Type>("end_ns")?);
    let lane = batch.has("lane").then(|| batch.required::<UInt32Type>("lane")).transpose()?;
    let step = batch.has("step").then(|| batch.primitives::<Int64Type>("step")).transpose()?;
    let correlation = batch.has("correlation").then(|| batch.primitives::<UInt64Type>("correlation")).transpose()?;
    if let Some(op) = op.values().iter().find(|op| **op as usize >= ops) {
        return Err(format!("there is no operation {op}"));
    }
    let (op, start, end) = (op.values(), start.values(), end.values());
    events.extend((0..batch.rows()).map(|row| Event {
        op: op[row],
        device: device[row],
        lane: lane.as_ref().map_or(0, |lane| lane.value(row)),
        kind: kind[row],
        start_ns: start[row],
        end_ns: end[row],
        step: step.as_ref().and_then(|step| value(step, row)),
        correlation: correlation.as_ref().and_then(|correlation| value(correlation, row)),
    }));
    Ok(())
}

fn ops(batch: &Columns, numbered: &mut Vec<(u32, Op)>) -> Checked<()> {
    let number = batch.required::<UInt32Type>("op")?;
    let (qtn, layer, kind) = (batch.strings("qtn")?, batch.strings("layer")?, batch.strings("type")?);
    let (phase, raw_name) = (batch.strings("phase")?, batch.strings("raw_name")?);
    let (flops, fused) = (batch.primitives::<Float64Type>("flops")?, batch.later_texts("fused")?);
    for row in 0..batch.rows() {
        let op = Op {
            qtn: qtn.value(row).to_owned(),
            layer: layer.value(row).to_owned(),
            kind: kind.value(row).to_owned(),
            phase: parsed(phase.value(row), "phase", Phase::parse)?,
            raw_name: raw_name.value(row).to_owned(),
            flops: value(&flops, row),
            fused: if fused.is_valid(row) { fused.value(row).to_owned() } else { String::new() },
        };
        numbered.push((number.value(row), op));
    }
    Ok(())
}

/// Operations by their numbers: whoever rewrote the table may have kept no order.
fn in_order(mut numbered: Vec<(u32, Op)>) -> Checked<Vec<Op>> {
    numbered.sort_by_key(|(number, _)| *number);
    match numbered.iter().enumerate().find(|(row, (number, _))| *number as usize != *row) {
        Some((row, (number, _))) => Err(format!("its operations are not numbered one by one: {number} comes as {row}")),
        None => Ok(numbered.into_iter().map(|(_, op)| op).collect()),
    }
}

pub(super) fn edges(batch: &Columns, ops: usize, edges: &mut Vec<(u32, u32)>) -> Checked<()> {
    let (from, to) = (batch.required::<UInt32Type>("from_op")?, batch.required::<UInt32Type>("to_op")?);
    for row in 0..batch.rows() {
        edges.push((known_op(from.value(row), ops)?, known_op(to.value(row), ops)?));
    }
    Ok(())
}

pub(super) fn steps(batch: &Columns, steps: &mut Vec<Step>) -> Checked<()> {
    let (step, epoch) = (batch.required::<Int64Type>("step")?, batch.required::<Int64Type>("epoch")?);
    let (start, end) = (batch.required::<Int64Type>("start_ns")?, batch.required::<Int64Type>("end_ns")?);
    let samples = batch.primitives::<Int64Type>("samples")?;
    let traced = batch.booleans("traced")?;
    let (energy, metrics) = (batch.maps("energy_j")?, batch.maps("metrics")?);
    for (row, (energy_j, metrics)) in energy.into_iter().zip(metrics).enumerate() {
        steps.push(Step {
            step: step.value(row),
            epoch: epoch.value(row),
            start_ns: start.value(row),
            end_ns: end.value(row),
            traced: traced.value(row),
            samples: value(&samples, row).and_then(|samples| u64::try_from(samples).ok()),
            energy_j,
            metrics,
        });
    }
    Ok(())
}

/// When steps were, and whether they are traced.
pub(super) fn step_spans(batch: &Columns, spans: &mut Vec<(Span, bool)>) -> Checked<()> {
    let (start, end) = (batch.required::<Int64Type>("start_ns")?, batch.required::<Int64Type>("end_ns")?);
    let traced = batch.booleans("traced")?;
    let span = |row| (Span::new(start.value(row), end.value(row)), traced.value(row));
    spans.extend((0..batch.rows()).map(span));
    Ok(())
}

fn footprint(batch: &Columns, trace: &mut Trace) -> Checked<()> {
    let (policy, op) = (batch.strings("policy")?, batch.required::<UInt32Type>("op")?);
    let (device, basis) = (batch.strings("device")?, batch.strings("basis")?);
    let energy = batch.required::<Float64Type>("energy_j")?;
    let low = batch.primitives::<Float64Type>("energy_low_j")?;
    let high = batch.primitives::<Float64Type>("energy_high_j")?;
    let time = batch.required::<Float64Type>("time_s")?;
    let power = batch.primitives::<Float64Type>("power_w")?;
    let count = batch.required::<Int64Type>("count")?;
    for row in 0..batch.rows() {
        trace.footprint.push(FootprintRow {
            policy: parsed(policy.value(row), "policy", Policy::parse)?,
            op: known_op(op.value(row), trace.ops.len())?,
            device: device.value(row).to_owned(),
            basis: parsed(basis.value(row), "basis", Basis::parse)?,
            energy_j: energy.value(row),
            energy_low_j: value(&low, row),
            energy_high_j: value(&high, row),
            time_s: time.value(row),
            power_w: value(&power, row),
            count: u64::try_from(count.value(row)).map_err(|_| "a count is negative")?,
        });
    }
    Ok(())
}

fn footprint_domains(batch: &Columns, trace: &mut Trace) -> Checked<()> {
    let (policy, op) = (batch.strings("policy")?, batch.required::<UInt32Type>("op")?);
    let (domain, energy) = (batch.strings("domain")?, batch.required::<Float64Type>("energy_j")?);
    for row in 0..batch.rows() {
        trace.footprint_domains.push(FootprintDomainRow {
            policy: parsed(policy.value(row), "policy", Policy::parse)?,
            op: known_op(op.value(row), trace.ops.len())?,
            domain: domain.value(row).to_owned(),
            energy_j: energy.value(row),
        });
    }
    Ok(())
}

fn ledger(batch: &Columns, trace: &mut Trace) -> Checked<()> {
    let (policy, domain) = (batch.strings("policy")?, batch.strings("domain")?);
    let (entry, energy) = (batch.strings("entry")?, batch.required::<Float64Type>("energy_j")?);
    for row in 0..batch.rows() {
        trace.ledger.push(LedgerRow {
            policy: parsed(policy.value(row), "policy", Policy::parse)?,
            domain: domain.value(row).to_owned(),
            entry: parsed(entry.value(row), "entry", Entry::parse)?,
            energy_j: energy.value(row),
        });
    }
    Ok(())
}

fn spans(batch: &Columns, trace: &mut Trace) -> Checked<()> {
    let (span, name) = (batch.required::<UInt32Type>("span")?, batch.strings("name")?);
    let parent = batch.primitives::<UInt32Type>("parent")?;
    let (start, end) = (batch.required::<Int64Type>("start_ns")?, batch.required::<Int64Type>("end_ns")?);
    let (tokens, requests) = (batch.primitives::<Int64Type>("tokens")?, batch.primitives::<Int64Type>("requests")?);
    for row in 0..batch.rows() {
        trace.spans.push(NamedSpan {
            span: span.value(row),
            name: name.value(row).to_owned(),
            parent: value(&parent, row),
            start_ns: start.value(row),
            end_ns: end.value(row),
            tokens: value(&tokens, row).and_then(|tokens| u64::try_from(tokens).ok()),
            requests: value(&requests, row).and_then(|requests| u64::try_from(requests).ok()),
        });
    }
    Ok(())
}

pub(super) fn metrics(batch: &Columns, trace: &mut Trace) -> Checked<()> {
    let (time, value) = (batch.required::<Int64Type>("time_ns")?, batch.required::<Float64Type>("value")?);
    let (metric, scope) = (batch.strings("metric")?, batch.strings("scope")?);
    for row in 0..batch.rows() {
        if !trace.metrics.add(metric.value(row), scope.value(row), time.value(row), value.value(row)) {
            return Err(format!("a value of {} is {}, or it has too many scopes", metric.value(row), value.value(row)));
        }
    }
    Ok(())
}
