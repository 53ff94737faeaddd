//! What traced operations tell of a register: its lag and its window, on a truth known by construction.

use accuracy::noise::Noise;
use accuracy::score::Score;
use accuracy::sensor::{Edges, Sensor, watch};
use accuracy::training::{Shape, Training};
use smaragdine_core::accounting::account::account;
use smaragdine_core::trace::{self, Policy, Trace};

const MS: f64 = 1e6;

fn recorded(op_ns: f64, sensor: Sensor, edges: Edges, seed: u64) -> (Training, Trace) {
    let seconds = if sensor.is_slow() { 60.0 } else { 12.0 };
    let steps = (seconds * 1e9 / (op_ns * 144.0)) as usize;
    let training = Training::new(Shape { op_ns, lanes: 1, steps, locked: false, seed });
    let trace = watch(&training, sensor, edges, false, seed);
    (training, trace)
}

fn characterised(op_ns: f64, sensor: Sensor, edges: Edges, seed: u64) -> trace::Sensor {
    let (_, mut trace) = recorded(op_ns, sensor, edges, seed);
    account(&mut trace, Policy::Equal);
    trace.metadata.sources.remove(0).sensors.remove(0)
}

/// The sensors whose lag can be told, with what each update looks at.
const TOLD: [(Sensor, Edges, f64); 7] = [
    (Sensor::READINGS_4_MS, Edges::Within(25e3), 1.0),
    (Sensor::READINGS_4_MS, Edges::Read, 1.0),
    (Sensor::COUNTER_20_MS, Edges::Exact, 20.0),
    (Sensor::COUNTER_20_MS, Edges::Read, 20.0),
    (Sensor::COUNTER_100_MS, Edges::Read, 100.0),
    (Sensor::PART_TIME, Edges::Exact, 25.0),
    (Sensor::PART_TIME, Edges::Read, 25.0),
];

#[test]
fn nine_of_ten_lags_and_windows_are_found_and_those_within_the_error_that_is_told() {
    let (mut cases, mut told, mut right) = (0, 0, 0);
    for (number, (sensor, edges, window_ms)) in (0..).zip(TOLD) {
        for (delay_ms, op_ms) in [(0.0, 0.5), (0.0, 4.0), (2.0, 0.5), (11.0, 1.0), (30.0, 0.5), (30.0, 4.0)] {
            let seed = 10 * number + cases;
            let found = characterised(op_ms * MS, Sensor { delay_ns: delay_ms * MS, ..sensor }, edges, seed);
            cases += 1;
            let (Some(lag_ns), Some(error_ns)) = (found.lag_ns, found.lag_error_ns) else { continue };
            told += 1;
            let lag_is_right = (lag_ns as f64 - delay_ms * MS).abs() <= error_ns as f64;
            let window_is_right = found.window_ns.is_some_and(|ns| (ns as f64 / MS / window_ms - 1.0).abs() < 0.1);
            right += usize::from(lag_is_right && window_is_right);
            if !(lag_is_right && window_is_right) {
                eprintln!("{edges:?}, {delay_ms} ms late, operations of {op_ms} ms: {found:?} of {sensor:?}");
            }
        }
    }
    eprintln!("{right} right of {told} told of {cases}");
    assert!(told as f64 >= 0.9 * cases as f64, "{told} told of {cases}");
    assert!(right as f64 >= 0.9 * told as f64, "{right} right of {told}");
}

#[test]
fn a_lag_that_is_longer_than_what_is_tried_is_not_told() {
    for seed in 0..6 {
        let sensor = Sensor { delay_ns: 40.0 * MS, ..Sensor::REGISTER_1_MS };
        for op_ms in [0.5, 4.0] {
            let found = characterised(op_ms * MS, sensor, Edges::Exact, seed);
            assert_eq!((found.lag_ns, found.window_ns), (None, None), "{seed}, {op_ms} ms");
        }
    }
}

#[test]
fn steps_in_lockstep_tell_nothing() {
    let training = Training::new(Shape { op_ns: 0.5 * MS, lanes: 1, steps: 150, locked: true, seed: 3 });
    let mut trace = watch(&training, Sensor::READINGS_4_MS, Edges::Exact, true, 3);
    account(&mut trace, Policy::Equal);
    assert_eq!(trace.metadata.sources[0].sensors[0].lag_ns, None);
}

#[test]
fn operations_are_told_apart_however_late_the_register_tells_of_them() {
    let error = |delay_ms: f64| {
        let sensor = Sensor { delay_ns: delay_ms * MS, ..Sensor::COUNTER_20_MS };
        let (training, mut trace) = recorded(0.5 * MS, sensor, Edges::Within(25e3), 5);
        let score = Score::by_policy(&training, &mut trace, Policy::Deconvolved);
        assert_eq!(score.refusal, None, "{delay_ms} ms late");
        score.mean_error()
    };
    let (in_time, late) = (error(0.0), error(47.0));
    eprintln!("{in_time} in time, {late} late");
    assert!(late <= 1.5 * in_time + 0.01);
}

#[test]
fn a_register_that_does_not_follow_the_operations_tells_nothing() {
    for seed in 0..4 {
        let (_, mut trace) = recorded(0.5 * MS, Sensor::READINGS_4_MS, Edges::Within(25e3), seed);
        let mut noise = Noise::new(seed);
        for reading in &mut trace.readings {
            reading.energy_j = (100.0 + noise.normal()) * (reading.end_ns - reading.start_ns) as f64 * 1e-9;
        }
        account(&mut trace, Policy::Equal);
        assert_eq!(trace.metadata.sources[0].sensors[0].lag_ns, None, "{seed}");
    }
}

#[test]
fn whatever_a_trace_holds_it_is_characterised_or_not_and_nothing_breaks() {
    let (_, whole) = recorded(0.5 * MS, Sensor::COUNTER_20_MS, Edges::Within(25e3), 1);
    let mut noise = Noise::new(1);
    let nanoseconds = [i64::MIN, i64::MIN / 2, -1, 0, 1, i64::MAX / 2, i64::MAX];
    let joules = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300, 1e-300];
    for case in 0..80 {
        let mut trace = whole.clone();
        let mut below = |n: usize| ((noise.unit() * n as f64) as usize).min(n - 1);
        for _ in 0..=below(4) {
            let (reading, event) = (below(trace.readings.len()), below(trace.events.len()));
            let (ns, energy_j) = (nanoseconds[below(nanoseconds.len())], joules[below(joules.len())]);
            match below(7) {
                0 => trace.readings[reading].start_ns = ns,
                1 => trace.readings[reading].end_ns = ns,
                2 => trace.readings[reading].energy_j = energy_j,
                3 => trace.readings[reading].edge_uncertainty_ns = Some(ns),
                4 => trace.events[event].start_ns = ns,
                5 => trace.events[event].end_ns = ns,
                _ => trace.metadata.sources[0].sensors[0].update_ns = Some(ns),
            }
        }
        account(&mut trace, Policy::Equal);
        let sensor = &trace.metadata.sources[0].sensors[0];
        assert!(sensor.lag_ns.is_none_or(|lag_ns| lag_ns.abs() < 1_000_000_000), "{case}: {sensor:?}");
        assert_eq!(sensor.lag_ns.is_some(), sensor.lag_error_ns.is_some(), "{case}: {sensor:?}");
    }
}
