//! `smaragdined account` from files to files: how long, in how much memory, and what each part of it costs.
//!
//! `cargo bench -p smaragdine-core --bench accounting -- [--events N] [--policy P] [--dir DIR] [--keep]
//! [--unordered]` makes a trace of N events (10 million) in a folder below DIR (the system's temporary one), which it removes
//! unless it is told to `--keep` it for others, which are compared with it. Four lanes on two
//! devices with three domains, events of 10 µs to 1 ms of 1000 operations, readings every 4 ms, steps of 100 ms.
//! `--unordered` leaves its events in no order, as somebody may who rewrote them.
//!
//! Goals: 10 million events a second on two cores, 512 MiB whatever their number.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod lanes;
mod numbers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use smaragdine_core::accounting::account::account_recorded;
use smaragdine_core::error::Result;
use smaragdine_core::store::tables::{self, Opened, Streamed};
use smaragdine_core::trace::{
    Domain, Event, Flags, Kind, Metadata, Op, Policy, Reading, Recorded, SCHEMA_VERSION, Sensor, SourceReport, State,
    Step, Trace,
};

use self::lanes::{Noise, OPS};
use self::numbers::Number;

const PERIOD_NS: i64 = 4_000_000;
const STEP_NS: i64 = 100_000_000;
const START_NS: i64 = 1_760_000_000_000_000_000;
const BATCH: usize = 1 << 16;
/// Measured by `experiments/speed`.
const DUCKDB: &str = "DuckDB, the same equal share of the same files";
/// What events of four lanes take on average.
const EVERY_NS: f64 = 53_750.0;

struct Options {
    events: u64,
    policy: Policy,
    dir: PathBuf,
    keep: bool,
    unordered: bool,
}

impl Options {
    fn of(mut arguments: impl Iterator<Item = String>) -> Self {
        let dir = std::env::temp_dir();
        let mut options = Self { events: 10_000_000, policy: Policy::Equal, dir, keep: false, unordered: false };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("an option has a value");
            match argument.as_str() {
                "--events" => options.events = value().parse().expect("a number of events"),
                "--policy" => options.policy = Policy::parse(&value()).expect("a policy"),
                "--dir" => options.dir = value().into(),
                "--keep" => options.keep = true,
                "--unordered" => options.unordered = true,
                // `cargo bench -- --test` only wants to know that it runs.
                "--test" => options.events = 200_000,
                _ => {}
            }
        }
        options
    }
}

fn events(count: u64, unordered: bool) -> impl Iterator<Item = Result<Vec<Event>>> {
    let (mut noise, mut lanes, mut made) = (Noise(4), [START_NS; 4], 0);
    std::iter::from_fn(move || {
        let mut batch = Vec::with_capacity(BATCH);
        while made < count && batch.len() < BATCH {
            let (lane, start_ns) = (0u32..).zip(lanes).min_by_key(|(_, free)| *free)?;
            let end_ns = start_ns + (1e4 * 100f64.powf(noise.next())) as i64;
            lanes[lane as usize] = end_ns;
            let kind = if lane == 3 && made % 8 == 0 { Kind::Copy } else { Kind::Compute };
            let step = Some((start_ns - START_NS) / STEP_NS);
            let op = (noise.next() * OPS as f64) as u32;
            let correlation = (lane > 1).then_some(made);
            batch.push(Event { op, device: (lane / 2) as u16, lane, kind, start_ns, end_ns, step, correlation });
            made += 1;
        }
        if unordered {
            batch.reverse();
        }
        (!batch.is_empty()).then_some(Ok(batch))
    })
}

fn readings(length_ns: i64) -> impl Iterator<Item = Result<Vec<Reading>>> {
    let count = length_ns / PERIOD_NS;
    let reading = |domain: u16, number: i64| {
        let end_ns = START_NS + (number + 1) * PERIOD_NS;
        Reading {
            domain,
            start_ns: end_ns - PERIOD_NS,
            end_ns,
            edge_uncertainty_ns: Some(25_000),
            read_start_ns: end_ns + 2_000,
            read_end_ns: end_ns + 9_000,
            energy_j: 0.4 + 0.1 * ((number * number) % 97) as f64 / 97.0,
            app_share: Some(0.85),
            daemon_share: Some(0.01),
            idle_share: Some(0.05),
            flags: Flags::NONE,
        }
    };
    let batch = move |domain: u16, first: i64| {
        Ok((first..count.min(first + BATCH as i64)).map(|number| reading(domain, number)).collect())
    };
    (0..3).flat_map(move |domain| (0..count).step_by(BATCH).map(move |first| batch(domain, first)))
}

fn steps(length_ns: i64) -> impl Iterator<Item = Result<Vec<Step>>> {
    let step = |step: i64| Step {
        step,
        start_ns: START_NS + step * STEP_NS,
        end_ns: START_NS + (step + 1) * STEP_NS,
        traced: true,
        samples: Some(32),
        metrics: BTreeMap::from([("loss".to_owned(), 1.0 / (1.0 + step as f64))]),
        ..Step::default()
    };
    let count = length_ns / STEP_NS;
    (0..count).step_by(4096).map(move |first| Ok((first..count.min(first + 4096)).map(step).collect()))
}

fn trace(length_ns: i64) -> Trace {
    let domain = |name: &str, device: &str, source: &str, scope: &str| Domain::new(name, device, source, scope);
    let op = |number: usize| Op { flops: Some(1e6), ..lanes::op(number) };
    let sensor = |domain: &str| Sensor { domain: domain.into(), ..Sensor::default() };
    let metadata = Metadata {
        schema_version: SCHEMA_VERSION,
        state: State::Complete,
        start_ns: START_NS,
        end_ns: Some(START_NS + length_ns),
        devices: vec!["CPU:0".into(), "GPU:0".into()],
        domains: vec![
            domain("package-0", "CPU:0", "powercap", "socket:0"),
            domain("dram-0", "CPU:0", "powercap", "socket:0"),
            domain("gpu-0", "GPU:0", "nvml", "gpu:0"),
        ],
        sources: vec![SourceReport {
            sensors: ["package-0", "dram-0", "gpu-0"].map(sensor).into(),
            ..SourceReport::default()
        }],
        ..Metadata::default()
    };
    Trace { metadata, ops: (0..OPS).map(op).collect(), ..Trace::default() }
}

fn make(dir: &Path, options: &Options) -> Result<()> {
    let length_ns = (options.events as f64 * EVERY_NS) as i64 + 1_000_000_000;
    let streamed = Streamed {
        readings: Box::new(readings(length_ns)),
        events: Box::new(events(options.events, options.unordered)),
        steps: Box::new(steps(length_ns)),
    };
    tables::write_streamed(dir, &trace(length_ns), streamed)
}

/// How long the program took, and the most memory that it held, in MiB.
fn run(dir: &Path, policy: Policy) -> (Duration, f64) {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_smaragdined"));
    let mut child =
        command.arg("account").arg(dir).args(["--policy", policy.name()]).spawn().expect("smaragdined starts");
    let (status, mut peak_mib) = (format!("/proc/{}/status", child.id()), 0.0);
    loop {
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak_mib = kib.map_or(peak_mib, |kib| kib / 1024.0);
        if let Some(ended) = child.try_wait().expect("a child is waited for") {
            assert!(ended.success(), "it accounts");
            return (start.elapsed(), peak_mib);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Seconds, and nanoseconds an event.
fn line(what: &str, spent: Duration, events: u64) {
    let each_ns = spent.as_secs_f64() * 1e9 / events as f64;
    println!("{what:<44} {:>9.3} s {each_ns:>9.1} ns an event", spent.as_secs_f64());
    Number::new(what.trim_start(), each_ns, "ns an event").hand_over();
}

fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

fn main() -> Result<()> {
    let options = Options::of(std::env::args().skip(1));
    let mut folder = tempfile::tempdir_in(&options.dir).expect("a folder is made");
    folder.disable_cleanup(options.keep);
    let dir = folder.path().to_owned();
    let (made, spent) = time(|| make(&dir, &options));
    made?;
    let size = std::fs::metadata(dir.join("events.parquet")).map_or(0, |file| file.len());
    println!("{} events, {:.1} bytes each in events.parquet", options.events, size as f64 / options.events as f64);
    line("making the trace", spent, options.events);
    let (spent, peak_mib) = run(&dir, options.policy);
    line(&format!("account --policy {}, all of it", options.policy.name()), spent, options.events);
    let rate = options.events as f64 / spent.as_secs_f64() * 1e-6;
    println!("{:<44} {rate:>9.2} M events/s, {peak_mib:.0} MiB at most", "");
    let name = format!("account --policy {}, {} events, files to files", options.policy.name(), options.events);
    Number::new(format!("{name}: memory at most"), peak_mib, "MiB").at_most(512.0).hand_over();
    Number::new(name, rate, "M events/s").at_least(10.0).compared_to(DUCKDB).hand_over();
    println!("its parts, in one process:");
    let (opened, spent) = time(|| tables::open_as_it_is(&dir));
    let Opened { mut unsealed, large } = opened?;
    line("  checksums, order, small tables", spent, options.events);
    let (read, spent) = time(|| large.events(None).try_fold(0, |sum, batch| Ok(sum + batch?.len())));
    let read: Result<usize> = read;
    read?;
    line("  events decoded", spent, options.events);
    let (read, spent) =
        time(|| (0..3).flat_map(|domain| large.readings(domain)).try_fold(0, |sum, batch| Ok(sum + batch?.len())));
    let read: Result<usize> = read;
    read?;
    line("  readings decoded", spent, options.events);
    let (accounted, spent) = time(|| account_recorded(&mut unsealed.trace, &large, options.policy));
    accounted?;
    line("  decoded, aligned, responses, footprint", spent, options.events);
    Ok(())
}
