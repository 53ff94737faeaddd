//! Many recordings of one daemon at once, over registers whose energy is known.

use std::fs;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, fetch};
use fake_powercap::moving::Registers as _;
use fake_powercap::{Layout, Tree, Waveform};
use smaragdine_core::store::tables;
use smaragdine_core::trace::Reading;
use smaragdine_core::wire::v1::{StartRequest, StopRequest};

const MS: u64 = 1_000_000;

/// The daemon's threads that read registers, each with the number of reads that it made of any file.
fn readers(daemon: &Daemon) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.process.id())).unwrap();
    let reads = tasks.flatten().filter_map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let io = fs::read_to_string(task.path().join("io")).ok()?;
        let reads = io.lines().find_map(|line| line.strip_prefix("syscr: "))?;
        (name.trim() == "read powercap").then(|| reads.parse().unwrap())
    });
    reads.collect()
}

fn energy_uj(readings: &[Reading], domain: u16) -> u64 {
    let of_domain = readings.iter().filter(|reading| reading.domain == domain);
    (of_domain.map(|reading| reading.energy_j).sum::<f64>() * 1e6).round() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_of_different_periods_at_once_each_hold_the_truth_and_registers_are_read_at_the_fastest_alone() {
    let dir = tempfile::tempdir().unwrap();
    // Two registers, of which one wraps.
    let layout = Layout {
        package: vec![Waveform::Square { low: 100.0, high: 1_500.0, period_s: 0.05 }],
        range_uj: 400_000_000,
        initial_uj: 300_000_000,
        ..Layout::default()
    };
    let tree = Tree::create(&dir.path().join("powercap"), &layout).unwrap();
    let daemon = Daemon::start(dir.path(), &tree.powercap_root());
    let mut client = daemon.client().await;
    let periods_ns = [4, 10, 25, 4, 7, 100, 5, 40, 4, 13].map(|ms| ms * MS);
    let mut recordings = Vec::new();
    let start = Instant::now();
    for period_ns in periods_ns {
        let request = StartRequest { period_ns, require_measured: true, ..StartRequest::default() };
        recordings.push(client.start(request).await.unwrap().into_inner().recording);
    }
    // Every recording has had its first read before the registers move, as its last comes after they stand. Those who
    // come while the registers are watched closely, for 12 ms, have theirs thereafter.
    let watching = 2 * 12 * 16;
    let before = readers(&daemon).iter().sum::<u64>();
    while readers(&daemon).iter().sum::<u64>() < before + watching + 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let elapsed_ns = 900 * MS as i64;
    let moving = Instant::now();
    while (moving.elapsed().as_nanos() as i64) < elapsed_ns {
        tree.write(moving.elapsed().as_nanos() as i64).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tree.write(elapsed_ns).unwrap();
    let reads = readers(&daemon);
    assert_eq!(reads.len(), 1, "one thread reads for all");
    // Two registers at each tick of the fastest, and for each who came.
    let most = 2 * (start.elapsed().as_millis() as u64 / 4 + periods_ns.len() as u64) + watching + 8;
    assert!(reads[0] <= most, "{} reads instead of at most {most}", reads[0]);
    for (recording, period_ns) in recordings.iter().zip(periods_ns) {
        client.stop(StopRequest { recording: recording.clone() }).await.unwrap();
        let output = dir.path().join(recording);
        fs::create_dir(&output).unwrap();
        fetch(&mut client, recording, &output).await;
        let trace = tables::read(&output).unwrap();
        let source = &trace.metadata.sources[0];
        assert_eq!((source.name.as_str(), source.period_ns), ("powercap", period_ns as i64));
        assert!(source.ticks > 0 && source.failed_reads == 0, "{source:?}");
        for (domain, truth_uj) in (0..).zip(tree.energy_uj(elapsed_ns)) {
            // A machine that stood still for a tenth of a second may have let a whole wrap pass; then that is told.
            if trace.metadata.gaps.is_empty() {
                assert_eq!(energy_uj(&trace.readings, domain), truth_uj, "at {period_ns} ns");
            } else {
                assert!(energy_uj(&trace.readings, domain) <= truth_uj);
            }
        }
    }
    let until = Instant::now() + Duration::from_secs(20);
    while !readers(&daemon).is_empty() {
        assert!(Instant::now() < until, "nobody listens any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
