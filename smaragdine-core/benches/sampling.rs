//! What sampling costs and how well it keeps time, next to the loop that one writes first: sleep, open, read, parse.
//!
//! Goals at four domains: 249.5 Hz at 4 ms, 995 Hz at 1 ms, median lateness 30 µs, 0.7 % and 1.5 % of a core.

#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use fake_powercap::moving::Registers;
use fake_powercap::{Layout, Tree};
use rustix::time::{ClockId, clock_gettime};
use smaragdine_core::clock::{TraceClock, monotonic_ns};
use smaragdine_core::registers::source::Source;
use smaragdine_core::registers::source::edge_lock::EdgeLock;
use smaragdine_core::registers::source::powercap::Powercap;
use smaragdine_core::registers::station::{Station, Wish};

const LENGTH: Duration = Duration::from_secs(4);

/// One line of the table.
struct Result {
    ticks: usize,
    /// The time in which they were to be.
    ticking_s: f64,
    lateness_p50_ns: i64,
    lateness_p99_ns: i64,
    cpu_s: f64,
}

fn ours(root: &Path, period: Duration, polled: bool) -> Result {
    let powercap: Box<dyn Source> = Box::new(Powercap::open(root).expect("the fake tree is readable"));
    let source = if polled { EdgeLock::around(powercap) } else { powercap };
    let wish = Wish { period_ns: period.as_nanos() as i64, first_domain: 0, clock: TraceClock::start() };
    let (subscription, mut listener) = Station::default().subscribe(source, wish).expect("a thread");
    let (start, mut readings) = (Instant::now(), Vec::new());
    while start.elapsed() < LENGTH {
        thread::sleep(Duration::from_millis(100));
        listener.take(&mut readings);
    }
    subscription.leave();
    let report = listener.finish(&mut readings);
    // Deadlines are absolute, so those that were kept and those that were missed tell the time; before the first, the
    // registers are watched for some milliseconds.
    let ticking_s = (report.ticks + report.missed_ticks) as f64 * period.as_secs_f64();
    Result {
        ticks: report.ticks as usize,
        ticking_s,
        lateness_p50_ns: report.lateness_p50_ns.unwrap_or(0),
        lateness_p99_ns: report.lateness_p99_ns.unwrap_or(0),
        cpu_s: report.cpu_s.unwrap_or(0.0),
    }
}

fn naive(registers: &[PathBuf], period: Duration) -> Result {
    thread::scope(|scope| {
        let loops = scope.spawn(|| {
            let start = Instant::now();
            let mut lateness_ns = Vec::new();
            while start.elapsed() < LENGTH {
                let before_ns = monotonic_ns();
                thread::sleep(period);
                lateness_ns.push(monotonic_ns() - before_ns - period.as_nanos() as i64);
                black_box(read_naively(registers));
            }
            lateness_ns.sort_unstable();
            let cpu = clock_gettime(ClockId::ThreadCPUTime);
            Result {
                ticks: lateness_ns.len(),
                ticking_s: start.elapsed().as_secs_f64(),
                lateness_p50_ns: lateness_ns[lateness_ns.len() / 2],
                lateness_p99_ns: lateness_ns[lateness_ns.len() * 99 / 100],
                cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9,
            }
        });
        loops.join().expect("the loop ends")
    })
}

fn read_naively(registers: &[PathBuf]) -> u64 {
    registers
        .iter()
        .map(|path| fs::read_to_string(path).expect("a register").trim().parse::<u64>().expect("a number"))
        .sum()
}

/// A tree of four domains, in memory where that exists, and the paths of its registers.
fn tree() -> (tempfile::TempDir, Tree, Vec<PathBuf>) {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("a temporary directory");
    let tree = Tree::create(directory.path(), &Layout { sockets: 2, ..Layout::default() }).expect("a tree");
    let registers = tree.ids().map(|id| tree.powercap_root().join(id).join("energy_uj")).collect();
    (directory, tree, registers)
}

fn keep_time() {
    let (_directory, tree, registers) = tree();
    let root = tree.powercap_root();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let start_ns = monotonic_ns();
            while !stop.load(Ordering::Relaxed) {
                tree.write(monotonic_ns() - start_ns).expect("a write");
                thread::sleep(Duration::from_millis(1));
            }
        });
        println!("4 domains, {} s each; registers refresh every millisecond", LENGTH.as_secs());
        println!(
            "{:>8} {:>10} {:>10} {:>12} {:>12} {:>8}",
            "period", "loop", "Hz", "late p50 µs", "late p99 µs", "core %"
        );
        for period in [Duration::from_millis(4), Duration::from_millis(1)] {
            let results = [
                ("sampler", ours(&root, period, false)),
                ("edge lock", ours(&root, period, true)),
                ("naive", naive(&registers, period)),
            ];
            for (name, result) in results {
                println!(
                    "{:>5} ms {name:>10} {:>10.1} {:>12.1} {:>12.1} {:>8.2}",
                    period.as_millis(),
                    result.ticks as f64 / result.ticking_s,
                    result.lateness_p50_ns as f64 * 1e-3,
                    result.lateness_p99_ns as f64 * 1e-3,
                    result.cpu_s / LENGTH.as_secs_f64() * 100.0,
                );
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn read(criterion: &mut Criterion) {
    let (_directory, tree, registers) = tree();
    let mut powercap = Powercap::open(&tree.powercap_root()).expect("the fake tree is readable");
    let mut observations = Vec::new();
    let mut group = criterion.benchmark_group("read four registers");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.bench_function("open descriptors", |bencher| {
        bencher.iter(|| {
            observations.clear();
            powercap.read(&mut observations);
            observations.len()
        });
    });
    group.bench_function("open, read, parse", |bencher| bencher.iter(|| read_naively(&registers)));
    group.finish();
}

criterion_group!(benches, read);

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    if !std::env::args().any(|argument| argument == "--test") {
        keep_time();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
