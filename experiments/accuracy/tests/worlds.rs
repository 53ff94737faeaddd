//! Every world of the battery is answered as its interval promises, or refused.

use accuracy::battery::{Case, battery, others, scores};
use accuracy::score::Score;
use accuracy::sensor::{Edges, Sensor, watch};
use accuracy::table::Summary;
use accuracy::training::{Shape, Training};
use smaragdine_core::trace::Policy;

/// Intervals in each world, at least.
const INTERVALS: usize = 400;

/// What `cases` give on seeds from 0 on, as many as it takes.
fn summaries(cases: &[Case], intervals: usize) -> Vec<Summary> {
    let seeds = |case: &Case| 0..intervals.div_ceil(case.world.kinds) as u64;
    let trainings: Vec<(Case, u64)> = cases.iter().flat_map(|case| seeds(case).map(|seed| (*case, seed))).collect();
    let mut scores = scores(&trainings).into_iter();
    cases.iter().map(|case| Summary::of(&scores.by_ref().take(seeds(case).count()).collect::<Vec<_>>())).collect()
}

#[test]
fn every_world_is_answered_within_five_per_cent_and_as_its_intervals_promise_or_refused() {
    let cases = battery();
    for (case, summary) in cases.iter().zip(summaries(&cases, INTERVALS)) {
        eprintln!("{}: {summary:?}", case.name);
        let (answered, trainings) = (summary.answered as f64, (summary.answered + summary.refused) as f64);
        assert!(!case.answerable || answered >= 0.95 * trainings, "{} is refused", case.name);
        if summary.answered > 0 {
            assert!(summary.mean_error <= 0.05, "{}: {}", case.name, summary.mean_error);
            assert!(summary.median_half_width.is_some_and(|half| half <= 0.15), "{}", case.name);
            let held = summary.covered as f64 / summary.cases as f64;
            // Of few intervals some more may miss by chance: two standard errors, twelve types of a training together.
            let chance =
                if summary.cases >= INTERVALS { 0.0 } else { 2.0 * (0.09 * 2.0 / summary.cases as f64).sqrt() };
            assert!(held >= 0.85 - chance, "{}: {held}", case.name);
        }
    }
}

/// Nothing was tuned on these.
#[test]
fn worlds_that_nothing_was_made_for_are_told_as_well() {
    let cases = others();
    let summaries = summaries(&cases, 96);
    for (case, summary) in cases.iter().zip(&summaries) {
        eprintln!("{}: {summary:?}", case.name);
        assert!(summary.answered == 0 || summary.mean_error <= 0.05, "{}: {}", case.name, summary.mean_error);
    }
    let all = |count: fn(&Summary) -> usize| summaries.iter().map(count).sum::<usize>() as f64;
    let held = all(|summary| summary.covered) / all(|summary| summary.cases);
    assert!(held >= 0.85, "{held}");
}

/// Three hundred readings of a tenth of a second each tell next to nothing of operations of 50 µs: that they look alike
/// is no ground to say that they are.
#[test]
fn operations_that_readings_do_not_tell_apart_are_refused_or_have_intervals_that_say_so() {
    let steps = 4_000;
    for seed in 0..4 {
        for lanes in [1, 2] {
            let training = Training::new(Shape { op_ns: 50e3, lanes, steps, locked: false, seed });
            let mut trace = watch(&training, Sensor::COUNTER_100_MS, Edges::Within(25e3), false, seed);
            let score = Score::by_policy(&training, &mut trace, Policy::Deconvolved);
            let held = score.estimates.iter().filter(|each| each.covered() == Some(true)).count();
            assert!(score.refusal.is_some() || held >= 10, "{seed}, {lanes} at once: {held} of 12");
        }
    }
}

/// What such a register does not look at it does not tell, however well the rest seems to be explained.
#[test]
fn registers_that_look_at_a_part_of_the_time_are_refused() {
    for (op_ns, steps) in [(0.5e6, 400), (4e6, 120), (40e6, 42)] {
        for seed in 0..3 {
            for looks_ns in [25e6, 60e6] {
                let training = Training::new(Shape { op_ns, lanes: 1, steps, locked: false, seed });
                let sensor = Sensor { looks_ns: Some(looks_ns), ..Sensor::COUNTER_100_MS };
                let mut trace = watch(&training, sensor, Edges::Within(25e3), false, seed);
                let score = Score::by_policy(&training, &mut trace, Policy::Deconvolved);
                assert!(score.refusal.is_some(), "{op_ns}, {looks_ns}, {seed}: {:?}", score.estimates);
            }
        }
    }
}
