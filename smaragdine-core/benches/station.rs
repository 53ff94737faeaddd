//! What many recordings at once cost beside one: how often registers are read, ticks lost, CPU time of each kind of
//! thread.
//!
//! Goal: registers are read at the rate of one recording, by no more than 1.5 times the CPU time; no tick is lost.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod numbers;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use smaragdine_core::registers::source::Roots;
use smaragdine_core::registers::source::choice::choose;
use smaragdine_core::registers::source::nvml::CudaEnvironment;
use smaragdine_core::registers::station::Station;
use smaragdine_core::serve::recording::{Cut, Options, Recording};
use smaragdine_core::store::journal::{Record, Records};
use smaragdine_core::trace::SourceReport;

use self::numbers::Number;
use self::tree::beside_a_moving_tree;

const LENGTH: Duration = Duration::from_secs(8);
const PERIOD: Duration = Duration::from_millis(4);
const REGISTERS: u64 = 4;
const CORE: &str = "% of a core";

/// CPU time and reads of files of one kind of thread.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    threads: u64,
    cpu_s: f64,
    reads: u64,
}

/// By name, of all threads of this process.
fn threads() -> BTreeMap<String, Use> {
    let mut kinds: BTreeMap<String, Use> = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").expect("this process").flatten() {
        let text = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let kind = kinds.entry(text("comm").trim().to_owned()).or_default();
        let cpu_ns: f64 = text("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
        let reads = text("io").lines().find_map(|line| line.strip_prefix("syscr: ")?.parse().ok());
        kind.threads += 1;
        kind.cpu_s += cpu_ns * 1e-9;
        kind.reads += reads.unwrap_or(0_u64);
    }
    kinds
}

fn options(roots: &Roots) -> Options {
    Options {
        name: "bench".to_owned(),
        period: PERIOD,
        edge_lock: false,
        labels: BTreeMap::new(),
        software: BTreeMap::new(),
        keep_all: false,
        owner: 0,
        application: Some(std::process::id() as i32),
        roots: roots.clone(),
        cuda: CudaEnvironment::default(),
        socket: "/nowhere".into(),
        held: Arc::default(),
    }
}

/// How the registers were read, by a recording's journal.
fn source(journal: &Path) -> SourceReport {
    let end = Records::open(journal).expect("a journal").find_map(|record| match record {
        Record::End(end) => Some(end.sources[0].clone()),
        _ => None,
    });
    end.expect("it ended")
}

/// Prints a line for each kind of thread; returns the CPU time of reading.
fn record(count: usize, roots: &Roots) -> f64 {
    let state = tempfile::tempdir().expect("a temporary directory");
    let station = Station::default();
    let start = |number: usize| {
        let sources = choose(roots, &CudaEnvironment::default(), true).expect("the fake tree is readable");
        Recording::start(number.to_string(), options(roots), &station, sources, state.path()).expect("a recording")
    };
    let recordings: Vec<Recording> = (0..count).map(start).collect();
    // The first looks cost what none costs later.
    thread::sleep(Duration::from_millis(500));
    let (before, began) = (threads(), Instant::now());
    thread::sleep(LENGTH);
    let (after, elapsed_s) = (threads(), began.elapsed().as_secs_f64());
    for recording in &recordings {
        recording.cut(Cut::DaemonLeaves);
    }
    let reports: Vec<_> = (0..count).map(|id| source(&state.path().join(id.to_string()).join("journal"))).collect();
    let (ticks, missed) =
        reports.iter().fold((0, 0), |(ticks, missed), report| (ticks + report.ticks, missed + report.missed_ticks));
    println!("{count} at {} ms: {ticks} ticks, {missed} lost", PERIOD.as_millis());
    let number = |what: &str, value: f64, unit| Number::new(format!("{what}, recordings: {count}"), value, unit);
    number("ticks lost", missed as f64, "ticks").at_most(0.0).hand_over();
    let mut reading_s = 0.0;
    for (name, kind) in &after {
        let Some(earlier) = before.get(name).filter(|_| !name.starts_with("station") && name != "tree") else {
            continue;
        };
        let cpu_s = kind.cpu_s - earlier.cpu_s;
        let core = cpu_s / elapsed_s * 100.0;
        print!("{name:>14} {:>4} threads {core:>7.2} % of a core", kind.threads);
        if name.starts_with("read") {
            reading_s = cpu_s / elapsed_s;
            let reads = (kind.reads - earlier.reads) as f64 / REGISTERS as f64 / elapsed_s;
            println!("   {reads:.1} reads of each register a second");
            number("reads of each register", reads, "a second").hand_over();
            number("reading", core, CORE).hand_over();
        } else {
            println!("   {:.3} % each recording", core / count as f64);
            number(&format!("{name}, each recording"), core / count as f64, CORE).hand_over();
        }
    }
    reading_s
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    beside_a_moving_tree(|roots| {
        let [one_s, many_s] = [1, 50].map(|count| record(count, roots));
        println!("reading registers for 50 costs {:.2} times what it costs for one", many_s / one_s);
        Number::new("reading for 50 beside reading for one", many_s / one_s, "times").at_most(1.5).hand_over();
    });
}
