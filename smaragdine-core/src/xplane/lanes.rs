//! The lanes of one device: spans become leaf events of one operation each.

use super::RawEvent;
use super::kernels::Kernels;
use super::leaves::{Span, resolve};

pub(super) struct Lanes<'p> {
    device: u16,
    events: &'p mut Vec<RawEvent>,
    leaves: Vec<Span>,
}

impl<'p> Lanes<'p> {
    /// Of the device with this number; adds to `events`.
    pub(super) fn of(device: u16, events: &'p mut Vec<RawEvent>) -> Self {
        Self { device, events, leaves: Vec::new() }
    }

    /// Adds all that one lane executes.
    pub(super) fn add(&mut self, lane: u32, spans: &mut [Span], kernels: &mut Kernels) {
        let Self { device, events, leaves } = self;
        leaves.clear();
        resolve(spans, leaves);
        for leaf in leaves {
            let (device, Span { kind, correlation, .. }) = (*device, *leaf);
            kernels.divide(leaf, |name, start_ns, end_ns| {
                events.push(RawEvent { name, device, lane, kind, start_ns, end_ns, correlation });
            });
        }
    }
}
