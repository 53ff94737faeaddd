//! Values that cannot follow the one before, and what is made of them by what follows.

use smaragdine_core::registers::counter::{Counter, Difference, Interval};
use smaragdine_core::registers::source::Observation;
use smaragdine_core::trace::{Flag, Limit};

use super::{LIMIT, MS, RANGE_UJ, energy_uj, fails, flagged, interval, intervals, reads};

const XEON_UJ: u64 = 262_143_328_850;
const BASE_UJ: i64 = 5_000_000_000;

/// 40 W, read every 4 ms for a second; by `shown` of the milliseconds and what was counted.
fn at_40_w(shown: impl Fn(i64, i64) -> i64) -> Vec<Observation> {
    let read = |n: i64| reads(shown(4 * n, BASE_UJ + 160_000 * n) as u64, 4 * n * MS);
    (0..=250).map(read).collect()
}

/// Milliseconds of each gap with its millijoules, and all microjoules that were counted.
fn gaps(range_uj: Option<u64>, observations: &[Observation]) -> (Vec<(i64, i64, i64)>, i64) {
    let closed = intervals(&mut Counter::new(range_uj, LIMIT), observations);
    assert!(closed.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns), "{closed:?}");
    let gap = |one: &Interval| (one.start_ns / MS, one.end_ns / MS, energy_uj(one) / 1000);
    (closed.iter().filter(|one| one.flags.is_gap()).map(gap).collect(), closed.iter().map(energy_uj).sum())
}

fn within(ms: i64, from: i64, to: i64) -> bool {
    (from..to).contains(&ms)
}

#[test]
fn a_fall_that_goes_on_from_near_0_is_a_reset_with_what_was_counted_since() {
    let mut counter = Counter::new(Some(RANGE_UJ), LIMIT);
    counter.update(&reads(10_000_000, 0));
    // A wrap would mean 90 J in 4 ms.
    for n in 1..26 {
        assert_eq!(counter.update(&reads(250_000 + 200_000 * (n - 1), 4 * n as i64 * MS)), Difference::Doubted);
    }
    let reset = flagged(interval(0, 4 * MS, 0.25), Flag::Reset);
    assert_eq!(counter.update(&reads(5_250_000, 104 * MS)), Difference::Reset(reset));
    assert_eq!(counter.rest(), Some(interval(4 * MS, 104 * MS, 5.0)));
    assert_eq!(counter.update(&reads(5_450_000, 108 * MS)), Difference::Counted(interval(104 * MS, 108 * MS, 0.2)));
}

#[test]
fn a_register_that_jumps_up_and_stays_there_is_a_gap_of_one_read() {
    for range_uj in [None, Some(XEON_UJ)] {
        let reads = at_40_w(|ms, true_uj| true_uj + if ms >= 400 { 702_000_000 } else { 0 });
        assert_eq!(gaps(range_uj, &reads), (vec![(396, 400, 0)], 40_000_000 - 160_000));
    }
}

#[test]
fn a_register_that_jumps_for_long_and_comes_back_is_two_gaps_of_one_read() {
    for by_uj in [702_000_000, -702_000_000, 90_000_000, -90_000_000, -9_000_000] {
        let reads = at_40_w(|ms, true_uj| true_uj + if within(ms, 400, 700) { by_uj } else { 0 });
        let expected = (vec![(396, 400, 0), (696, 700, 0)], 40_000_000 - 320_000);
        assert_eq!(gaps(Some(XEON_UJ), &reads), expected, "{by_uj} uJ");
    }
}

#[test]
fn a_register_that_jumps_for_an_instant_loses_nothing() {
    for by_uj in [702_000_000, -702_000_000, -90_000_000, 4_294_967_295_000_000] {
        let reads = at_40_w(|ms, true_uj| true_uj + if within(ms, 400, 412) { by_uj } else { 0 });
        assert_eq!(gaps(None, &reads), (vec![(396, 412, 640)], 40_000_000), "{by_uj} uJ");
    }
}

#[test]
fn a_register_that_shows_0_for_as_long_as_it_likes_and_comes_back_loses_nothing() {
    for to_ms in [404, 480, 900] {
        let reads = at_40_w(|ms, true_uj| if within(ms, 400, to_ms) { 0 } else { true_uj });
        assert_eq!(gaps(Some(XEON_UJ), &reads), (vec![(396, to_ms, (to_ms - 396) * 40)], 40_000_000));
    }
}

#[test]
fn a_register_that_shows_0_to_the_end_is_unknown_to_the_end() {
    let reads = at_40_w(|ms, true_uj| if ms >= 400 { 0 } else { true_uj });
    assert_eq!(gaps(Some(XEON_UJ), &reads), (vec![(396, 1_000, 0)], 396 * 40_000));
}

#[test]
fn a_rise_that_a_part_can_draw_is_taken_back_when_the_register_falls_again() {
    let reads = at_40_w(|ms, true_uj| true_uj + if within(ms, 400, 700) { 20_000_000 } else { 0 });
    // What the fall shows is the jump without what was drawn meanwhile.
    assert_eq!(gaps(Some(XEON_UJ), &reads), (vec![(696, 700, -19_840)], 40_000_000));
}

#[test]
fn a_value_that_is_late_is_counted_once_another_follows_it() {
    // Every 20 ms, looked at every 4; the first is shown 4 ms after the recording began.
    let reads: Vec<Observation> = (0..50).map(|n| reads(12_000_000 * ((4 * n + 16) / 20) as u64, 4 * n * MS)).collect();
    let closed = intervals(&mut Counter::new(None, Limit { stale_ns: 20 * MS, ..LIMIT }), &reads);
    assert!(closed.iter().all(|one| !one.flags.is_gap()), "{closed:?}");
    assert_eq!(closed.iter().map(energy_uj).sum::<i64>(), 12_000_000 * 10);
    assert_eq!((closed[0].start_ns, closed[0].end_ns), (0, 4 * MS));
}

#[test]
fn what_no_part_can_draw_for_good_is_never_counted() {
    // From the start on, and after a while at 40 W.
    for from_ms in [0, 400] {
        let reads = at_40_w(|ms, true_uj| true_uj + 4_900_000 * (ms - from_ms).max(0));
        let (gaps, counted_uj) = gaps(Some(XEON_UJ), &reads);
        assert_eq!(counted_uj, from_ms * 40_000);
        assert_eq!((gaps.first().map(|gap| gap.0), gaps.last().map(|gap| gap.1)), (Some(from_ms), Some(1_000)));
    }
}

#[test]
fn values_that_contradict_each_other_are_a_gap_until_they_agree() {
    let noise = [0, 9_000_000_000, 17, 123_456_789, 6_000_000_000];
    let reads = at_40_w(|ms, true_uj| if within(ms, 400, 600) { noise[(ms / 4) as usize % 5] } else { true_uj });
    let (gaps, counted_uj) = gaps(Some(XEON_UJ), &reads);
    assert_eq!((gaps.first().map(|gap| gap.0), gaps.last().map(|gap| gap.1)), (Some(396), Some(600)));
    assert!((40_000_000 - 204 * 40_000..=40_000_000).contains(&counted_uj), "{counted_uj}");
}

#[test]
fn a_jump_while_reads_fail_is_decided_by_what_follows_them() {
    let mut reads = at_40_w(|ms, true_uj| true_uj + if ms >= 400 { 702_000_000 } else { 0 });
    reads[100..110].iter_mut().for_each(|read| *read = fails(read.read_start_ns));
    // 702 J in 44 ms are impossible as well.
    assert_eq!(gaps(Some(XEON_UJ), &reads), (vec![(396, 440, 0)], 40_000_000 - 11 * 160_000));
    reads[120..].iter_mut().for_each(|read| *read = fails(read.read_start_ns));
    let (gaps, _) = gaps(Some(XEON_UJ), &reads);
    assert_eq!(gaps, [(396, 1_000, 0)]);
}

#[test]
fn a_rise_that_nothing_can_draw_is_decided_at_the_end_if_nothing_follows() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&reads(0, 0));
    assert_eq!(counter.update(&reads(5_000_000_000, 4 * MS)), Difference::Doubted);
    assert_eq!(counter.end(6 * MS), Some(flagged(interval(0, 6 * MS, 0.0), Flag::Impossible)));
    assert_eq!(counter.end(6 * MS), None);
}
