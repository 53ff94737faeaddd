//! One recording: its samplers, its journal, and the trace that becomes of them.

mod collector;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

pub use self::collector::Live;
use self::collector::collect;
use crate::clock::TraceClock;
use crate::error::{Error, Result};
use crate::host;
use crate::journal::{Journal, Record};
use crate::recover::build;
use crate::sampler::Sampler;
use crate::shares::gpu::GpuShareSampler;
use crate::shares::{self, ShareSampler};
use crate::source::edge_lock::EdgeLock;
use crate::source::nvml::CudaEnvironment;
use crate::source::{Roots, Source};
use crate::trace::{Basis, Metadata, Reading, SCHEMA_VERSION, ShareSample, State};
use crate::wire::v1::RecordRequest;

/// Batches that may wait for the journal: a few seconds of a stalled disk.
const WAITING_BATCHES: usize = 256;

/// How a recording is to be made.
#[derive(Debug, Clone)]
pub struct Options {
    pub name: String,
    pub period: Duration,
    /// Poll registers closely around their updates.
    pub edge_lock: bool,
    pub labels: BTreeMap<String, String>,
    pub software: BTreeMap<String, String>,
    pub keep_all: bool,
    /// The application: this process and its descendants.
    pub application: i32,
    pub roots: Roots,
    /// What decides which GPU is the application's `GPU:0`.
    pub cuda: CudaEnvironment,
    pub socket: PathBuf,
}

/// What came of a recording.
#[derive(Debug, Clone)]
pub struct Summary {
    pub end_ns: i64,
    pub readings: u64,
    pub events: u64,
    pub warnings: Vec<String>,
}

pub struct Recording {
    pub id: String,
    /// Who started it; only they and root may feed, stop or fetch it.
    pub owner: u32,
    pub metadata: Metadata,
    dir: PathBuf,
    journal: Arc<Mutex<Journal>>,
    streams: AtomicU64,
    live: tokio::sync::watch::Receiver<Live>,
    /// Readable without waiting for a stop under way.
    running: AtomicBool,
    stage: Mutex<Stage>,
}

enum Stage {
    Running(Running),
    Stopped(std::result::Result<Summary, String>),
}

struct Running {
    samplers: Vec<Sampler>,
    shares: ShareSampler,
    gpu_shares: Option<GpuShareSampler>,
    /// What the sources could not open.
    problems: Vec<String>,
    collector: JoinHandle<Vec<String>>,
}

impl Recording {
    /// Starts sampling `sources` into a journal of its own under `state_dir`.
    ///
    /// # Errors
    /// Where the state directory takes no journal or a sampling thread cannot be started.
    pub fn start(
        id: String,
        owner: u32,
        options: Options,
        sources: Vec<Box<dyn Source>>,
        state_dir: &Path,
    ) -> Result<Self> {
        let clock = TraceClock::start();
        let dir = state_dir.join(&id);
        std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        let metadata = describe(&id, &options, &sources, clock, &dir);
        let mut journal = Journal::create(&dir.join("journal"))?;
        journal.append(&Record::Start(Box::new(metadata.clone())))?;
        let journal = Arc::new(Mutex::new(journal));

        let (readings, incoming_readings) = sync_channel(WAITING_BATCHES);
        let (shares, incoming_shares) = sync_channel(WAITING_BATCHES);
        let (live_sender, live) = tokio::sync::watch::channel(Live::default());
        let collector = {
            let journal = Arc::clone(&journal);
            let names = metadata.domains.iter().map(|domain| domain.name.clone()).collect();
            std::thread::Builder::new()
                .name("collector".to_owned())
                .spawn(move || collect(&journal, &incoming_readings, &incoming_shares, names, &live_sender))
                .map_err(Error::io("start a thread for", &dir))?
        };
        let running = start_samplers(&options, sources, clock, &dir, &readings, shares, collector)?;
        Ok(Self {
            id,
            owner,
            metadata,
            dir,
            journal,
            streams: AtomicU64::new(0),
            live,
            running: AtomicBool::new(true),
            stage: Mutex::new(Stage::Running(running)),
        })
    }

    /// A number for a new stream of requests.
    pub fn open_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps a client's request.
    ///
    /// # Errors
    /// Where the recording ended or the journal takes no more.
    pub fn append(&self, stream: u64, request: RecordRequest) -> Result<()> {
        if !self.is_running() {
            return Err(Error::Invalid(format!("recording {} has ended", self.id)));
        }
        lock(&self.journal).append(&Record::Request { stream, request: Box::new(request) })
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    #[must_use]
    pub fn live(&self) -> tokio::sync::watch::Receiver<Live> {
        self.live.clone()
    }

    /// Ends the recording: last readings, assembly, accounting, tables. A second call gives the first's answer.
    ///
    /// # Errors
    /// Where the trace could not be built or written; the journal stays.
    pub fn stop(&self) -> Result<Summary> {
        self.running.store(false, Ordering::Release);
        let mut stage = lock(&self.stage);
        if let Stage::Stopped(result) = &*stage {
            return result.clone().map_err(Error::Invalid);
        }
        let running =
            match std::mem::replace(&mut *stage, Stage::Stopped(Err("the recording is being ended".to_owned()))) {
                Stage::Running(running) => running,
                Stage::Stopped(_) => unreachable!("looked at above, under the same lock"),
            };
        let result = self.finish(running);
        *stage = Stage::Stopped(result.as_ref().map(Clone::clone).map_err(ToString::to_string));
        result
    }

    fn finish(&self, running: Running) -> Result<Summary> {
        let mut end = Metadata { end_ns: Some(self.clock().now_ns()), state: State::Complete, ..Metadata::default() };
        for sampler in running.samplers {
            end.sources.push(sampler.stop());
        }
        end.warnings.extend(running.problems);
        let report = running.shares.stop();
        end.share_source = Some(report.source);
        end.share_tick_ns = Some(report.tick_ns);
        end.warnings.extend(report.problems);
        if let Some(shares) = running.gpu_shares {
            end.warnings.extend(shares.stop().problems);
        }
        // All senders are gone now, so the collector runs dry and returns.
        match running.collector.join() {
            Ok(problems) => end.warnings.extend(problems),
            Err(_) => end.warnings.push("the collector of readings failed; readings are missing".to_owned()),
        }
        lock(&self.journal).append(&Record::End(Box::new(end)))?;

        let trace = build(&self.dir.join("journal"), &self.trace_dir())?;
        Ok(Summary {
            end_ns: trace.metadata.end_ns.unwrap_or_default(),
            readings: trace.readings.len() as u64,
            events: trace.events.len() as u64,
            warnings: trace.metadata.warnings.clone(),
        })
    }

    /// The finished trace's files, `trace.json` last.
    ///
    /// # Errors
    /// Where the recording still runs or its directory cannot be read.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        match &*lock(&self.stage) {
            Stage::Running(_) => {
                return Err(Error::Invalid(format!("recording {} still runs; stop it first", self.id)));
            }
            Stage::Stopped(Err(problem)) => return Err(Error::Invalid(problem.clone())),
            Stage::Stopped(Ok(_)) => {}
        }
        let dir = self.trace_dir();
        let entries = std::fs::read_dir(&dir).map_err(Error::io("read", &dir))?;
        let mut files: Vec<_> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
        files.sort_by_key(|path| (path.ends_with("trace.json"), path.clone()));
        Ok(files)
    }

    /// Deletes the daemon's copy.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn release(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.dir).map_err(Error::io("remove", &self.dir))
    }

    #[must_use]
    pub fn clock(&self) -> TraceClock {
        TraceClock { realtime_offset_ns: self.metadata.realtime_offset_ns }
    }

    #[must_use]
    pub fn basis(&self) -> Basis {
        self.metadata.domains.iter().map(|domain| domain.basis).min().unwrap_or(Basis::Modelled)
    }

    fn trace_dir(&self) -> PathBuf {
        self.dir.join("trace")
    }
}

fn describe(id: &str, options: &Options, sources: &[Box<dyn Source>], clock: TraceClock, dir: &Path) -> Metadata {
    let domains: Vec<_> = sources.iter().flat_map(|source| source.domains().to_vec()).collect();
    let mut devices: Vec<_> = domains.iter().map(|domain| domain.device.clone()).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut software = options.software.clone();
    software.insert("smaragdined".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Metadata {
        schema_version: SCHEMA_VERSION,
        state: State::Recording,
        recording: id.to_owned(),
        name: options.name.clone(),
        labels: options.labels.clone(),
        start_ns: clock.now_ns(),
        realtime_offset_ns: clock.realtime_offset_ns,
        host: host::host(&options.roots.proc),
        hardware: host::hardware(&options.roots.proc),
        software,
        devices,
        domains,
        options: BTreeMap::from([
            ("period_ns".to_owned(), json!(options.period.as_nanos() as u64)),
            ("keep_all".to_owned(), json!(options.keep_all)),
            ("edge_lock".to_owned(), json!(options.edge_lock)),
            ("application_pid".to_owned(), json!(options.application)),
        ]),
        socket: Some(options.socket.display().to_string()),
        state_dir: Some(dir.display().to_string()),
        ..Metadata::default()
    }
}

fn start_samplers(
    options: &Options,
    sources: Vec<Box<dyn Source>>,
    clock: TraceClock,
    dir: &Path,
    readings: &SyncSender<Vec<Reading>>,
    shares: SyncSender<Vec<ShareSample>>,
    collector: JoinHandle<Vec<String>>,
) -> Result<Running> {
    let period_ns = options.period.as_nanos() as i64;
    let thread = || Error::io("start a thread for", dir);
    let mut samplers = Vec::with_capacity(sources.len());
    let (mut first_domain, mut gpus, mut problems) = (0, false, Vec::new());
    for source in sources {
        let source = if options.edge_lock { EdgeLock::around(source) } else { source };
        gpus |= source.name() == "nvml";
        problems.extend(source.problems());
        let domains = source.domains().len() as u16;
        let period_ns = period_ns.max(source.shortest_period_ns().unwrap_or(0));
        samplers.push(Sampler::start(source, first_domain, period_ns, clock, readings.clone()).map_err(thread())?);
        first_domain += domains;
    }
    let Options { roots, cuda, application, .. } = options;
    let mut gpu_shares = None;
    if gpus {
        let library = roots.nvml_library.as_deref();
        match GpuShareSampler::start(library, cuda, *application, &roots.proc, clock, shares.clone()) {
            Ok(sampler) => gpu_shares = Some(sampler),
            Err(unavailable) => problems.push(format!("the shares of GPUs are unknown: {unavailable}")),
        }
    }
    let daemon = vec![std::process::id() as i32];
    let shares = ShareSampler::start(&roots.proc, *application, daemon, shares::PERIOD_NS, clock, shares);
    let shares = shares.map_err(thread())?;
    Ok(Running { samplers, shares, gpu_shares, collector, problems })
}

/// A panic while the lock was held has been told by its own thread; the data stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
