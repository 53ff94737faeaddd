//! The daemon's state: its recordings, who may touch them, and when they end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock::monotonic_ns;
use crate::config::validate_period;
use crate::error::{Error, Result};
use crate::recording::{Options, Recording};
use crate::source::nvml::CudaEnvironment;
use crate::source::{Roots, Source, discover};
use crate::trace::Basis;
use crate::wire::v1;
use crate::wire::v1::record_response::Advice;

/// Who asks, as the kernel says (`SO_PEERCRED`), never as the client claims.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub uid: u32,
    pub pid: i32,
}

/// A cheap handle on the state that all connections share.
#[derive(Clone)]
pub struct Daemon {
    shared: Arc<Shared>,
}

struct Shared {
    roots: Roots,
    period: Duration,
    edge_lock: bool,
    state_dir: PathBuf,
    socket: PathBuf,
    /// A std mutex: it guards a map and is never held across an await.
    recordings: Mutex<HashMap<String, Arc<Recording>>>,
}

impl Daemon {
    #[must_use]
    pub fn new(roots: Roots, period: Duration, edge_lock: bool, state_dir: PathBuf, socket: PathBuf) -> Self {
        Self { shared: Arc::new(Shared { roots, period, edge_lock, state_dir, socket, recordings: Mutex::default() }) }
    }

    /// Ends every recording that still runs; called when the daemon leaves.
    pub fn finish(&self) {
        let recordings: Vec<_> = self.recordings().values().cloned().collect();
        for recording in recordings {
            if let Err(error) = recording.stop() {
                tracing::error!(recording = recording.id, "{error}");
            }
        }
    }

    /// How many recordings run now.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.recordings().values().filter(|recording| recording.is_running()).count() as u32
    }

    /// Forgets a recording and deletes the daemon's copy of it.
    pub fn release(&self, recording: &Recording) {
        self.recordings().remove(&recording.id);
        if let Err(error) = recording.release() {
            tracing::warn!("{error}");
        }
    }

    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.shared.roots
    }

    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.shared.state_dir
    }

    fn recordings(&self) -> MutexGuard<'_, HashMap<String, Arc<Recording>>> {
        self.shared.recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recording, if the caller may touch it.
    ///
    /// # Errors
    /// Where there is none of that name, or another user's.
    pub fn find(&self, id: &str, caller: Caller) -> Result<Arc<Recording>> {
        let recording = self.recordings().get(id).cloned();
        let recording = recording.ok_or_else(|| Error::NoSuchRecording(id.to_owned()))?;
        if caller.uid == recording.owner || caller.uid == 0 {
            Ok(recording)
        } else {
            Err(Error::NotYours(id.to_owned()))
        }
    }

    /// Starts a recording of the caller and its descendants.
    ///
    /// # Errors
    /// Where the period makes no sense, no sensor is readable though one is required, or the state directory fails.
    pub fn start_recording(&self, request: v1::StartRequest, caller: Caller) -> Result<Arc<Recording>> {
        let period = match request.period_ns {
            0 => self.shared.period,
            ns => Duration::from_nanos(ns),
        };
        validate_period(period).map_err(Error::Invalid)?;
        if let Some(clock) = request.clock
            && clock.monotonic_ns.abs_diff(monotonic_ns()) > 60_000_000_000
        {
            return Err(Error::Invalid(
                "the caller's CLOCK_MONOTONIC is not this daemon's: they run in different time namespaces".to_owned(),
            ));
        }
        let roots = &self.shared.roots;
        let cuda = cuda(&request.environment, roots, caller.pid);
        let sources = choose(roots, &cuda, request.require_measured)?;
        let id = format!("{:x}-{:x}", std::process::id(), monotonic_ns());
        let options = Options {
            name: request.name,
            period,
            edge_lock: self.shared.edge_lock,
            labels: request.labels.into_iter().collect(),
            software: request.software.into_iter().collect(),
            keep_all: request.keep_all,
            application: caller.pid,
            roots: roots.clone(),
            cuda,
            socket: self.shared.socket.clone(),
        };
        let recording = Recording::start(id.clone(), caller.uid, options, sources, &self.shared.state_dir)?;
        let recording = Arc::new(recording);
        self.recordings().insert(id, Arc::clone(&recording));
        Ok(recording)
    }

    /// Journals a request; the first of a stream opens it.
    ///
    /// # Errors
    /// Where the recording is not there or not the caller's.
    pub fn keep(
        &self,
        request: v1::RecordRequest,
        caller: Caller,
        open: &mut Option<(Arc<Recording>, u64)>,
    ) -> Result<v1::RecordResponse> {
        let (recording, stream) = match open {
            Some((recording, stream)) => (recording, *stream),
            None => {
                let recording = self.find(&request.recording, caller)?;
                let stream = recording.open_stream();
                let (recording, stream) = open.insert((recording, stream));
                (recording, *stream)
            }
        };
        let acknowledged = request.sequence;
        let mut response = v1::RecordResponse { acknowledged, advice: Advice::Continue as i32, problem: String::new() };
        if let Err(error) = tokio::task::block_in_place(|| recording.append(stream, request)) {
            response.problem = error.to_string();
            if !recording.is_running() {
                response.advice = Advice::Stop as i32;
            }
        }
        Ok(response)
    }
}

/// The caller's own word on its CUDA environment, or else what its process was started with.
fn cuda(environment: &HashMap<String, String>, roots: &Roots, pid: i32) -> CudaEnvironment {
    let value = |name: &str| environment.get(name).cloned();
    let told =
        CudaEnvironment { visible_devices: value("CUDA_VISIBLE_DEVICES"), device_order: value("CUDA_DEVICE_ORDER") };
    if told == CudaEnvironment::default() { CudaEnvironment::of(&roots.proc, pid).unwrap_or_default() } else { told }
}

/// Every readable sensor; the model only where none of them counts and none is required.
fn choose(roots: &Roots, cuda: &CudaEnvironment, require_measured: bool) -> Result<Vec<Box<dyn Source>>> {
    let (modelled, measured): (Vec<_>, Vec<_>) = discover(roots, cuda)
        .into_iter()
        .filter_map(|discovered| discovered.source.ok())
        .filter(|source| !source.domains().is_empty())
        .partition(|source| source.domains().iter().all(|domain| domain.basis == Basis::Modelled));
    if measured.iter().any(|source| source.domains().iter().any(|domain| domain.counted)) {
        Ok(measured)
    } else if !require_measured && !modelled.is_empty() {
        Ok(modelled)
    } else {
        Err(Error::NoSensor)
    }
}

/// Ends the recording when the process that started it does, so that none runs on for ever.
pub fn stop_with_caller(recording: &Arc<Recording>, pid: i32) {
    let Some(pidfd) = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
    // A weak handle: a recording that was fetched and forgotten needs no more watching.
    let recording = Arc::downgrade(recording);
    let watch = move || {
        // A process's descriptor becomes readable when the process ends (pidfd_open(2)).
        let ended = retry_on_intr(|| poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None));
        if ended.is_ok()
            && let Some(recording) = recording.upgrade().filter(|recording| recording.is_running())
        {
            tracing::info!(recording = recording.id, "its process ended; finishing the trace");
            if let Err(error) = recording.stop() {
                tracing::error!(recording = recording.id, "{error}");
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("caller".to_owned()).spawn(watch) {
        tracing::warn!("a recording will not end with its process: {error}");
    }
}
