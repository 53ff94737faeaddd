//! The GPU source and GPU shares, through a fake driver library that `tests/fakes/nvml` describes.

mod limits;
mod stamps;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use smaragdine_core::clock::TraceClock;
use smaragdine_core::registers::shares::gpu::GpuShareSampler;
use smaragdine_core::registers::source::nvml::{CudaEnvironment, Nvml};
use smaragdine_core::registers::source::{Observation, Source, Value};
use smaragdine_core::registers::station::{Station, Wish};
use smaragdine_core::trace::{Flag, ShareSample};
use tempfile::TempDir;

/// A driver of its own for each test: a copy of the library, with its specification beside it.
pub(crate) struct Driver(TempDir);

impl Driver {
    pub(crate) fn new(spec: &str) -> Self {
        let driver = Self(TempDir::new().unwrap());
        fs::copy(fake_library(), driver.library()).unwrap();
        driver.becomes(spec);
        driver
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.0.path().join("libnvidia-ml.so.1")
    }

    pub(crate) fn becomes(&self, spec: &str) {
        let (new, place) = (self.0.path().join("new"), self.0.path().join("libnvidia-ml.so.1.spec"));
        fs::write(&new, spec).unwrap();
        fs::rename(new, place).unwrap();
    }

    fn open(&self) -> Nvml {
        Nvml::open(Some(&self.library())).unwrap()
    }

    fn problem(&self) -> String {
        let unavailable = Nvml::open(Some(&self.library())).unwrap_err();
        assert!(!unavailable.hint.is_empty());
        unavailable.problem
    }
}

/// Builds the fake where this test was built.
fn fake_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).expect("tests run from TARGET/PROFILE/deps");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
        cargo.args(["build", "--quiet", "--offline", "-p", "fake-nvml", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
        profile.join("libfake_nvml.so")
    })
}

fn read(nvml: &mut Nvml) -> Vec<Observation> {
    let mut observations = Vec::new();
    nvml.read(&mut observations);
    assert!(observations.iter().all(|observation| observation.read_start_ns <= observation.read_end_ns));
    observations
}

/// What a counter shows, whatever is told of when.
fn counted_uj(observation: &Observation) -> Option<u64> {
    match observation.value {
        Value::Counter { energy_uj } | Value::Stamped { energy_uj, .. } => Some(energy_uj),
        _ => None,
    }
}

fn names(nvml: &Nvml) -> Vec<(&str, &str, bool)> {
    nvml.domains().iter().map(|domain| (&*domain.name, &*domain.device, domain.counted)).collect()
}

#[test]
fn the_energy_counter_is_the_authority_where_there_is_one() {
    let driver = Driver::new("gpu.energy_mj = 5000");
    let mut nvml = driver.open();
    assert_eq!(names(&nvml), [("gpu-0", "GPU:0", true)]);
    let first = read(&mut nvml);
    assert_eq!(counted_uj(&first[0]), Some(5_000_000));
    assert_eq!(first[0].flags.iter().count(), 0);
    driver.becomes("gpu.energy_mj = 5321");
    assert_eq!(counted_uj(&read(&mut nvml)[0]), Some(5_321_000));
}

#[test]
fn without_a_counter_instant_power_is_integrated_and_flagged() {
    let driver = Driver::new("gpu.energy = no\ngpu.watts = constant:120");
    let mut nvml = driver.open();
    assert!(read(&mut nvml).is_empty(), "one power alone has no interval");
    let mut end_of_last = None;
    for _ in 0..3 {
        let observations = read(&mut nvml);
        assert!(observations[0].flags.has(Flag::Integrated));
        let Value::Interval { start_ns, end_ns, energy_j } = observations[0].value else { panic!("an interval") };
        let truth_j = 120.0 * (end_ns - start_ns) as f64 / 1e9;
        assert!((energy_j - truth_j).abs() <= 1e-6 * truth_j, "{energy_j} J instead of {truth_j} J");
        assert!(end_of_last.is_none_or(|end_ns| end_ns == start_ns));
        end_of_last = Some(end_ns);
    }
}

#[test]
fn the_mean_of_a_second_never_stands_for_power() {
    let spec = "gpu.energy = no\ngpu.instant = no\ngpu.architecture = ";
    assert!(Driver::new(&format!("{spec}9")).problem().contains("neither its energy nor its power"));
    assert!(Driver::new(&format!("{spec}7")).problem().contains("neither its energy nor its power"));
    // On Turing the same call tells power now.
    let mut nvml = Driver::new(&format!("{spec}6")).open();
    read(&mut nvml);
    assert!(matches!(read(&mut nvml)[0].value, Value::Interval { .. }));
}

#[test]
fn a_lost_gpu_fails_and_the_others_go_on() {
    let driver = Driver::new("gpus = 2");
    let mut nvml = driver.open();
    driver.becomes("gpus = 2\ngpu.0.lost = yes");
    let observations = read(&mut nvml);
    let Value::Failed { problem } = &observations[0].value else { panic!("a failure") };
    assert!(problem.starts_with("cannot read gpu-0: "), "{problem}");
    assert!(counted_uj(&observations[1]).is_some());
    driver.becomes("gpus = 2");
    assert!(counted_uj(&read(&mut nvml)[0]).is_some());
}

#[test]
fn the_memory_s_own_power_is_visible_and_not_counted_again() {
    let driver = Driver::new("gpu.watts = constant:300\ngpu.memory_watts = constant:60");
    let mut nvml = driver.open();
    assert_eq!(names(&nvml), [("gpu-0", "GPU:0", true), ("gpu-0-memory", "GPU:0", false)]);
    assert_eq!(nvml.domains()[1].parent.as_deref(), Some("gpu-0"));
    assert!(nvml.domains()[1].not_counted_because.is_some());
    read(&mut nvml);
    let observations = read(&mut nvml);
    assert_eq!(observations[1].domain, 1);
    assert!(matches!(observations[1].value, Value::Interval { .. }));
}

#[test]
fn a_module_s_power_is_visible_and_its_gpu_is_counted() {
    let driver = Driver::new("gpu.watts = constant:300\ngpu.module_watts = constant:500");
    let nvml = driver.open();
    assert_eq!(names(&nvml), [("gpu-0", "GPU:0", true), ("module-0", "MODULE:0", false)]);
    assert_eq!(nvml.domains()[0].parent.as_deref(), Some("module-0"));
}

#[test]
fn gpus_have_the_application_s_numbers_and_unseen_ones_are_not_counted() {
    let driver = Driver::new(
        "gpus = 3\ngpu.0.uuid = GPU-aa\ngpu.1.uuid = GPU-bb\ngpu.2.uuid = GPU-cc\n\
         gpu.0.energy_mj = 10\ngpu.1.energy_mj = 20\ngpu.2.energy_mj = 30\n\
         # the bus runs against the driver's numbers\n\
         gpu.0.bus = 00000000:c1:00.0\ngpu.1.bus = 00000000:81:00.0\ngpu.2.bus = 00000000:01:00.0",
    );
    let visible = |list: &str| {
        let environment = CudaEnvironment { visible_devices: Some(list.into()), ..CudaEnvironment::default() };
        Nvml::open_for(Some(&driver.library()), &environment).unwrap()
    };
    let mut nvml = visible("2,0");
    let uuids = |nvml: &Nvml| nvml.gpus().iter().map(|gpu| gpu.uuid.clone()).collect::<Vec<_>>();
    assert_eq!(uuids(&nvml), ["GPU-aa", "GPU-cc", "GPU-bb"]);
    assert_eq!(names(&nvml), [("gpu-0", "GPU:0", true), ("gpu-1", "GPU:1", true), ("gpu-2", "GPU:2", false)]);
    assert!(nvml.domains()[2].not_counted_because.as_deref().unwrap().contains("CUDA_VISIBLE_DEVICES=2,0"));
    let energies: Vec<_> = read(&mut nvml).iter().map(counted_uj).collect();
    assert_eq!(energies, [10_000, 30_000, 20_000].map(Some));
    assert_eq!(uuids(&visible("GPU-bb"))[0], "GPU-bb");
    assert!(visible("").domains().iter().all(|domain| !domain.counted));
}

#[test]
fn every_gpu_is_told_with_its_identity_in_the_order_of_its_devices() {
    let driver = Driver::new(
        "gpus = 3\ngpu.0.uuid = GPU-aa\ngpu.1.uuid = GPU-bb\ngpu.2.uuid = GPU-cc\n\
         gpu.name = NVIDIA H100\ngpu.1.name = NVIDIA L4\ngpu.1.memory_gib = 24\ngpu.2.memory_gib = 0\n\
         # it tells neither energy nor power, and is in the machine all the same\n\
         gpu.2.energy = no\ngpu.2.instant = no\ngpu.2.architecture = 9",
    );
    let environment = CudaEnvironment { visible_devices: Some("1".into()), ..CudaEnvironment::default() };
    let nvml = Nvml::open_for(Some(&driver.library()), &environment).unwrap();
    let told = nvml.gpu_hardware();
    let told: Vec<_> = told
        .iter()
        .map(|gpu| (gpu.index, gpu.uuid.as_deref().unwrap_or_default(), &*gpu.name, gpu.memory_bytes))
        .collect();
    let gib = |count: u64| Some(count << 30);
    assert_eq!(told[0], (0, "GPU-bb", "NVIDIA L4", gib(24)));
    assert_eq!(told[1..], [(1, "GPU-aa", "NVIDIA H100", gib(80)), (2, "GPU-cc", "NVIDIA H100", None)]);
}

#[test]
fn a_program_that_was_given_an_instance_has_no_whole_gpu_and_each_gpu_says_why() {
    let driver = Driver::new("gpus = 2\ngpu.0.mig = yes\ngpu.0.energy_mj = 10\ngpu.1.energy_mj = 20");
    for list in ["MIG-7c1d55aa-1f0e-5c3b-8d21-0b9a6f3e4d52", "MIG-a, MIG-b", "MIG-GPU-aa11/1/0"] {
        let environment = CudaEnvironment { visible_devices: Some(list.into()), ..CudaEnvironment::default() };
        let mut nvml = Nvml::open_for(Some(&driver.library()), &environment).unwrap();
        let reason = |place: usize| nvml.domains()[place].not_counted_because.clone().unwrap();
        assert!(reason(0).contains("MIG instances, which are not metered apart"), "{}", reason(0));
        assert!(reason(1).contains("does not see this GPU"), "{}", reason(1));
        assert_eq!(read(&mut nvml).iter().filter_map(counted_uj).count(), 2);
    }
}

#[test]
fn what_cannot_be_measured_is_told_with_its_reason() {
    assert!(Driver::new("gpus = 0").problem().contains("no GPU"));
    assert!(Driver::new("init = 9").problem().contains("driver is not loaded"));
    let missing = Nvml::open(Some(Path::new("/nowhere/libnvidia-ml.so.1"))).unwrap_err();
    assert!(missing.problem.contains("/nowhere/libnvidia-ml.so.1") && missing.hint.contains("--nvml-library"));
    let driver = Driver::new("gpus = 2\ngpu.1.energy = no\ngpu.1.instant = no\ngpu.1.mig = yes");
    let nvml = driver.open();
    assert_eq!(names(&nvml), [("gpu-0", "GPU:0", true)]);
    assert!(nvml.problems().iter().any(|problem| problem.contains("MIG")), "{:?}", nvml.problems());
}

#[test]
fn a_counter_polled_faster_than_it_moves_gives_readings_of_whole_updates() {
    let driver = Driver::new("gpu.watts = constant:200\ngpu.refresh_ms = 25");
    let wish = Wish { period_ns: 1_000_000, first_domain: 0, clock: TraceClock::start() };
    let (_subscription, mut listener) = Station::default().subscribe(Box::new(driver.open()), wish).unwrap();
    let mut readings = Vec::new();
    let until = Instant::now() + Duration::from_secs(60);
    while readings.len() < 10 {
        assert!(Instant::now() < until, "the sampler runs");
        std::thread::sleep(Duration::from_millis(10));
        listener.take(&mut readings);
    }
    for reading in &readings {
        // 200 W × 25 ms, and the counter's own step of 1 mJ.
        let updates = reading.energy_j / 5.0;
        assert!(updates > 0.5 && (updates - updates.round()).abs() < 1e-3, "{reading:?}");
    }
    assert!(readings.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns));
}

/// Waits for a sample that looks as it should.
fn wait_for(samples: &std::sync::mpsc::Receiver<Vec<ShareSample>>, is: impl Fn(&ShareSample) -> bool) {
    loop {
        let samples = samples.recv_timeout(Duration::from_secs(60)).expect("the sampler runs");
        if samples.iter().any(&is) {
            return;
        }
    }
}

#[test]
fn a_gpu_s_share_follows_who_holds_it() {
    let this = std::process::id();
    let driver = Driver::new("");
    let (sink, samples) = sync_channel(1024);
    let environment = CudaEnvironment::default();
    let application = i32::try_from(this).unwrap();
    let sampler = GpuShareSampler::start(
        Some(&driver.library()),
        &environment,
        application,
        Path::new("/proc"),
        TraceClock::start(),
        sink,
    )
    .unwrap();
    wait_for(&samples, |sample| sample.scope == "gpu:0" && sample.idle == Some(1.0) && sample.app == Some(0.0));
    driver.becomes(&format!("gpu.processes = {this}"));
    wait_for(&samples, |sample| sample.app == Some(1.0) && !sample.flags.has(Flag::Utilisation));
    driver.becomes(&format!("gpu.processes = {this} 1"));
    wait_for(&samples, |sample| sample.app.is_none());
    driver.becomes(&format!("gpu.processes = {this} 1\ngpu.utilisation = {this}:60 1:20"));
    wait_for(&samples, |sample| sample.app == Some(0.75) && sample.flags.has(Flag::Utilisation));
    driver.becomes("gpu.processes = 1");
    wait_for(&samples, |sample| sample.app == Some(0.0) && sample.idle == Some(0.0));
    driver.becomes("gpu.busy = 90");
    wait_for(&samples, |sample| sample.app.is_none());
    let report = sampler.stop();
    assert!(report.problems.iter().any(|problem| problem.contains("namespace")), "{report:?}");
}

#[test]
fn whose_a_gpu_is_that_is_shared_through_mps_or_divided_into_instances_is_unknown_and_the_reason_told() {
    let this = std::process::id();
    for (shared, why) in [(format!("gpu.mps = {this}"), "through MPS"), ("gpu.mig = yes".to_owned(), "MIG instances")] {
        let driver = Driver::new(&format!("gpu.processes = {this}\n{shared}"));
        let (sink, samples) = sync_channel(1024);
        let sampler = GpuShareSampler::start(
            Some(&driver.library()),
            &CudaEnvironment::default(),
            i32::try_from(this).unwrap(),
            Path::new("/proc"),
            TraceClock::start(),
            sink,
        )
        .unwrap();
        wait_for(&samples, |sample| sample.app.is_none() && sample.idle.is_none());
        assert!(sampler.stop().problems.iter().any(|problem| problem.contains(why)));
    }
}
