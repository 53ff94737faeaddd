//! What sampling costs and how well it keeps time, next to other loops: the floor, which only wakes at the same deadlines
//! and has the kernel read the same open registers, so that whatever the sampler takes beyond it is ours; and the one
//! that one writes first: sleep, open, read, parse.
//!
//! Goals at four domains: 250 Hz at 4 ms, 999 Hz at 1 ms, median lateness 30 µs, 0.3 % of a core at 4 ms. Medians of some
//! rounds, in which loops take turns.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod numbers;

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use fake_powercap::moving::Registers;
use fake_powercap::{Layout, Tree};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use smaragdine_core::clock::{TraceClock, monotonic_ns};
use smaragdine_core::registers::source::Source;
use smaragdine_core::registers::source::edge_lock::EdgeLock;
use smaragdine_core::registers::source::powercap::Powercap;
use smaragdine_core::registers::station::{Station, Wish};

use self::numbers::Number;

const LENGTH: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
const SAMPLER: &str = "sampler";
const EDGE_LOCK: &str = "edge lock";
const FLOOR: &str = "floor";
const WAKING: &str = "waking alone";
const NAIVE: &str = "naive";
const LOOPS: [&str; 5] = [SAMPLER, EDGE_LOCK, FLOOR, WAKING, NAIVE];
/// Registers are watched closely as a recording begins, which is none of what sampling takes from then on.
const SETTLED: Duration = Duration::from_millis(500);

/// How one loop did.
struct Kept {
    rate_hz: f64,
    lateness_p50_us: f64,
    lateness_p99_us: f64,
    core_percent: f64,
}

impl Kept {
    fn of_ticks(mut lateness_ns: Vec<i64>, elapsed: Duration, cpu_s: f64) -> Self {
        lateness_ns.sort_unstable();
        let quantile = |percent: usize| lateness_ns[lateness_ns.len() * percent / 100] as f64 * 1e-3;
        Self {
            rate_hz: lateness_ns.len() as f64 / elapsed.as_secs_f64(),
            lateness_p50_us: quantile(50),
            lateness_p99_us: quantile(99),
            core_percent: cpu_s / elapsed.as_secs_f64() * 100.0,
        }
    }

    /// Of several rounds, each value by itself.
    fn median(rounds: &[Self]) -> Self {
        let median = |value: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(value).collect();
            values.sort_unstable_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            rate_hz: median(|kept| kept.rate_hz),
            lateness_p50_us: median(|kept| kept.lateness_p50_us),
            lateness_p99_us: median(|kept| kept.lateness_p99_us),
            core_percent: median(|kept| kept.core_percent),
        }
    }
}

fn ours(root: &Path, period: Duration, polled: bool) -> Kept {
    let powercap: Box<dyn Source> = Box::new(Powercap::open(root).expect("the fake tree is readable"));
    let source = if polled { EdgeLock::around(powercap) } else { powercap };
    let wish = Wish { period_ns: period.as_nanos() as i64, first_domain: 0, clock: TraceClock::start() };
    let (subscription, mut listener) = Station::default().subscribe(source, wish).expect("a thread");
    let mut readings = Vec::new();
    thread::sleep(SETTLED);
    let (start, before_s) = (Instant::now(), reading_s());
    while start.elapsed() < LENGTH {
        thread::sleep(Duration::from_millis(100));
        listener.take(&mut readings);
    }
    let core_percent = (reading_s() - before_s) / start.elapsed().as_secs_f64() * 100.0;
    subscription.leave();
    let report = listener.finish(&mut readings);
    // Deadlines are absolute, so those that were kept and those that were missed tell the time.
    let kept = report.ticks as f64 / (report.ticks + report.missed_ticks) as f64;
    Kept {
        rate_hz: kept / period.as_secs_f64(),
        lateness_p50_us: report.lateness_p50_ns.unwrap_or(0) as f64 * 1e-3,
        lateness_p99_us: report.lateness_p99_ns.unwrap_or(0) as f64 * 1e-3,
        core_percent,
    }
}

/// CPU time that threads which read registers have taken so far.
fn reading_s() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("this process").flatten();
    let used_ns = tasks.filter_map(|task| {
        let text = |file: &str| fs::read_to_string(task.path().join(file)).ok();
        text("comm")?.starts_with("read ").then_some(())?;
        text("schedstat")?.split(' ').next()?.parse::<f64>().ok()
    });
    used_ns.sum::<f64>() * 1e-9
}

/// What no sampler can do without: it wakes when the kernel's timer says so, and has the kernel read the open registers. It
/// parses nothing and keeps nothing. Without registers it is the waking alone.
fn floor(registers: &[PathBuf], period: Duration) -> Kept {
    on_a_thread(|| {
        let files: Vec<File> = registers.iter().map(|path| File::open(path).expect("a register")).collect();
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::empty()).expect("a timer");
        let period_ns = period.as_nanos() as i64;
        let mut deadline_ns = monotonic_ns() + period_ns;
        let spec = |ns: i64| Timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 };
        let times = Itimerspec { it_interval: spec(period_ns), it_value: spec(deadline_ns) };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &times).expect("it is set");
        let (start, before_s) = (Instant::now(), thread_s());
        let (mut lateness_ns, mut buffer) = (Vec::with_capacity(1 << 13), [0; 64]);
        while start.elapsed() < LENGTH {
            let mut passed = [0; 8];
            rustix::io::read(&timer, &mut passed).expect("it passes");
            lateness_ns.push(monotonic_ns() - deadline_ns);
            deadline_ns += period_ns * u64::from_ne_bytes(passed).cast_signed();
            for file in &files {
                black_box(file.read_at(&mut buffer, 0).expect("a register"));
            }
        }
        Kept::of_ticks(lateness_ns, start.elapsed(), thread_s() - before_s)
    })
}

fn naive(registers: &[PathBuf], period: Duration) -> Kept {
    on_a_thread(|| {
        let (start, before_s) = (Instant::now(), thread_s());
        let mut lateness_ns = Vec::new();
        while start.elapsed() < LENGTH {
            let before_ns = monotonic_ns();
            thread::sleep(period);
            lateness_ns.push(monotonic_ns() - before_ns - period.as_nanos() as i64);
            black_box(read_naively(registers));
        }
        Kept::of_ticks(lateness_ns, start.elapsed(), thread_s() - before_s)
    })
}

fn on_a_thread(run: impl FnOnce() -> Kept + Send) -> Kept {
    thread::scope(|scope| scope.spawn(run).join().expect("the loop ends"))
}

/// CPU time of this thread.
fn thread_s() -> f64 {
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9
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
        println!(
            "4 domains, medians of {ROUNDS} rounds of {} s; registers refresh every millisecond",
            LENGTH.as_secs()
        );
        println!(
            "{:>8} {:>12} {:>10} {:>12} {:>12} {:>8}",
            "period", "loop", "Hz", "late p50 µs", "late p99 µs", "core %"
        );
        for period in [Duration::from_millis(4), Duration::from_millis(1)] {
            let mut rounds = LOOPS.map(|name| (name, Vec::new()));
            for _ in 0..ROUNDS {
                for (name, kept) in &mut rounds {
                    kept.push(match *name {
                        SAMPLER => ours(&root, period, false),
                        EDGE_LOCK => ours(&root, period, true),
                        FLOOR => floor(&registers, period),
                        WAKING => floor(&[], period),
                        _ => naive(&registers, period),
                    });
                }
            }
            for (name, kept) in rounds {
                tell(name, period, &Kept::median(&kept));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn tell(name: &str, period: Duration, kept: &Kept) {
    let Kept { rate_hz, lateness_p50_us, lateness_p99_us, core_percent } = *kept;
    let period_ms = period.as_millis();
    println!(
        "{period_ms:>5} ms {name:>12} {rate_hz:>10.1} {lateness_p50_us:>12.1} {lateness_p99_us:>12.1} \
         {core_percent:>8.2}"
    );
    let number = |what: &str, value: f64, unit| {
        let number = Number::new(format!("{name} at {period_ms} ms: {what}"), value, unit);
        let others = if name == SAMPLER { &[FLOOR, WAKING, NAIVE][..] } else { &[] };
        others.iter().fold(number, |number, other| number.compared_to(format!("{other} at {period_ms} ms: {what}")))
    };
    let numbers = [
        number("rate", rate_hz, "Hz"),
        number("lateness, median", lateness_p50_us, "µs"),
        number("lateness, 99 of 100", lateness_p99_us, "µs"),
        number("CPU time", core_percent, "% of a core"),
    ];
    let [rate, median, late, cpu] = numbers;
    let numbers = match (name, period_ms) {
        (SAMPLER, 4) => [rate.at_least(250.0), median.at_most(30.0), late, cpu.at_most(0.3)],
        (SAMPLER, _) => [rate.at_least(999.0), median.at_most(30.0), late, cpu],
        _ => [rate, median, late, cpu],
    };
    numbers.iter().for_each(Number::hand_over);
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
