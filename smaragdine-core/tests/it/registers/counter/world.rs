//! A register whose energy is known, with what goes wrong with it.

use proptest::prelude::*;
use smaragdine_core::registers::source::Observation;
use smaragdine_core::trace::Limit;

use super::{LIMIT, MAX_W, MS, fails, reads};

/// What a register shows for a while instead of what it counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    /// So many microjoules more, or less.
    Offset(i64),
    Zero,
    /// The same all the time; what was drawn meanwhile is never told.
    Frozen,
    /// It counts from 0.
    Restarted,
    /// Nothing: reads fail.
    Unreadable,
}

/// One stretch of a register's life: first as it should be, then with a fault.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    pub(super) good_ns: i64,
    pub(super) fault: Fault,
    /// `None`: for good.
    pub(super) for_ns: Option<i64>,
}

/// What is read of a register, and what it truly counted from the first read to each.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) observations: Vec<Observation>,
    pub(super) true_uj: Vec<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    /// How often the register is updated.
    pub(super) refresh_ns: i64,
    /// Between reads, over and over; and what is drawn meanwhile, of the most that can be.
    pub(super) reads: Vec<(i64, f64)>,
    pub(super) initial_uj: u64,
    pub(super) stretches: Vec<Stretch>,
}

/// Real parts draw at most half of what is taken to be their limit.
pub(super) fn load() -> impl Strategy<Value = f64> {
    prop_oneof![1 => 0.001..0.01, 4 => 0.01..0.1, 1 => 0.1..0.5]
}

/// `fault` at some times.
pub(super) fn worlds(fault: impl Strategy<Value = (Fault, Option<i64>)>) -> impl Strategy<Value = World> {
    let stretch = (400 * MS..900 * MS, fault).prop_map(|(good_ns, (fault, for_ns))| Stretch { good_ns, fault, for_ns });
    let refresh_ns = prop_oneof![Just(MS), Just(20 * MS), Just(100 * MS)];
    let reads = prop::collection::vec((MS..12 * MS, load()), 1..60);
    // Far from 0, where less than nothing would be shown, and from any range.
    (refresh_ns, reads, 20_000_000_000..50_000_000_000_u64, prop::collection::vec(stretch, 0..4))
        .prop_map(|(refresh_ns, reads, initial_uj, stretches)| World { refresh_ns, reads, initial_uj, stretches })
}

impl World {
    /// What its register can do.
    pub(super) fn limit(&self) -> Limit {
        Limit { stale_ns: LIMIT.stale_ns.max(self.refresh_ns), ..LIMIT }
    }

    /// Plays all stretches, and half a second after them.
    pub(super) fn play(&self) -> Played {
        let mut played = Played { observations: Vec::new(), true_uj: Vec::new() };
        let (mut now_ns, mut drawn_uj, mut register_uj) = (0, 0.0, 0);
        // What is shown more than was counted; below it if negative.
        let mut offset_uj = self.initial_uj as i64;
        let mut reads_to_come = self.reads.iter().cycle();
        let rest = Stretch { good_ns: 500 * MS, fault: Fault::Offset(0), for_ns: Some(0) };
        for stretch in self.stretches.iter().chain([&rest]) {
            let from_ns = now_ns + stretch.good_ns;
            let until_ns = from_ns + stretch.for_ns.unwrap_or(300 * MS);
            let mut at_start = None;
            while now_ns < until_ns {
                let (after_ns, load) = *reads_to_come.next().expect("a cycle");
                let before_ns = now_ns;
                now_ns += after_ns;
                drawn_uj += load * MAX_W * after_ns as f64 * 1e-3;
                if now_ns / self.refresh_ns > before_ns / self.refresh_ns {
                    register_uj = drawn_uj as u64;
                }
                let shown_uj = offset_uj + register_uj as i64;
                let lasts = stretch.for_ns.is_none() || now_ns < until_ns;
                let faulty = now_ns >= from_ns && lasts && stretch.for_ns != Some(0);
                let observation = if faulty {
                    let start_uj = *at_start.get_or_insert(shown_uj);
                    match stretch.fault {
                        Fault::Offset(by) => reads((shown_uj + set_back(by, start_uj)) as u64, now_ns),
                        Fault::Zero => reads(0, now_ns),
                        Fault::Frozen => reads(start_uj as u64, now_ns),
                        Fault::Restarted => reads((shown_uj - start_uj) as u64, now_ns),
                        Fault::Unreadable => fails(now_ns),
                    }
                } else {
                    reads(shown_uj as u64, now_ns)
                };
                played.observations.push(observation);
                played.true_uj.push(register_uj);
            }
            let Some(start_uj) = at_start else { continue };
            let shown_uj = offset_uj + register_uj as i64;
            match (stretch.fault, stretch.for_ns) {
                (Fault::Frozen, _) => offset_uj += start_uj - shown_uj,
                (Fault::Offset(by), None) => offset_uj += set_back(by, start_uj),
                (Fault::Restarted, None) => offset_uj -= start_uj,
                _ => {}
            }
        }
        let first_uj = played.true_uj.first().copied().unwrap_or(0);
        played.true_uj.iter_mut().for_each(|uj| *uj -= first_uj);
        played
    }
}

/// A register is set back only far from 0: what lands there looks as if it had started again.
fn set_back(by: i64, start_uj: i64) -> i64 {
    if start_uj < 10_000_000_000 { by.max(0) } else { by }
}
