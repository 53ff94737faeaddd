//! The daemon as its clients see it: a real process, a real socket, the generated client.

use std::time::Duration;

use crate::daemon::{Daemon, Tree, clock, fetch, record};
use smaragdine_core::build::assembler::Assembler;
use smaragdine_core::store::tables;
use smaragdine_core::trace::{Entry, Flag, State, Trace};
use smaragdine_core::wire::PROTOCOL_VERSION;
use smaragdine_core::wire::v1::record_request::Payload;
use smaragdine_core::wire::v1::{self, DescribeRequest, StartRequest, StopRequest};

const RANGE_UJ: u64 = 262_143_328_850;

fn ledger_sum(trace: &Trace) -> f64 {
    trace.ledger.iter().map(|row| row.energy_j).sum()
}

fn entry(trace: &Trace, entry: Entry) -> f64 {
    trace.ledger.iter().filter(|row| row.entry == entry).map(|row| row.energy_j).sum()
}

fn readings_sum(trace: &Trace) -> f64 {
    trace.readings.iter().map(|reading| reading.energy_j).sum()
}

/// Two lanes that compute side by side, then one alone, as a generic client would send them.
fn events(start_ns: i64) -> v1::EventBatch {
    let event = |op, lane, from_ms: i64, to_ms: i64| v1::Event {
        op,
        lane,
        start_ns: start_ns + from_ms * 1_000_000,
        end_ns: start_ns + to_ms * 1_000_000,
        ..v1::Event::default()
    };
    let op = |op, qtn: &str| v1::Op { op, qtn: qtn.to_owned(), phase: "forward".to_owned(), ..v1::Op::default() };
    v1::EventBatch {
        clock: v1::Clock::Realtime as i32,
        ops: vec![op(7, "net/dense/MatMul"), op(9, "net/dense/Relu")],
        events: vec![event(7, 0, 0, 100), event(9, 1, 50, 100)],
        edges: vec![v1::Edge { from_op: 7, to_op: 9 }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_only_the_protocol_gets_a_trace_whose_ledger_closes() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::start(&dir.path().join("powercap"), 100.0, RANGE_UJ);
    let daemon = Daemon::start(dir.path(), &tree.root);
    let mut client = daemon.client().await;

    let described = client.describe(DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!(described.protocol_version, PROTOCOL_VERSION);
    let started = client.start(StartRequest { require_measured: true, ..StartRequest::default() }).await.unwrap();
    let started = started.into_inner();
    assert_eq!(started.basis, "measured");

    tokio::time::sleep(Duration::from_millis(50)).await;
    let from = clock();
    // Work, so that this process owns CPU time to account.
    let until = std::time::Instant::now() + Duration::from_millis(600);
    while std::time::Instant::now() < until {
        std::hint::spin_loop();
    }
    let step = v1::Step {
        step: 1,
        start_ns: from.realtime_ns,
        end_ns: from.realtime_ns + 200_000_000,
        traced: true,
        samples: 8,
        metrics: [("loss".to_owned(), 2.5)].into(),
        ..v1::Step::default()
    };
    let sent = vec![Payload::Step(step), Payload::Events(events(from.realtime_ns))];
    let responses = record(&mut client, &started.recording, sent).await.unwrap();
    assert_eq!(responses.iter().map(|response| response.acknowledged).max(), Some(2));
    assert!(responses.iter().all(|response| response.problem.is_empty()));

    let stop = StopRequest { recording: started.recording.clone() };
    let stopped = client.stop(stop.clone()).await.unwrap().into_inner();
    assert_eq!(client.stop(stop).await.unwrap().into_inner(), stopped, "stopping twice gives the same answer");
    assert_eq!(stopped.events, 2);

    let output = dir.path().join("out");
    std::fs::create_dir(&output).unwrap();
    let names = fetch(&mut client, &started.recording, &output).await;
    assert_eq!(names.last().map(String::as_str), Some("trace.json"));
    let trace = tables::read(&output).unwrap();
    assert_eq!(trace.metadata.state, State::Complete);

    let total_j = readings_sum(&trace);
    assert!((ledger_sum(&trace) - total_j).abs() <= 1e-9 * total_j);
    let operations_j: f64 = trace.footprint.iter().map(|row| row.energy_j).sum();
    assert!((operations_j - entry(&trace, Entry::Operations)).abs() <= 1e-9 * operations_j);
    assert!(operations_j > 0.0, "{:?}", trace.ledger);

    let step = &trace.steps[0];
    assert_eq!((step.samples, step.metrics["loss"], step.traced), (Some(8), 2.5, true));
    assert!(trace.events.iter().all(|event| event.step == Some(1)));
    assert_eq!(trace.edges, [(0, 1)]);
    assert_eq!(trace.ops[0].layer, "net/dense");
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_follow_the_register_through_its_wraps() {
    let dir = tempfile::tempdir().unwrap();
    // 1500 W wrap a register of 300 J five times a second, and stay within what a socket may draw.
    let tree = Tree::start(&dir.path().join("powercap"), 1500.0, 300_000_000);
    let daemon = Daemon::start(dir.path(), &tree.root);
    let mut client = daemon.client().await;
    let started = client.start(StartRequest { keep_all: true, ..StartRequest::default() }).await.unwrap().into_inner();
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.stop(StopRequest { recording: started.recording.clone() }).await.unwrap();
    fetch(&mut client, &started.recording, dir.path()).await;
    let trace = tables::read(dir.path()).unwrap();

    let (first, last) = (trace.readings.first().unwrap(), trace.readings.last().unwrap());
    let seconds = (last.end_ns - first.start_ns) as f64 * 1e-9;
    let power_w = readings_sum(&trace) / seconds;
    assert!((power_w / 1500.0 - 1.0).abs() < 0.01, "{power_w} W over {seconds} s instead of 1500 W");
    let wraps = trace.readings.iter().filter(|reading| reading.flags.has(Flag::Wrap)).count();
    assert!(wraps >= 6, "{wraps} wraps");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_leaves_a_journal_from_which_the_trace_is_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::start(&dir.path().join("powercap"), 100.0, RANGE_UJ);
    let mut daemon = Daemon::start(dir.path(), &tree.root);
    let mut client = daemon.client().await;
    let started = client.start(StartRequest::default()).await.unwrap().into_inner();
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    daemon.process.kill().unwrap();
    daemon.process.wait().unwrap();

    let output = dir.path().join("out");
    let lost = Assembler::new(None, 0).recover(started.state_dir.as_ref(), &output, None).unwrap();
    assert_eq!(lost, None);
    let trace = tables::read(&output).unwrap();
    assert_eq!(trace.metadata.state, State::Cut);
    let total_j = readings_sum(&trace);
    // The last second may be lost.
    assert!(total_j > 50.0, "{total_j} J of some 160 J");
    assert!((ledger_sum(&trace) - total_j).abs() <= 1e-9 * total_j);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_daemon_finishes_its_traces_before_it_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::start(&dir.path().join("powercap"), 100.0, RANGE_UJ);
    let mut daemon = Daemon::start(dir.path(), &tree.root);
    let mut client = daemon.client().await;
    let started = client.start(StartRequest::default()).await.unwrap().into_inner();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pid = rustix::process::Pid::from_raw(daemon.process.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(daemon.process.wait().unwrap().success());
    let trace = tables::read(&std::path::Path::new(&started.state_dir).join("trace")).unwrap();
    assert_eq!(trace.metadata.state, State::Cut, "its client did not end it");
    assert!(trace.metadata.sources.iter().all(|source| source.ticks > 0), "but nothing measured is lost");
    assert!(!daemon.socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &dir.path().join("nothing"));
    let mut client = daemon.client().await;

    let refused = client.start(StartRequest { require_measured: true, ..StartRequest::default() }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("hint:"), "{refused}");

    let refused = client.start(StartRequest { period_ns: 1, ..StartRequest::default() }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);

    let unknown = record(&mut client, "../../etc", vec![Payload::Note(v1::Note::default())]).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);

    let started = client.start(StartRequest::default()).await.unwrap().into_inner();
    assert_eq!(started.basis, "modelled");
    assert!(started.warning.starts_with("no energy sensor was readable"));
    let stray = v1::Event { op: 42, start_ns: i64::MIN, end_ns: i64::MAX, ..v1::Event::default() };
    let wild = v1::Event { op: 1, start_ns: i64::MAX, end_ns: i64::MIN, ..v1::Event::default() };
    let named = v1::Op { op: 1, qtn: "x".to_owned(), ..v1::Op::default() };
    let batch = v1::EventBatch { events: vec![stray, wild], ops: vec![named], ..v1::EventBatch::default() };
    let garbage = v1::Profile { format: v1::profile::Format::Xspace as i32, data: vec![0xff; 999].into(), last: true };
    let sent = vec![Payload::Events(batch), Payload::Profile(garbage)];
    record(&mut client, &started.recording, sent).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopped = client.stop(StopRequest { recording: started.recording }).await.unwrap().into_inner();
    assert_eq!(stopped.events, 0);
    assert_eq!(stopped.warnings.len(), 3, "{:?}", stopped.warnings);
}

#[test]
fn a_second_daemon_on_the_same_socket_says_so_and_leaves_the_first_alone() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &dir.path().join("nothing"));
    let mut second = Daemon::command(&daemon.socket, &daemon.state_dir, dir.path());
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("another daemon serves") && message.contains("hint:"), "{message}");
    assert!(daemon.socket.exists());
}
