//! Profile bytes → footprint rows on the disk, by stage, in nanoseconds of one core for each event that is kept.
//!
//! `cargo bench -p smaragdine-core --bench end_to_end -- [FILE…]` measures these XSpaces beside the recorded ones: a small
//! Keras model step by step, and the same compiled by XLA. Medians of some runs. Of a short profile most is its names, which
//! are told once whatever it executes; larger ones amortise them.
//!
//! Goal: 5 million kept events a second and core, all stages together.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod lanes;
mod numbers;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use smaragdine_core::accounting::account::account;
use smaragdine_core::build::assembly::add_xspaces;
use smaragdine_core::profiler::Profile;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::store::tables;
use smaragdine_core::trace::{Domain, Metadata, Policy, Reading, State, Step, Trace};

use self::lanes::PERIOD_NS;
use self::numbers::Number;

/// Longer profiles are run less often.
const RUNS: usize = 9;
const LONG: usize = 1_000_000;

/// A recording around `profile`, traced throughout, in which the application draws all.
fn recording(profile: &Profile) -> Trace {
    let start_ns = profile.events.iter().map(|event| event.start_ns).min().unwrap_or(0) - PERIOD_NS;
    let end_ns = profile.events.iter().map(|event| event.end_ns).max().unwrap_or(0) + PERIOD_NS;
    let domains = ["package-0", "dram-0"].map(|name| Domain::new(name, "CPU:0", "powercap", "socket:0"));
    let reading = |domain: u16, start_ns: i64| Reading {
        app_share: Some(1.0),
        daemon_share: Some(0.0),
        idle_share: Some(0.0),
        ..lanes::reading(domain, start_ns)
    };
    let metadata = Metadata {
        state: State::Complete,
        start_ns,
        end_ns: Some(end_ns),
        domains: domains.into(),
        devices: vec!["CPU:0".into()],
        ..Metadata::default()
    };
    let starts = || (start_ns..end_ns).step_by(PERIOD_NS as usize);
    let readings = (0..2).flat_map(|domain| starts().map(move |start_ns| reading(domain, start_ns))).collect();
    let steps = vec![Step { start_ns, end_ns, traced: true, ..Step::default() }];
    Trace { metadata, readings, steps, ..Trace::default() }
}

fn median(runs: usize, mut run: impl FnMut() -> Duration) -> Duration {
    let mut spent: Vec<Duration> = (0..runs).map(|_| run()).collect();
    spent.sort_unstable();
    spent[runs / 2]
}

fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (black_box(work()), start.elapsed())
}

fn measure(path: &Path, runs: usize) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let profile = decode(&bytes).expect("it is a profile");
    let runs = if profile.events.len() > LONG { runs.min(3) } else { runs };
    let recorded = recording(&profile);
    let decoded = median(runs, || time(|| decode(black_box(&bytes))).1);
    let named = median(runs, || {
        time(|| {
            let namer = Namer::new(Model::default(), Vec::new());
            profile.names.iter().map(|raw| namer.name(black_box(raw))).collect::<Vec<_>>()
        })
        .1
    });
    let mut trace = recorded.clone();
    let added = median(runs, || {
        trace = recorded.clone();
        time(|| add_xspaces(&mut trace, &[path]).expect("it is a profile")).1
    });
    let kept = trace.events.len();
    let accounted = median(runs, || time(|| account(&mut trace, Policy::Equal)).1);
    let dir = std::env::temp_dir().join(format!("smaragdine-end-to-end-{}", std::process::id()));
    let written = median(runs, || time(|| tables::write(&dir, &trace).expect("a trace is written")).1);
    std::fs::remove_dir_all(&dir).expect("it is removed");
    println!("{}: {} bytes, {kept} events kept, {} names", path.display(), bytes.len(), profile.names.len());
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stages = [
        ("decode", decoded),
        ("names", named),
        ("read, clock, operations, steps", added.saturating_sub(decoded + named)),
        ("alignment, footprint, ledger", accounted),
        ("tables, with checksums", written),
        ("together", added + accounted + written),
    ];
    for (stage, spent) in stages {
        let each_ns = spent.as_secs_f64() * 1e9 / kept.max(1) as f64;
        println!("  {stage:<32} {:>10.3} ms {each_ns:>10.1} ns a kept event", spent.as_secs_f64() * 1e3);
        Number::new(format!("{file}: {stage}"), each_ns, "ns a kept event").hand_over();
    }
    let rate = kept as f64 / (added + accounted + written).as_secs_f64() * 1e-6;
    println!("  {rate:.2} M kept events/s");
    Number::new(format!("{file}: events kept"), kept as f64, "events").hand_over();
    Number::new(format!("{file}: all stages"), rate, "M kept events/s")
        .at_least(5.0)
        .compared_to(format!("{file}: Python's protobuf (upb), parsing alone"))
        .hand_over();
}

fn main() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow/2.21");
    let recorded = ["keras.xplane.pb", "xla.xplane.pb"].map(|name| fixtures.join(name));
    let given = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(PathBuf::from);
    let only_runs = std::env::args().any(|argument| argument == "--test");
    recorded.into_iter().chain(given).for_each(|path| measure(&path, if only_runs { 1 } else { RUNS }));
}
