//! Metrics of this machine, of trees of `/proc` that were laid out, and of GPUs through the fake driver.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use smaragdine_core::clock::TraceClock;
use smaragdine_core::registers::metrics::{MetricReport, MetricSampler};
use smaragdine_core::registers::source::Roots;
use smaragdine_core::registers::source::nvml::CudaEnvironment;
use smaragdine_core::trace::MetricSample;

use super::nvml::Driver;

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).expect("pids are positive")
}

/// Samples while `act` goes on; the values by metric and scope, in order of time.
fn sample(roots: &Roots, application: i32, act: impl FnOnce()) -> (BTreeMap<(String, String), Vec<f64>>, MetricReport) {
    let (sink, samples) = sync_channel(256);
    let cuda = CudaEnvironment::default();
    let sampler = MetricSampler::start(roots, &cuda, application, own_pid() + 1, TraceClock::start(), &sink)
        .expect("threads can be started");
    act();
    let report = sampler.stop();
    let mut values: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    let samples: Vec<MetricSample> = samples.try_iter().flatten().collect();
    assert!(samples.iter().all(|sample| sample.time_ns > 0));
    for MetricSample { metric, scope, value, .. } in samples {
        values.entry((metric, scope)).or_default().push(value);
    }
    (values, report)
}

fn wait(seconds: f64) -> impl FnOnce() {
    move || std::thread::sleep(Duration::from_secs_f64(seconds))
}

fn without_gpus() -> Roots {
    Roots { nvml_library: Some("/nonexistent".into()), ..Roots::default() }
}

fn of<'a>(values: &'a BTreeMap<(String, String), Vec<f64>>, metric: &str, scope: &str) -> &'a [f64] {
    values.get(&(metric.to_owned(), scope.to_owned())).map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn what_this_process_uses_is_sampled_once_a_second_and_once_more_at_the_end() {
    let memory = vec![1_u8; 64 << 20];
    let (values, report) = sample(&without_gpus(), own_pid(), || {
        let end = Instant::now() + Duration::from_secs_f64(2.5);
        while Instant::now() < end {
            std::hint::black_box(&memory);
        }
    });
    let used = of(&values, "cpu_time", "application");
    assert!(used.len() >= 3 && used.is_sorted() && used[0] == 0.0 && used[used.len() - 1] > 0.0, "{used:?}");
    assert!(of(&values, "memory_resident", "application").iter().all(|bytes| *bytes > (64 << 20) as f64));
    assert!(of(&values, "cpu_time", "machine").is_sorted());
    let parts = of(&values, "cpu_utilisation", "machine");
    assert!(!parts.is_empty() && parts.iter().all(|part| (0.0..=1.0).contains(part)), "{parts:?}");
    // Page tables are walked once in a minute.
    assert!(of(&values, "memory_proportional", "application").len() <= 1);
    assert!(report.cpu_s > 0.0);
    let absent: BTreeSet<&str> = report.absent.iter().map(|metric| metric.name.as_str()).collect();
    assert!(absent.contains("gpu_utilisation"), "{absent:?}");
    assert!(report.problems.is_empty(), "a machine without GPUs is none to warn of: {:?}", report.problems);
}

/// A `/proc` with one CPU and this process, and whatever files.
fn laid_out(files: &[(&str, &str)]) -> (tempfile::TempDir, Roots) {
    let proc = tempfile::tempdir().expect("a temporary directory");
    let own = proc.path().join("70");
    fs::create_dir(&own).expect("a folder");
    fs::create_dir(proc.path().join("net")).expect("a folder");
    let line =
        "70 (train) R 1 70 70 0 -1 0 0 0 0 0 500 100 0 0 20 0 5 0 1000 0 256 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
    fs::write(own.join("stat"), line).expect("a file");
    let all = [
        ("stat", "cpu0 100 0 50 1000 0 0 0 0 0 0\nprocesses 2\n"),
        ("meminfo", "MemTotal: 100 kB\nMemAvailable: 60 kB\n"),
    ];
    for (file, text) in all.iter().chain(files) {
        fs::write(proc.path().join(file), text).expect("a file");
    }
    let roots = Roots { proc: proc.path().to_owned(), sys: proc.path().join("sys"), ..without_gpus() };
    (proc, roots)
}

#[test]
fn files_that_are_missing_or_garbled_are_told_once_each_and_the_others_are_sampled() {
    let (_proc, roots) = laid_out(&[("loadavg", "\u{fffd}\u{1} high\n"), ("diskstats", "8 0 sda 1 0 many\n")]);
    let (values, report) = sample(&roots, 70, wait(1.3));
    assert_eq!(of(&values, "memory_used", "machine")[0], 40.0 * 1024.0);
    assert_eq!(of(&values, "memory_resident", "application")[0], 256.0 * rustix::param::page_size() as f64);
    assert_eq!(of(&values, "processes", "application")[0], 1.0);
    assert_eq!((of(&values, "load", "machine"), of(&values, "disk_read", "machine")), (&[][..], &[][..]));
    let told = |word: &str| report.problems.iter().filter(|problem| problem.contains(word)).count();
    assert_eq!((told("metric load "), told("metric disk_read "), told("net/dev")), (1, 1, 1), "{:?}", report.problems);
    let absent: Vec<&str> = report.absent.iter().map(|metric| metric.name.as_str()).collect();
    assert!(absent.contains(&"network_sent") && absent.contains(&"cpu_frequency") && !absent.contains(&"load"));
}

#[test]
fn an_application_that_is_not_to_be_seen_leaves_the_machine_s_metrics() {
    let (_proc, roots) = laid_out(&[("loadavg", "0.5 0 0\n"), ("diskstats", ""), ("net/dev", "")]);
    let (values, report) = sample(&roots, 0, wait(0.2));
    assert_eq!(of(&values, "load", "machine")[0], 0.5);
    assert!(values.keys().all(|(_, scope)| scope != "application"), "{:?}", values.keys());
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}

#[test]
fn gpus_tell_what_they_do_and_what_of_it_is_the_application_s() {
    let pid = own_pid();
    let driver = Driver::new(&format!(
        "gpus = 2\ngpu.0.busy = 80\ngpu.0.busy_memory = 30\ngpu.0.memory_used_mib = 4096\ngpu.0.clock_mhz = 1500\n\
         gpu.0.temperature = 61\ngpu.0.pstate = 2\ngpu.0.processes = {pid} 1\ngpu.0.utilisation = {pid}:50 1:30\n\
         gpu.1.memory_clock_mhz = 0\n"
    ));
    let roots = Roots { nvml_library: Some(driver.library()), ..Roots::default() };
    let (values, report) = sample(&roots, pid, wait(1.2));
    let first = |metric: &str, scope: &str| of(&values, metric, scope).first().copied();
    assert_eq!(first("gpu_utilisation", "GPU:0"), Some(0.8));
    assert_eq!(first("gpu_utilisation", "application/GPU:0"), Some(0.5));
    assert_eq!(first("gpu_memory_utilisation", "GPU:0"), Some(0.3));
    assert_eq!(first("gpu_memory_used", "GPU:0"), Some((4_u64 << 30) as f64));
    assert_eq!(first("gpu_memory_used", "application/GPU:0"), Some((1_u64 << 30) as f64));
    assert_eq!((first("gpu_clock", "GPU:0"), first("gpu_clock", "GPU:1")), (Some(1.5e9), Some(1.98e9)));
    assert_eq!((first("gpu_temperature", "GPU:0"), first("gpu_performance_state", "GPU:0")), (Some(61.0), Some(2.0)));
    assert_eq!(
        (first("gpu_held", "application/GPU:0"), first("gpu_held", "application/GPU:1")),
        (Some(1.0), Some(0.0))
    );
    // One of two does not have it: nothing to warn of.
    assert_eq!((first("gpu_memory_clock", "GPU:0"), first("gpu_memory_clock", "GPU:1")), (Some(3.201e9), None));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn a_gpu_that_is_lost_in_the_middle_is_told_and_the_other_goes_on() {
    let driver = Driver::new("gpus = 2\ngpu.temperature = 50\n");
    let roots = Roots { nvml_library: Some(driver.library()), ..Roots::default() };
    let (values, report) = sample(&roots, own_pid(), || {
        std::thread::sleep(Duration::from_millis(600));
        driver.becomes("gpus = 2\ngpu.temperature = 50\ngpu.0.lost = yes\n");
        std::thread::sleep(Duration::from_millis(1700));
    });
    let counts = ["GPU:0", "GPU:1"].map(|gpu| of(&values, "gpu_temperature", gpu).len());
    assert!(counts[0] >= 1 && counts[1] > counts[0], "{counts:?}");
    let told: Vec<_> = report.problems.iter().filter(|problem| problem.contains("gpu_temperature")).collect();
    assert!(told.len() == 1 && told[0].contains("GPU:0"), "{:?}", report.problems);
}

#[test]
fn a_driver_that_does_not_answer_holds_up_neither_the_other_metrics_nor_the_end() {
    let driver = Driver::new("gpu.slow_ms = 60000\n");
    let roots = Roots { nvml_library: Some(driver.library()), ..Roots::default() };
    let (values, report) = sample(&roots, own_pid(), wait(1.2));
    assert!(of(&values, "memory_used", "machine").len() >= 2);
    assert!(report.problems.iter().any(|problem| problem.contains("did not answer")), "{:?}", report.problems);
    assert!(!Path::new("/nonexistent").exists());
}
