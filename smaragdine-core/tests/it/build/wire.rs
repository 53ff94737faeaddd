//! What a client sends, brought into a trace: stamps of either clock, numbers that are none, stamps that cannot be,
//! events in any order and of devices that nobody knows.

use smaragdine_core::accounting::account::account;
use smaragdine_core::build::assembly::assemble;
use smaragdine_core::store::journal::{Journal, Record};
use smaragdine_core::trace::{
    Domain, Flags, Metadata, Policy, Reading, SCHEMA_VERSION, ShareSample, Trace, Unmeasured,
};
use smaragdine_core::wire::v1;
use smaragdine_core::wire::v1::record_request::Payload;

/// When the recording started, and what realtime was ahead of monotonic then.
const START_NS: i64 = 1_760_000_000_000_000_000;
const US: i64 = 1_000;

fn domain() -> Domain {
    Domain::new("package-0", "CPU:0", "powercap", "socket:0")
}

/// One watt for two milliseconds, all of it the application's, and what a client sent in `batches`, each with the
/// offset of its realtime.
fn recorded(batches: impl IntoIterator<Item = (v1::ClockPair, Payload)>) -> Trace {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("journal");
    let mut journal = Journal::create(&path).expect("a journal");
    let metadata = Metadata {
        schema_version: SCHEMA_VERSION,
        start_ns: START_NS,
        realtime_offset_ns: START_NS,
        domains: vec![domain()],
        ..Metadata::default()
    };
    let reading = Reading {
        domain: 0,
        start_ns: START_NS,
        end_ns: START_NS + 2_000 * US,
        edge_uncertainty_ns: None,
        read_start_ns: START_NS + 2_000 * US,
        read_end_ns: START_NS + 2_000 * US,
        energy_j: 2e-3,
        app_share: None,
        daemon_share: None,
        idle_share: None,
        flags: Flags::NONE,
    };
    let share = ShareSample {
        scope: "socket:0".into(),
        start_ns: START_NS,
        end_ns: START_NS + 2_000 * US,
        app: Some(1.0),
        daemon: Some(0.0),
        idle: Some(0.0),
        flags: Flags::NONE,
    };
    let mut records =
        vec![Record::Start(Box::new(metadata.clone())), Record::Readings(vec![reading]), Record::Shares(vec![share])];
    records.extend((1..).zip(batches).map(|(sequence, (clock, payload))| {
        let request =
            v1::RecordRequest { recording: String::new(), sequence, clock: Some(clock), payload: Some(payload) };
        Record::Request { stream: 1, request: Box::new(request) }
    }));
    records.push(Record::End(Box::new(metadata)));
    records.iter().for_each(|record| journal.append(record).expect("a record"));
    let mut trace = assemble(&path).expect("a trace");
    Policy::ALL.into_iter().for_each(|policy| account(&mut trace, policy));
    for policy in Policy::ALL {
        let ledger = trace.ledger.iter().filter(|row| row.policy == policy).map(|row| row.energy_j).sum::<f64>();
        assert!((ledger - 2e-3).abs() <= 1e-12, "{policy:?}: {ledger}");
    }
    trace
}

/// The clocks of the recording's start.
fn clock() -> v1::ClockPair {
    v1::ClockPair { realtime_ns: START_NS, monotonic_ns: 0 }
}

fn ops() -> Vec<v1::Op> {
    let op = |op, qtn: &str| v1::Op { op, qtn: qtn.to_owned(), phase: "forward".to_owned(), ..v1::Op::default() };
    vec![op(0, "net/dense/MatMul"), op(1, "net/dense/Relu")]
}

/// On a lane of its own, in monotonic time.
fn event(op: u32, start_ns: i64, end_ns: i64) -> v1::Event {
    v1::Event { op, lane: op, start_ns, end_ns, ..v1::Event::default() }
}

fn batch(events: Vec<v1::Event>) -> Payload {
    Payload::Events(v1::EventBatch { clock: v1::Clock::Monotonic as i32, ops: ops(), events, edges: Vec::new() })
}

/// Microjoules and executions by operation, by equal share.
fn footprint(trace: &Trace) -> Vec<(String, i64, u64)> {
    let rows = trace.footprint.iter().filter(|row| row.policy == Policy::Equal);
    rows.map(|row| (trace.ops[row.op as usize].qtn.clone(), (row.energy_j * 1e6).round() as i64, row.count)).collect()
}

#[test]
fn stamps_that_cannot_be_are_left_out_and_told() {
    let absurd = [(i64::MIN, i64::MAX), (10, 5), (-5, -10), (i64::MAX - 1, i64::MAX), (i64::MIN, i64::MIN + 1)];
    let mut events: Vec<v1::Event> = absurd.iter().map(|(start_ns, end_ns)| event(0, *start_ns, *end_ns)).collect();
    events.push(event(0, 0, 10 * US));
    let step = |(start_ns, end_ns): &(i64, i64)| {
        let clock = v1::Clock::Monotonic as i32;
        Payload::Step(v1::Step { clock, start_ns: *start_ns, end_ns: *end_ns, traced: true, ..v1::Step::default() })
    };
    let profiling = |(start_ns, end_ns): &(i64, i64)| {
        let clock = v1::Clock::Monotonic as i32;
        Payload::Profiling(v1::ProfilingSpan { clock, start_ns: *start_ns, end_ns: *end_ns })
    };
    let sent = absurd.iter().map(step).chain(absurd.iter().map(profiling)).chain([batch(events)]);
    let trace = recorded(sent.map(|payload| (clock(), payload)));
    assert_eq!((trace.events.len(), trace.steps.len(), trace.metadata.profiling.len()), (1, 0, 0));
    assert_eq!(footprint(&trace), [("net/dense/MatMul".to_owned(), 10, 1)]);
    for what in ["events that ended before", "a step ended before", "a profiling span that cannot be"] {
        assert!(trace.metadata.warnings.iter().any(|warning| warning.starts_with(what)), "{what}");
    }
}

#[test]
fn clocks_that_cannot_be_take_the_stamps_that_they_came_with_out() {
    let extremes = [i64::MIN, -1, i64::MAX];
    let pairs = extremes
        .iter()
        .flat_map(|realtime_ns| extremes.map(|monotonic_ns| v1::ClockPair { realtime_ns: *realtime_ns, monotonic_ns }));
    let in_realtime = |pair| {
        let events = vec![event(0, START_NS, START_NS + 10 * US)];
        let clock = v1::Clock::Realtime as i32;
        (pair, Payload::Events(v1::EventBatch { clock, ops: ops(), events, edges: Vec::new() }))
    };
    let trace = recorded(pairs.map(in_realtime).chain([(clock(), batch(vec![event(1, 0, 10 * US)]))]));
    assert_eq!(footprint(&trace).last(), Some(&("net/dense/Relu".to_owned(), 10, 1)));
    assert!(trace.events.iter().all(|event| event.start_ns <= event.end_ns));
}

#[test]
fn a_clock_that_is_a_constant_off_is_mapped_by_the_pair_that_came_along() {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let at = |pair: v1::ClockPair| {
        let events = vec![event(0, pair.realtime_ns + 100 * US, pair.realtime_ns + 110 * US)];
        let clock = v1::Clock::Realtime as i32;
        (pair, Payload::Events(v1::EventBatch { clock, ops: ops(), events, edges: Vec::new() }))
    };
    let ahead = v1::ClockPair { realtime_ns: START_NS + HOUR_NS, monotonic_ns: 0 };
    let behind = v1::ClockPair { realtime_ns: START_NS - HOUR_NS, monotonic_ns: 0 };
    let monotonic = (clock(), batch(vec![event(1, 100 * US, 110 * US)]));
    let trace = recorded([at(clock()), at(ahead), at(behind), monotonic]);
    assert!(trace.events.iter().all(|event| event.start_ns == START_NS + 100 * US), "{:?}", trace.events);
    assert_eq!(trace.metadata.clock_changes.len(), 3, "each jump is listed: {:?}", trace.metadata.clock_changes);
}

#[test]
fn numbers_that_are_none_stay_unknown() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0];
    let ops =
        (0..).zip(numbers).map(|(op, flops)| v1::Op { op, qtn: format!("net/Op{op}"), flops, ..v1::Op::default() });
    let payload = v1::EventBatch { ops: ops.collect(), events: vec![], ..v1::EventBatch::default() };
    let trace = recorded([(clock(), Payload::Events(payload))]);
    assert_eq!(trace.ops.len(), numbers.len());
    assert!(trace.ops.iter().all(|op| op.flops.is_none()), "{:?}", trace.ops);
}

#[test]
fn events_of_operations_that_were_never_named_are_left_out_and_told() {
    let trace = recorded([(clock(), batch(vec![event(0, 0, 10 * US), event(9, 0, 10 * US), event(u32::MAX, 0, 1)]))]);
    assert_eq!(footprint(&trace), [("net/dense/MatMul".to_owned(), 10, 1)]);
    assert!(trace.metadata.warnings.iter().any(|warning| warning.contains("never named")));
}

#[test]
fn a_device_that_nothing_measures_has_no_footprint_and_its_time_is_told() {
    let elsewhere = |device: &str| v1::Event { device: device.to_owned(), ..event(1, 0, 10 * US) };
    let trace = recorded([(
        clock(),
        batch(vec![event(0, 0, 10 * US), elsewhere("TPU:3"), elsewhere("TPU:3"), elsewhere("x")]),
    )]);
    assert_eq!(footprint(&trace), [("net/dense/MatMul".to_owned(), 10, 1)]);
    let unmeasured = &trace.metadata.coverage.unmeasured_devices;
    assert_eq!(unmeasured["TPU:3"], Unmeasured { events: 2, time_s: 20e-6 });
    assert_eq!(unmeasured["x"], Unmeasured { events: 1, time_s: 10e-6 });
}

#[test]
fn events_that_come_late_and_in_any_order_receive_what_they_would_in_order() {
    let events: Vec<v1::Event> =
        (0..40).map(|n| event(n as u32 % 2, n * 20 * US, n * 20 * US + (5 + n * 7 % 30) * US)).collect();
    let in_order = recorded([(clock(), batch(events.clone()))]);
    let late = events.iter().rev().map(|event| (clock(), batch(vec![event.clone()])));
    assert_eq!(footprint(&recorded(late)), footprint(&in_order));
    assert!(footprint(&in_order).iter().all(|(_, energy_uj, count)| *energy_uj > 0 && *count == 20));
}

#[test]
fn labels_that_come_while_a_recording_runs_are_the_traces_and_the_last_word_stands() {
    let labels = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        (clock(), Payload::Labels(v1::Labels { labels }))
    };
    let trace = recorded([labels(&[("region", "DEU"), ("pue", "1.2")]), labels(&[("region", "SWE")]), labels(&[])]);
    let held: Vec<_> = trace.metadata.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(held, [("pue", "1.2"), ("region", "SWE")]);

    let many: Vec<_> = (0..5_000).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    let trace = recorded([labels(&many)]);
    assert_eq!(trace.metadata.labels.len(), 1 << 10);
    assert!(trace.metadata.warnings.iter().any(|warning| warning.starts_with("more labels were sent")));
}
