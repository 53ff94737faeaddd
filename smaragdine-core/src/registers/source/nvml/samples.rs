//! The driver's own buffer of power.
//!
//! The driver takes power into it whether anybody reads or not, and stamps each sample. What a daemon that was stalled
//! did not read it finds there, as long as the buffer reaches back.
//!
//! It is for GPUs without an energy counter only (law 8). Beside a counter it would add nothing: by published
//! measurements power is refreshed every 20 ms (Volta, Pascal) to 100 ms (Turing and newer, on Hopper looking at 25 of
//! them), no more often than the counter moves, so it cannot tell how energy lies within a counter's interval (Yang et
//! al., "Part-time power measurements", SC'24).

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::Sampling;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG as SIGNED_LONG_LONG;

use super::stamp::{Bracket, OLDEST_NS, WallClock};
use crate::clock::monotonic_ns;

/// Successive samples that are further apart than this have a hole between them: the slowest drivers take one every
/// 100 ms.
pub(super) const LONGEST_NS: i64 = 250_000_000;

/// Power at one moment, by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    at_us: i64,
    power_w: f64,
}

/// How far a GPU's buffer was read.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Stamp of the last sample that was used.
    last_us: Option<i64>,
}

impl Buffer {
    /// Whether a GPU has a buffer whose stamps are of now.
    pub(super) fn works(device: &Device<'_>) -> bool {
        let mut buffer = Self::default();
        let from_ns = monotonic_ns();
        let Ok(samples) = buffer.fetch(device) else { return false };
        let call = Bracket { from_ns, to_ns: monotonic_ns() };
        !buffer.unseen(samples, call, WallClock::now()).is_empty()
    }

    /// What the driver holds that is newer than what was used; none is no error.
    pub(super) fn fetch(&self, device: &Device<'_>) -> Result<Vec<Sample>, NvmlError> {
        let last_us = self.last_us.and_then(|last_us| u64::try_from(last_us).ok());
        let samples = match device.samples(Sampling::Power, last_us) {
            Ok(samples) => samples,
            Err(NvmlError::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let sample = |sample: nvml_wrapper::struct_wrappers::device::Sample| {
            let power_mw = match sample.value {
                SampleValue::U32(power_mw) => f64::from(power_mw),
                SampleValue::U64(power_mw) => power_mw as f64,
                SampleValue::F64(power_mw) => power_mw,
                SampleValue::I64(_) => return Err(NvmlError::UnexpectedVariant(SIGNED_LONG_LONG)),
            };
            Ok(Sample { at_us: i64::try_from(sample.timestamp).unwrap_or(i64::MAX), power_w: power_mw / 1000.0 })
        };
        samples.into_iter().map(sample).collect()
    }

    /// The moments of `samples` that `call` fetched and that were not seen yet, in their order, with the power of each.
    /// At first only the newest: what was drawn before belongs to nobody who reads now.
    pub(super) fn unseen(&mut self, mut samples: Vec<Sample>, call: Bracket, wall: WallClock) -> Vec<(i64, f64)> {
        self.last_us = self.last_us.map(|last_us| last_us.saturating_add(wall.step_ns / 1000));
        samples.sort_by_key(|sample| sample.at_us);
        samples.dedup_by_key(|sample| sample.at_us);
        let at_ns = |sample: &Sample| wall.monotonic_ns(sample.at_us);
        samples.retain(|sample| {
            sample.power_w.is_finite() && at_ns(sample) <= call.to_ns && self.last_us.is_none_or(|us| sample.at_us > us)
        });
        if self.last_us.is_none() {
            samples.drain(..samples.len().saturating_sub(1));
            samples.retain(|sample| at_ns(sample) >= call.from_ns.saturating_sub(OLDEST_NS));
        }
        self.last_us = samples.last().map(|sample| sample.at_us).or(self.last_us);
        samples.iter().map(|sample| (at_ns(sample), sample.power_w)).collect()
    }

    /// Nothing came for so long that the driver must have ceased to sample.
    pub(super) fn stands(&self, call: Bracket, wall: WallClock) -> bool {
        let oldest_ns = call.from_ns.saturating_sub(OLDEST_NS);
        self.last_us.is_none_or(|last_us| wall.monotonic_ns(last_us) < oldest_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const OFFSET_NS: i64 = 5_000_000 * MS;

    /// What a driver that samples every 20 ms holds at `now_ns`, the newest first.
    fn held(now_ns: i64, offset_ns: i64) -> Vec<Sample> {
        let newest = now_ns / (20 * MS);
        (newest - 120..=newest).rev().map(|number| sample(number * 20 * MS + offset_ns)).collect()
    }

    fn sample(realtime_ns: i64) -> Sample {
        Sample { at_us: realtime_ns / 1000, power_w: 100.0 }
    }

    fn call(at_ns: i64) -> Bracket {
        Bracket { from_ns: at_ns - MS, to_ns: at_ns }
    }

    fn moments(powers: &[(i64, f64)]) -> Vec<i64> {
        powers.iter().map(|(at_ns, _)| at_ns / MS).collect()
    }

    #[test]
    fn each_sample_is_seen_once_and_in_order_from_the_newest_on() {
        let (mut buffer, wall) = (Buffer::default(), WallClock::at(OFFSET_NS));
        let mut look = |ms: i64| moments(&buffer.unseen(held(ms * MS, OFFSET_NS), call(ms * MS), wall));
        assert_eq!(look(10_010), [10_000]);
        assert!(look(10_015).is_empty());
        assert_eq!(look(10_075), [10_020, 10_040, 10_060]);
    }

    #[test]
    fn samples_whose_stamps_are_not_of_now_are_never_used() {
        let (mut buffer, wall) = (Buffer::default(), WallClock::at(OFFSET_NS));
        let now_ns = 10_000 * MS;
        let nonsense = || vec![sample(0), sample(OFFSET_NS), sample(now_ns + OFFSET_NS + MS), sample(i64::MAX)];
        for _ in 0..2 {
            assert!(buffer.unseen(nonsense(), call(now_ns), wall).is_empty());
            assert!(buffer.stands(call(now_ns), wall));
        }
        let among = [nonsense(), held(now_ns, OFFSET_NS), nonsense()].concat();
        assert_eq!(moments(&buffer.unseen(among, call(now_ns), wall)), [10_000]);
        assert!(!buffer.stands(call(now_ns), wall));
        assert!(buffer.stands(call(now_ns + 1_002 * MS), wall));
    }

    #[test]
    fn a_step_of_the_wall_clock_neither_hides_samples_nor_brings_them_back() {
        for step_ns in [3_600_000 * MS, -3_600_000 * MS] {
            let mut buffer = Buffer::default();
            let wall = WallClock::at(OFFSET_NS);
            buffer.unseen(held(10_000 * MS, OFFSET_NS), call(10_000 * MS), wall);
            let stepped = wall.next(OFFSET_NS + step_ns);
            // Some bear the old time still.
            let both = [held(10_010 * MS, OFFSET_NS), vec![sample(10_020 * MS + OFFSET_NS + step_ns)]].concat();
            assert_eq!(moments(&buffer.unseen(both, call(10_030 * MS), stepped)), [10_020]);
            let settled = stepped.next(OFFSET_NS + step_ns);
            let after = held(10_060 * MS, OFFSET_NS + step_ns);
            assert_eq!(moments(&buffer.unseen(after, call(10_060 * MS), settled)), [10_040, 10_060]);
        }
    }
}
