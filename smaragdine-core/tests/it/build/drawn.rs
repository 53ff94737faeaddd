//! What a TPU's profiler says that its events drew: readings of a domain that is kept and not counted.

use super::whole_second;
use crate::composed::{Plane, START_NS, Stat, space};

use smaragdine_core::accounting::account::account;
use smaragdine_core::build::assembly::assemble;
use smaragdine_core::store::journal::{Journal, Record};
use smaragdine_core::trace::{Domain, Metadata, Policy, Trace};
use smaragdine_core::wire::v1;
use smaragdine_core::wire::v1::record_request::Payload;

const S: i64 = 1_000_000_000;
const MS: i64 = S / 1_000;

/// A recording of ten seconds at 100 W of a CPU, whose client sent this profile.
fn recorded(planes: Vec<Plane>) -> Trace {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::create(&path).unwrap();
    let metadata = Metadata {
        schema_version: smaragdine_core::trace::SCHEMA_VERSION,
        start_ns: START_NS,
        realtime_offset_ns: START_NS,
        domains: vec![Domain::new("package-0", "CPU:0", "replay", "socket:0")],
        ..Metadata::default()
    };
    let (format, data) = (v1::profile::Format::Xspace.into(), space(planes, &[]));
    let request = Box::new(v1::RecordRequest {
        clock: Some(v1::ClockPair { realtime_ns: START_NS + 5 * S, monotonic_ns: 5 * S }),
        payload: Some(Payload::Profile(v1::Profile { format, data: data.into(), last: true })),
        ..v1::RecordRequest::default()
    });
    let end = Metadata { end_ns: Some(START_NS + 10 * S), ..metadata.clone() };
    for record in [
        Record::Start(Box::new(metadata)),
        Record::Readings((0..10).map(|second| whole_second(second, 100.0)).collect()),
        Record::Request { stream: 1, request },
        Record::End(Box::new(end)),
    ] {
        journal.append(&record).unwrap();
    }
    assemble(&path).unwrap()
}

fn core(number: u32, events: &[(i64, i64, f64)]) -> Plane {
    let plane = Plane::new(&format!("/device:TPU:{number}")).line("XLA Ops");
    events.iter().fold(plane, |plane, (start_ns, end_ns, energy_j)| {
        plane.event("%fusion.1 = f32[] fusion()", *start_ns, *end_ns, &[("vdd_energy_j", Stat::Real(*energy_j))])
    })
}

#[test]
fn each_core_has_a_domain_whose_joules_are_kept_and_in_no_sum() {
    let mut trace = recorded(vec![
        core(0, &[(S, S + 10 * MS, 0.5), (S + 20 * MS, S + 30 * MS, 0.25)]),
        core(1, &[(S, S + 10 * MS, 2.0), (90 * S, 91 * S, 7.0)]),
    ]);
    let domains: Vec<_> = trace
        .metadata
        .domains
        .iter()
        .map(|domain| (domain.name.as_str(), domain.device.as_str(), domain.counted))
        .collect();
    assert_eq!(domains, [("package-0", "CPU:0", true), ("tpu-0-vdd", "TPU:0", false), ("tpu-1-vdd", "TPU:1", false)]);
    let drawn: Vec<_> = trace.readings.iter().filter(|reading| reading.domain > 0).collect();
    let drawn: Vec<_> =
        drawn.iter().map(|one| (one.domain, one.start_ns - START_NS, one.end_ns - START_NS, one.energy_j)).collect();
    // What lies beyond the recording is left out.
    assert_eq!(drawn, [(1, S, S + 10 * MS, 0.5), (1, S + 20 * MS, S + 30 * MS, 0.25), (2, S, S + 10 * MS, 2.0)]);
    account(&mut trace, Policy::Equal);
    let sum: f64 = trace.ledger.iter().map(|row| row.energy_j).sum();
    assert!((sum - 1_000.0).abs() < 1e-9, "{sum}");
}

#[test]
fn a_core_that_tells_no_energy_has_no_domain() {
    let plane = Plane::new("/device:TPU:0").line("XLA Ops").event("%fusion.1 = f32[] fusion()", S, S + MS, &[]);
    let trace = recorded(vec![plane]);
    assert_eq!(trace.metadata.domains.len(), 1);
}
