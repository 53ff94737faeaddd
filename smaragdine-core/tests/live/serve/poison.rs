//! Attacks on the daemon by journals that grow in memory, or take long, when they are assembled.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Tree, fetch, record};
use smaragdine_core::store::tables;
use smaragdine_core::wire::v1::profile::Format;
use smaragdine_core::wire::v1::record_request::Payload;
use smaragdine_core::wire::v1::{self, StartRequest, StopRequest};

/// A profile of so many bytes, in pieces, each of which is `unit` again and again.
fn profile(format: Format, unit: &[u8], pieces: usize) -> Vec<Payload> {
    let data = unit.repeat((2 << 20) / unit.len());
    (1..=pieces)
        .map(|piece| {
            let (data, last) = (data.clone().into(), piece == pieces);
            Payload::Profile(v1::Profile { format: format as i32, data, last })
        })
        .collect()
}

fn serving(dir: &Path, powercap: &Path, mib: &str) -> Daemon {
    let (socket, state_dir) = (dir.join("s"), dir.join("state"));
    let mut command = Daemon::command(&socket, &state_dir, powercap);
    Daemon::of(command.args(["--assembly-mib", mib]), socket, state_dir)
}

fn resident_mib(daemon: &Daemon) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

async fn poisoned(format: Format, unit: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::start(&dir.path().join("powercap"), 100.0, 262_143_328_850);
    let daemon = serving(dir.path(), &tree.root, "192");
    let mut client = daemon.client().await;
    let started = client.start(StartRequest::default()).await.unwrap().into_inner();
    let mut sent = profile(format, unit, 6);
    sent.push(Payload::Note(v1::Note { text: "kept".to_owned() }));
    record(&mut client, &started.recording, sent).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stopped = client.stop(StopRequest { recording: started.recording.clone() }).await.unwrap().into_inner();
    assert!(stopped.warnings.iter().any(|told| told.contains("is without its operations")), "{:?}", stopped.warnings);
    assert!(resident_mib(&daemon) < 200.0, "{} MiB", resident_mib(&daemon));
    let output = dir.path().join("out");
    std::fs::create_dir(&output).unwrap();
    fetch(&mut client, &started.recording, &output).await;
    let trace = tables::read(&output).unwrap();
    let energy_j: f64 = trace.readings.iter().map(|reading| reading.energy_j).sum();
    // A kill loses the last second at most.
    assert!(energy_j > 50.0, "{energy_j} J of more than 150");
    assert_eq!(trace.metadata.log, ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_grows_costs_its_recording_the_operations_and_not_the_energy() {
    // Nodes without anything.
    poisoned(Format::GraphDef, &[0x0a, 0x00]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_an_executed_graph_of_nothing_but_names() {
    // RunMetadata.partition_graphs, each with a node of one input.
    poisoned(Format::RunMetadata, &[0x1a, 0x04, 0x0a, 0x02, 0x1a, 0x00]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovering_a_journal_that_grows_takes_no_more_and_says_what_its_trace_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::start(&dir.path().join("powercap"), 100.0, 262_143_328_850);
    let mut daemon = serving(dir.path(), &tree.root, "192");
    let mut client = daemon.client().await;
    let started = client.start(StartRequest::default()).await.unwrap().into_inner();
    let mut sent = profile(Format::GraphDef, &[0x0a, 0x00], 1);
    sent.push(Payload::Note(v1::Note { text: "kept".to_owned() }));
    record(&mut client, &started.recording, sent).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    daemon.process.kill().unwrap();
    daemon.process.wait().unwrap();

    let output = dir.path().join("-out");
    let mut recover = Command::new(env!("CARGO_BIN_EXE_smaragdined"));
    recover.current_dir(dir.path()).arg("recover").arg(&started.state_dir).arg("--output=-out");
    let recovered = recover.output().unwrap();
    let told = String::from_utf8(recovered.stderr).unwrap();
    assert!(recovered.status.success(), "{told}");
    let journal_mib = std::fs::metadata(Path::new(&started.state_dir).join("journal")).unwrap().len() >> 20;
    let most = told.split("took more than ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(most.is_some_and(|most| most <= 64 + 64 * (journal_mib + 1)), "{told}");
    assert!(told.contains("notice: the trace is without its operations") && !told.contains("allocation"), "{told}");
    let trace = tables::read(&output).unwrap();
    let energy_j: f64 = trace.readings.iter().map(|reading| reading.energy_j).sum();
    // A kill loses the last second at most.
    assert!(energy_j > 50.0, "{energy_j} J of more than 150");
    assert_eq!(trace.metadata.log, ["kept"]);
    assert!(trace.metadata.warnings.iter().any(|told| told.contains("is without its operations")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_whose_daemon_died_before_it_began_leaves_the_journal_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = serving(dir.path(), &dir.path().join("nothing"), "192");
    let started = daemon.client().await.start(StartRequest::default()).await.unwrap().into_inner();
    daemon.process.kill().unwrap();
    let gone = daemon.process.id();
    daemon.process.wait().unwrap();
    for (parent, writes) in [(gone, false), (1, false), (std::process::id(), true)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_smaragdined"));
        child.arg("assemble").arg(&started.state_dir).args(["--memory", "1000000000", "--cpu", "30"]);
        let told = child.args(["--parent", &parent.to_string()]).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        assert_eq!(told.contains("done"), writes, "{told}");
        assert_eq!(Path::new(&started.state_dir).join("trace").exists(), writes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_the_daemon_within_ten_seconds_while_a_journal_is_assembled() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = serving(dir.path(), &dir.path().join("nothing"), "8192");
    let mut client = daemon.client().await;
    let started = client.start(StartRequest::default()).await.unwrap().into_inner();
    record(&mut client, &started.recording, profile(Format::GraphDef, &[0x0a, 0x00], 12)).await.unwrap();
    let mut other = client.clone();
    let recording = started.recording.clone();
    let stopping = tokio::spawn(async move { other.stop(StopRequest { recording }).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    let pid = rustix::process::Pid::from_raw(daemon.process.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    while daemon.process.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = stopping.await;
    assert!(Path::new(&started.state_dir).join("journal").exists(), "nothing is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_that_ended_hold_no_thread_and_no_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = serving(dir.path(), &dir.path().join("nothing"), "512");
    let mut client = daemon.client().await;
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", daemon.process.id())).unwrap().count();
    let run = async |client: &mut v1::accountant_client::AccountantClient<tonic::transport::Channel>| {
        let started = client.start(StartRequest::default()).await.unwrap().into_inner();
        client.stop(StopRequest { recording: started.recording }).await.unwrap();
    };
    run(&mut client).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = (count("task"), count("fd"));
    for _ in 0..8 {
        run(&mut client).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = (count("task"), count("fd"));
    // Threads that the runtime keeps for a while are no recording's.
    assert!(after.0 <= before.0 + 3 && after.1 <= before.1 + 3, "{before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_that_nobody_fetches_have_a_limit_and_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, state_dir) = (dir.path().join("s"), dir.path().join("state"));
    let mut command = Daemon::command(&socket, &state_dir, &dir.path().join("nothing"));
    let daemon = Daemon::of(command.args(["--most-kept", "2"]), socket, state_dir);
    let mut client = daemon.client().await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let started = client.start(StartRequest::default()).await.unwrap().into_inner();
        client.stop(StopRequest { recording: started.recording.clone() }).await.unwrap();
        kept.push(started.recording);
    }
    let refused = client.start(StartRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.message().contains("2 recordings of yours") && refused.message().contains("hint:"), "{refused}");
    client.release(v1::ReleaseRequest { recording: kept.remove(0) }).await.unwrap();
    client.start(StartRequest::default()).await.unwrap();
    let left = std::fs::read_dir(&daemon.state_dir).unwrap().filter(|dir| dir.as_ref().unwrap().path().is_dir());
    assert_eq!(left.count(), 2, "what was refused and what was released leave nothing");
}
