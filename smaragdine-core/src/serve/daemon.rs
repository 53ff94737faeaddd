//! The daemon's state: its recordings, who may touch them, and when they end.

mod admission;
mod farewell;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::build::assembler::Assembler;
use crate::clock::realtime_ns;
use crate::config::Limits;
use crate::error::{Error, Result};
use crate::registers::host::own_pid;
use crate::registers::source::Roots;
use crate::registers::source::choice::choose;
use crate::registers::source::nvml::CudaEnvironment;
use crate::serve::access::{Access, Caller};
use crate::serve::connection::Places;
use crate::serve::process::Process;
use crate::serve::recording::{Cut, Options, Recording};
use crate::serve::room::Room;
use crate::store::journal::{DiskUse, disk};
use crate::store::state::StateDir;
use crate::wire::v1;
use crate::wire::v1::record_response::Advice;

/// A cheap handle on the state that all connections share.
#[derive(Clone)]
pub struct Daemon {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    leaving: AtomicBool,
    describing: tokio::sync::Mutex<()>,
    room: Room,
    /// Stops under way: each holds a thread.
    stops: Places,
    /// By user.
    held: Mutex<HashMap<u32, Arc<DiskUse>>>,
    /// A std mutex: it guards a map and is never held across an await.
    recordings: Mutex<HashMap<String, Arc<Recording>>>,
}

/// What a daemon is told when it starts.
#[derive(Debug)]
pub struct Settings {
    pub roots: Roots,
    pub period: Duration,
    pub edge_lock: bool,
    pub state: StateDir,
    pub socket: PathBuf,
    pub access: Access,
    pub limits: Limits,
    pub assembler: Assembler,
}

impl Daemon {
    /// A daemon that knows what an earlier one left in its state directory.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let left = settings.state.left_behind();
        let (mut recordings, mut held) = (HashMap::new(), HashMap::<u32, Arc<DiskUse>>::new());
        for dir in left {
            match Recording::left_behind(&dir, |owner| Arc::clone(held.entry(owner).or_default())) {
                Ok(recording) => {
                    recordings.insert(recording.id.clone(), Arc::new(recording));
                }
                Err(error) => tracing::warn!("{} is left alone: {error}", dir.display()),
            }
        }
        if !recordings.is_empty() {
            tracing::info!("{} recordings of an earlier daemon are kept for their owners", recordings.len());
        }
        let stops = Places::new(settings.limits.most_recordings, settings.limits.most_per_user);
        let daemon = Self {
            shared: Arc::new(Shared {
                settings,
                leaving: AtomicBool::new(false),
                describing: tokio::sync::Mutex::default(),
                room: Room::default(),
                stops,
                held: Mutex::new(held),
                recordings: Mutex::new(recordings),
            }),
        };
        daemon.forget_old();
        daemon
    }

    /// Starts no more recordings from now on.
    pub fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Release);
    }

    /// How many recordings run now: those of one user, or all.
    #[must_use]
    pub fn running(&self, owner: Option<u32>) -> usize {
        let counts =
            |recording: &Recording| recording.is_running() && owner.is_none_or(|owner| recording.owner == owner);
        self.recordings().values().filter(|recording| counts(recording)).count()
    }

    /// Whether a recording of this daemon's life still runs, or was not fetched yet.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.recordings().values().any(|recording| recording.is_of_this_daemon())
    }

    /// Forgets a recording and deletes the daemon's copy of it.
    pub fn forget(&self, recording: &Recording) {
        self.recordings().remove(&recording.id);
        if let Err(error) = recording.release(self.assembler()) {
            tracing::warn!("{error}");
        }
    }

    /// Deletes recordings that nobody fetched for too long.
    pub fn forget_old(&self) {
        let keep = self.settings().limits.keep;
        let now = SystemTime::now();
        let is_old = |recording: &Recording| {
            let age = recording.touched().and_then(|touched| now.duration_since(touched).ok());
            !recording.is_running() && age.is_some_and(|age| age > keep)
        };
        for recording in self.all().into_iter().filter(|recording| is_old(recording)) {
            tracing::info!(recording = recording.id, "nobody fetched it for {} days; deleted", keep.as_secs() / 86_400);
            self.forget(&recording);
        }
    }

    /// Held by whoever asks the sensors what they are.
    #[must_use]
    pub fn describing(&self) -> &tokio::sync::Mutex<()> {
        &self.shared.describing
    }

    /// For what is on its way from and to clients.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.shared.room
    }

    /// Where journals become traces.
    #[must_use]
    pub fn assembler(&self) -> &Assembler {
        &self.shared.settings.assembler
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.settings().state.path
    }

    fn recordings(&self) -> MutexGuard<'_, HashMap<String, Arc<Recording>>> {
        self.shared.recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Recording>> {
        self.recordings().values().cloned().collect()
    }

    /// The recording, if it is the caller's.
    ///
    /// # Errors
    /// Where there is none of that name, or another user's: whether there is one is nobody else's business.
    pub fn find(&self, id: &str, caller: &Caller) -> Result<Arc<Recording>> {
        self.find_if(id, |owner| self.settings().access.owns(caller, owner))
    }

    /// The recording, if the caller may read it.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_to_read(&self, id: &str, caller: &Caller) -> Result<Arc<Recording>> {
        self.find_if(id, |owner| self.settings().access.reads(caller, owner))
    }

    fn find_if(&self, id: &str, allowed: impl Fn(u32) -> bool) -> Result<Arc<Recording>> {
        let recording = self.recordings().get(id).filter(|recording| allowed(recording.owner)).cloned();
        recording.ok_or_else(|| Error::NoSuchRecording(id.to_owned()))
    }

    /// Starts a recording of the caller and its descendants.
    ///
    /// # Errors
    /// Where the period makes no sense, too many recordings run, no sensor is readable though one is required, the
    /// state directory fails, or the daemon is leaving.
    pub fn start_recording(&self, request: v1::StartRequest, caller: &Caller) -> Result<Arc<Recording>> {
        let Settings { roots, state, socket, .. } = self.settings();
        let period = self.check(&request)?;
        if let Some(refused) = self.full(&self.recordings(), caller.uid) {
            return Err(refused);
        }
        self.forget_old();
        let held = self.held(caller.uid);
        held.check(disk::free(&state.path))?;
        let application = self.visible(caller.process.as_ref());
        let cuda = cuda(&request.environment).unwrap_or_else(|| self.cuda_of(caller.process.as_ref()));
        let sources = choose(roots, &cuda, request.require_measured)?;
        let id = format!("{:x}-{:x}", std::process::id(), realtime_ns());
        let options = Options {
            name: request.name,
            period,
            edge_lock: self.settings().edge_lock,
            labels: request.labels.into_iter().collect(),
            software: request.software.into_iter().collect(),
            keep_all: request.keep_all,
            owner: caller.uid,
            application,
            roots: roots.clone(),
            cuda,
            socket: socket.clone(),
            held,
        };
        let recording = Arc::new(Recording::start(id.clone(), options, sources, &state.path)?);
        // Whom the samplers found under its number was the caller only if the caller still lives.
        let ended = caller.process.as_ref().is_some_and(Process::has_ended);
        let refused = {
            let mut recordings = self.recordings();
            // Again under the lock that inserts, so that no two callers get the last place.
            let refused = if ended { Some(Error::CallerEnded) } else { self.full(&recordings, caller.uid) };
            if refused.is_none() {
                recordings.insert(id, Arc::clone(&recording));
            }
            refused
        };
        if let Some(refused) = refused {
            recording.cut(Cut::ProgramEnded);
            let _ = recording.release(self.assembler());
            return Err(refused);
        }
        Ok(recording)
    }

    /// A caller's number in our `/proc`, where that shows it.
    fn visible(&self, process: Option<&Process>) -> Option<i32> {
        // The kernel numbers callers as in our own pid namespace. In another's /proc that number is somebody else.
        process.map(|process| process.pid).filter(|_| own_pid(&self.settings().roots.proc) == std::process::id() as i32)
    }

    /// The CUDA environment that a caller's process was started with, as far as it can be seen.
    #[must_use]
    pub fn cuda_of(&self, process: Option<&Process>) -> CudaEnvironment {
        let pid = self.visible(process);
        let told = pid.and_then(|pid| CudaEnvironment::of(&self.settings().roots.proc, pid).ok());
        told.filter(|_| !process.is_none_or(Process::has_ended)).unwrap_or_default()
    }

    /// Journals a request; the first of a stream opens it. Returns the answer, and how long its sender has to wait.
    ///
    /// # Errors
    /// Where the recording is not there or not the caller's.
    pub fn keep(
        &self,
        request: v1::RecordRequest,
        caller: &Caller,
        open: &mut Option<OpenStream>,
    ) -> Result<(v1::RecordResponse, Duration)> {
        let OpenStream { recording, stream, paused } = match open {
            Some(open) => open,
            None => {
                let recording = self.find(&request.recording, caller)?;
                let stream = recording.open_stream();
                open.insert(OpenStream { recording, stream, paused: false })
            }
        };
        let acknowledged = request.sequence;
        let mut response = v1::RecordResponse { acknowledged, ..v1::RecordResponse::default() };
        let kept = tokio::task::block_in_place(|| recording.append(*stream, request));
        let advice = match &kept {
            Ok(_) if std::mem::take(paused) => Advice::Resume,
            Ok(_) => Advice::Continue,
            Err(_) if !recording.is_running() => Advice::Stop,
            Err(Error::NoRoom { .. } | Error::TooMuch(_) | Error::OverQuota { .. }) => {
                *paused = true;
                Advice::Pause
            }
            Err(_) => Advice::Continue,
        };
        response.advice = advice as i32;
        response.problem = kept.as_ref().err().map(ToString::to_string).unwrap_or_default();
        Ok((response, kept.unwrap_or_default()))
    }
}

/// One stream of a client's requests.
pub struct OpenStream {
    recording: Arc<Recording>,
    stream: u64,
    /// The client was told to send nothing that can wait.
    paused: bool,
}

/// The caller's own word on its CUDA environment.
fn cuda(environment: &HashMap<String, String>) -> Option<CudaEnvironment> {
    let value = |name: &str| environment.get(name).cloned();
    let told =
        CudaEnvironment { visible_devices: value("CUDA_VISIBLE_DEVICES"), device_order: value("CUDA_DEVICE_ORDER") };
    (told != CudaEnvironment::default()).then_some(told)
}
