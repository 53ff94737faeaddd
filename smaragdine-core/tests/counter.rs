//! Law 7: a counter difference is a type, and readings sum to the register's difference.

use proptest::prelude::*;
use smaragdine_core::counter::{Counter, Difference, Interval};
use smaragdine_core::source::{Observation, Value};
use smaragdine_core::trace::{Flag, Flags};

const MAX_W: f64 = 2_000.0;
const RANGE_UJ: u64 = 100_000_000;
const MS: i64 = 1_000_000;

fn at(ns: i64, value: Value) -> Observation {
    Observation { domain: 0, read_start_ns: ns, read_end_ns: ns, value, flags: Flags::NONE }
}

fn reads(energy_uj: u64, ns: i64) -> Observation {
    at(ns, Value::Counter { energy_uj })
}

fn fails(ns: i64) -> Observation {
    at(ns, Value::Failed { problem: "no value".to_owned() })
}

fn interval(start_ns: i64, end_ns: i64, energy_j: f64) -> Interval {
    Interval { start_ns, end_ns, edge_uncertainty_ns: None, energy_j, flags: Flags::NONE }
}

fn flagged(interval: Interval, flag: Flag) -> Interval {
    Interval { flags: interval.flags.with(flag), ..interval }
}

#[test]
fn the_first_value_and_an_unchanged_one_add_nothing() {
    let mut counter = Counter::new(Some(RANGE_UJ), MAX_W);
    assert_eq!(counter.update(&reads(7_000_000, 0)), Difference::First);
    assert_eq!(counter.update(&reads(7_000_000, 4 * MS)), Difference::NotRefreshed);
    assert_eq!(counter.update(&reads(8_000_000, 8 * MS)), Difference::Counted(interval(0, 6 * MS, 1.0)));
}

#[test]
fn a_refresh_that_two_reads_enclose_lies_in_their_middle() {
    let mut counter = Counter::new(None, MAX_W);
    // The register refreshes between 8 and 12 ms, and between 20 and 22 ms.
    for (ms, energy_uj) in [(0, 0), (4, 0), (8, 0), (12, 1_000_000), (16, 1_000_000), (20, 1_000_000)] {
        counter.update(&reads(energy_uj, ms * MS));
    }
    let enclosed = Interval { edge_uncertainty_ns: Some(2 * MS), ..interval(10 * MS, 21 * MS, 1.0) };
    assert_eq!(counter.update(&reads(2_000_000, 22 * MS)), Difference::Counted(enclosed));
    // Another refresh, with no read between: it may have happened at any time since.
    assert_eq!(counter.update(&reads(3_000_000, 26 * MS)), Difference::Counted(interval(21 * MS, 26 * MS, 1.0)));
}

#[test]
fn an_interval_runs_between_the_middles_of_its_reads() {
    let mut counter = Counter::new(None, MAX_W);
    let read = |start, end, energy_uj| Observation { read_start_ns: start, read_end_ns: end, ..reads(energy_uj, 0) };
    counter.update(&read(1_000, 3_000, 0));
    let difference = counter.update(&read(11_000, 11_500, 1_000_000));
    assert_eq!(difference, Difference::Counted(interval(2_000, 11_250, 1.0)));
}

/// A read of 2 µs from `ms` on, whose driver stamps the value.
fn stamped(energy_uj: u64, ms: i64, from_ns: i64, to_ns: i64) -> Observation {
    let read = at(ms * MS, Value::Stamped { energy_uj, from_ns, to_ns });
    Observation { read_end_ns: ms * MS + 2_000, ..read }
}

#[test]
fn a_stamp_older_than_the_read_is_the_moment_of_the_update() {
    let mut counter = Counter::new(None, MAX_W);
    let second = |ms| stamped(1_000_000, ms, 20 * MS - 10, 20 * MS + 3);
    assert_eq!(counter.update(&stamped(0, 5, 0, 1_000)), Difference::First);
    assert_eq!(counter.update(&stamped(0, 15, 0, 1_000)), Difference::NotRefreshed);
    let known = Interval { edge_uncertainty_ns: Some(500), ..interval(500, 20 * MS - 4, 1.0) };
    assert_eq!(counter.update(&second(25)), Difference::Counted(known));
    assert_eq!(counter.update(&second(35)), Difference::NotRefreshed);
    // Such a driver stamps an update during the read no otherwise.
    let during = stamped(2_000_000, 40, 40 * MS + 500, 40 * MS + 900);
    let known = Interval { edge_uncertainty_ns: Some(200), ..interval(20 * MS - 4, 40 * MS + 700, 1.0) };
    assert_eq!(counter.update(&during), Difference::Counted(known));
}

#[test]
fn a_stamp_of_the_read_tells_when_the_register_was_looked_at_and_no_more() {
    let mut counter = Counter::new(None, MAX_W);
    let look = |energy_uj, ms| stamped(energy_uj, ms, ms * MS + 1_000, ms * MS + 2_000);
    counter.update(&look(0, 0));
    assert_eq!(counter.update(&look(1_000_000, 4)), Difference::Counted(interval(1_500, 4 * MS + 1_500, 1.0)));
    assert_eq!(counter.update(&look(1_000_000, 8)), Difference::NotRefreshed);
    let enclosed = interval(4 * MS + 1_500, 10 * MS + 1_500, 1.0);
    assert_eq!(counter.update(&look(2_000_000, 12)), Difference::Counted(enclosed));
}

#[test]
fn a_stamp_that_moves_on_while_the_value_stands_is_of_no_update() {
    let mut counter = Counter::new(None, MAX_W);
    // The driver looks a millisecond before it answers.
    let look = |energy_uj, ms| stamped(energy_uj, ms, (ms - 1) * MS, (ms - 1) * MS + 2_000);
    counter.update(&look(0, 2));
    assert_eq!(counter.update(&look(0, 4)), Difference::NotRefreshed);
    let enclosed = Interval { edge_uncertainty_ns: Some(MS), ..interval(MS + 1_000, 4 * MS + 1_000, 1.0) };
    assert_eq!(counter.update(&look(1_000_000, 6)), Difference::Counted(enclosed));
}

#[test]
fn a_plausible_fall_is_a_wrap() {
    let mut counter = Counter::new(Some(RANGE_UJ), MAX_W);
    counter.update(&reads(RANGE_UJ - 1_000_000, 0));
    let wrapped = flagged(interval(0, 4 * MS, 3.0), Flag::Wrap);
    assert_eq!(counter.update(&reads(2_000_000, 4 * MS)), Difference::Wrapped(wrapped));
}

#[test]
fn an_implausible_fall_is_a_reset_with_what_was_counted_since() {
    let mut counter = Counter::new(Some(RANGE_UJ), MAX_W);
    counter.update(&reads(10_000_000, 0));
    // A wrap would mean 90 J in 4 ms.
    let reset = flagged(interval(0, 4 * MS, 0.25), Flag::Reset);
    assert_eq!(counter.update(&reads(250_000, 4 * MS)), Difference::Reset(reset));
    assert_eq!(counter.update(&reads(450_000, 8 * MS)), Difference::Counted(interval(4 * MS, 8 * MS, 0.2)));
}

#[test]
fn a_fall_without_a_known_range_is_a_reset() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&reads(u64::MAX, 0));
    assert!(matches!(counter.update(&reads(0, 4 * MS)), Difference::Reset(_)));
}

#[test]
fn a_rise_that_nothing_can_draw_is_a_reset_with_nothing_certain() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&reads(0, 0));
    let reset = flagged(interval(0, 4 * MS, 0.0), Flag::Reset);
    assert_eq!(counter.update(&reads(5_000_000_000, 4 * MS)), Difference::Reset(reset));
}

#[test]
fn a_stall_in_which_a_further_wrap_was_possible_is_ambiguous() {
    let mut counter = Counter::new(Some(RANGE_UJ), MAX_W);
    counter.update(&reads(0, 0));
    // 5 J were counted; 105 J are 2 kW over 52.5 ms.
    let ambiguous = flagged(interval(0, 53 * MS, 5.0), Flag::Ambiguous);
    assert_eq!(counter.update(&reads(5_000_000, 53 * MS)), Difference::Ambiguous(ambiguous));
    let counted = counter.update(&reads(10_000_000, 105 * MS));
    assert_eq!(counted, Difference::Counted(interval(53 * MS, 105 * MS, 5.0)));
}

#[test]
fn a_register_that_stands_still_while_it_is_watched_is_never_ambiguous() {
    let mut counter = Counter::new(Some(RANGE_UJ), MAX_W);
    counter.update(&reads(0, 0));
    for tick in 1..1_000 {
        assert_eq!(counter.update(&reads(0, tick * 4 * MS)), Difference::NotRefreshed);
    }
    assert!(matches!(counter.update(&reads(1_000, 4_000 * MS)), Difference::Counted(_)));
}

#[test]
fn a_failed_read_lengthens_the_next_interval() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&reads(0, 0));
    assert_eq!(counter.update(&fails(4 * MS)), Difference::Failed);
    let lengthened = flagged(interval(0, 8 * MS, 1.0), Flag::Failed);
    assert_eq!(counter.update(&reads(1_000_000, 8 * MS)), Difference::Counted(lengthened));
    let next = counter.update(&reads(2_000_000, 12 * MS));
    assert_eq!(next, Difference::Counted(interval(8 * MS, 12 * MS, 1.0)), "the flag is told once");
}

#[test]
fn a_missed_tick_stays_flagged_until_the_register_refreshes() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&reads(0, 0));
    let late = Observation { flags: Flags::NONE.with(Flag::Missed), ..reads(0, 8 * MS) };
    assert_eq!(counter.update(&late), Difference::NotRefreshed);
    let missed = flagged(interval(0, 10 * MS, 1.0), Flag::Missed);
    assert_eq!(counter.update(&reads(1_000_000, 12 * MS)), Difference::Counted(missed));
}

#[test]
fn energy_of_an_interval_that_the_source_knows_passes_through() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&fails(0));
    let value = Value::Interval { start_ns: 5, end_ns: 9, energy_j: 0.5 };
    assert_eq!(counter.update(&at(10, value)), Difference::Counted(flagged(interval(5, 9, 0.5), Flag::Failed)));
}

#[test]
fn what_was_drawn_before_the_first_value_is_lost_where_reads_failed() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&fails(4 * MS));
    counter.update(&fails(8 * MS));
    let lost = flagged(flagged(interval(4 * MS, 12 * MS, 0.0), Flag::Failed), Flag::Lost);
    assert_eq!(counter.update(&reads(7_000_000, 12 * MS)), Difference::Lost(lost));
    assert_eq!(counter.update(&reads(8_000_000, 16 * MS)), Difference::Counted(interval(12 * MS, 16 * MS, 1.0)));
    assert_eq!(counter.end(20 * MS), None, "the last read succeeded");
}

#[test]
fn what_was_drawn_after_the_last_value_is_lost_where_reads_fail_to_the_end() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&reads(0, 0));
    counter.update(&reads(1_000_000, 4 * MS));
    counter.update(&fails(8 * MS));
    let lost = flagged(flagged(interval(4 * MS, 40 * MS, 0.0), Flag::Failed), Flag::Lost);
    assert_eq!(counter.end(40 * MS), Some(lost));
    assert_eq!(counter.end(40 * MS), None, "it is told once");
}

#[test]
fn integrated_power_that_fails_to_the_end_is_lost_from_its_last_interval_on() {
    let mut counter = Counter::new(None, MAX_W);
    counter.update(&at(10, Value::Interval { start_ns: 5, end_ns: 9, energy_j: 0.5 }));
    counter.update(&fails(20));
    let lost = flagged(flagged(interval(9, 40, 0.0), Flag::Failed), Flag::Lost);
    assert_eq!(counter.end(40), Some(lost));
}

#[test]
fn energy_over_a_suspend_is_a_lower_bound() {
    let suspended = |energy_j| flagged(interval(0, 4 * MS, energy_j), Flag::Suspended);
    let after = |from_uj, to_uj| {
        let mut counter = Counter::new(Some(RANGE_UJ), MAX_W);
        counter.update(&reads(from_uj, 0));
        counter.slept(20 * MS);
        counter.update(&reads(to_uj, 4 * MS))
    };
    assert_eq!(after(1_000_000, 31_000_000), Difference::Counted(suspended(30.0)));
    // Awake, 8 J in 4 ms would be a wrap. Asleep, the register may as well have been switched off.
    let fell = after(RANGE_UJ - 5_000_000, 3_000_000);
    assert_eq!(fell, Difference::Reset(flagged(suspended(3.0), Flag::Reset)));
    let mut long = Counter::new(Some(RANGE_UJ), MAX_W);
    long.update(&reads(0, 0));
    long.slept(60 * MS);
    assert!(matches!(long.update(&reads(5_000_000, 4 * MS)), Difference::Ambiguous(_)));
}

/// One tick of a register's life.
#[derive(Debug, Clone)]
struct Tick {
    after_ns: i64,
    /// Of the most that can be drawn meanwhile.
    load: f64,
    fails: bool,
    resets: bool,
}

fn load() -> impl Strategy<Value = f64> {
    prop_oneof![1 => Just(0.0), 4 => 0.0..0.2, 1 => 0.0..1.0]
}

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let tick = (100_000..60 * MS, load(), prop::bool::weighted(0.1), prop::bool::weighted(0.05))
        .prop_map(|(after_ns, load, fails, resets)| Tick { after_ns, load, fails, resets });
    prop::collection::vec(tick, 1..200)
}

/// Plays `ticks` on a register; yields each difference with the energy that was truly drawn since the last value.
fn play(ticks: &[Tick], range_uj: Option<u64>, mut register_uj: u64) -> Vec<(Difference, u64)> {
    let mut counter = Counter::new(range_uj, MAX_W);
    let mut now_ns = 0;
    let mut drawn_uj = 0;
    let mut differences = vec![(counter.update(&reads(register_uj, now_ns)), 0)];
    for tick in ticks {
        now_ns += tick.after_ns;
        let step_uj = (tick.load * MAX_W * tick.after_ns as f64 * 1e-3).floor() as u64;
        drawn_uj += step_uj;
        register_uj += step_uj;
        if let Some(range) = range_uj {
            register_uj %= range;
        }
        if tick.resets {
            register_uj = 0;
        }
        let difference = counter.update(&if tick.fails { fails(now_ns) } else { reads(register_uj, now_ns) });
        differences.push((difference, drawn_uj));
        if difference.interval().is_some() {
            drawn_uj = 0;
        }
    }
    differences
}

fn energy_uj(interval: &Interval) -> u64 {
    (interval.energy_j * 1e6).round() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// With any loads up to the plausible, failures and stalls: what is not flagged as a gap is exact to the
    /// microjoule, and what is flagged is a lower bound.
    #[test]
    fn readings_sum_to_the_difference_of_the_register(ticks in ticks(), start in 0..RANGE_UJ, wraps: bool) {
        let ticks: Vec<Tick> = ticks.into_iter().map(|tick| Tick { resets: false, ..tick }).collect();
        for (difference, drawn_uj) in play(&ticks, wraps.then_some(RANGE_UJ), start) {
            match difference {
                Difference::First | Difference::NotRefreshed | Difference::Failed => {}
                Difference::Counted(interval) | Difference::Wrapped(interval) => {
                    prop_assert_eq!(energy_uj(&interval), drawn_uj);
                }
                Difference::Ambiguous(interval) => prop_assert!(energy_uj(&interval) <= drawn_uj),
                Difference::Reset(_) | Difference::Lost(_) => prop_assert!(false, "nothing was reset: {:?}", difference),
            }
        }
    }

    /// A register that never wraps is exact between resets, and a reset never adds energy that was not drawn.
    #[test]
    fn each_stretch_between_resets_sums_to_the_difference_of_the_register(ticks in ticks(), start in 0..RANGE_UJ) {
        let mut tainted = false;
        let differences = play(&ticks, None, start);
        for ((difference, drawn_uj), resets) in
            differences.iter().zip(std::iter::once(false).chain(ticks.iter().map(|tick| tick.resets)))
        {
            tainted |= resets;
            let Some(interval) = difference.interval() else { continue };
            prop_assert!(energy_uj(&interval) <= *drawn_uj, "{:?} of {} uJ", difference, drawn_uj);
            if !tainted {
                prop_assert_eq!(energy_uj(&interval), *drawn_uj);
            }
            tainted = false;
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
        let mut counter = Counter::new(None, MAX_W);
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
            first_uj.get_or_insert(register_uj);
            let Some(interval) = difference.interval() else { continue };
            prop_assert!(matches!(difference, Difference::Counted(_)), "{:?}", difference);
            prop_assert!(end_ns.is_none_or(|end_ns| end_ns == interval.start_ns));
            prop_assert!(interval.end_ns > interval.start_ns, "{:?}", interval);
            end_ns = Some(interval.end_ns);
            counted_uj += energy_uj(&interval);
            prop_assert_eq!(first_uj.unwrap_or(0) + counted_uj, register_uj);
        }
    }
}
