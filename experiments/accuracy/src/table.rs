//! The table: every policy over operation length, sensor, concurrency and what is known of the register's updates.

use std::io::{self, Write};

use smaragdine_core::trace::{Policy, Trace};

use crate::released;
use crate::score::{Estimate, Score};
use crate::sensor::{Edges, Sensor, watch};
use crate::training::{Shape, Training};

/// What the table spans.
#[derive(Debug, Clone)]
pub struct Span {
    pub op_ns: Vec<f64>,
    pub lanes: Vec<usize>,
    pub seeds: u64,
    /// Traced time, in seconds, in readings of a millisecond or four, and in longer ones.
    pub seconds: (f64, f64),
}

impl Span {
    /// What the experiment tells.
    #[must_use]
    pub fn full() -> Self {
        Self { op_ns: vec![5e4, 2e5, 5e5, 4e6, 4e7], lanes: vec![1, 2, 8], seeds: 3, seconds: (12.0, 240.0) }
    }

    /// Enough to see that it works.
    #[must_use]
    pub fn small() -> Self {
        Self { op_ns: vec![5e5, 4e6], lanes: vec![1, 2], seeds: 1, seconds: (12.0, 60.0) }
    }
}

/// Operations of a step.
const OPS: usize = 144;
/// Events of one training, at most: what memory and patience hold.
const MOST_EVENTS: f64 = 6e5;

const HEADER: &str = "op_us,sensor,lanes,edges,traced_s,policy";

/// Writes the table as CSV, a case at a time.
///
/// # Errors
/// Where `out` takes no more.
pub fn write(span: &Span, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{HEADER},{}", Summary::HEADER)?;
    for op_ns in &span.op_ns {
        for lanes in &span.lanes {
            for (sensor_name, sensor) in Sensor::ALL {
                let trainings = trainings(span, *op_ns, *lanes, sensor);
                let traced_s = trainings.iter().map(Training::seconds).sum::<f64>() / trainings.len() as f64;
                let mut oracle = None;
                for (edges_name, edges) in Edges::ALL {
                    let case = format!("{},{sensor_name},{lanes},{edges_name},{traced_s:.0}", op_ns / 1e3);
                    let rows = rows(&trainings, sensor, edges);
                    for (policy, summary) in &rows {
                        writeln!(out, "{case},{policy},{}", summary.row())?;
                        if (edges, *policy) == (Edges::Exact, Policy::Deconvolved.name()) {
                            oracle = Some(summary.row());
                        }
                    }
                    if let Some(oracle) = &oracle {
                        writeln!(out, "{case},oracle,{oracle}")?;
                    }
                    out.flush()?;
                }
            }
        }
    }
    Ok(())
}

fn trainings(span: &Span, op_ns: f64, lanes: usize, sensor: Sensor) -> Vec<Training> {
    let seconds = if sensor.is_slow() { span.seconds.1 } else { span.seconds.0 };
    let step_s = op_ns * 1e-9 * OPS as f64 / lanes as f64 + 4e-3;
    let most = MOST_EVENTS / OPS as f64;
    let steps = ((seconds / step_s).min(most) as usize).max(12);
    (0..span.seeds).map(|seed| Training::new(Shape { op_ns, lanes, steps, locked: false, seed })).collect()
}

/// By policy, over all trainings.
fn rows(trainings: &[Training], sensor: Sensor, edges: Edges) -> Vec<(&'static str, Summary)> {
    let traces = (0..).zip(trainings).map(|(seed, training)| (training, watch(training, sensor, edges, false, seed)));
    let mut traces: Vec<(&Training, Trace)> = traces.collect();
    let released = |(training, trace): &(&Training, Trace)| {
        Score::of(training, &released::energies_j(trace.ops.len(), &trace.events, &trace.readings))
    };
    let released = Summary::of(&traces.iter().map(released).collect::<Vec<_>>());
    let mut by_policy = |policy: Policy| {
        let scores = traces.iter_mut().map(|(training, trace)| Score::by_policy(training, trace, policy));
        (policy.name(), Summary::of(&scores.collect::<Vec<_>>()))
    };
    let mut rows: Vec<_> = Policy::ALL.into_iter().map(&mut by_policy).collect();
    rows.push(("released", released));
    rows
}

/// Several scores of the same thing: errors of what was answered, or of equal share where nothing was.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub mean_error: f64,
    pub worst_error: f64,
    /// Types of operations with an interval, and those whose truth lies within it.
    pub cases: usize,
    pub covered: usize,
    pub median_half_width: Option<f64>,
    pub answered: usize,
    pub refused: usize,
    pub refusal: Option<String>,
}

impl Summary {
    pub const HEADER: &str = "mean_error,worst_error,cases,covered,median_half_width,answered,refused,refusal";

    #[must_use]
    pub fn of(scores: &[Score]) -> Self {
        let answered = scores.iter().filter(|score| score.refusal.is_none()).count();
        let counted = || scores.iter().filter(|score| answered == 0 || score.refusal.is_none());
        let with_interval = || counted().flat_map(|score| &score.estimates).filter(|each| each.interval_j.is_some());
        let mut half_widths: Vec<f64> = with_interval().filter_map(Estimate::half_width).collect();
        half_widths.sort_unstable_by(f64::total_cmp);
        Self {
            mean_error: counted().map(Score::mean_error).sum::<f64>() / counted().count() as f64,
            worst_error: counted().map(Score::worst_error).fold(0.0, f64::max),
            cases: with_interval().count(),
            covered: with_interval().filter(|each| each.covered() == Some(true)).count(),
            median_half_width: half_widths.get(half_widths.len() / 2).copied(),
            answered,
            refused: scores.len() - answered,
            refusal: scores.iter().find_map(|score| score.refusal.clone()),
        }
    }

    /// As CSV.
    #[must_use]
    pub fn row(&self) -> String {
        let half_width = self.median_half_width.map_or(String::new(), |half| format!("{half:.4}"));
        let refusal = self.refusal.as_deref().unwrap_or("").replace(',', ";");
        format!(
            "{:.4},{:.4},{},{},{half_width},{},{},{refusal}",
            self.mean_error, self.worst_error, self.cases, self.covered, self.answered, self.refused
        )
    }
}
