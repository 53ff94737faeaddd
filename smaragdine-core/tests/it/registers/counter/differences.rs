//! What each read adds to the one before.

use smaragdine_core::registers::counter::{Counter, Difference, Interval};
use smaragdine_core::registers::source::{Observation, Value};
use smaragdine_core::trace::{Flag, Flags};

use super::{LIMIT, MS, RANGE_UJ, at, fails, flagged, interval, reads, shown};

#[test]
fn the_first_value_and_an_unchanged_one_add_nothing() {
    let mut counter = Counter::new(Some(RANGE_UJ), LIMIT);
    assert_eq!(counter.update(&reads(7_000_000, 0)), Difference::First);
    assert_eq!(counter.update(&reads(7_000_000, 4 * MS)), Difference::NotRefreshed);
    assert_eq!(
        counter.update(&reads(8_000_000, 8 * MS)),
        Difference::Counted(shown(interval(0, 6 * MS, 1.0), 8 * MS, 8 * MS))
    );
}

#[test]
fn a_refresh_that_two_reads_enclose_lies_in_their_middle() {
    let mut counter = Counter::new(None, LIMIT);
    // The register refreshes between 8 and 12 ms, and between 20 and 22 ms.
    for (ms, energy_uj) in [(0, 0), (4, 0), (8, 0), (12, 1_000_000), (16, 1_000_000), (20, 1_000_000)] {
        counter.update(&reads(energy_uj, ms * MS));
    }
    let enclosed = shown(interval(10 * MS, 21 * MS, 1.0), 22 * MS, 22 * MS);
    let enclosed = Interval { edge_uncertainty_ns: Some(2 * MS), ..enclosed };
    assert_eq!(counter.update(&reads(2_000_000, 22 * MS)), Difference::Counted(enclosed));
    // Another refresh, with no read between: it may have happened at any time since.
    assert_eq!(counter.update(&reads(3_000_000, 26 * MS)), Difference::Counted(interval(21 * MS, 26 * MS, 1.0)));
}

#[test]
fn an_interval_runs_between_the_middles_of_its_reads() {
    let mut counter = Counter::new(None, LIMIT);
    let read = |start, end, energy_uj| Observation { read_start_ns: start, read_end_ns: end, ..reads(energy_uj, 0) };
    counter.update(&read(1_000, 3_000, 0));
    let difference = counter.update(&read(11_000, 11_500, 10_000));
    assert_eq!(difference, Difference::Counted(shown(interval(2_000, 11_250, 0.01), 11_000, 11_500)));
}

/// A read of 2 µs from `ms` on, whose driver stamps the value.
fn stamped(energy_uj: u64, ms: i64, from_ns: i64, to_ns: i64) -> Observation {
    let read = at(ms * MS, Value::Stamped { energy_uj, from_ns, to_ns });
    Observation { read_end_ns: ms * MS + 2_000, ..read }
}

#[test]
fn a_stamp_older_than_the_read_is_the_moment_of_the_update() {
    let mut counter = Counter::new(None, LIMIT);
    let second = |ms| stamped(1_000_000, ms, 20 * MS - 10, 20 * MS + 3);
    assert_eq!(counter.update(&stamped(0, 5, 0, 1_000)), Difference::First);
    assert_eq!(counter.update(&stamped(0, 15, 0, 1_000)), Difference::NotRefreshed);
    let known = shown(interval(500, 20 * MS - 4, 1.0), 25 * MS, 25 * MS + 2_000);
    let known = Interval { edge_uncertainty_ns: Some(500), ..known };
    assert_eq!(counter.update(&second(25)), Difference::Counted(known));
    assert_eq!(counter.update(&second(35)), Difference::NotRefreshed);
    // Such a driver stamps an update during the read no otherwise.
    let during = stamped(2_000_000, 40, 40 * MS + 500, 40 * MS + 900);
    let known = shown(interval(20 * MS - 4, 40 * MS + 700, 1.0), 40 * MS, 40 * MS + 2_000);
    let known = Interval { edge_uncertainty_ns: Some(200), ..known };
    assert_eq!(counter.update(&during), Difference::Counted(known));
}

#[test]
fn a_stamp_of_the_read_tells_when_the_register_was_looked_at_and_no_more() {
    let mut counter = Counter::new(None, LIMIT);
    let look = |energy_uj, ms| stamped(energy_uj, ms, ms * MS + 1_000, ms * MS + 2_000);
    counter.update(&look(0, 0));
    assert_eq!(
        counter.update(&look(1_000_000, 4)),
        Difference::Counted(shown(interval(1_500, 4 * MS + 1_500, 1.0), 4 * MS, 4 * MS + 2_000))
    );
    assert_eq!(counter.update(&look(1_000_000, 8)), Difference::NotRefreshed);
    let enclosed = shown(interval(4 * MS + 1_500, 10 * MS + 1_500, 1.0), 12 * MS, 12 * MS + 2_000);
    assert_eq!(counter.update(&look(2_000_000, 12)), Difference::Counted(enclosed));
}

#[test]
fn a_stamp_that_moves_on_while_the_value_stands_is_of_no_update() {
    let mut counter = Counter::new(None, LIMIT);
    // The driver looks a millisecond before it answers.
    let look = |energy_uj, ms| stamped(energy_uj, ms, (ms - 1) * MS, (ms - 1) * MS + 2_000);
    counter.update(&look(0, 2));
    assert_eq!(counter.update(&look(0, 4)), Difference::NotRefreshed);
    let enclosed = shown(interval(MS + 1_000, 4 * MS + 1_000, 1.0), 6 * MS, 6 * MS + 2_000);
    let enclosed = Interval { edge_uncertainty_ns: Some(MS), ..enclosed };
    assert_eq!(counter.update(&look(1_000_000, 6)), Difference::Counted(enclosed));
}

#[test]
fn a_plausible_fall_is_a_wrap() {
    let mut counter = Counter::new(Some(RANGE_UJ), LIMIT);
    counter.update(&reads(RANGE_UJ - 1_000_000, 0));
    let wrapped = flagged(interval(0, 4 * MS, 3.0), Flag::Wrap);
    assert_eq!(counter.update(&reads(2_000_000, 4 * MS)), Difference::Wrapped(wrapped));
}

#[test]
fn a_stall_in_which_a_further_wrap_was_possible_is_ambiguous() {
    let mut counter = Counter::new(Some(RANGE_UJ), LIMIT);
    counter.update(&reads(0, 0));
    // 5 J were counted; 105 J are 2 kW over 52.5 ms.
    let ambiguous = flagged(interval(0, 53 * MS, 5.0), Flag::Ambiguous);
    assert_eq!(counter.update(&reads(5_000_000, 53 * MS)), Difference::Ambiguous(ambiguous));
    let counted = counter.update(&reads(10_000_000, 105 * MS));
    assert_eq!(counted, Difference::Counted(interval(53 * MS, 105 * MS, 5.0)));
}

#[test]
fn a_register_that_stands_still_while_it_is_watched_is_never_ambiguous() {
    let mut counter = Counter::new(Some(RANGE_UJ), LIMIT);
    counter.update(&reads(0, 0));
    for tick in 1..200 {
        assert_eq!(counter.update(&reads(0, tick * 4 * MS)), Difference::NotRefreshed);
    }
    assert!(matches!(counter.update(&reads(1_000, 800 * MS)), Difference::Counted(_)));
}

#[test]
fn a_failed_read_lengthens_the_next_interval() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&reads(0, 0));
    assert_eq!(counter.update(&fails(4 * MS)), Difference::Failed);
    let lengthened = flagged(interval(0, 8 * MS, 1.0), Flag::Failed);
    assert_eq!(counter.update(&reads(1_000_000, 8 * MS)), Difference::Counted(lengthened));
    let next = counter.update(&reads(2_000_000, 12 * MS));
    assert_eq!(next, Difference::Counted(interval(8 * MS, 12 * MS, 1.0)), "the flag is told once");
}

#[test]
fn a_missed_tick_stays_flagged_until_the_register_refreshes() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&reads(0, 0));
    let late = Observation { flags: Flags::NONE.with(Flag::Missed), ..reads(0, 8 * MS) };
    assert_eq!(counter.update(&late), Difference::NotRefreshed);
    let missed = flagged(shown(interval(0, 10 * MS, 1.0), 12 * MS, 12 * MS), Flag::Missed);
    assert_eq!(counter.update(&reads(1_000_000, 12 * MS)), Difference::Counted(missed));
}

#[test]
fn energy_of_an_interval_that_the_source_knows_passes_through() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&fails(0));
    let value = Value::Interval { start_ns: 5, end_ns: 9, energy_j: 0.5 };
    assert_eq!(
        counter.update(&at(10, value)),
        Difference::Counted(flagged(shown(interval(5, 9, 0.5), 10, 10), Flag::Failed))
    );
}

#[test]
fn what_was_drawn_before_the_first_value_is_lost_where_reads_failed() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&fails(4 * MS));
    counter.update(&fails(8 * MS));
    let lost = flagged(flagged(interval(4 * MS, 12 * MS, 0.0), Flag::Failed), Flag::Lost);
    assert_eq!(counter.update(&reads(7_000_000, 12 * MS)), Difference::Lost(lost));
    assert_eq!(counter.update(&reads(8_000_000, 16 * MS)), Difference::Counted(interval(12 * MS, 16 * MS, 1.0)));
    assert_eq!(counter.end(20 * MS), None, "the last read succeeded");
}

#[test]
fn what_was_drawn_after_the_last_value_is_lost_where_reads_fail_to_the_end() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&reads(0, 0));
    counter.update(&reads(1_000_000, 4 * MS));
    counter.update(&fails(8 * MS));
    let lost = flagged(flagged(interval(4 * MS, 40 * MS, 0.0), Flag::Failed), Flag::Lost);
    assert_eq!(counter.end(40 * MS), Some(lost));
    assert_eq!(counter.end(40 * MS), None, "it is told once");
}

#[test]
fn integrated_power_that_fails_to_the_end_is_lost_from_its_last_interval_on() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&at(10, Value::Interval { start_ns: 5, end_ns: 9, energy_j: 0.5 }));
    counter.update(&fails(20));
    let lost = flagged(flagged(interval(9, 40, 0.0), Flag::Failed), Flag::Lost);
    assert_eq!(counter.end(40), Some(lost));
}

#[test]
fn energy_over_a_suspend_is_a_lower_bound() {
    let suspended = |energy_j| flagged(interval(0, 4 * MS, energy_j), Flag::Suspended);
    let after = |from_uj, to_uj| {
        let mut counter = Counter::new(Some(RANGE_UJ), LIMIT);
        counter.update(&reads(from_uj, 0));
        counter.slept(20 * MS);
        counter.update(&reads(to_uj, 4 * MS))
    };
    assert_eq!(after(1_000_000, 31_000_000), Difference::Counted(suspended(30.0)));
    // Awake, 8 J in 4 ms would be a wrap. Asleep, the register may as well have been switched off, which what follows
    // tells.
    let mut fell = Counter::new(Some(RANGE_UJ), LIMIT);
    fell.update(&reads(RANGE_UJ - 5_000_000, 0));
    fell.slept(20 * MS);
    let goes_on = |n: u64| reads(3_000_000 + 100_000 * n, 4 * MS + 50 * MS * n as i64);
    assert_eq!(fell.update(&goes_on(0)), Difference::Doubted);
    assert_eq!(fell.update(&goes_on(1)), Difference::Doubted);
    assert_eq!(fell.update(&goes_on(2)), Difference::Doubted);
    assert_eq!(fell.update(&goes_on(3)), Difference::Reset(flagged(suspended(3.0), Flag::Reset)));
    let mut long = Counter::new(Some(RANGE_UJ), LIMIT);
    long.update(&reads(0, 0));
    long.slept(60 * MS);
    assert!(matches!(long.update(&reads(5_000_000, 4 * MS)), Difference::Ambiguous(_)));
}
