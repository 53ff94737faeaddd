//! What runs while a recording does: its subscriptions, the threads of shares and metrics, and the collector.

use std::path::Path;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::collector::{Collected, Incoming, Live, collect};
use super::{Options, WAITING_BATCHES};
use crate::clock::TraceClock;
use crate::error::{Error, Result};
use crate::registers::host;
use crate::registers::metrics::MetricSampler;
use crate::registers::shares::gpu::GpuShareSampler;
use crate::registers::shares::{self, Machine, ShareSampler};
use crate::registers::source::Source;
use crate::registers::source::edge_lock::EdgeLock;
use crate::registers::station::{Station, Subscription, Wish};
use crate::store::journal::Journal;
use crate::trace::{Basis, Domain, Hardware, Metadata, RecordingOptions, SCHEMA_VERSION, State};

pub(super) struct Running {
    subscriptions: Vec<Subscription>,
    shares: ShareSampler,
    gpu_shares: Option<GpuShareSampler>,
    metrics: MetricSampler,
    /// What the sources could not open.
    problems: Vec<String>,
    collector: JoinHandle<Collected>,
    /// Once it is dropped the collector runs dry and returns.
    end: Sender<()>,
}

impl Running {
    /// Starts everything, the first reads included.
    pub(super) fn start(
        options: &Options,
        station: &Station,
        sources: Vec<Box<dyn Source>>,
        clock: TraceClock,
        dir: &Path,
        journal: Arc<Mutex<Journal>>,
        live: tokio::sync::watch::Sender<Live>,
    ) -> Result<Self> {
        let period_ns = options.period.as_nanos() as i64;
        let thread = || Error::io("start a thread for", dir);
        let (mut subscriptions, mut listeners) = (Vec::new(), Vec::new());
        let domains: Vec<Domain> = sources.iter().flat_map(|source| source.domains().to_vec()).collect();
        let (mut first_domain, mut gpus, mut problems) = (0, false, Vec::new());
        for source in sources {
            let source = if options.edge_lock { EdgeLock::around(source) } else { source };
            gpus |= source.name() == "nvml";
            problems.extend(source.problems());
            let domains = source.domains().len() as u16;
            let wish = Wish { period_ns, first_domain, clock };
            let (subscription, listener) = station.subscribe(source, wish).map_err(thread())?;
            subscriptions.push(subscription);
            listeners.push(listener);
            first_domain += domains;
        }
        let (shares, incoming_shares) = sync_channel(WAITING_BATCHES);
        let (metrics, incoming_metrics) = sync_channel(WAITING_BATCHES);
        let (end, ended) = channel();
        let incoming = Incoming { listeners, shares: incoming_shares, metrics: incoming_metrics, end: ended };
        let collected = domains.clone();
        let collector = std::thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || collect(&journal, incoming, &collected, &live))
            .map_err(thread())?;
        let Options { roots, cuda, .. } = options;
        // No process has the number 0: its shares are unknown.
        let application = options.application.unwrap_or(0);
        let mut gpu_shares = None;
        if gpus {
            let library = roots.nvml_library.as_deref();
            match GpuShareSampler::start(library, cuda, application, &roots.proc, clock, shares.clone()) {
                Ok(sampler) => gpu_shares = Some(sampler),
                Err(unavailable) => problems.push(format!("the shares of GPUs are unknown: {unavailable}")),
            }
        }
        let daemon = vec![host::own_pid(&roots.proc)];
        // Between two readings nobody asks for a share.
        let shares_ns = period_ns.max(shares::PERIOD_NS);
        let measured = domains.iter().any(|domain| domain.counted && domain.basis == Basis::Measured);
        let shared = if measured { Machine::measured } else { Machine::modelled };
        let machine = shared(roots.topology(), &roots.proc);
        problems.extend(machine.unshared(&domains));
        let shares = ShareSampler::start(machine, application, daemon, shares_ns, clock, shares);
        let shares = shares.map_err(thread())?;
        let metrics = MetricSampler::start(roots, cuda, application, host::own_pid(&roots.proc), clock, &metrics);
        let metrics = metrics.map_err(thread())?;
        Ok(Self { subscriptions, shares, gpu_shares, metrics, problems, collector, end })
    }

    /// Stops every thread; returns what each has to report.
    pub(super) fn stop(self) -> Metadata {
        let mut end = Metadata { warnings: self.problems, ..Metadata::default() };
        // First, so that the collector has all of them before it ends with the last reading.
        let report = self.metrics.stop();
        end.metrics = report.absent;
        end.metrics_cpu_s = Some(report.cpu_s);
        let told_of_metrics = report.problems;
        let read: Vec<bool> = self.subscriptions.into_iter().map(Subscription::leave).collect();
        if read.contains(&false) {
            end.warnings.push("a thread that reads sensors failed; readings are missing".to_owned());
        }
        let report = self.shares.stop();
        end.share_source = Some(report.source);
        end.share_tick_ns = Some(report.tick_ns);
        end.warnings.extend(report.problems);
        if let Some(shares) = self.gpu_shares {
            end.warnings.extend(shares.stop().problems);
        }
        end.warnings.extend(told_of_metrics);
        drop(self.end);
        match self.collector.join() {
            Ok(collected) => {
                end.sources = collected.sources;
                end.warnings.extend(collected.problems);
            }
            Err(_) => end.warnings.push("the collector of readings failed; readings are missing".to_owned()),
        }
        end
    }
}

/// What is known when a recording starts.
pub(super) fn describe(
    id: &str,
    options: &Options,
    sources: &[Box<dyn Source>],
    clock: TraceClock,
    dir: &Path,
) -> Metadata {
    let domains: Vec<_> = sources.iter().flat_map(|source| source.domains().to_vec()).collect();
    let mut devices: Vec<_> = domains.iter().map(|domain| domain.device.clone()).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut software = options.software.clone();
    software.insert("smaragdined".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let drivers = sources.iter().flat_map(|source| source.software());
    software.extend(drivers.map(|(name, version)| (name.to_owned(), version)));
    Metadata {
        schema_version: SCHEMA_VERSION,
        state: State::Recording,
        recording: id.to_owned(),
        name: options.name.clone(),
        labels: options.labels.clone(),
        start_ns: clock.now_ns(),
        realtime_offset_ns: clock.realtime_offset_ns,
        host: host::host(&options.roots.proc, options.application),
        hardware: Hardware {
            gpus: sources.iter().flat_map(|source| source.gpu_hardware()).collect(),
            ..host::hardware(&options.roots.proc, &options.roots.sys, &options.roots.topology())
        },
        software,
        devices,
        domains,
        options: RecordingOptions {
            application_pid: options.application,
            daemon_pid: Some(std::process::id()),
            edge_lock: Some(options.edge_lock),
            keep_all: options.keep_all,
            period_ns: Some(options.period.as_nanos() as u64),
            uid: Some(options.owner),
        },
        socket: Some(options.socket.display().to_string()),
        state_dir: Some(dir.display().to_string()),
        ..Metadata::default()
    }
}
