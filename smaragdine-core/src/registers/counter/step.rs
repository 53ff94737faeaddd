//! From one value of a register to another: what may have happened in between.

use crate::span::Span;
use crate::trace::Limit;

/// When a register took a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) at_ns: i64,
    pub(super) uncertainty_ns: Option<i64>,
    /// The read that showed it.
    pub(super) read: Span,
}

impl Edge {
    /// At a moment, as far as a read tells.
    pub(super) fn at(at_ns: i64, read: Span) -> Self {
        Self { at_ns, uncertainty_ns: None, read }
    }

    pub(super) fn within(self, uncertainty_ns: Option<i64>) -> Self {
        Self { uncertainty_ns, ..self }
    }
}

/// A value that a read brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) energy_uj: u64,
    /// When the register was looked at, as far as is known.
    pub(super) now_ns: i64,
    /// Since when the register has had it, as far as this read tells.
    pub(super) here: Edge,
    /// How long the machine slept since the read before.
    pub(super) slept_ns: i64,
}

/// A value that the register holds, or held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) energy_uj: u64,
    /// When the register took it: where the interval after it starts.
    pub(super) since: Edge,
    /// When the first and the last read that showed it began. A wrap can only have been overlooked after the last.
    pub(super) shown_ns: i64,
    read_ns: i64,
    /// When it was looked at last, as far as is known.
    pub(super) seen_ns: i64,
    /// How long the machine slept since it was first shown.
    slept_ns: i64,
    /// How much more than it tells may have been drawn by then: registers tell late.
    untold_uj: f64,
}

impl Held {
    pub(super) fn new(value: &Value, since: Edge, untold_uj: f64) -> Self {
        let Value { energy_uj, now_ns, here: Edge { read: Span { start_ns: read_ns, .. }, .. }, .. } = *value;
        Self { energy_uj, since, shown_ns: read_ns, read_ns, seen_ns: now_ns, slept_ns: 0, untold_uj }
    }

    /// It was shown more than once.
    pub(super) fn stood(&self) -> bool {
        self.stood_ns() > 0
    }

    /// How long it was seen to stand.
    pub(super) fn stood_ns(&self) -> i64 {
        self.read_ns - self.shown_ns
    }

    /// It is shown again.
    pub(super) fn seen_at(&mut self, value: &Value) {
        self.read_ns = value.here.read.start_ns;
        self.seen_ns = value.now_ns;
        self.slept_ns += value.slept_ns;
    }

    /// The most that can have been drawn from when this value was first shown until another is.
    fn drawable_uj(&self, value: &Value, limit: &Limit) -> f64 {
        limit.energy_uj((value.here.read.end_ns - self.shown_ns).max(0) + self.slept_ns + value.slept_ns)
    }

    /// What may still be untold of, once `gained_uj` are told.
    pub(super) fn untold_after(&self, gained_uj: u64, value: &Value, limit: &Limit) -> f64 {
        let untold_uj = self.untold_uj + self.drawable_uj(value, limit) - gained_uj as f64;
        untold_uj.clamp(0.0, limit.energy_uj(limit.stale_ns))
    }

    /// What lies between this value and the next.
    pub(super) fn step(&self, value: &Value, range_uj: Option<u64>, limit: &Limit) -> Step {
        let drawable_uj = self.drawable_uj(value, limit);
        // Only what happened since the last successful read can have gone unseen: an idle register may stand for hours.
        let unseen_uj = limit.energy_uj(value.here.read.end_ns - self.read_ns + value.slept_ns);
        let wraps_again = |gained: u64| range_uj.is_some_and(|range| gained as f64 + range as f64 <= unseen_uj);
        match value.energy_uj.checked_sub(self.energy_uj) {
            Some(rise) if wraps_again(rise) => Step::Ambiguous(rise),
            Some(0) => Step::Same,
            Some(rise) if rise as f64 <= drawable_uj => Step::Rise(rise),
            Some(rise) if rise as f64 <= drawable_uj + self.untold_uj => Step::Late(rise),
            Some(rise) => Step::Jump(rise),
            None => {
                let wrapped =
                    range_uj.and_then(|range| range.checked_sub(self.energy_uj)?.checked_add(value.energy_uj));
                match wrapped {
                    // Sleep powers registers down, so a fall is more likely a restart.
                    Some(wrapped) if value.slept_ns == 0 && wrapped as f64 <= drawable_uj + self.untold_uj => {
                        if wraps_again(wrapped) {
                            Step::Ambiguous(wrapped)
                        } else {
                            Step::Wrap(wrapped)
                        }
                    }
                    _ => {
                        let by = self.energy_uj - value.energy_uj;
                        let restarted = value.energy_uj as f64 <= unseen_uj;
                        // One that was hardly above 0 may have been set back instead.
                        let since = if by as f64 > unseen_uj { value.energy_uj } else { 0 };
                        Step::Fall { by, restarted: restarted.then_some(since) }
                    }
                }
            }
        }
    }
}

/// What may have happened between two reads of a register; energies in microjoules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Same,
    /// No more than can have been drawn meanwhile.
    Rise(u64),
    /// More than that, unless the value before was an old one.
    Late(u64),
    /// More than that, too.
    Jump(u64),
    /// The register passed its range once.
    Wrap(u64),
    /// It can have passed its range once more than it shows.
    Ambiguous(u64),
    /// `restarted`: it can have started again at 0 since it was last seen, and certainly counted so much since.
    Fall {
        by: u64,
        restarted: Option<u64>,
    },
}

impl Step {
    /// What the register counted, where that is known.
    pub(super) fn gained_uj(self) -> u64 {
        match self {
            Self::Rise(by) | Self::Late(by) | Self::Wrap(by) | Self::Ambiguous(by) => by,
            Self::Same | Self::Jump(_) | Self::Fall { .. } => 0,
        }
    }
}
