//! When the driver took its values, and what its buffer holds: as it says where that can be right, and else as without.

use std::thread::sleep;
use std::time::{Duration, Instant};

use smaragdine_core::registers::counter::{Counter, Difference, Interval};
use smaragdine_core::registers::source::nvml::Nvml;
use smaragdine_core::registers::source::{Observation, Source, Value};
use smaragdine_core::trace::Flag;

use super::{Driver, counted_uj, read};

const MS: i64 = 1_000_000;
/// What the driver says it took for a value.
const LATENCY_NS: i64 = 10_000;
/// Two clocks cannot be read at once.
const APART_NS: i64 = 20_000;

/// Reads for so long, with a pause after each.
fn watch(nvml: &mut Nvml, during_ms: u64, pause_ms: u64) -> Vec<Observation> {
    let (start, mut seen) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_millis(during_ms) {
        seen.extend(read(nvml));
        sleep(Duration::from_millis(pause_ms));
    }
    seen
}

/// How far from a multiple of `grid_ns`, on whose moments the fake is updated.
fn off_ns(at_ns: i64, grid_ns: i64) -> i64 {
    (at_ns + grid_ns / 2).rem_euclid(grid_ns) - grid_ns / 2
}

/// Intervals without a failure or a hole between them, with whether each is lost.
fn follow(observations: &[Observation]) -> Vec<(i64, i64, f64, bool)> {
    let intervals: Vec<_> = observations
        .iter()
        .map(|observation| match observation.value {
            Value::Interval { start_ns, end_ns, energy_j } | Value::Sampled { start_ns, end_ns, energy_j } => {
                (start_ns, end_ns, energy_j, observation.flags.has(Flag::Lost))
            }
            _ => panic!("{observation:?}"),
        })
        .collect();
    assert!(intervals.windows(2).all(|pair| pair[0].1 == pair[1].0), "{intervals:?}");
    intervals
}

#[test]
fn stamps_of_updates_tell_to_microseconds_when_the_counter_moved() {
    let driver = Driver::new("gpu.stamps = update\ngpu.refresh_ms = 20\ngpu.watts = constant:200");
    let mut nvml = driver.open();
    let mut counter = Counter::of(&nvml.domains()[0]);
    let differences: Vec<Difference> =
        watch(&mut nvml, 400, 7).iter().map(|observation| counter.update(observation)).collect();
    let intervals: Vec<Interval> = differences.iter().filter_map(Difference::interval).collect();
    assert!(intervals.len() >= 5, "{differences:?}");
    for interval in &intervals[1..] {
        assert!(matches!(interval.edge_uncertainty_ns, Some(..=LATENCY_NS)), "{interval:?}");
        for edge_ns in [interval.start_ns, interval.end_ns] {
            assert!(off_ns(edge_ns, 20 * MS).abs() <= APART_NS, "{interval:?}");
        }
        // The counter shows whole millijoules, cut off.
        let drawn_mj = 4_000.0 * ((interval.end_ns - interval.start_ns) as f64 / (20 * MS) as f64).round();
        assert!(((interval.energy_j * 1e3).round() - drawn_mj).abs() <= 1.0, "{interval:?}");
    }
}

#[test]
fn a_stamp_of_the_call_narrows_it_however_slow_the_call_is() {
    let driver = Driver::new("gpu.slow_ms = 50");
    let mut nvml = driver.open();
    let observation = read(&mut nvml).remove(0);
    let Value::Stamped { from_ns, to_ns, .. } = observation.value else { panic!("{observation:?}") };
    assert!(observation.read_end_ns - observation.read_start_ns >= 50 * MS);
    assert!(observation.read_start_ns <= from_ns && to_ns <= observation.read_end_ns);
    assert!(to_ns - from_ns <= LATENCY_NS + 1000);
}

#[test]
fn stamps_that_cannot_be_right_change_nothing() {
    for stamps in ["none", "future"] {
        let driver = Driver::new(&format!("gpu.stamps = {stamps}"));
        let mut nvml = driver.open();
        assert!(matches!(read(&mut nvml)[0].value, Value::Counter { .. }), "{stamps}");
        let driver = Driver::new(&format!("gpu.stamps = {stamps}\ngpu.energy = no"));
        let mut nvml = driver.open();
        read(&mut nvml);
        for _ in 0..3 {
            let observation = read(&mut nvml).remove(0);
            let Value::Interval { end_ns, .. } = observation.value else { panic!("{observation:?}") };
            let call_ns = observation.read_end_ns - observation.read_start_ns;
            assert_eq!(end_ns, observation.read_start_ns + call_ns / 2, "{stamps}");
        }
    }
}

#[test]
fn power_with_the_stamp_of_the_last_read_is_no_new_value() {
    let driver = Driver::new("gpu.energy = no\ngpu.stamps = update\ngpu.refresh_ms = 50");
    let mut nvml = driver.open();
    let intervals = follow(&watch(&mut nvml, 500, 5));
    assert!(intervals.len() >= 3, "{intervals:?}");
    for (start_ns, end_ns, ..) in &intervals[1..] {
        assert!(end_ns - start_ns >= 50 * MS - APART_NS, "{intervals:?}");
        assert!(off_ns(*start_ns, 50 * MS).abs() <= APART_NS, "{intervals:?}");
    }
}

/// A GPU of Pascal, whose driver takes power into its buffer.
const PASCAL: &str = "gpu.energy = no\ngpu.architecture = 4\n";

#[test]
fn samples_are_integrated_at_their_own_stamps_however_seldom_they_are_read() {
    let driver = Driver::new(&format!("{PASCAL}gpu.samples_ms = 20\ngpu.watts = square:50:250:0.07"));
    let mut nvml = driver.open();
    let intervals = follow(&watch(&mut nvml, 1_300, 300));
    assert!(intervals.iter().all(|(start_ns, end_ns, _, lost)| {
        !lost && (end_ns - start_ns - 20 * MS).abs() <= APART_NS && off_ns(*end_ns, 20 * MS).abs() <= APART_NS
    }));
    let (start_s, end_s) = (intervals[0].0 as f64 / 1e9, intervals[intervals.len() - 1].1 as f64 / 1e9);
    assert!(end_s - start_s > 1.1, "{intervals:?}");
    let energy_j: f64 = intervals.iter().map(|(_, _, energy_j, _)| energy_j).sum();
    // 250 W for 35 ms, then 50 W for as long.
    let square_j = |s: f64| 50.0 * s + 200.0 * ((s / 0.07).floor() * 0.035 + (s % 0.07).min(0.035));
    // Each sample is the mean of the 20 ms before it, so their trapezoids are the mean of two stretches.
    let drawn_j = |ago_s: f64| square_j(end_s - ago_s) - square_j(start_s - ago_s);
    let true_j = (drawn_j(0.0) + drawn_j(0.02)) / 2.0;
    assert!((energy_j - true_j).abs() <= 1e-3 * true_j, "{energy_j} J instead of {true_j} J");
}

#[test]
fn samples_that_could_not_be_read_for_a_moment_are_read_later() {
    let spec = format!("{PASCAL}gpu.samples_ms = 20\n");
    let driver = Driver::new(&spec);
    let mut nvml = driver.open();
    let mut seen = watch(&mut nvml, 100, 10);
    driver.becomes(&format!("{spec}gpu.lost = yes"));
    sleep(Duration::from_millis(400));
    assert!(matches!(read(&mut nvml)[0].value, Value::Failed { .. }));
    driver.becomes(&spec);
    seen.extend(watch(&mut nvml, 100, 10));
    assert!(follow(&seen).iter().all(|(.., lost)| !lost));
}

#[test]
fn a_hole_in_the_samples_is_a_gap() {
    // A buffer that reaches back for 120 ms.
    let driver = Driver::new(&format!("{PASCAL}gpu.samples_ms = 1"));
    let mut nvml = driver.open();
    let mut seen = watch(&mut nvml, 50, 10);
    sleep(Duration::from_millis(600));
    seen.extend(read(&mut nvml));
    let intervals = follow(&seen);
    for (start_ns, end_ns, energy_j, lost) in &intervals {
        assert_eq!(*lost, end_ns - start_ns > 250 * MS);
        assert_eq!(*lost, *energy_j == 0.0);
    }
    assert!(intervals.iter().any(|(start_ns, end_ns, _, lost)| *lost && end_ns - start_ns > 450 * MS));
}

#[test]
fn a_driver_that_ceases_to_sample_is_told() {
    let driver = Driver::new(&format!("{PASCAL}gpu.samples_ms = 20"));
    let mut nvml = driver.open();
    read(&mut nvml);
    driver.becomes(&format!("{PASCAL}gpu.samples_ms = 1000000000"));
    assert!(read(&mut nvml).is_empty(), "no sample is new");
    sleep(Duration::from_millis(1_100));
    assert!(matches!(&read(&mut nvml)[0].value, Value::Failed { problem } if problem.contains("samples its power")));
}

#[test]
fn the_buffer_is_used_only_where_there_is_no_counter_and_power_is_power_now() {
    let spec = "gpu.samples_ms = 20\ngpu.instant = no\n";
    for architecture in [7, 9] {
        let problem = Driver::new(&format!("{spec}gpu.energy = no\ngpu.architecture = {architecture}")).problem();
        assert!(problem.contains("neither its energy nor its power"), "{problem}");
    }
    let driver = Driver::new(&format!("{spec}gpu.architecture = 4"));
    let mut nvml = driver.open();
    assert!(counted_uj(&read(&mut nvml)[0]).is_some());
    for architecture in [2, 4, 6] {
        let driver = Driver::new(&format!("{spec}gpu.energy = no\ngpu.architecture = {architecture}"));
        let mut nvml = driver.open();
        let intervals = follow(&watch(&mut nvml, 100, 50));
        assert!(intervals.iter().all(|(_, end_ns, ..)| off_ns(*end_ns, 20 * MS).abs() <= APART_NS));
        assert!(!intervals.is_empty());
    }
}
