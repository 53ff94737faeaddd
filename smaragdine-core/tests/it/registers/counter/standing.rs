//! Registers that stand still, and such as only seem to.

use smaragdine_core::registers::counter::{Counter, Difference, Interval};
use smaragdine_core::registers::source::Observation;
use smaragdine_core::trace::{Flag, Limit};

use super::{LIMIT, MS, energy_uj, intervals, reads};

/// Read every 4 ms for so long; `shown` gives microjoules by milliseconds.
fn read_for(ms: i64, shown: impl Fn(i64) -> i64) -> Vec<Observation> {
    (0..=ms / 4).map(|n| reads(shown(4 * n) as u64, 4 * n * MS)).collect()
}

/// Milliseconds of each stretch in which the register stood, with its millijoules, and all microjoules counted.
fn standing(reads: &[Observation]) -> (Vec<(i64, i64, i64)>, i64) {
    let closed = intervals(&mut Counter::new(None, LIMIT), reads);
    assert!(closed.iter().all(|one| one.flags.is_gap() == one.flags.has(Flag::Standing)), "{closed:?}");
    let gap = |one: &Interval| (one.start_ns / MS, one.end_ns / MS, energy_uj(one) / 1000);
    (closed.iter().filter(|one| one.flags.is_gap()).map(gap).collect(), closed.iter().map(energy_uj).sum())
}

#[test]
fn a_register_that_never_moves_is_unknown_from_the_first_read_to_the_end() {
    assert_eq!(standing(&read_for(1_500, |_| 0)), (vec![(0, 1_500, 0)], 0));
    assert_eq!(standing(&read_for(1_500, |_| 9_000_000)), (vec![(0, 1_500, 0)], 0));
}

#[test]
fn a_register_that_stops_is_unknown_from_its_last_update_on() {
    assert_eq!(standing(&read_for(3_000, |ms| 40_000 * ms.min(1_000))), (vec![(1_000, 3_000, 0)], 40_000_000));
}

#[test]
fn a_register_that_stands_for_long_and_moves_on_is_unknown_meanwhile() {
    // It lost what was drawn meanwhile, or it shows it afterwards: either way, a lower bound.
    let lost = read_for(4_000, |ms| 40_000 * if ms < 1_000 { ms } else { (ms - 2_000).max(1_000) });
    assert_eq!(standing(&lost), (vec![(1_000, 3_002, 160)], 80_000_000));
    let shown = read_for(4_000, |ms| 40_000 * if (1_000..3_000).contains(&ms) { 1_000 } else { ms });
    assert_eq!(standing(&shown), (vec![(1_000, 2_998, 80_000)], 160_000_000));
}

#[test]
fn a_register_that_stood_from_the_start_is_unknown_until_it_moves() {
    let reads = read_for(3_000, |ms| 40_000 * (ms - 1_500).max(0));
    assert_eq!(standing(&reads), (vec![(0, 1_504, 160)], 60_000_000));
}

#[test]
fn a_register_that_moves_slowly_is_not_accused() {
    // 0.4 W by steps of a joule, or of half a joule.
    assert_eq!(standing(&read_for(9_000, |ms| ms / 2_500 * 1_000_000)), (vec![], 3_000_000));
    assert_eq!(standing(&read_for(9_000, |ms| ms / 1_250 * 500_000)), (vec![], 3_500_000));
    // A GPU's counter that is updated every 100 ms, recorded for 50 ms.
    assert_eq!(standing(&read_for(50, |_| 7_000_000)), (vec![], 0));
}

#[test]
fn a_register_that_is_looked_at_seldom_does_not_stand() {
    let mut counter = Counter::new(None, LIMIT);
    counter.update(&reads(0, 0));
    assert!(matches!(counter.update(&reads(80_000_000, 2_000 * MS)), Difference::Counted(_)));
    assert!(matches!(counter.update(&reads(160_000_000, 4_000 * MS)), Difference::Counted(_)));
    assert_eq!(counter.end(4_001 * MS), None);
}

#[test]
fn a_part_that_may_be_off_may_stand() {
    let mut counter = Counter::new(None, Limit { moves_within_ns: None, ..LIMIT });
    assert_eq!(intervals(&mut counter, &read_for(60_000, |_| 5)), []);
}
