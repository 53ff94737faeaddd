//! Metrics: what machine and application did, as values over time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many pairs of metric and scope a trace holds at most: a program may name metrics of its own.
const MOST_SERIES: usize = 4096;

/// What a metric is, and whether it was sampled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// As the table has it.
    pub name: String,
    /// Of its values: `s`, `bytes`, `Hz`; `1` is a fraction or a number.
    pub unit: String,
    /// Why it could not be sampled on this machine; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One value of one metric, on its way into the table.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    pub time_ns: i64,
    pub metric: String,
    /// Of what: `application`, `machine`, `daemon`, `GPU:0`, `application/GPU:0`; or what a program says.
    pub scope: String,
    pub value: f64,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricRow {
    pub time_ns: i64,
    /// Index into [`Metrics::series`].
    pub series: u16,
    pub value: f64,
}

/// The table: a day of it is millions of rows, so their names are held once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics {
    series: Vec<(String, String)>,
    rows: Vec<MetricRow>,
    /// Metric → scope → its series.
    known: BTreeMap<String, BTreeMap<String, u16>>,
}

impl Metrics {
    /// Metric and scope of each series.
    #[must_use]
    pub fn series(&self) -> &[(String, String)] {
        &self.series
    }

    #[must_use]
    pub fn rows(&self) -> &[MetricRow] {
        &self.rows
    }

    /// Adds a value. False where there are too many series, or it is no number: it is left out.
    pub fn add(&mut self, metric: &str, scope: &str, time_ns: i64, value: f64) -> bool {
        if !value.is_finite() {
            return false;
        }
        let known = self.known.get(metric).and_then(|scopes| scopes.get(scope)).copied();
        let series = match known {
            Some(series) => series,
            None if self.series.len() >= MOST_SERIES => return false,
            None => {
                let series = self.series.len() as u16;
                self.series.push((metric.to_owned(), scope.to_owned()));
                self.known.entry(metric.to_owned()).or_default().insert(scope.to_owned(), series);
                series
            }
        };
        self.rows.push(MetricRow { time_ns, series, value });
        true
    }

    /// By metric, scope and time, as the table has them: equal neighbours take the least room.
    pub fn sort(&mut self) {
        let mut series = std::mem::take(&mut self.series);
        let place = |(metric, scope): &(String, String), sorted: &[(String, String)]| {
            sorted.partition_point(|(other, of)| (other, of) < (metric, scope)) as u16
        };
        let before = series.clone();
        series.sort_unstable();
        let places: Vec<u16> = before.iter().map(|one| place(one, &series)).collect();
        for row in &mut self.rows {
            row.series = places[usize::from(row.series)];
        }
        for (metric, scopes) in &mut self.known {
            for (scope, number) in scopes {
                *number = place(&(metric.clone(), scope.clone()), &series);
            }
        }
        self.series = series;
        self.rows.sort_by_key(|row| (row.series, row.time_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_metric_scope_and_time_whatever_order_they_came_in() {
        let mut metrics = Metrics::default();
        for (metric, scope, time_ns) in [("load", "machine", 2), ("cpu_time", "machine", 2), ("load", "machine", 1)] {
            assert!(metrics.add(metric, scope, time_ns, 0.5));
        }
        metrics.sort();
        assert!(metrics.add("cpu_time", "application", 1, 1.0));
        assert!(metrics.add("load", "machine", 3, 1.0));
        metrics.sort();
        let told = metrics.rows().iter().map(|row| (&*metrics.series()[usize::from(row.series)].1, row.time_ns));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [("application", 1), ("machine", 2), ("machine", 1), ("machine", 2), ("machine", 3)]
        );
    }

    #[test]
    fn what_is_no_number_and_endless_names_are_left_out() {
        let mut metrics = Metrics::default();
        assert!(!metrics.add("load", "machine", 1, f64::NAN) && !metrics.add("load", "machine", 1, f64::INFINITY));
        let taken = (0..2 * MOST_SERIES).filter(|number| metrics.add("of mine", &number.to_string(), 1, 1.0)).count();
        assert_eq!((taken, metrics.rows().len()), (MOST_SERIES, MOST_SERIES));
    }
}
