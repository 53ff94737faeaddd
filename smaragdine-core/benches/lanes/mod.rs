//! Events on lanes that are always busy, and what a recording has beside them; the same at every call.

#![allow(dead_code, reason = "each program uses its own part")]

use smaragdine_core::trace::{Event, Flags, Kind, Op, Phase, Reading};

/// How many operations they are of.
pub(crate) const OPS: usize = 1000;
pub(crate) const PERIOD_NS: i64 = 4_000_000;
pub(crate) const DISORDER_NS: i64 = 50_000_000;

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

/// In an order in which each event comes up to 50 ms after ones that start later.
pub(crate) fn disordered(mut events: Vec<Event>) -> Vec<Event> {
    let mut noise = Noise(50);
    events.sort_by_cached_key(|event| event.start_ns + (noise.next() * DISORDER_NS as f64) as i64);
    events
}

/// The operation of this number; eight of them are a layer.
pub(crate) fn op(number: usize) -> Op {
    Op {
        qtn: format!("model/layer_{}/MatMul_{number}", number / 8),
        layer: format!("model/layer_{}", number / 8),
        kind: "MatMul".into(),
        phase: Phase::Forward,
        raw_name: format!("model/layer_{}/MatMul_{number}", number / 8),
        flops: None,
        fused: String::new(),
    }
}

/// One period of a domain that draws 100 W.
pub(crate) fn reading(domain: u16, start_ns: i64) -> Reading {
    Reading {
        domain,
        start_ns,
        end_ns: start_ns + PERIOD_NS,
        edge_uncertainty_ns: Some(25_000),
        read_start_ns: start_ns + PERIOD_NS,
        read_end_ns: start_ns + PERIOD_NS + 9_000,
        energy_j: 0.4,
        app_share: Some(0.85),
        daemon_share: Some(0.01),
        idle_share: Some(0.05),
        flags: Flags::NONE,
    }
}
