//! Law 6: powers of operations shorter than a reading, found where the readings tell them and refused where not.

use std::collections::BTreeMap;

use proptest::prelude::*;
use smaragdine_core::accounting::account::account;
use smaragdine_core::trace::{Entry, Event, Kind, Policy, Reading, Step, Trace};

use super::definition::close;
use super::random::{OPS, blank, template, trace_of};

const TYPES: usize = 3;
const QUIET_W: f64 = 50.0;
const READING_NS: i64 = 1_000_000;

/// A training of short operations one after the other, its readings free of noise.
#[derive(Debug, Clone)]
struct Problem {
    /// By type.
    power_w: Vec<f64>,
    /// By step: the length of each operation, and of the pause after them.
    lengths_ns: Vec<(Vec<i64>, i64)>,
    phase_ns: i64,
}

fn problem() -> impl Strategy<Value = Problem> {
    let lengths = prop::collection::vec(100_000..900_000i64, 3 * TYPES);
    let steps = prop::collection::vec((lengths, 200_000..1_500_000i64), 25..35);
    (prop::collection::vec(60.0..300.0f64, TYPES), steps, 0..READING_NS)
        .prop_map(|(power_w, lengths_ns, phase_ns)| Problem { power_w, lengths_ns, phase_ns })
}

impl Problem {
    fn trace(&self) -> Trace {
        let mut events = Vec::new();
        let mut steps = Vec::new();
        let mut now = 0;
        for (number, (lengths, pause)) in (0i64..).zip(&self.lengths_ns) {
            let start_ns = now;
            for (op, length) in lengths.iter().enumerate() {
                events.push(Event { op: (op % TYPES) as u32, start_ns: now, end_ns: now + length, ..template() });
                now += length;
            }
            now += pause;
            steps.push(Step { step: number, start_ns, end_ns: now, traced: true, ..Step::default() });
        }
        let mut trace = trace_of(&[], events);
        trace.ops.iter_mut().enumerate().for_each(|(op, named)| named.kind = format!("Type{op}"));
        trace.steps = steps;
        let energy_j = |from: i64, to: i64| {
            let within = |event: &&Event| (event.end_ns.min(to) - event.start_ns.max(from)).max(0) as f64 * 1e-9;
            let busy = trace.events.iter().map(|event| (within(&event), self.power_w[event.op as usize]));
            let (busy_s, busy_j) = busy.fold((0.0, 0.0), |sum, (time, power)| (sum.0 + time, sum.1 + time * power));
            busy_j + QUIET_W * ((to - from) as f64 * 1e-9 - busy_s)
        };
        let edges = (-3..).map(|n| n * READING_NS - self.phase_ns).take_while(|edge| *edge < now + 5 * READING_NS);
        let edges: Vec<i64> = edges.collect();
        trace.readings = edges.windows(2).map(|edge| reading(edge[0], edge[1], energy_j(edge[0], edge[1]))).collect();
        trace
    }
}

fn reading(start_ns: i64, end_ns: i64, energy_j: f64) -> Reading {
    Reading { start_ns, end_ns, energy_j, edge_uncertainty_ns: Some(0), app_share: Some(1.0), ..blank() }
}

fn accounted(mut trace: Trace) -> Trace {
    account(&mut trace, Policy::Equal);
    account(&mut trace, Policy::Deconvolved);
    trace
}

fn refusal(trace: &Trace) -> Option<&str> {
    trace.metadata.coverage.deconvolution.as_ref()?["package-0"].refused()
}

/// Energy of each executed operation.
fn energies_j(trace: &Trace, policy: Policy) -> BTreeMap<u32, f64> {
    trace.footprint.iter().filter(|row| row.policy == policy).map(|row| (row.op, row.energy_j)).collect()
}

fn assert_same(trace: &Trace, other: &Trace, scale: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(refusal(trace), refusal(other));
    let (mine, others) = (energies_j(trace, Policy::Deconvolved), energies_j(other, Policy::Deconvolved));
    for (mine, other) in mine.values().zip(others.values()) {
        prop_assert!(close(mine * scale, *other, 1e-6), "{} and {}", mine * scale, other);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn powers_that_readings_follow_from_exactly_are_found(problem in problem()) {
        let trace = accounted(problem.trace());
        // Types of much the same power are told apart no better than by equal share, and need not be.
        let alike = problem.power_w.iter().all(|power| (power / problem.power_w[0] - 1.0).abs() < 0.1);
        prop_assert!(alike || refusal(&trace).is_none(), "{:?}", refusal(&trace));
        for row in trace.footprint.iter().filter(|row| row.policy == Policy::Deconvolved && refusal(&trace).is_none()) {
            let power_w = row.energy_j / row.time_s;
            let truth_w = problem.power_w[row.op as usize];
            prop_assert!((power_w / truth_w - 1.0).abs() < 0.01, "{} is {}", power_w, truth_w);
            prop_assert!(row.energy_low_j.is_some_and(|low| 0.0 <= low && low <= row.energy_j));
            prop_assert!(row.energy_high_j.is_some_and(|high| row.energy_j <= high));
        }
    }

    #[test]
    fn powers_are_found_whatever_part_of_them_others_draw_besides(
        problem in problem(),
        shares in prop::collection::vec(0.4..0.95f64, 400),
    ) {
        let mut trace = problem.trace();
        for (reading, share) in trace.readings.iter_mut().zip(shares) {
            reading.energy_j /= share;
            reading.app_share = Some(share);
        }
        let trace = accounted(trace);
        for row in trace.footprint.iter().filter(|row| row.policy == Policy::Deconvolved && refusal(&trace).is_none()) {
            let (power_w, truth_w) = (row.energy_j / row.time_s, problem.power_w[row.op as usize]);
            prop_assert!((power_w / truth_w - 1.0).abs() < 0.01, "{} is {}", power_w, truth_w);
        }
    }

    #[test]
    fn every_joule_is_entered_once_after_the_split(
        problem in problem(),
        noise in prop::collection::vec((0.8..1.2f64, prop::option::weighted(0.98, 0.5..1.0f64)), 400),
        overlap in 0..600_000i64,
        profiling in prop::option::of((0..200_000_000i64, 1..5_000_000i64)),
        untraced in prop::option::of(0..25usize),
    ) {
        let mut trace = problem.trace();
        for (reading, (factor, share)) in trace.readings.iter_mut().zip(noise) {
            reading.energy_j *= factor;
            reading.app_share = share;
            reading.daemon_share = share.map(|share| (1.0 - share) / 3.0);
        }
        for event in trace.events.iter_mut().step_by(4) {
            event.end_ns += overlap;
        }
        trace.events.iter_mut().skip(3).step_by(7).for_each(|event| event.kind = Kind::Copy);
        trace.metadata.profiling = profiling.map(|(start, length)| (start, start + length).into()).into_iter().collect();
        if let Some(step) = untraced {
            trace.steps[step].traced = false;
        }
        let trace = accounted(trace);
        let whole: f64 = trace.readings.iter().map(|reading| reading.energy_j).sum();
        let rows = || trace.ledger.iter().filter(|row| row.policy == Policy::Deconvolved);
        prop_assert!(close(rows().map(|row| row.energy_j).sum(), whole, 1e-9));
        prop_assert!(rows().all(|row| row.energy_j >= -1e-12 * whole));
        let operations: f64 = rows().filter(|row| row.entry == Entry::Operations).map(|row| row.energy_j).sum();
        prop_assert!(close(energies_j(&trace, Policy::Deconvolved).values().sum(), operations, 1e-9));
        // What belongs to others, to nobody and to no one known is the same whoever is asked.
        let outside = |policy| {
            let entries = [Entry::Daemon, Entry::Other, Entry::Idle, Entry::Gap];
            let rows = trace.ledger.iter().filter(move |row| row.policy == policy && entries.contains(&row.entry));
            rows.map(|row| row.energy_j).collect::<Vec<_>>()
        };
        prop_assert_eq!(outside(Policy::Equal), outside(Policy::Deconvolved));
    }

    #[test]
    fn absurd_rows_among_sound_ones_neither_panic_nor_make_numbers_that_are_none(
        problem in problem(),
        absurd in prop::collection::vec((any::<prop::sample::Index>(), any::<i64>(), any::<i64>(), any::<f64>(), 0..4u8), 1..8),
    ) {
        let mut trace = problem.trace();
        for (index, start, end, number, what) in absurd {
            match what {
                0 => {
                    let event = &mut trace.events[index.index(200)];
                    (event.start_ns, event.end_ns) = (start, end);
                }
                1 => {
                    let reading = &mut trace.readings[index.index(100)];
                    (reading.start_ns, reading.end_ns) = (start, end);
                }
                2 => {
                    let reading = &mut trace.readings[index.index(100)];
                    reading.energy_j = if number.is_finite() { number } else { 0.0 };
                    reading.edge_uncertainty_ns = Some(start);
                }
                _ => {
                    let step = &mut trace.steps[index.index(25)];
                    (step.start_ns, step.end_ns) = (start, end);
                }
            }
        }
        let trace = accounted(trace);
        prop_assert!(trace.footprint.iter().all(|row| !row.energy_j.is_nan()));
    }

    #[test]
    fn order_scale_and_clock_change_nothing(problem in problem(), scale in 1e-3..1e3f64, shift in any::<i32>()) {
        let trace = problem.trace();
        let once = accounted(trace.clone());
        let mut scaled = trace.clone();
        scaled.readings.iter_mut().for_each(|reading| reading.energy_j *= scale);
        assert_same(&once, &accounted(scaled), scale)?;
        let mut moved = trace;
        let shift = 1_760_000_000_000_000_000 + i64::from(shift);
        moved.events.reverse();
        moved.events.iter_mut().for_each(|event| (event.start_ns, event.end_ns) = (event.start_ns + shift, event.end_ns + shift));
        moved.steps.iter_mut().for_each(|step| (step.start_ns, step.end_ns) = (step.start_ns + shift, step.end_ns + shift));
        moved.readings.iter_mut().for_each(|reading| (reading.start_ns, reading.end_ns) = (reading.start_ns + shift, reading.end_ns + shift));
        assert_same(&once, &accounted(moved), 1.0)?;
    }
}

/// A problem that is solved, and what makes it one that is not.
fn refused(spoil: impl FnOnce(&mut Trace)) -> String {
    let mut state = 7u64;
    let mut draw = |low: i64, high: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + ((state >> 33) as i64) % (high - low)
    };
    let steps = (0..30).map(|_| ((0..9).map(|_| draw(100_000, 900_000)).collect(), draw(200_000, 1_500_000)));
    let problem = Problem { power_w: vec![80.0, 250.0, 120.0], lengths_ns: steps.collect(), phase_ns: 0 };
    let mut trace = problem.trace();
    assert_eq!(refusal(&accounted(trace.clone())), None);
    spoil(&mut trace);
    let trace = accounted(trace);
    let (equal, deconvolved) = (energies_j(&trace, Policy::Equal), energies_j(&trace, Policy::Deconvolved));
    assert_eq!(equal, deconvolved);
    let bounds = |row: &smaragdine_core::trace::FootprintRow| row.energy_low_j.or(row.energy_high_j);
    assert!(trace.footprint.iter().all(|row| bounds(row).is_none()));
    refusal(&trace).expect("a refusal").to_owned()
}

#[test]
fn what_cannot_be_told_is_refused_in_words_and_stays_as_equal_share_has_it() {
    let says = |words: &str, spoil: &dyn Fn(&mut Trace)| {
        let refusal = refused(spoil);
        assert!(refusal.contains(words), "{refusal}");
    };
    says("modelled", &|trace| trace.metadata.domains[0].basis = smaragdine_core::trace::Basis::Modelled);
    says("4 steps", &|trace| trace.steps.truncate(4));
    says("0 readings", &|trace| trace.readings.iter_mut().for_each(|reading| reading.app_share = None));
    let flag = |trace: &mut Trace, flag| {
        trace.readings.iter_mut().for_each(|reading| reading.flags = reading.flags.with(flag));
    };
    says("power samples", &|trace| flag(trace, smaragdine_core::trace::Flag::Integrated));
    says("on purpose", &|trace| flag(trace, smaragdine_core::trace::Flag::Filtered));
    says("±0.50 ms", &|trace| {
        trace.readings.iter_mut().for_each(|reading| reading.edge_uncertainty_ns = Some(500_000));
    });
    says("no better", &|trace| trace.readings.iter_mut().for_each(|reading| reading.energy_j = 0.1));
}

#[test]
fn steps_in_lockstep_with_readings_are_refused() {
    let lengths = |_: i64| (vec![400_000; 9], 400_000);
    let problem =
        Problem { power_w: vec![80.0, 250.0, 120.0], lengths_ns: (0..40).map(lengths).collect(), phase_ns: 130_000 };
    let trace = accounted(problem.trace());
    assert!(refusal(&trace).is_some_and(|refusal| refusal.contains("lockstep")), "{:?}", refusal(&trace));
    assert_eq!(OPS, trace.ops.len());
}
