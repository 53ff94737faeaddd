//! Random lives of a register.

use proptest::prelude::*;
use smaragdine_core::registers::counter::{Counter, Difference, Interval};
use smaragdine_core::registers::source::{Observation, Value};
use smaragdine_core::trace::Flag;

use super::world::{Fault, Played, worlds};
use super::{LIMIT, MAX_W, MS, RANGE_UJ, at, energy_uj, fails, intervals, reads};

/// One tick of a register's life.
#[derive(Debug, Clone)]
struct Tick {
    after_ns: i64,
    /// Of the most that can be drawn meanwhile.
    load: f64,
    fails: bool,
}

fn load() -> impl Strategy<Value = f64> {
    prop_oneof![1 => Just(0.0), 4 => 0.0..0.2, 1 => 0.0..1.0]
}

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let tick = (100_000..60 * MS, load(), prop::bool::weighted(0.1)).prop_map(|(after_ns, load, fails)| Tick {
        after_ns,
        load,
        fails,
    });
    prop::collection::vec(tick, 1..200)
}

/// Plays `ticks` on a register; yields each difference with the energy that was truly drawn since the last value.
fn play(ticks: &[Tick], range_uj: Option<u64>, mut register_uj: u64) -> Vec<(Difference, i64)> {
    let mut counter = Counter::new(range_uj, LIMIT);
    let mut now_ns = 0;
    let mut drawn_uj = 0;
    let mut differences = vec![(counter.update(&reads(register_uj, now_ns)), 0)];
    for tick in ticks {
        now_ns += tick.after_ns;
        let step_uj = (tick.load * MAX_W * tick.after_ns as f64 * 1e-3).floor() as u64;
        drawn_uj += step_uj as i64;
        register_uj += step_uj;
        if let Some(range) = range_uj {
            register_uj %= range;
        }
        let difference = counter.update(&if tick.fails { fails(now_ns) } else { reads(register_uj, now_ns) });
        differences.push((difference, drawn_uj));
        if difference.interval().is_some() {
            drawn_uj = 0;
        }
    }
    differences
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// With any loads up to the plausible, failures and stalls: what is not flagged as a gap is exact to the
    /// microjoule, and what is flagged is a lower bound.
    #[test]
    fn readings_sum_to_the_difference_of_the_register(ticks in ticks(), start in 0..RANGE_UJ, wraps: bool) {
        for (difference, drawn_uj) in play(&ticks, wraps.then_some(RANGE_UJ), start) {
            match difference {
                Difference::First | Difference::NotRefreshed | Difference::Failed => {}
                Difference::Counted(interval) | Difference::Wrapped(interval) => {
                    prop_assert_eq!(energy_uj(&interval), drawn_uj);
                }
                Difference::Ambiguous(interval) => prop_assert!(energy_uj(&interval) <= drawn_uj),
                _ => prop_assert!(false, "nothing is strange: {:?}", difference),
            }
        }
    }

    /// Nothing overlaps and nothing is left out: each interval starts where the last one ended.
    #[test]
    fn intervals_follow_each_other(ticks in ticks(), start in 0..RANGE_UJ, wraps: bool) {
        let mut end_ns = 0;
        for (difference, _) in play(&ticks, wraps.then_some(RANGE_UJ), start) {
            let Some(interval) = difference.interval() else { continue };
            prop_assert_eq!(interval.start_ns, end_ns);
            prop_assert!(interval.end_ns > interval.start_ns);
            end_ns = interval.end_ns;
        }
    }

    /// Each read is told once: an interval after a failed read is flagged, another is not.
    #[test]
    fn failures_are_flagged_on_the_interval_that_they_lengthened(ticks in ticks(), start in 0..RANGE_UJ) {
        let mut failed = false;
        for (difference, _) in play(&ticks, Some(RANGE_UJ), start) {
            failed |= difference == Difference::Failed;
            let Some(interval) = difference.interval() else { continue };
            prop_assert_eq!(interval.flags.has(Flag::Failed), failed);
            failed = false;
        }
    }

    /// Whatever a driver stamps its values with, intervals follow each other and hold all that was drawn.
    #[test]
    fn no_stamp_moves_energy_out_of_its_interval(
        reads in prop::collection::vec((MS..60 * MS, load(), prop::option::of(-MS..900 * MS), 0..MS), 2..100)
    ) {
        let mut counter = Counter::new(None, LIMIT);
        let (mut now_ns, mut register_uj, mut counted_uj, mut end_ns) = (0, 0, 0, None);
        let mut first_uj = None;
        for (after_ns, load, older_ns, width_ns) in reads {
            now_ns += after_ns;
            register_uj += (load * MAX_W * after_ns as f64 * 1e-3) as u64;
            let value = match older_ns.map(|older_ns| now_ns - older_ns) {
                Some(to_ns) => Value::Stamped { energy_uj: register_uj, from_ns: to_ns - width_ns, to_ns },
                None => Value::Counter { energy_uj: register_uj },
            };
            let difference = counter.update(&Observation { read_end_ns: now_ns + MS, ..at(now_ns, value) });
            first_uj.get_or_insert(register_uj as i64);
            let Some(interval) = difference.interval() else { continue };
            prop_assert!(matches!(difference, Difference::Counted(_)), "{:?}", difference);
            prop_assert!(end_ns.is_none_or(|end_ns| end_ns == interval.start_ns));
            prop_assert!(interval.end_ns > interval.start_ns, "{:?}", interval);
            end_ns = Some(interval.end_ns);
            counted_uj += energy_uj(&interval);
            prop_assert_eq!(first_uj.unwrap_or(0) + counted_uj, register_uj as i64);
        }
    }

    /// Whatever a register shows for a while or for good, and whether it wraps: nothing is counted that was not drawn,
    /// what was is counted or lies in a gap, and intervals follow each other.
    #[test]
    fn nothing_is_invented_and_nothing_is_lost_beyond_what_gaps_state(world in worlds(fault()), wraps: bool) {
        let Played { observations, true_uj } = world.play();
        let mut counter = Counter::new(wraps.then_some(262_143_328_850), world.limit());
        let closed = intervals(&mut counter, &observations);
        let gaps: Vec<&Interval> = closed.iter().filter(|one| one.flags.is_gap()).collect();
        let drawn_uj = true_uj.last().copied().unwrap_or(0) as i64;
        let counted_uj: i64 = closed.iter().map(energy_uj).sum();
        prop_assert!(counted_uj <= drawn_uj, "{} of {} uJ counted: {:?}", counted_uj, drawn_uj, gaps);
        let most_uj: f64 = closed.iter().map(most_uj).sum();
        prop_assert!(drawn_uj as f64 <= most_uj, "{} of at most {} uJ drawn: {:?}", drawn_uj, most_uj, gaps);
        for pair in closed.windows(2) {
            prop_assert_eq!(pair[0].end_ns, pair[1].start_ns);
        }
        prop_assert!(closed.iter().all(|interval| interval.start_ns < interval.end_ns));
        // Each fault spoils the time that it lasts, what is around its ends, and what is held until it is decided.
        let unknown_ns: i64 = gaps.iter().map(|gap| gap.end_ns - gap.start_ns).sum();
        let faulty_ns: i64 = world.stretches.iter().filter_map(|stretch| stretch.for_ns).sum();
        let around_ns = world.stretches.len() as i64 * (4 * (world.refresh_ns + 12 * MS) + 100 * MS);
        prop_assert!(unknown_ns <= faulty_ns + around_ns, "{} ms unknown: {:?}", unknown_ns / MS, gaps);
    }

    /// A register that works is never in doubt for long, and never a gap.
    #[test]
    fn a_register_that_works_is_exact(world in worlds(Just((Fault::Unreadable, Some(50 * MS)))), wraps: bool) {
        let Played { observations, true_uj } = world.play();
        let closed = intervals(&mut Counter::new(wraps.then_some(262_143_328_850), world.limit()), &observations);
        prop_assert!(closed.iter().all(|interval| !interval.flags.is_gap()), "{:?}", closed);
        let counted_uj: i64 = closed.iter().map(energy_uj).sum();
        prop_assert_eq!(counted_uj, true_uj.last().copied().unwrap_or(0) as i64);
    }
}

/// What shows, or is undone. For good, a rise only shows where no part can have drawn as much, and a fall where more than
/// that was not drawn meanwhile.
pub(super) fn fault() -> impl Strategy<Value = (Fault, Option<i64>)> {
    let while_ns = || prop_oneof![2 => MS..30 * MS, 2 => 30 * MS..600 * MS];
    let offset = || prop_oneof![1 => 1..100_000_i64, 3 => 100_000..30_000_000_i64, 2 => 30_000_000..9_000_000_000_i64];
    prop_oneof![
        4 => (offset(), while_ns()).prop_map(|(by, for_ns)| (Fault::Offset(by), Some(for_ns))),
        4 => (offset(), while_ns()).prop_map(|(by, for_ns)| (Fault::Offset(-by), Some(for_ns))),
        1 => (120_000_000..9_000_000_000_i64).prop_map(|by| (Fault::Offset(-by), None)),
        1 => (600_000_000..9_000_000_000_i64).prop_map(|by| (Fault::Offset(by), None)),
        1 => while_ns().prop_map(|for_ns| (Fault::Zero, Some(for_ns))),
        1 => (1_100 * MS..2_000 * MS).prop_map(|for_ns| (Fault::Frozen, Some(for_ns))),
        1 => Just((Fault::Restarted, None)),
        1 => while_ns().prop_map(|for_ns| (Fault::Restarted, Some(for_ns))),
        1 => while_ns().prop_map(|for_ns| (Fault::Unreadable, Some(for_ns))),
    ]
}

/// The most that can have been drawn in an interval.
fn most_uj(interval: &Interval) -> f64 {
    let counted_uj = energy_uj(interval) as f64;
    let drawable_uj = LIMIT.energy_uj(interval.end_ns - interval.start_ns);
    if interval.flags.is_gap() { counted_uj.max(drawable_uj) } else { counted_uj }
}
