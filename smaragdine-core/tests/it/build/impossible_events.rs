//! Events that cannot be: kernels that seem to last for days, or to have run in another age (law 10).

use std::ops::RangeInclusive;
use std::path::Path;

use super::whole_second;
use crate::composed::{Plane, START_NS, space};
use prost::Message as _;
use smaragdine_core::accounting::account::account;
use smaragdine_core::build::assembly::{add_xspaces, assemble};
use smaragdine_core::profiler::tensorflow::step_stats;
use smaragdine_core::profiler::tensorflow::xplane;
use smaragdine_core::store::journal::{Journal, Record};
use smaragdine_core::trace::{Domain, Flags, Metadata, Policy, Reading, ShareSample, Step, Trace};
use smaragdine_core::wire::tensorflow::{DeviceStepStats, NodeExecStats, RunMetadata, StepStats};
use smaragdine_core::wire::v1;
use smaragdine_core::wire::v1::record_request::Payload;

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;
const DAY: i64 = 86_400 * S;
/// How long the recording is, and when its profiler was stopped.
const LENGTH: i64 = 60 * S;
const STOPPED: i64 = 10 * S;

/// Broken stamps, from the recording's start on: for days, for months, before it, long after it.
const BROKEN: [(i64, i64); 4] =
    [(500 * MS, 500 * MS + 40 * DAY), (500 * MS, 500 * MS + 100 * DAY), (-100 * S, -99 * S), (90 * S, 91 * S)];
/// From 1970 on, and for centuries: an XSpace counts picoseconds and has no room for them.
const AGES: [(i64, i64); 2] = [(-START_NS, 700 * MS), (500 * MS, 500 * MS + 200 * 365 * DAY)];

/// Six kernels of 100 ms, one a second, on a stream with these.
fn profile(others: &[(i64, i64)]) -> Vec<u8> {
    let mut gpu = Plane::new("/device:GPU:0").line("Stream #13(Compute)");
    for step in 0..6 {
        gpu = gpu.event("good", step * S + 200 * MS, step * S + 300 * MS, &[]);
    }
    for (start_ns, end_ns) in others {
        gpu = gpu.event("odd", *start_ns, *end_ns, &[]);
    }
    space(vec![gpu, Plane::new("/host:CPU")], &[])
}

/// 200 W in readings of a second, six steps of one, none of them traced yet.
fn metadata() -> Metadata {
    Metadata {
        schema_version: smaragdine_core::trace::SCHEMA_VERSION,
        start_ns: START_NS,
        realtime_offset_ns: START_NS,
        domains: vec![Domain::new("gpu-0", "GPU:0", "replay", "gpu:0")],
        ..Metadata::default()
    }
}

fn readings() -> Vec<Reading> {
    (0..LENGTH / S).map(|second| whole_second(second, 200.0)).collect()
}

/// Joules and executions by operation, and how often something impossible was left out.
fn told(trace: &mut Trace) -> (Vec<(String, f64, u64)>, u64) {
    account(trace, Policy::Equal);
    let rows = trace.footprint.iter();
    let rows = rows.map(|row| (trace.ops[row.op as usize].qtn.clone(), (row.energy_j * 1e6).round() / 1e6, row.count));
    let warnings: Vec<&String> =
        trace.metadata.warnings.iter().filter(|warning| warning.contains("beyond the recording")).collect();
    let left_out = match warnings.as_slice() {
        [] => 0,
        [once] => once.rsplit_once('(').map_or(1, |(_, times)| times.split(' ').next().unwrap().parse().unwrap()),
        several => panic!("told more than once: {several:?}"),
    };
    (rows.collect(), left_out)
}

fn good(kernels: u64) -> Vec<(String, f64, u64)> {
    vec![("good".to_owned(), 20.0 * kernels as f64, kernels)]
}

#[test]
fn a_broken_kernel_in_a_profile_that_is_added_takes_nothing_from_those_that_run_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let added = |others: &[(i64, i64)]| {
        let file = folder.path().join("profile.xplane.pb");
        std::fs::write(&file, profile(others)).unwrap();
        let step =
            |n: i64| Step { step: n, start_ns: START_NS + n * S, end_ns: START_NS + (n + 1) * S, ..Step::default() };
        let metadata = Metadata { end_ns: Some(START_NS + LENGTH), ..metadata() };
        let mut trace = Trace { metadata, readings: readings(), steps: (0..8).map(step).collect(), ..Trace::default() };
        add_xspaces(&mut trace, &[&file]).unwrap();
        trace
    };
    for broken in BROKEN {
        let mut trace = added(&[broken]);
        assert_eq!(told(&mut trace), (good(4), 1), "{broken:?}");
        // The profile holds the second step to the fifth whole.
        let coverage = &trace.metadata.coverage;
        assert_eq!((coverage.steps, coverage.traced_steps), (Some(8), Some(4)), "{broken:?}");
        assert_eq!(coverage.traced_s, Some(4.0), "{broken:?}");
        assert_eq!(trace.steps.iter().filter(|step| step.traced).count(), 4);
    }
    assert_eq!(told(&mut added(&BROKEN)), (good(4), 4));
    assert_eq!(told(&mut added(&[])), (good(4), 0));
}

/// A recording whose client sent `payload` when its profiler stopped.
fn sent(folder: &Path, payload: Payload, end_ns: Option<i64>) -> Trace {
    let path = folder.join("journal");
    let _ = std::fs::remove_file(&path);
    let mut journal = Journal::create(&path).unwrap();
    let clock = Some(v1::ClockPair { realtime_ns: START_NS + STOPPED, monotonic_ns: STOPPED });
    let request = Box::new(v1::RecordRequest { clock, payload: Some(payload), ..v1::RecordRequest::default() });
    let share = ShareSample {
        scope: "gpu:0".into(),
        start_ns: START_NS,
        end_ns: START_NS + LENGTH,
        app: Some(1.0),
        daemon: None,
        idle: None,
        flags: Flags::NONE,
    };
    let (readings, shares) = (Record::Readings(readings()), Record::Shares(vec![share]));
    let request = Record::Request { stream: 1, request };
    let mut records = vec![Record::Start(Box::new(metadata())), readings, shares, request];
    if end_ns.is_some() {
        records.push(Record::End(Box::new(Metadata { end_ns, ..metadata() })));
    }
    records.iter().for_each(|record| journal.append(record).unwrap());
    assemble(&path).unwrap()
}

/// What is told at the end of a recording, and of one that was cut off.
fn ends() -> [Option<i64>; 2] {
    [Some(START_NS + LENGTH), None]
}

/// Within the recording, and yet after the profiler stopped.
const LATER: (i64, i64) = (500 * MS, 40 * S);

#[test]
fn a_broken_kernel_in_a_profile_that_is_sent_is_left_out_with_what_ends_after_it_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    for end_ns in ends() {
        for broken in BROKEN.into_iter().chain([LATER]) {
            let (format, data) = (v1::profile::Format::Xspace.into(), profile(&[broken]));
            let payload = Payload::Profile(v1::Profile { format, data: data.into(), last: true });
            assert_eq!(told(&mut sent(folder.path(), payload, end_ns)), (good(6), 1), "{broken:?}");
        }
    }
}

#[test]
fn broken_events_of_a_plain_client_are_left_out_in_either_clock() {
    let folder = tempfile::tempdir().unwrap();
    let ops = vec![v1::Op { op: 0, qtn: "good".into(), ..v1::Op::default() }];
    for (clock, zero_ns) in [(v1::Clock::Monotonic, 0), (v1::Clock::Realtime, START_NS)] {
        let event = |(start_ns, end_ns): (i64, i64)| v1::Event {
            device: "GPU:0".into(),
            start_ns: zero_ns + start_ns,
            end_ns: zero_ns + end_ns,
            ..v1::Event::default()
        };
        let kernels = (0..6).map(|step| (step * S + 200 * MS, step * S + 300 * MS));
        let events = kernels.chain(BROKEN).chain(AGES).chain([LATER]).map(event).collect();
        let batch = v1::EventBatch { clock: clock.into(), ops: ops.clone(), events, edges: Vec::new() };
        for end_ns in ends() {
            let mut trace = sent(folder.path(), Payload::Events(batch.clone()), end_ns);
            assert_eq!(told(&mut trace), (good(6), 7), "{clock:?}");
        }
    }
}

#[test]
fn broken_nodes_of_a_sessions_step_are_left_out() {
    let node = |name: &str, (start_ns, end_ns): (i64, i64)| NodeExecStats {
        node_name: name.into(),
        all_start_nanos: START_NS + start_ns,
        op_end_rel_nanos: end_ns - start_ns,
        ..NodeExecStats::default()
    };
    let kernels = (0..6).map(|step| node("good", (step * S + 200 * MS, step * S + 300 * MS)));
    let broken = BROKEN.iter().chain(&AGES[1..]).map(|broken| node("odd", *broken));
    let stats =
        DeviceStepStats { device: "/device:GPU:0/stream:1".into(), node_stats: kernels.chain(broken).collect() };
    let step_stats = Some(StepStats { dev_stats: vec![stats] });
    let data = RunMetadata { step_stats, ..RunMetadata::default() }.encode_to_vec();
    let folder = tempfile::tempdir().unwrap();
    let payload =
        v1::Profile { format: v1::profile::Format::RunMetadata.into(), data: data.clone().into(), last: true };
    let mut trace = sent(folder.path(), Payload::Profile(payload), Some(START_NS + LENGTH));
    assert_eq!(told(&mut trace), (good(6), 5));
    let within: RangeInclusive<i64> = START_NS..=START_NS + LENGTH;
    assert_eq!(step_stats::decode_within(&data, &within).unwrap().impossible, 5);
}

#[test]
fn a_step_beyond_the_recording_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let step = |(start_ns, end_ns): (i64, i64)| v1::Step {
        clock: v1::Clock::Monotonic.into(),
        start_ns,
        end_ns,
        ..v1::Step::default()
    };
    let steps = BROKEN.into_iter().chain(AGES).chain([LATER, (S, 2 * S)]).map(step).collect();
    let trace = sent(folder.path(), Payload::Steps(v1::StepBatch { steps }), Some(START_NS + LENGTH));
    assert_eq!(trace.steps.iter().map(|step| step.start_ns - START_NS).collect::<Vec<_>>(), [S]);
    assert!(
        trace.metadata.warnings.iter().any(|warning| warning.ends_with("(7 times)")),
        "{:?}",
        trace.metadata.warnings
    );
}

#[test]
fn without_bounds_a_profile_is_decoded_as_it_is() {
    let whole = xplane::decode(&profile(&BROKEN)).unwrap();
    assert_eq!(whole.impossible, 0);
    let within = xplane::decode_within(&profile(&BROKEN), &(START_NS..=START_NS + LENGTH)).unwrap();
    assert_eq!((within.impossible, within.events.len()), (4, 6));
}
