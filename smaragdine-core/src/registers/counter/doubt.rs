//! A value that cannot follow the one before it, and what followed it: only that tells what happened.
//!
//! A register that shows 700 J too much and then the right value again has made no energy, one that was set forward
//! has made none either and goes on from there, and one that is set back may have been set forward before. The first
//! strange value looks the same in all of these. So it is held, for a tenth of a second and until it moved a few times,
//! and nothing is told meanwhile.

use super::step::{Held, Step, Value};

/// How long a strange value is held, and how many times it must have moved on by itself to be believed.
const HELD_NS: i64 = 100_000_000;
const MOVES: u32 = 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    pub(super) why: Why,
    /// The strange value, and the latest that can have followed it.
    pub(super) first: Held,
    pub(super) latest: Held,
    moves: u32,
    /// When doubt began: values that contradict each other take each other's place.
    since_ns: i64,
}

/// Energies in microjoules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Why {
    /// It rose by more than can have been drawn since, unless the value before was an old one.
    Late { by: u64 },
    /// It rose by more than can have been drawn.
    Jumped { by: u64 },
    /// It fell, by so much; perhaps it started again at 0, and has counted at least so much since.
    Fell { by: u64, restarted: Option<u64> },
    /// It moved for the first time, by so much, after it had stood for very long.
    Stood { by: u64, for_ns: i64 },
}

impl Why {
    /// What is strange about a value to which a step leads that cannot be.
    pub(super) fn of(step: Step) -> Self {
        match step {
            Step::Fall { by, restarted } => Self::Fell { by, restarted },
            Step::Jump(by) => Self::Jumped { by },
            _ => Self::Jumped { by: step.gained_uj() },
        }
    }
}

/// What a further value makes of a doubt.
pub(super) enum Turn {
    /// The register is back where it was going before.
    Returned,
    /// It still stands, or moved on by itself, but not for long enough.
    Undecided,
    /// It went on from the strange value, for good.
    GoesOn,
    /// It cannot have gone on from the strange value, either.
    Contradicted,
}

impl Doubt {
    pub(super) fn new(why: Why, value: &Value) -> Self {
        let first = Held::new(value, value.here, 0.0);
        Self { why, first, latest: first, moves: 0, since_ns: value.here.read.start_ns }
    }

    /// The same doubt, about another value.
    pub(super) fn about(self, why: Why, value: &Value) -> Self {
        Self { since_ns: self.since_ns, ..Self::new(why, value) }
    }

    /// Nothing that followed the strange value is believed, either.
    pub(super) fn without_rest(mut self) -> Self {
        (self.first.since, self.moves) = (self.latest.since, 0);
        self
    }

    /// It lasts for too long already to wait for values that agree.
    pub(super) fn is_old(&self, value: &Value) -> bool {
        value.here.read.start_ns - self.since_ns >= HELD_NS
    }

    /// It moved on from the strange value at least once.
    pub(super) fn moved(&self) -> bool {
        self.moves > 0
    }

    /// Only what cannot be makes its end unknown as well.
    pub(super) fn is_about_the_impossible(&self) -> bool {
        matches!(self.why, Why::Jumped { .. } | Why::Fell { .. })
    }

    /// Takes a further value, to which `before` leads from the last that was believed, and `step` from the latest here;
    /// `latest` is it as the next of these.
    pub(super) fn follow(&mut self, value: &Value, before: Step, step: Step, latest: Held) -> Turn {
        if self.returns(value, before, step) {
            return Turn::Returned;
        }
        match step {
            Step::Same => {
                self.latest.seen_at(value);
                return Turn::Undecided;
            }
            Step::Jump(_) | Step::Fall { .. } => return Turn::Contradicted,
            Step::Rise(_) | Step::Late(_) | Step::Wrap(_) | Step::Ambiguous(_) => {}
        }
        self.latest = latest;
        self.moves += 1;
        let goes_on = match self.why {
            Why::Late { .. } | Why::Stood { .. } => true,
            Why::Jumped { .. } | Why::Fell { .. } => {
                self.moves >= MOVES && value.here.read.start_ns - self.first.shown_ns >= HELD_NS
            }
        };
        if goes_on { Turn::GoesOn } else { Turn::Undecided }
    }

    fn returns(&self, value: &Value, before: Step, step: Step) -> bool {
        match self.why {
            Why::Late { .. } | Why::Jumped { .. } => {
                let fell = matches!(step, Step::Fall { .. });
                fell && !matches!(before, Step::Jump(_) | Step::Fall { .. })
            }
            Why::Fell { by, .. } => {
                let rose = match step {
                    Step::Jump(_) | Step::Wrap(_) => true,
                    Step::Rise(rise) | Step::Late(rise) => rise >= by,
                    _ => false,
                };
                rose && matches!(before, Step::Same | Step::Rise(_) | Step::Late(_))
            }
            // It is a slow one: it stood for long again.
            Why::Stood { for_ns, .. } => {
                let moved = !matches!(step, Step::Same | Step::Jump(_) | Step::Fall { .. });
                let follows = !matches!(before, Step::Jump(_) | Step::Fall { .. });
                moved && follows && 4 * (value.here.read.start_ns - self.first.shown_ns) >= for_ns
            }
        }
    }
}
