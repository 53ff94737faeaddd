//! Metrics and what ran, from the journal into the trace: the daemon's own, and what a program tells.

use smaragdine_core::build::assembly::assemble;
use smaragdine_core::registers::metrics::known;
use smaragdine_core::store::journal::{Journal, Record};
use smaragdine_core::trace::{Metadata, Metric, MetricSample, State, Trace};
use smaragdine_core::wire::v1;
use smaragdine_core::wire::v1::record_request::Payload;

const START_NS: i64 = 1_700_000_000_000_000_000;
const S: i64 = 1_000_000_000;

/// The trace of a journal with these records between its start and, where it is whole, its end.
fn assembled(records: Vec<Record>, whole: bool) -> Trace {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("journal");
    let mut journal = Journal::create(&path).expect("a journal");
    let metadata = Metadata { start_ns: START_NS, realtime_offset_ns: START_NS, ..Metadata::default() };
    journal.append(&Record::Start(Box::new(metadata.clone()))).expect("a record");
    records.iter().for_each(|record| journal.append(record).expect("a record"));
    if whole {
        let absent = Metric { name: "gpu_clock".into(), unit: "Hz".into(), problem: Some("no GPU".into()) };
        let end =
            Metadata { end_ns: Some(START_NS + 10 * S), state: State::Complete, metrics: vec![absent], ..metadata };
        journal.append(&Record::End(Box::new(end))).expect("a record");
    }
    assemble(&path).expect("a trace")
}

fn sampled(second: i64, metric: &str, value: f64) -> MetricSample {
    MetricSample { time_ns: START_NS + second * S, metric: metric.into(), scope: "machine".into(), value }
}

fn told(payload: Payload, at_s: i64) -> Record {
    let clock = Some(v1::ClockPair { realtime_ns: START_NS + at_s * S, monotonic_ns: at_s * S });
    let request = v1::RecordRequest { recording: String::new(), sequence: 1, clock, payload: Some(payload) };
    Record::Request { stream: 1, request: Box::new(request) }
}

fn of_program(metric: &str, time_ns: i64, value: f64) -> v1::MetricValue {
    v1::MetricValue { metric: metric.into(), unit: "req/s".into(), time_ns, value, ..v1::MetricValue::default() }
}

fn rows(trace: &Trace) -> Vec<(&str, &str, i64, f64)> {
    let name = |row: &smaragdine_core::trace::MetricRow| {
        let (metric, scope) = &trace.metrics.series()[usize::from(row.series)];
        (metric.as_str(), scope.as_str(), (row.time_ns - START_NS) / S, row.value)
    };
    trace.metrics.rows().iter().map(name).collect()
}

#[test]
fn what_was_sampled_up_to_the_last_second_of_a_recording_that_was_killed_is_kept() {
    let second =
        |second| Record::Metrics(vec![sampled(second, "load", 0.5), sampled(second, "cpu_time", second as f64)]);
    let trace = assembled(vec![second(1), second(2), second(3)], false);
    assert_eq!(trace.metadata.state, State::Cut);
    let expected = [1, 2, 3].map(|second| ("cpu_time", "machine", second, second as f64));
    assert_eq!(rows(&trace)[..3], expected);
    assert_eq!(rows(&trace).len(), 6);
    let described: Vec<_> = trace.metadata.metrics.iter().map(|one| (one.name.as_str(), one.unit.as_str())).collect();
    assert_eq!(described, [("cpu_time", "s"), ("load", "1")]);
}

#[test]
fn a_program_s_own_metrics_land_beside_with_their_unit_and_what_could_not_be_is_told() {
    let values = vec![
        of_program("served", 2 * S, 41.0),
        v1::MetricValue { scope: "queue".into(), ..of_program("served", 3 * S, 7.0) },
        v1::MetricValue { problem: "it is closed".into(), ..of_program("refused", 0, 0.0) },
    ];
    let batch = v1::MetricBatch { clock: v1::Clock::Monotonic as i32, values };
    let trace = assembled(vec![told(Payload::Metrics(batch), 4), Record::Metrics(vec![sampled(1, "load", 0.5)])], true);
    let expected = [("load", "machine", 1, 0.5), ("served", "application", 2, 41.0), ("served", "queue", 3, 7.0)];
    assert_eq!(rows(&trace), expected);
    let described = trace.metadata.metrics.iter().map(|one| (&*one.name, &*one.unit, one.problem.as_deref()));
    let described: Vec<_> = described.collect();
    let expected = [
        ("gpu_clock", "Hz", Some("no GPU")),
        ("load", "1", None),
        ("refused", "req/s", Some("it is closed")),
        ("served", "req/s", None),
    ];
    assert_eq!(described, expected);
    assert!(trace.metadata.warnings.is_empty(), "{:?}", trace.metadata.warnings);
}

#[test]
fn metrics_that_no_program_can_have_are_left_out_and_told() {
    let values = vec![
        of_program("load", S, 1.0),
        of_program("", S, 1.0),
        of_program(&"x".repeat(1000), S, 1.0),
        of_program("served", S, f64::NAN),
        of_program("served", i64::MAX, 1.0),
        of_program("served", S, 2.0),
    ];
    let batch = v1::MetricBatch { clock: v1::Clock::Monotonic as i32, values };
    let trace = assembled(
        vec![told(Payload::Metrics(batch), 2), Record::Metrics(vec![sampled(1, "load", f64::INFINITY)])],
        true,
    );
    assert_eq!(rows(&trace), [("served", "application", 1, 2.0)]);
    let told = trace.metadata.warnings.join("\n");
    assert!(
        ["no name of their own", "no numbers", "beyond the recording"].iter().all(|word| told.contains(word)),
        "{told}"
    );
}

#[test]
fn stamps_of_a_program_s_metrics_follow_the_clock_that_was_in_force_though_it_was_set() {
    // The wall clock is an hour ahead by now; the stamps are its.
    let values = vec![of_program("served", START_NS + 3600 * S + 5 * S, 1.0)];
    let batch = v1::MetricBatch { clock: v1::Clock::Realtime as i32, values };
    let mut record = told(Payload::Metrics(batch), 6);
    if let Record::Request { request, .. } = &mut record {
        request.clock = Some(v1::ClockPair { realtime_ns: START_NS + 3606 * S, monotonic_ns: 6 * S });
    }
    assert_eq!(rows(&assembled(vec![record], true)), [("served", "application", 5, 1.0)]);
}

#[test]
fn what_ran_is_told_by_whoever_told_first_and_packages_by_whoever_has_them() {
    let outer = v1::Program {
        command: vec!["python".into(), "train.py".into()],
        git: Some(v1::Git { commit: "12ab".into(), dirty: Some(true) }),
        packages: [].into(),
    };
    let inner = v1::Program {
        command: vec!["train.py".into()],
        git: None,
        packages: [("numpy".to_owned(), "2.1".to_owned())].into(),
    };
    let trace = assembled(vec![told(Payload::Program(outer), 1), told(Payload::Program(inner), 2)], true);
    let program = trace.metadata.program.expect("it was told");
    assert_eq!(program.command, ["python", "train.py"]);
    assert_eq!(program.git.map(|git| (git.commit, git.dirty)), Some(("12ab".to_owned(), Some(true))));
    assert_eq!(program.packages["numpy"], "2.1");
}

#[test]
fn every_metric_is_documented_as_it_is() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    let documented: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let known: Vec<String> =
        known().map(|[name, unit, scopes, source]| format!("| `{name}` | {unit} | {scopes} | {source} |")).collect();
    assert_eq!(documented, known, "docs/metrics.md should have:\n{}", known.join("\n"));
}
