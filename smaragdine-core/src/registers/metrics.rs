//! Metrics: what machine and application did, about once a second, beside the registers and never in their way.
//!
//! A metric is a name, a unit, a function that reads it, and a check whether it can be read here: a [`Metric`] in the
//! list of its family, one small file each. Those of `/proc` and those of GPUs have a thread each, for a driver may be
//! slow. Both measure what they cost, and look less often where that is more than their part of [`budget`].

mod budget;
mod cpu;
mod disk;
mod frequency;
mod gpu;
mod host;
mod load;
mod memory;
mod network;
mod thread;

use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::clock::TraceClock;
use crate::registers::source::Roots;
use crate::registers::source::nvml::CudaEnvironment;
use crate::trace::{self, MetricSample};

use budget::Budget;
use gpu::GpuLooks;
use host::HostLooks;
use thread::Thread;

/// How often metrics are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// How long the end of a recording waits for a thread that asks a driver.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one metric is. `L` is what it is read through: the machine's files, or a GPU.
pub struct Metric<L> {
    pub name: &'static str,
    /// `s`, `bytes`, `Hz`, `°C`; `1`: a fraction or a number.
    pub unit: &'static str,
    /// Of what there are values.
    pub scopes: &'static str,
    /// Where they come from, for people.
    pub source: &'static str,
    /// Whether it can be read on this machine, and why not.
    check: fn(&L) -> Result<(), Absent>,
    /// Adds its values, by scope. What fails is left out of this look, and told once.
    read: fn(&mut L, &mut Values<'_>) -> Result<(), String>,
}

/// Why a metric cannot be read here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Absent {
    /// The machine has no such thing.
    NotHere(String),
    /// It should be there: the user is told.
    Broken(String),
}

/// Where a metric puts its values.
struct Values<'a> {
    metric: &'static str,
    time_ns: i64,
    samples: &'a mut Vec<MetricSample>,
}

impl Values<'_> {
    fn add(&mut self, scope: &str, value: f64) {
        let (metric, scope) = (self.metric.to_owned(), scope.to_owned());
        self.samples.push(MetricSample { time_ns: self.time_ns, metric, scope, value });
    }
}

/// Name, unit, scopes and source of each metric that the daemon knows, in the order of their families.
pub fn known() -> impl Iterator<Item = [&'static str; 4]> {
    let of_host = host::metrics().map(|metric| [metric.name, metric.unit, metric.scopes, metric.source]);
    let of_gpus = gpu::METRICS.iter().map(|metric| [metric.name, metric.unit, metric.scopes, metric.source]);
    of_host.chain(of_gpus)
}

/// The unit of a metric of the daemon's.
#[must_use]
pub fn unit(name: &str) -> Option<&'static str> {
    known().find(|[known, ..]| *known == name).map(|[_, unit, ..]| unit)
}

/// How metrics were sampled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricReport {
    /// Those that could not be, with the reason.
    pub absent: Vec<trace::Metric>,
    /// CPU time that sampling took, in seconds.
    pub cpu_s: f64,
    /// What the user should know, each once.
    pub problems: Vec<String>,
}

/// Samples metrics on threads of its own.
#[derive(Debug)]
pub struct MetricSampler {
    threads: Vec<Thread>,
}

impl MetricSampler {
    /// Starts to look. `application` counts with its descendants; 0 is nobody. `daemon` is this process.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start(
        roots: &Roots,
        cuda: &CudaEnvironment,
        application: i32,
        daemon: i32,
        clock: TraceClock,
        sink: &SyncSender<Vec<MetricSample>>,
    ) -> std::io::Result<Self> {
        let (host_roots, library, cuda) = (roots.clone(), roots.nvml_library.clone(), cuda.clone());
        let proc_root = roots.proc.clone();
        let host = Thread::start("metrics", clock, sink.clone(), Budget::of_host(), move || {
            HostLooks::new(&host_roots, application, daemon)
        })?;
        let gpus = Thread::start("gpu metrics", clock, sink.clone(), Budget::of_gpus(), move || {
            GpuLooks::new(library.as_deref().map(Path::to_owned), cuda, application, &proc_root)
        })?;
        Ok(Self { threads: vec![host, gpus] })
    }

    /// Takes a last look and ends the threads; one whose driver does not answer is left behind.
    #[must_use]
    pub fn stop(self) -> MetricReport {
        self.threads.iter().for_each(Thread::tell_to_stop);
        let mut all = MetricReport::default();
        for report in self.threads.into_iter().map(|thread| thread.report(PATIENCE)) {
            all.absent.extend(report.absent);
            all.cpu_s += report.cpu_s;
            all.problems.extend(report.problems);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_is_known_once_by_a_name_without_a_unit() {
        let mut names: Vec<_> = known().map(|[name, ..]| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')));
        assert_eq!((unit("cpu_time"), unit("nobody's")), (Some("s"), None));
    }
}
