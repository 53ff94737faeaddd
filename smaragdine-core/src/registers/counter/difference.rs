//! What one read of a register adds to the one before.

use crate::span::Span;
use crate::trace::Flags;

/// What one read of a register adds to the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Difference {
    /// The first value: there is nothing to subtract it from.
    First,
    /// The value of the last read again: the register has not refreshed, its interval stays open.
    NotRefreshed,
    /// The read failed: the interval stays open, the next success covers it.
    Failed,
    /// The value cannot follow the last one, or hardly: what follows it tells, within a tenth of a second or a few
    /// updates.
    Doubted,
    Counted(Interval),
    /// The register passed its range exactly once.
    Wrapped(Interval),
    /// The register started again at 0.
    Reset(Interval),
    /// The register can have wrapped once more than the difference shows.
    Ambiguous(Interval),
    /// The first value after failed reads: what was drawn while they failed is unknown.
    Lost(Interval),
    /// The register rose by more than can have been drawn, or fell and did not start again at 0, for an instant or for
    /// good.
    Impossible(Interval),
    /// The register moved on after it had stood still for longer than it can, or never did.
    Standing(Interval),
}

/// Energy between two refreshes of the register. `CLOCK_MONOTONIC`.
///
/// A refresh is only seen at the read after it. Where the read before showed the old value still, it happened between
/// the two, and at the instant that the pace of earlier refreshes leaves possible: its best estimate is the middle of
/// that, and the uncertainty is known. Otherwise it is put at the read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub start_ns: i64,
    pub end_ns: i64,
    /// How far a refresh may be off its estimate, of the worse edge; `None`: up to one refresh before the read.
    pub edge_uncertainty_ns: Option<i64>,
    /// Around the read that showed its end.
    pub read: Span,
    /// A lower bound where [`Flags::is_gap`]. Below 0 where the register fell to what it would have shown had it not
    /// risen as much before: so much was counted that nobody drew.
    pub energy_j: f64,
    /// Of every read since the last interval: missed ticks and failed reads combine with each kind of difference.
    pub flags: Flags,
}

impl Difference {
    /// The interval that this read closes, if it closes one.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        match *self {
            Self::First | Self::NotRefreshed | Self::Failed | Self::Doubted => None,
            Self::Counted(interval)
            | Self::Wrapped(interval)
            | Self::Reset(interval)
            | Self::Ambiguous(interval)
            | Self::Lost(interval)
            | Self::Impossible(interval)
            | Self::Standing(interval) => Some(interval),
        }
    }
}
