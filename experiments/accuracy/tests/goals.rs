//! What deconvolution is to reach, on a truth known by construction.

use accuracy::score::Score;
use accuracy::sensor::{Edges, Sensor, watch};
use accuracy::table::Summary;
use accuracy::training::{Shape, Training};
use smaragdine_core::trace::Policy;

/// Twelve seconds traced: 2 % of a training of ten minutes.
const STEPS: usize = 150;
const HALF_A_MILLISECOND: f64 = 5e5;

fn deconvolved(shape: Shape, sensor: Sensor, edges: Edges) -> Score {
    let training = Training::new(shape);
    let mut trace = watch(&training, sensor, edges, shape.locked, shape.seed);
    Score::by_policy(&training, &mut trace, Policy::Deconvolved)
}

fn shape(op_ns: f64, lanes: usize, seed: u64) -> Shape {
    Shape { op_ns, lanes, steps: (STEPS as f64 * HALF_A_MILLISECOND / op_ns).max(30.0) as usize, locked: false, seed }
}

#[test]
fn operations_of_half_a_millisecond_are_told_apart_by_readings_of_four() {
    let summary = |edges| {
        let score = |seed| deconvolved(shape(HALF_A_MILLISECOND, 1, seed), Sensor::READINGS_4_MS, edges);
        Summary::of(&(0..40).map(score).collect::<Vec<_>>())
    };
    let (known, oracle) = (summary(Edges::Within(25e3)), summary(Edges::Exact));
    eprintln!("edges to ±25 µs: {known:?}\nexact edges: {oracle:?}");
    assert_eq!(known.refused, 0);
    assert!(known.mean_error <= 0.05);
    assert!(known.mean_error <= 2.0 * oracle.mean_error + 0.01);
    let coverage = known.covered as f64 / known.cases as f64;
    assert!(known.cases >= 400 && (0.85..=0.96).contains(&coverage), "{coverage}");
    assert!(known.median_half_width.is_some_and(|half| half <= 0.10));
}

#[test]
fn what_can_be_answered_is() {
    let mut scores = Vec::new();
    for op_ns in [2e5, 5e5, 4e6] {
        for lanes in [1, 2] {
            for sensor in [Sensor::REGISTER_1_MS, Sensor::READINGS_4_MS] {
                for edges in [Edges::Exact, Edges::Within(25e3)] {
                    scores.push(deconvolved(shape(op_ns, lanes, 7), sensor, edges));
                }
            }
        }
    }
    let summary = Summary::of(&scores);
    eprintln!("{summary:?}");
    assert!(summary.answered as f64 >= 0.95 * scores.len() as f64, "{:?}", summary.refusal);
}

#[test]
fn steps_in_lockstep_with_readings_are_refused() {
    let sensors = [Sensor::REGISTER_1_MS, Sensor::READINGS_4_MS, Sensor::COUNTER_20_MS, Sensor::COUNTER_100_MS];
    for (sensor, edges) in sensors.into_iter().flat_map(|sensor| Edges::ALL.map(|(_, edges)| (sensor, edges))) {
        for seed in 0..3 {
            let shape = Shape { locked: true, ..shape(HALF_A_MILLISECOND, 1, seed) };
            let score = deconvolved(shape, sensor, edges);
            assert!(score.refusal.is_some(), "{sensor:?}, {edges:?}");
        }
    }
}

#[test]
fn operations_that_are_shorter_than_edges_are_uncertain_are_refused() {
    for (lanes, seed) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
        let score = deconvolved(shape(5e4, lanes, seed), Sensor::READINGS_4_MS, Edges::Within(100e3));
        assert!(score.refusal.is_some(), "{lanes} lanes, seed {seed}: {}", score.mean_error());
    }
}

#[test]
fn the_mean_of_a_second_is_refused_whatever_is_known() {
    for (edges, seed) in Edges::ALL.into_iter().zip(0..) {
        for op_ns in [HALF_A_MILLISECOND, 4e6] {
            assert!(deconvolved(shape(op_ns, 1, seed), Sensor::AVERAGE, edges.1).refusal.is_some());
        }
    }
}
