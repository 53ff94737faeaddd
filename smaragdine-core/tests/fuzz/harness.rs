//! Runs a target on its share of the inputs, and says which one made it panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// Of all inputs, unless SMARAGDINE_FUZZ_INPUTS says otherwise.
const INPUTS: u64 = 20_000;

/// A small generator (SplitMix64) whose whole sequence follows from its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(target: &str, input: u64) -> Self {
        let seed = target.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self(seed ^ input.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// 0 … `limit` − 1; 0 where `limit` is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() % limit as u64) as usize }
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// A number of the kind that arithmetic trips over.
    pub(crate) fn number(&mut self) -> u64 {
        const EDGES: [u64; 14] = [
            0,
            1,
            2,
            127,
            255,
            1 << 31,
            (1 << 32) - 1,
            1 << 32,
            1 << 53,
            (1 << 63) - 1,
            1 << 63,
            (1 << 63) + 1,
            u64::MAX - 1,
            u64::MAX,
        ];
        match self.below(3) {
            0 => *self.pick(&EDGES),
            1 => self.next() >> self.below(64),
            _ => (self.below(2000) as u64).wrapping_sub(1000),
        }
    }
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, no number")))
}

/// The numbers of the inputs that a target gets, which has `percent` of all.
pub(crate) fn inputs(percent: u64) -> std::ops::Range<u64> {
    let all = environment("SMARAGDINE_FUZZ_INPUTS").unwrap_or(INPUTS);
    let from = environment("SMARAGDINE_FUZZ_FROM").unwrap_or(0);
    from..from + (all * percent / 100).max(1)
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}
static STRAY: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// Panics of threads that a target started, which nothing else would tell.
pub(crate) fn stray_panics() -> Vec<String> {
    std::mem::take(&mut *STRAY.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(crate) fn listen_for_panics() {
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                STRAY.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
            }
            told(panic);
        }));
    });
}

/// Gives a target its inputs, one after the other. It says of each whether it was taken for good.
pub(crate) fn fuzz(target: &str, percent: u64, mut run: impl FnMut(&mut Random) -> bool) {
    listen_for_panics();
    let range = inputs(percent);
    let (first, count) = (range.start, range.end - range.start);
    let (mut slowest, mut taken) = ((Duration::ZERO, first), 0);
    for input in range {
        let start = Instant::now();
        EXPECTED.set(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut Random::seeded(target, input))));
        EXPECTED.set(false);
        let Ok(accepted) = outcome else {
            panic!("{target} panics on input {input}: SMARAGDINE_FUZZ_FROM={input} SMARAGDINE_FUZZ_INPUTS=1");
        };
        taken += u64::from(accepted);
        slowest = slowest.max((start.elapsed(), input));
    }
    say(target, first, count, taken);
    println!("{target}: the slowest, {}, took {:.1?}", slowest.1, slowest.0);
}

/// Says what was tried. Inputs of which all are good, or none, would try nothing beyond the first check.
pub(crate) fn say(target: &str, first: u64, count: u64, taken: u64) {
    println!("{target}: {count} inputs from {first}, {taken} of them taken for good");
    assert!(count < 100 || (0 < taken && taken < count), "{target}: {taken} of {count} inputs are taken for good");
}
