//! Worlds: what makes one training harder to account than another.

use crate::training::Shape;

const MS: f64 = 1e6;

/// How long operations take in the mean, by type, as parts of a shape's `op_ns`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lengths {
    /// Evenly between the two.
    Even(f64, f64),
    /// Evenly on a logarithmic scale.
    Wide(f64, f64),
}

/// What runs between two epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    None,
    /// Its operations are traced, in no step.
    Seen,
    /// A profiler looks, but what runs is none of its business.
    Unseen,
}

/// A training, and the machine that it runs on.
#[derive(Debug, Clone, Copy)]
pub struct World {
    pub shape: Shape,
    pub kinds: usize,
    pub layers: usize,
    pub lengths: Lengths,
    /// At the end of each step, within it: at least, at most.
    pub pause_ns: (f64, f64),
    /// Between two steps, in none of them.
    pub gap_ns: (f64, f64),
    /// An operation is followed by a pause of this length with this probability.
    pub breaks: (f64, (f64, f64)),
    /// So many steps of so many are traced.
    pub traced: (usize, usize),
    /// By what part all power rises from the first step to the last.
    pub drift: f64,
    /// What part of the predecessor's power an operation takes over.
    pub company: f64,
    /// Standard deviation of an execution's length, as a part.
    pub length_jitter: f64,
    /// An execution that takes longer by some part draws more power by this much of it: of types in turn.
    pub stretch: (f64, f64),
    /// From this part of the steps on some operations take longer, and all draw more.
    pub reshaped: Option<f64>,
    /// Standard deviation of a walk of all power, as a part.
    pub wander: f64,
    /// An execution is interrupted with this probability: it takes four times as long, and little happens meanwhile.
    pub interrupted: f64,
    /// What is drawn between steps, beyond what is within them: up to so many watts, another each time.
    pub restless_w: f64,
    pub evaluation: Evaluation,
    /// Other processes run on the socket, now more, now less.
    pub shared: bool,
}

impl World {
    /// Nothing but the shape, and pauses at the end of each step.
    #[must_use]
    pub fn plain(shape: Shape) -> Self {
        Self {
            shape,
            kinds: 12,
            layers: 12,
            lengths: Lengths::Even(0.4, 1.6),
            pause_ns: (2.0 * MS, 6.0 * MS),
            gap_ns: (0.0, 0.0),
            breaks: (0.0, (0.0, 0.0)),
            traced: (1, 1),
            drift: 0.0,
            company: 0.0,
            length_jitter: 0.05,
            stretch: (0.0, 0.0),
            reshaped: None,
            wander: 0.0,
            interrupted: 0.0,
            restless_w: 0.0,
            evaluation: Evaluation::None,
            shared: false,
        }
    }
}
