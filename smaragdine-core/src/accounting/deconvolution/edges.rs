//! An instant at which the register was updated, and what moving it changes.

/// Where edges are put: `lag_ns` later than stamped, and each by its own move later still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) lag_ns: f64,
    /// Nanoseconds by edge.
    pub(super) moves_ns: Option<&'a [f64]>,
}

impl Place<'_> {
    /// As stamped.
    pub(super) const STAMPED: Self = Self { lag_ns: 0.0, moves_ns: None };

    pub(super) fn later(lag_ns: f64) -> Self {
        Self { lag_ns, moves_ns: None }
    }

    fn shift_ns(self, edge: usize) -> f64 {
        self.lag_ns + self.moves_ns.map_or(0.0, |moves_ns| moves_ns[edge])
    }
}

/// An instant at which the register was updated, as far as it is known.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) at_ns: i64,
    /// It may lie this far to either side.
    pub(super) uncertainty_ns: f64,
    /// What runs around it.
    pub(super) near: Vec<Near>,
}

/// A stretch of a column, in nanoseconds from an edge.
#[derive(Clone)]
pub(super) struct Near {
    pub(super) column: usize,
    pub(super) from_ns: f64,
    pub(super) to_ns: f64,
    /// The part by which this execution was longer than usual.
    pub(super) longer: f64,
}

impl Edge {
    /// What lies between edge number `edge` and where it is put, later counting as more: nanoseconds as a whole (of no
    /// column), and of every column that ran there.
    #[inline]
    pub(super) fn moved(&self, edge: usize, place: Place, mut each: impl FnMut(Option<usize>, f64, f64)) {
        let shift_ns = place.shift_ns(edge);
        if shift_ns == 0.0 {
            return;
        }
        let (from, to) = (shift_ns.min(0.0), shift_ns.max(0.0));
        let sign = shift_ns.signum();
        each(None, sign * (to - from), 0.0);
        for near in &self.near {
            let within = near.to_ns.min(to) - near.from_ns.max(from);
            if within > 0.0 {
                each(Some(near.column), sign * within, near.longer);
            }
        }
    }
}
