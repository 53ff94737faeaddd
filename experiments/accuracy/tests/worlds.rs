//! Every world of the battery is answered as its interval promises, or refused.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use accuracy::battery::{Case, battery, others};
use accuracy::score::Score;
use accuracy::table::Summary;

/// Intervals in each world, at least.
const INTERVALS: usize = 400;

/// What `cases` give on seeds from 0 on, as many as it takes; on all cores.
fn summaries(cases: &[Case], intervals: usize) -> Vec<Summary> {
    let trainings: Vec<(usize, u64)> = cases
        .iter()
        .enumerate()
        .flat_map(|(number, case)| (0..intervals.div_ceil(case.world.kinds) as u64).map(move |seed| (number, seed)))
        .collect();
    let (next, scores) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((number, seed)) = trainings.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let score = cases[*number].score(*seed);
                    scores.lock().expect("no thread panicked").push((*number, *seed, score));
                }
            });
        }
    });
    let mut scores: Vec<(usize, u64, Score)> = scores.into_inner().expect("no thread panicked");
    scores.sort_by_key(|(number, seed, _)| (*number, *seed));
    let of_case = |number| {
        let scores: Vec<Score> = scores.iter().filter(|score| score.0 == number).map(|score| score.2.clone()).collect();
        Summary::of(&scores)
    };
    (0..cases.len()).map(of_case).collect()
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
