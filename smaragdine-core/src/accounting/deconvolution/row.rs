//! Readings as the design takes them: windows of time, and the time of every column within one.

/// Time of one column within a reading, in seconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::accounting) struct Cell {
    pub(in crate::accounting) column: usize,
    pub(in crate::accounting) time_s: f64,
    /// The same, each execution weighted with the part by which it was longer than usual.
    pub(in crate::accounting) longer_s: f64,
}

/// One reading that lies wholly in traced time.
#[derive(Clone)]
pub(in crate::accounting) struct Row {
    /// Index of the step that its middle lies in.
    pub(in crate::accounting) step: usize,
    /// Energy of the whole domain, in joules.
    pub(in crate::accounting) energy_j: f64,
    pub(in crate::accounting) length_s: f64,
    /// The part of it that is not the application's, nor nobody's.
    pub(in crate::accounting) others: f64,
    /// How much it counts: less, where its edges are known worse than those of others.
    pub(in crate::accounting) weight: f64,
    pub(in crate::accounting) uncertainty_ns: f64,
    /// Indices of the edges that it starts and ends at.
    pub(in crate::accounting) edges: [usize; 2],
    /// By operation and by the columns that [`Design`] adds to them, each once.
    pub(in crate::accounting) cells: Vec<Cell>,
}

/// A reading as the design takes it.
pub(in crate::accounting) struct UsableReading {
    pub(in crate::accounting) start_ns: i64,
    pub(in crate::accounting) end_ns: i64,
    pub(in crate::accounting) uncertainty_ns: i64,
    /// Its edges were seen, not taken from what its kind of register does.
    pub(in crate::accounting) seen: bool,
    pub(in crate::accounting) energy_j: f64,
    /// The part of its energy that was not the application's, nor nobody's.
    pub(in crate::accounting) others: f64,
}

impl UsableReading {
    pub(in crate::accounting) fn length_ns(&self) -> i64 {
        self.end_ns - self.start_ns
    }
}

impl Row {
    /// One cell for each column, and quiet what is not busy.
    pub(in crate::accounting) fn sum_up(&mut self, ops: usize) {
        self.cells.sort_unstable_by_key(|cell| cell.column);
        self.cells.dedup_by(|next, kept| {
            next.column == kept.column && {
                kept.time_s += next.time_s;
                kept.longer_s += next.longer_s;
                true
            }
        });
        let busy_s: f64 = self.cells.iter().filter(|cell| cell.column == ops + 1).map(|cell| cell.time_s).sum();
        self.cells.iter_mut().filter(|cell| cell.column == ops).for_each(|cell| cell.time_s -= busy_s);
    }
}
