//! What a GPU can physically do: by its driver's word, or by its kind (law 10).

use std::thread::sleep;
use std::time::Duration;

use smaragdine_core::registers::counter::Counter;
use smaragdine_core::registers::source::{Observation, Source, Value};
use smaragdine_core::trace::Flag;

use super::{Driver, read};

/// Reads every few milliseconds while the driver is as the specification says.
fn watch(driver: &Driver, nvml: &mut impl Source, spec: &str, ms: u64) -> Vec<Observation> {
    driver.becomes(spec);
    let mut seen = Vec::new();
    for _ in 0..ms / 5 {
        nvml.read(&mut seen);
        sleep(Duration::from_millis(5));
    }
    seen
}

#[test]
fn a_gpu_draws_at_most_twice_its_highest_limit_where_the_driver_tells_it() {
    let memory_and_module = "gpu.memory_watts = constant:60\ngpu.module_watts = constant:500\n";
    for (limit, limit_w, most_w) in [("gpu.limit_watts = 700\n", Some(700.0), 1_400.0), ("", None, 2_500.0)] {
        let driver = Driver::new(&format!("{limit}{memory_and_module}"));
        let nvml = driver.open();
        let limits: Vec<_> =
            nvml.domains().iter().map(|domain| (&*domain.name, domain.limit_w, domain.limit().power_w)).collect();
        let expected = [("gpu-0", limit_w, most_w), ("gpu-0-memory", limit_w, most_w), ("module-0", None, 6_000.0)];
        assert_eq!(limits, expected);
    }
}

#[test]
fn power_that_a_gpu_cannot_draw_is_a_failed_read_whoever_tells_it() {
    let instant = "gpu.energy = no\ngpu.limit_watts = 300\n";
    let usage = "gpu.energy = no\ngpu.limit_watts = 300\ngpu.instant = no\ngpu.architecture = 6\n";
    let samples = "gpu.energy = no\ngpu.limit_watts = 300\ngpu.samples_ms = 10\ngpu.architecture = 4\n";
    for kind in [instant, usage, samples] {
        for impossible_w in ["4294967.295", "700", "0"] {
            let good = format!("{kind}gpu.watts = constant:80\n");
            let driver = Driver::new(&good);
            let mut nvml = driver.open();
            let mut seen = watch(&driver, &mut nvml, &good, 60);
            seen.extend(watch(&driver, &mut nvml, &format!("{kind}gpu.watts = constant:{impossible_w}\n"), 60));
            seen.extend(watch(&driver, &mut nvml, &good, 60));
            let mut counter = Counter::of(&nvml.domains()[0]);
            let closed: Vec<_> = seen.iter().filter_map(|one| counter.update(one).interval()).collect();
            let is_gap = |one: &&smaragdine_core::registers::counter::Interval| one.flags.is_gap();
            let gaps: Vec<_> = closed.iter().filter(is_gap).collect();
            let [gap] = gaps.as_slice() else { panic!("{kind}{impossible_w} W: {gaps:?}") };
            assert!(gap.flags.has(Flag::Impossible) && gap.flags.has(Flag::Failed), "{gap:?}");
            assert!(gap.energy_j == 0.0 && gap.end_ns - gap.start_ns >= 50_000_000, "{gap:?}");
            for known in closed.iter().filter(|one| !one.flags.is_gap()) {
                let power_w = known.energy_j / (known.end_ns - known.start_ns) as f64 * 1e9;
                assert!((power_w - 80.0).abs() < 0.1, "{power_w} W");
            }
        }
    }
}

#[test]
fn a_counter_that_jumps_is_a_failed_read_as_well() {
    let spec = "gpu.limit_watts = 300\ngpu.watts = constant:80\n";
    for jump_mj in [1_500_000, 200_000, -1_500_000] {
        let driver = Driver::new(spec);
        let mut nvml = driver.open();
        let mut seen = watch(&driver, &mut nvml, spec, 100);
        seen.extend(watch(&driver, &mut nvml, &format!("{spec}gpu.jump_mj = {jump_mj}\n"), 60));
        seen.extend(watch(&driver, &mut nvml, spec, 100));
        let counters = |observation: &Observation| match observation.value {
            Value::Counter { energy_uj } | Value::Stamped { energy_uj, .. } => Some(energy_uj),
            _ => None,
        };
        let ends = (counters(&seen[0]), counters(&seen[seen.len() - 1]));
        let (Some(first_uj), Some(last_uj)) = ends else { panic!("{ends:?}") };
        let mut counter = Counter::of(&nvml.domains()[0]);
        let mut closed: Vec<_> =
            seen.iter().flat_map(|one| [counter.update(one).interval(), counter.rest()]).flatten().collect();
        closed.extend(counter.end(seen[seen.len() - 1].read_end_ns));
        let counted_uj: i64 = closed.iter().map(|one| (one.energy_j * 1e6).round() as i64).sum();
        let true_uj = (last_uj - first_uj) as i64;
        // On a busy machine the jump may last for long enough to be two gaps.
        assert!((true_uj - 10_000_000..=true_uj).contains(&counted_uj), "{jump_mj} mJ: {counted_uj} of {true_uj} uJ");
        let gaps: Vec<_> = closed.iter().filter(|one| one.flags.is_gap()).collect();
        assert!(gaps.iter().all(|gap| gap.flags.has(Flag::Impossible)) && !gaps.is_empty(), "{jump_mj} mJ: {gaps:?}");
    }
    assert_eq!(read(&mut Driver::new(spec).open()).len(), 1);
}
