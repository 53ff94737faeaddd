//! The daemon's state: its recordings, who may touch them, and when they end.

mod admission;
mod farewell;
mod start;
mod stream;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use self::stream::OpenStream;
use crate::build::assembler::Assembler;
use crate::error::{Error, Result};
use crate::monitor::recordings::Roll;
use crate::registers::source::Roots;
use crate::registers::station::Station;
use crate::serve::access::{Access, Caller};
use crate::serve::connection::Places;
use crate::serve::limits::Limits;
use crate::serve::recording::Recording;
use crate::serve::room::Room;
use crate::store::journal::DiskUse;
use crate::store::state::StateDir;

/// A cheap handle on the state that all connections share.
#[derive(Clone)]
pub struct Daemon {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    /// Where sensors are sampled, for all recordings.
    station: Station,
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
    /// Where recordings are entered of which monitors are told.
    pub roll: Option<Roll>,
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
                station: Station::default(),
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

    /// Where sensors are sampled.
    #[must_use]
    pub fn station(&self) -> &Station {
        &self.shared.station
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
}
