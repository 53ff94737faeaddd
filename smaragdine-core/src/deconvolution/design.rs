//! What each reading was measured over: the time of every operation within it, and how that changes with its edges.

use crate::trace::Event;

/// One reading that lies wholly in traced time.
pub(super) struct Row {
    /// Index of the step that its middle lies in.
    pub(super) step: usize,
    /// Energy of the whole domain, in joules.
    pub(super) energy_j: f64,
    /// Indices of the edges that it starts and ends at.
    edges: [usize; 2],
    /// Seconds by operation and by the columns that [`Design`] adds to them, each once.
    pub(super) times: Vec<(usize, f64)>,
}

/// An instant at which the register was updated, as far as it is known.
struct Edge {
    at_ns: i64,
    /// It may lie this far to either side.
    uncertainty_ns: f64,
    /// What runs around it.
    near: Vec<Near>,
}

/// A stretch of a column, in nanoseconds from an edge.
struct Near {
    column: usize,
    from_ns: f64,
    to_ns: f64,
}

/// A reading as the design takes it.
pub(super) struct Window {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) uncertainty_ns: i64,
    /// Its edges were seen, not taken from what its kind of register does.
    pub(super) seen: bool,
    pub(super) energy_j: f64,
    /// The part of active time that was not the application's.
    pub(super) others: f64,
}

impl Window {
    pub(super) fn length_ns(&self) -> i64 {
        self.end_ns - self.start_ns
    }
}

/// The rows of one domain, in order of time, and what their columns mean.
pub(super) struct Design {
    pub(super) rows: Vec<Row>,
    edges: Vec<Edge>,
    /// Number of operations: columns from 0 are theirs.
    pub(super) ops: usize,
    pub(super) steps: usize,
    /// All edges were seen.
    seen: bool,
    /// How far an edge can be moved.
    pub(super) reach_ns: f64,
}

impl Design {
    /// Time with no operation running.
    pub(super) fn quiet(&self) -> usize {
        self.ops
    }

    /// Time with any operation running.
    pub(super) fn busy(&self) -> usize {
        self.ops + 1
    }

    /// Time of other processes beyond their mean.
    pub(super) fn others(&self) -> usize {
        self.ops + 2
    }

    /// Seconds of one column over all rows, without regard to sign.
    pub(super) fn whole_s(&self, column: usize) -> f64 {
        let cells = self.rows.iter().flat_map(|row| &row.times).filter(|(other, _)| *other == column);
        cells.map(|(_, time)| time.abs()).sum()
    }

    pub(super) fn length_s(&self) -> f64 {
        self.rows
            .iter()
            .map(|row| (self.edges[row.edges[1]].at_ns - self.edges[row.edges[0]].at_ns) as f64 * 1e-9)
            .sum()
    }

    pub(super) fn columns(&self) -> usize {
        self.ops + 3
    }

    /// `windows` and `events` in order of their start, `steps` by start; edges can be moved by the uncertainty of
    /// each and `reach_ns` more.
    pub(super) fn new(ops: usize, events: &[&Event], windows: &[Window], steps: &[(i64, i64)], reach_ns: f64) -> Self {
        let largest = windows.iter().map(|window| window.uncertainty_ns).max().unwrap_or(0);
        let mut design = Self {
            rows: Vec::new(),
            edges: Vec::new(),
            ops,
            steps: steps.len(),
            reach_ns: reach_ns + largest as f64,
            seen: windows.iter().all(|window| window.seen),
        };
        let mean_others = mean(windows.iter().map(|window| window.others));
        for window in windows {
            let start = match design.edges.last_mut() {
                Some(last) if last.at_ns == window.start_ns => {
                    // Each reading tells of the worse of its edges.
                    last.uncertainty_ns = last.uncertainty_ns.min(window.uncertainty_ns as f64);
                    design.edges.len() - 1
                }
                _ => design.edge(window.start_ns, window.uncertainty_ns),
            };
            let end = design.edge(window.end_ns, window.uncertainty_ns);
            let length_s = (window.end_ns - window.start_ns) as f64 * 1e-9;
            let middle = window.start_ns + (window.end_ns - window.start_ns) / 2;
            design.rows.push(Row {
                step: steps.partition_point(|step| step.0 <= middle).saturating_sub(1),
                energy_j: window.energy_j,
                edges: [start, end],
                times: vec![(design.quiet(), length_s), (design.others(), (window.others - mean_others) * length_s)],
            });
        }
        let of_events =
            events.iter().filter(|event| event.draws()).map(|event| (event.start_ns, event.end_ns, event.op as usize));
        design.add(of_events);
        let busy = union(events);
        design.add(busy.iter().map(|(start, end)| (*start, *end, ops + 1)));
        for row in &mut design.rows {
            row.times.sort_unstable_by_key(|(column, _)| *column);
            row.times.dedup_by(|next, kept| {
                next.0 == kept.0 && {
                    kept.1 += next.1;
                    true
                }
            });
            let busy_s: f64 = row.times.iter().filter(|(column, _)| *column == ops + 1).map(|(_, time)| time).sum();
            row.times.iter_mut().filter(|(column, _)| *column == ops).for_each(|(_, time)| *time -= busy_s);
        }
        design
    }

    fn edge(&mut self, at_ns: i64, uncertainty_ns: i64) -> usize {
        self.edges.push(Edge { at_ns, uncertainty_ns: uncertainty_ns as f64, near: Vec::new() });
        self.edges.len() - 1
    }

    /// Enters what ran from start to end, in order of start, into the rows it ran in and at the edges it ran near.
    fn add(&mut self, spans: impl Iterator<Item = (i64, i64, usize)>) {
        let reach = self.reach_ns as i64;
        let (mut first_row, mut first_edge) = (0, 0);
        for (start, end, column) in spans {
            while self.rows.get(first_row).is_some_and(|row| self.edges[row.edges[1]].at_ns <= start) {
                first_row += 1;
            }
            for row in &mut self.rows[first_row..] {
                let [from, to] = row.edges.map(|edge| self.edges[edge].at_ns);
                if from >= end {
                    break;
                }
                let within = end.min(to) - start.max(from);
                row.times.push((column, within as f64 * 1e-9));
            }
            while self.edges.get(first_edge).is_some_and(|edge| edge.at_ns + reach <= start) {
                first_edge += 1;
            }
            for edge in &mut self.edges[first_edge..] {
                if edge.at_ns - reach >= end {
                    break;
                }
                let from_ns = start.saturating_sub(edge.at_ns).max(-reach) as f64;
                edge.near.push(Near { column, from_ns, to_ns: end.saturating_sub(edge.at_ns).min(reach) as f64 });
            }
        }
    }

    /// Seconds by column of `row`, its edges moved by `shifts` (nanoseconds, by edge), summed into the columns that
    /// `into` gives them.
    pub(super) fn times<'s>(
        &self,
        row: &Row,
        shifts: &[f64],
        into: &[Option<usize>],
        scratch: &'s mut Scratch,
    ) -> &'s [(usize, f64)] {
        scratch.clear();
        row.times.iter().for_each(|(column, time)| scratch.add(into[*column], *time));
        for (edge, sign) in row.edges.into_iter().zip([-1e-9, 1e-9]) {
            let shift = shifts[edge];
            if shift == 0.0 {
                continue;
            }
            let (from, to) = (shift.min(0.0), shift.max(0.0));
            let sign = if shift < 0.0 { -sign } else { sign };
            scratch.add(into[self.quiet()], sign * (to - from));
            for near in &self.edges[edge].near {
                let within = near.to_ns.min(to) - near.from_ns.max(from);
                if within > 0.0 {
                    scratch.add(into[near.column], sign * within);
                    if near.column == self.busy() {
                        scratch.add(into[self.quiet()], -sign * within);
                    }
                }
            }
        }
        scratch.gather()
    }

    /// Every edge moved by `lag_ns` and by its own draw, in parts of its uncertainty.
    pub(super) fn shifts(&self, lag_ns: f64, mut draw: impl FnMut() -> f64) -> Vec<f64> {
        self.edges.iter().map(|edge| lag_ns + edge.uncertainty_ns * draw()).collect()
    }

    /// What part of their uncertainty edges really scatter by, from the `errors_j` of rows, in joules.
    ///
    /// An update that came late puts into one reading what it takes from the next: neighbours err in opposite
    /// directions, by the scatter times the power at the edge between them. Where edges were not seen they may be off
    /// by nearly the same for many readings on end, and nothing tells by how much.
    pub(super) fn scatter(&self, errors_j: &[f64]) -> f64 {
        if !self.seen {
            return 1.0;
        }
        let (mut products, mut squares, mut expected) = (0.0, 0.0, 0.0);
        for (rows, errors) in self.rows.windows(2).zip(errors_j.windows(2)) {
            if rows[0].edges[1] == rows[1].edges[0] {
                let edge = &self.edges[rows[1].edges[0]];
                let length_ns = (edge.at_ns - self.edges[rows[0].edges[0]].at_ns) as f64;
                products -= errors[0] * errors[1];
                squares += (errors[0] * errors[1]).powi(2);
                // The variance of a uniform draw from [−1, 1] is 1/3.
                expected += (rows[0].energy_j / length_ns * edge.uncertainty_ns).powi(2) / 3.0;
            }
        }
        // Not to be too sure of a scatter too small: one standard error more.
        let upper = (products + squares.sqrt()).max(0.0);
        if expected > 0.0 { (upper / expected).sqrt().min(1.0) } else { 0.0 }
    }
}

/// Sums by column, cleared at the cost of what was touched.
pub(super) struct Scratch {
    sums: Vec<f64>,
    touched: Vec<usize>,
    gathered: Vec<(usize, f64)>,
}

impl Scratch {
    pub(super) fn new(columns: usize) -> Self {
        Self { sums: vec![f64::NAN; columns], touched: Vec::new(), gathered: Vec::new() }
    }

    fn clear(&mut self) {
        self.touched.drain(..).for_each(|column| self.sums[column] = f64::NAN);
    }

    #[inline]
    fn add(&mut self, column: Option<usize>, value: f64) {
        let Some(column) = column else { return };
        let sum = &mut self.sums[column];
        if sum.is_nan() {
            *sum = value;
            self.touched.push(column);
        } else {
            *sum += value;
        }
    }

    fn gather(&mut self) -> &[(usize, f64)] {
        self.gathered.clear();
        self.gathered.extend(self.touched.iter().map(|column| (*column, self.sums[*column])));
        &self.gathered
    }
}

/// The stretches in which any of `events`, in order of their start, draws energy.
pub(super) fn union(events: &[&Event]) -> Vec<(i64, i64)> {
    let mut union: Vec<(i64, i64)> = Vec::new();
    for event in events.iter().filter(|event| event.draws()) {
        match union.last_mut() {
            Some(last) if event.start_ns <= last.1 => last.1 = last.1.max(event.end_ns),
            _ => union.push((event.start_ns, event.end_ns)),
        }
    }
    union
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    if count > 0 { sum / f64::from(count) } else { 0.0 }
}
