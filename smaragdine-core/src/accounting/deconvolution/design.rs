//! What each reading was measured over: the time of every operation within it, and how that changes with its edges.

use super::edges::{Edge, Near, Place};
use super::length::Lengths;
use super::model::{Courses, courses};
use super::row::{Cell, Row, UsableReading};
use super::{Problem, union};
use crate::span::{Span, joined, without};

/// The rows of one domain, in order of time, and what their columns mean.
#[derive(Clone)]
pub(super) struct Design {
    pub(super) rows: Vec<Row>,
    /// When each row starts.
    pub(super) starts_ns: Vec<i64>,
    pub(super) edges: Vec<Edge>,
    /// Number of operations: columns from 0 are theirs.
    pub(super) ops: usize,
    pub(super) lengths: Lengths,
    pub(super) steps: usize,
    pub(super) mean_others: f64,
    /// Energies are the application's: others draw a part of whatever is drawn.
    pub(super) alike: bool,
    /// All edges were seen.
    pub(super) seen: bool,
    /// How far an edge can be moved.
    reach_ns: f64,
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

    /// That part of quiet time that lies between two steps.
    pub(super) fn between(&self) -> usize {
        self.ops + 3
    }

    pub(super) fn columns(&self) -> usize {
        self.ops + 4
    }

    /// Seconds by column over all rows, without regard to sign.
    pub(super) fn whole_s(&self) -> Vec<f64> {
        let mut whole_s = vec![0.0; self.columns()];
        for cell in self.rows.iter().flat_map(|row| &row.cells) {
            whole_s[cell.column] += cell.time_s.abs();
        }
        whole_s
    }

    /// Whether in every row as many operations run at once, but for this part.
    pub(super) fn runs_alike(&self, part: f64) -> bool {
        let running = |row: &Row| {
            let sum = |is_of: &dyn Fn(usize) -> bool| {
                row.cells.iter().filter(|cell| is_of(cell.column)).map(|cell| cell.time_s).sum::<f64>()
            };
            let busy_s = sum(&|column| column == self.busy());
            (busy_s > 0.0).then(|| sum(&|column| column < self.ops) / busy_s)
        };
        let running: Vec<f64> = self.rows.iter().filter_map(running).collect();
        let mean = mean(running.iter().copied());
        running.iter().all(|each| (each - mean).abs() <= part * mean)
    }

    /// Mean watts of all rows.
    pub(super) fn mean_w(&self) -> f64 {
        let (energy_j, length_s) =
            self.rows.iter().fold((0.0, 0.0), |sum, row| (sum.0 + row.energy_j, sum.1 + row.length_s));
        energy_j / length_s
    }

    /// `windows` in order of their start; edges can be moved by the uncertainty of each and `reach_ns` more.
    pub(super) fn new(problem: &Problem, windows: &[UsableReading], reach_ns: f64) -> Self {
        let largest = windows.iter().map(|window| window.uncertainty_ns).max().unwrap_or(0);
        let ops = problem.ops.len();
        let mean_others = mean(windows.iter().map(|window| window.others));
        let mut design = Self {
            rows: Vec::with_capacity(windows.len()),
            starts_ns: windows.iter().map(|window| window.start_ns).collect(),
            edges: Vec::new(),
            ops,
            lengths: Lengths::of(ops, problem.events),
            steps: problem.steps.len(),
            mean_others,
            alike: false,
            seen: windows.iter().all(|window| window.seen),
            reach_ns: reach_ns + largest as f64,
        };
        for window in windows {
            design.push(problem, window);
        }
        let lengths = std::mem::take(&mut design.lengths);
        let of_events = problem.events.iter().filter(|event| event.draws());
        design.add(of_events.map(|event| (event.span(), event.op as usize, lengths.longer(event))));
        design.lengths = lengths;
        let busy = union(problem.events);
        let between = without(&without(problem.stretches, &joined(problem.steps.iter().copied())), &busy);
        design.add(busy.iter().map(|span| (*span, ops + 1, 0.0)));
        design.add(between.iter().map(|span| (*span, ops + 3, 0.0)));
        for row in &mut design.rows {
            row.sum_up(ops);
        }
        design
    }

    fn push(&mut self, problem: &Problem, window: &UsableReading) {
        let start = match self.edges.last_mut() {
            Some(last) if last.at_ns == window.start_ns => {
                // Each reading tells of the worse of its edges.
                last.uncertainty_ns = last.uncertainty_ns.min(window.uncertainty_ns as f64);
                self.edges.len() - 1
            }
            _ => self.edge(window.start_ns, window.uncertainty_ns),
        };
        let end = self.edge(window.end_ns, window.uncertainty_ns);
        let length_s = window.length_ns() as f64 * 1e-9;
        let middle = window.start_ns + window.length_ns() / 2;
        let cell = |column, time_s| Cell { column, time_s, longer_s: 0.0 };
        self.rows.push(Row {
            step: problem.steps.partition_point(|step| step.start_ns <= middle).saturating_sub(1),
            energy_j: window.energy_j,
            length_s,
            others: window.others,
            weight: 1.0,
            uncertainty_ns: window.uncertainty_ns as f64,
            edges: [start, end],
            cells: vec![
                cell(self.quiet(), length_s),
                cell(self.others(), (window.others - self.mean_others) * length_s),
            ],
        });
    }

    fn edge(&mut self, at_ns: i64, uncertainty_ns: i64) -> usize {
        self.edges.push(Edge { at_ns, uncertainty_ns: uncertainty_ns as f64, near: Vec::new() });
        self.edges.len() - 1
    }

    /// Enters what ran from start to end, in order of start, into the rows it ran in and at the edges it ran near.
    fn add(&mut self, spans: impl Iterator<Item = (Span, usize, f64)>) {
        let reach = self.reach_ns as i64;
        let (mut first_row, mut first_edge) = (0, 0);
        for (Span { start_ns: start, end_ns: end }, column, longer) in spans {
            while self.rows.get(first_row).is_some_and(|row| self.edges[row.edges[1]].at_ns <= start) {
                first_row += 1;
            }
            for row in &mut self.rows[first_row..] {
                let [from, to] = row.edges.map(|edge| self.edges[edge].at_ns);
                if from >= end {
                    break;
                }
                let time_s = (end.min(to) - start.max(from)) as f64 * 1e-9;
                row.cells.push(Cell { column, time_s, longer_s: longer * time_s });
            }
            while self.edges.get(first_edge).is_some_and(|edge| edge.at_ns + reach <= start) {
                first_edge += 1;
            }
            for edge in &mut self.edges[first_edge..] {
                if edge.at_ns - reach >= end {
                    break;
                }
                let from_ns = start.saturating_sub(edge.at_ns).max(-reach) as f64;
                let to_ns = end.saturating_sub(edge.at_ns).min(reach) as f64;
                edge.near.push(Near { column, from_ns, to_ns, longer });
            }
        }
    }

    /// Visits the cells of `row`, its edges put at `place`; a column may come several times.
    #[inline]
    pub(super) fn visit(&self, row: &Row, place: Place, mut cell: impl FnMut(Cell)) {
        row.cells.iter().for_each(|each| cell(*each));
        for (edge, sign) in row.edges.into_iter().zip([-1e-9, 1e-9]) {
            self.edges[edge].moved(edge, place, |column, time_ns, longer| {
                let time_s = sign * time_ns;
                match column {
                    None => cell(Cell { column: self.quiet(), time_s, longer_s: 0.0 }),
                    Some(column) => {
                        cell(Cell { column, time_s, longer_s: longer * time_s });
                        if column == self.busy() {
                            cell(Cell { column: self.quiet(), time_s: -time_s, longer_s: 0.0 });
                        }
                    }
                }
            });
        }
    }

    /// The courses of time at a row.
    #[inline]
    pub(super) fn courses(&self, row: usize) -> Courses {
        courses((row as f64 + 0.5) / self.rows.len() as f64)
    }

    /// Every edge moved by its own draw, in parts of its uncertainty.
    pub(super) fn moves_ns(&self, mut draw: impl FnMut() -> f64) -> Vec<f64> {
        self.edges.iter().map(|edge| edge.uncertainty_ns * draw()).collect()
    }

    /// As if others drew a part of what is drawn at any instant, whatever runs, instead of a power of their own.
    pub(super) fn as_alike(&self) -> Self {
        let mut design = Self { alike: true, mean_others: 0.0, ..self.clone() };
        let others = design.others();
        for row in &mut design.rows {
            row.energy_j *= 1.0 - row.others;
            row.others = 0.0;
            row.cells.retain(|cell| cell.column != others);
        }
        design
    }
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    if count > 0 { sum / f64::from(count) } else { 0.0 }
}
