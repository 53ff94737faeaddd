//! Metrics: the daemon's own, and those that a program names itself.

use std::collections::{BTreeMap, BTreeSet};

use super::Assembly;
use super::events::map;
use crate::clock::ClockPair;
use crate::registers::metrics::unit;
use crate::trace::{Metric, MetricSample};
use crate::wire::v1;

/// Names, units and scopes that a program gives are no longer.
const LONGEST: usize = 200;
/// A program tells of so many metrics that they have no values.
const MOST_PROBLEMS: usize = 100;

/// What programs say of their metrics, by name.
#[derive(Default)]
pub(super) struct ToldMetrics {
    units: BTreeMap<String, String>,
    problems: BTreeMap<String, String>,
}

impl Assembly {
    /// Those of the daemon, which it may have sampled of hardware that tells nonsense.
    pub(super) fn add_metrics(&mut self, samples: &[MetricSample]) {
        for MetricSample { time_ns, metric, scope, value } in samples {
            if !self.trace.metrics.add(metric, scope, *time_ns, *value) {
                self.warn(&format!("values of the metric {metric} that are no numbers were left out"));
            }
        }
    }

    pub(super) fn add_metrics_of_program(&mut self, batch: v1::MetricBatch, pair: ClockPair) {
        let bounds = self.bounds(pair);
        for told in batch.values {
            let v1::MetricValue { metric, unit: of, scope, value, problem, .. } = &told;
            let named = !metric.is_empty() && [metric, scope, of].iter().all(|text| text.len() <= LONGEST);
            if !named || unit(metric).is_some() {
                self.warn("values of metrics that have no name of their own were left out");
                continue;
            }
            let ToldMetrics { units, problems } = &mut self.told_metrics;
            if !problem.is_empty() {
                if problems.len() < MOST_PROBLEMS {
                    units.entry(metric.clone()).or_insert_with(|| of.clone());
                    problems.entry(metric.clone()).or_insert_with(|| problem.chars().take(LONGEST).collect());
                }
                continue;
            }
            let time_ns = map(self.clock(), batch.clock, told.time_ns, pair);
            if !bounds.hold(time_ns, time_ns) {
                self.warn(&format!("values of the metric {metric} that lie beyond the recording were left out"));
                continue;
            }
            let scope = if scope.is_empty() { "application" } else { scope };
            if self.trace.metrics.add(metric, scope, time_ns, *value) {
                self.told_metrics.units.entry(metric.clone()).or_insert_with(|| of.clone());
            } else {
                self.warn(&format!(
                    "values of the metric {metric} that are no numbers, or of endless scopes, were left out"
                ));
            }
        }
    }

    /// Sorts them, and says in which unit each is.
    pub(super) fn describe_metrics(&mut self) {
        let ToldMetrics { units, problems } = std::mem::take(&mut self.told_metrics);
        let metrics = &mut self.trace.metrics;
        metrics.sort();
        let named: BTreeSet<&str> = metrics.series().iter().map(|(metric, _)| metric.as_str()).collect();
        let all = named.iter().copied().chain(problems.keys().map(String::as_str)).collect::<BTreeSet<_>>();
        let described = all.into_iter().map(|name| {
            let unit = unit(name).map(str::to_owned).or_else(|| units.get(name).cloned());
            Metric { name: name.to_owned(), unit: unit.unwrap_or_default(), problem: problems.get(name).cloned() }
        });
        let described: Vec<Metric> = described.collect();
        let absent = std::mem::take(&mut self.trace.metadata.metrics);
        let absent = absent.into_iter().filter(|metric| described.iter().all(|known| known.name != metric.name));
        self.trace.metadata.metrics = absent.chain(described.iter().cloned()).collect();
        self.trace.metadata.metrics.sort_unstable();
    }
}
