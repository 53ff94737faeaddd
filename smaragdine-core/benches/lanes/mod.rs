//! Events on lanes that are always busy, the same at every call.

#![allow(dead_code, reason = "each program uses its own part")]

use smaragdine_core::trace::{Event, Kind};

/// How many operations they are of.
pub(crate) const OPS: usize = 1000;

/// Deterministic noise, uniform in [0, 1).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Events without end, in order of their start.
pub(crate) struct Events {
    noise: Noise,
    /// When each lane is free.
    lanes: Vec<i64>,
}

impl Events {
    pub(crate) fn new(lanes: usize) -> Self {
        let mut noise = Noise(lanes as u64);
        let lanes = (0..lanes).map(|_| (noise.next() * 1e6) as i64).collect();
        Self { noise, lanes }
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (lane, free) = (0..).zip(&mut self.lanes).min_by_key(|(_, free)| **free)?;
        let start_ns = *free;
        *free += (1e4 * 100f64.powf(self.noise.next())) as i64;
        let op = (self.noise.next() * OPS as f64) as u32;
        Some(Event { op, device: 0, lane, kind: Kind::Compute, start_ns, end_ns: *free, step: None, correlation: None })
    }
}
