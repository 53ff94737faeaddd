//! The lanes of one device: spans become leaf events of one operation each.

use std::ops::RangeInclusive;

use super::kernels::Kernels;
use crate::profiler::RawEvent;
use crate::profiler::leaves::{LaneSpan, resolve};

pub(super) struct Lanes<'p> {
    device: u16,
    within: &'p RangeInclusive<i64>,
    events: &'p mut Vec<RawEvent>,
    impossible: &'p mut u64,
    leaves: Vec<LaneSpan>,
}

impl<'p> Lanes<'p> {
    /// Of the device with this number; adds to `events`, and to `impossible` what is not `within`.
    pub(super) fn of(
        device: u16,
        within: &'p RangeInclusive<i64>,
        events: &'p mut Vec<RawEvent>,
        impossible: &'p mut u64,
    ) -> Self {
        Self { device, within, events, impossible, leaves: Vec::new() }
    }

    /// Adds all that one lane executes.
    pub(super) fn add(&mut self, lane: u32, spans: &mut Vec<LaneSpan>, kernels: &mut Kernels) {
        let Self { device, within, events, impossible, leaves } = self;
        let all = spans.len();
        spans.retain(|span| within.contains(&span.start_ns) && within.contains(&span.end_ns));
        **impossible += (all - spans.len()) as u64;
        leaves.clear();
        resolve(spans, leaves);
        for leaf in leaves {
            let (device, LaneSpan { kind, correlation, .. }) = (*device, *leaf);
            kernels.divide(leaf, |name, start_ns, end_ns| {
                events.push(RawEvent { name, device, lane, kind, start_ns, end_ns, correlation });
            });
        }
    }
}
