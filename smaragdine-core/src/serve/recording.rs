//! One recording: what it listens to, its journal, and the trace that becomes of them.

mod collector;
mod lifetime;
mod merging;
mod pace;
mod pausing;
mod requests;
mod running;
mod settling;
mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use self::collector::Live;
pub(crate) use self::lifetime::end_with_caller;
use self::pausing::Pause;
pub use self::pausing::{Holder, Pausing};
use self::requests::Requests;
use self::running::{Running, describe};
use crate::build::assembler::Assembler;
use crate::build::summary::Summary;
use crate::clock::TraceClock;
use crate::error::{Error, Result};
use crate::registers::source::nvml::CudaEnvironment;
use crate::registers::source::{Roots, Source};
use crate::registers::station::Station;
use crate::store::journal::{DiskUse, Journal, Record, Records, disk};
use crate::trace::{Basis, Metadata, State};
use crate::wire::v1::RecordRequest;

/// Batches that may wait for the journal: a few seconds of a stalled disk.
const WAITING_BATCHES: usize = 256;

const JOURNAL: &str = "journal";

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
    /// Who records.
    pub owner: u32,
    /// The application: this process and its descendants. `None`: not to be seen from here, so its share is unknown.
    pub application: Option<i32>,
    pub roots: Roots,
    /// What decides which GPU is the application's `GPU:0`.
    pub cuda: CudaEnvironment,
    pub socket: PathBuf,
    /// What the owner's recordings hold of the disk.
    pub held: Arc<DiskUse>,
}

pub struct Recording {
    pub id: String,
    /// Who started it; only they and root may feed, stop or take it away.
    pub owner: u32,
    pub metadata: Metadata,
    dir: PathBuf,
    held: Arc<DiskUse>,
    /// `None` where an earlier daemon kept it.
    journal: Option<Arc<Mutex<Journal>>>,
    requests: Requests,
    live: tokio::sync::watch::Receiver<Live>,
    pause: Pause,
    /// Readable without waiting for a stop under way.
    running: AtomicBool,
    stage: Mutex<Stage>,
}

/// Why a recording is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// So nothing of it is missing.
    ProgramEnded,
    /// Its program may go on, and what it does is not measured.
    DaemonLeaves,
}

enum Stage {
    Running(Running),
    /// All that will be known is in the journal; there is no trace yet, or it could not be written.
    Ended,
    Built(Summary),
}

impl Recording {
    /// Starts to listen to `sources`, into a journal of its own under `state_dir`.
    ///
    /// # Errors
    /// Where the state directory takes no journal or a thread cannot be started; nothing is left of it then.
    pub fn start(
        id: String,
        options: Options,
        station: &Station,
        sources: Vec<Box<dyn Source>>,
        state_dir: &Path,
    ) -> Result<Self> {
        let dir = state_dir.join(&id);
        std::fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
        let held = Arc::clone(&options.held);
        Self::start_in(dir.clone(), id, options, station, sources).inspect_err(|_| {
            held.sub(disk::size(&dir));
            let _ = std::fs::remove_dir_all(&dir);
        })
    }

    fn start_in(
        dir: PathBuf,
        id: String,
        options: Options,
        station: &Station,
        sources: Vec<Box<dyn Source>>,
    ) -> Result<Self> {
        let clock = TraceClock::start();
        let metadata = describe(&id, &options, &sources, clock, &dir);
        let mut journal = Journal::create(&dir.join(JOURNAL))?;
        journal.charge(Arc::clone(&options.held));
        journal.append(&Record::Start(Box::new(metadata.clone())))?;
        let journal = Arc::new(Mutex::new(journal));

        let (sender, live) = tokio::sync::watch::channel(Live::default());
        let running = Running::start(&options, station, sources, clock, &dir, Arc::clone(&journal), sender)?;
        Ok(Self {
            id,
            owner: options.owner,
            metadata,
            dir,
            held: options.held,
            journal: Some(journal),
            requests: Requests::default(),
            live,
            pause: Pause::default(),
            running: AtomicBool::new(true),
            stage: Mutex::new(Stage::Running(running)),
        })
    }

    /// A recording that an earlier daemon left in `dir` when it was cut off, or that nobody fetched from it.
    ///
    /// # Errors
    /// Where `dir` holds no journal that says whose it is.
    pub fn left_behind(dir: &Path, held: impl FnOnce(u32) -> Arc<DiskUse>) -> Result<Self> {
        let journal = dir.join(JOURNAL);
        let foreign = |problem: &str| Error::NotATrace { path: journal.clone(), problem: problem.to_owned() };
        let Some(Record::Start(metadata)) = Records::open(&journal)?.next() else {
            return Err(foreign("it holds no journal of a recording"));
        };
        let owner = metadata.options.uid.ok_or_else(|| foreign("it does not say whose it is"))?;
        if dir.file_name() != Some(metadata.recording.as_ref()) {
            return Err(foreign("it is the journal of another recording"));
        }
        let held = held(owner);
        held.add(disk::size(dir));
        Ok(Self {
            id: metadata.recording.clone(),
            owner,
            metadata: *metadata,
            dir: dir.to_owned(),
            held,
            journal: None,
            requests: Requests::default(),
            live: tokio::sync::watch::channel(Live::default()).1,
            pause: Pause::default(),
            running: AtomicBool::new(false),
            stage: Mutex::new(Stage::Ended),
        })
    }

    /// A number for a new stream of requests.
    pub fn open_stream(&self) -> u64 {
        self.requests.open_stream()
    }

    /// Keeps a client's request; returns how long its sender is to wait before the next.
    ///
    /// # Errors
    /// [`Error::NoRoom`] where the disk is full, [`Error::TooMuch`] where this recording was sent enough,
    /// others where it ended or the journal takes no more.
    pub fn append(&self, stream: u64, request: RecordRequest) -> Result<Duration> {
        self.require_running()?;
        let Some(journal) = &self.journal else { return Err(self.ended()) };
        self.requests.keep(&self.id, stream, request, |record| lock(journal).append(&record))
    }

    fn require_running(&self) -> Result<()> {
        if self.is_running() { Ok(()) } else { Err(self.ended()) }
    }

    fn ended(&self) -> Error {
        Error::Invalid(format!("recording {} has ended", self.id))
    }

    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Whether this daemon recorded it, rather than an earlier one.
    #[must_use]
    pub fn is_of_this_daemon(&self) -> bool {
        self.journal.is_some()
    }

    #[must_use]
    pub fn live(&self) -> tokio::sync::watch::Receiver<Live> {
        self.live.clone()
    }

    #[must_use]
    pub fn pausing(&self) -> Pausing {
        self.pause.now()
    }

    /// Has the training pause before its next step, or go on.
    ///
    /// # Errors
    /// [`Error::Told`] where no program of the recording said that it can.
    pub fn ask_to_pause(&self, pause: bool) -> Result<()> {
        self.require_running()?;
        if self.pause.ask(pause) {
            return Ok(());
        }
        Err(Error::Told {
            problem: "this training did not say that it can pause".to_owned(),
            hint: Some("give its callback, its hook or `smaragdine.record` pausable=True".to_owned()),
        })
    }

    /// A program of it can pause from now on.
    ///
    /// # Errors
    /// Where the recording has ended.
    pub fn hold(&self) -> Result<Holder> {
        self.require_running()?;
        Ok(self.pause.enter())
    }

    /// When something was last written down.
    #[must_use]
    pub fn touched(&self) -> Option<SystemTime> {
        std::fs::metadata(self.dir.join(JOURNAL)).and_then(|journal| journal.modified()).ok()
    }

    /// Ends the recording as its client asks: last readings, assembly, accounting, tables. A second call gives the
    /// first's answer, or tries again where the trace could not be written.
    ///
    /// # Errors
    /// Where the trace could not be built or written; the journal stays.
    pub fn stop(&self, assembler: &Assembler) -> Result<Summary> {
        let now_ns = self.clock().now_ns();
        self.built(self.end(State::Complete, Some(now_ns)), assembler, Some(now_ns))
    }

    /// Makes the trace of a recording that has ended; the first time only.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn assemble(&self, assembler: &Assembler) -> Result<Summary> {
        self.built(lock(&self.stage), assembler, None)
    }

    /// Whether its trace is made; one that is being ended or made now has none yet.
    #[must_use]
    pub fn has_trace(&self) -> bool {
        self.stage.try_lock().is_ok_and(|stage| matches!(*stage, Stage::Built(_)))
    }

    /// `program_end_ns`: until when the program is known to have run.
    fn built(
        &self,
        mut stage: MutexGuard<'_, Stage>,
        assembler: &Assembler,
        program_end_ns: Option<i64>,
    ) -> Result<Summary> {
        if let Stage::Built(summary) = &*stage {
            return Ok(summary.clone());
        }
        let summary = assembler.assemble(self.owner, &self.dir, program_end_ns)?;
        self.held.add(disk::size(&self.trace_dir()));
        *stage = Stage::Built(summary.clone());
        Ok(summary)
    }

    /// Ends the recording because its client or the daemon has to go: the trace, which whoever asks for it makes, is
    /// `cut`. From here on it holds no thread and no open file.
    pub fn cut(&self, why: Cut) {
        drop(self.end(State::Cut, (why == Cut::ProgramEnded).then(|| self.clock().now_ns())));
    }

    fn end(&self, state: State, program_end_ns: Option<i64>) -> MutexGuard<'_, Stage> {
        self.running.store(false, Ordering::Release);
        self.pause.ask(false);
        let mut stage = lock(&self.stage);
        if matches!(*stage, Stage::Running(_))
            && let Stage::Running(running) = std::mem::replace(&mut *stage, Stage::Ended)
        {
            self.close(running, state, program_end_ns);
        }
        stage
    }

    /// Stops the samplers and ends the journal.
    fn close(&self, running: Running, state: State, program_end_ns: Option<i64>) {
        let now_ns = self.clock().now_ns();
        let program_end_ns = program_end_ns.filter(|_| state == State::Cut);
        let mut end = Metadata { end_ns: Some(now_ns), program_end_ns, state, ..running.stop() };
        let left_out = self.requests.left_out();
        if left_out > 0 {
            end.warnings
                .push(format!("{left_out} of the program's messages were left out: there was no room for them"));
        }
        if let Some(journal) = &self.journal {
            let mut journal = lock(journal);
            if let Err(error) = journal.append(&Record::End(Box::new(end))) {
                // Without its end a journal still gives a trace, which says that it was cut.
                tracing::error!(recording = self.id, "{error}");
            }
            journal.close();
        }
    }

    /// The finished trace's files, `trace.json` last.
    ///
    /// # Errors
    /// Where the recording still runs, or its trace cannot be built or read.
    pub fn files(&self, assembler: &Assembler) -> Result<Vec<PathBuf>> {
        if self.is_running() {
            return Err(Error::Invalid(format!("recording {} still runs; stop it first", self.id)));
        }
        self.assemble(assembler)?;
        let dir = self.trace_dir();
        let entries = std::fs::read_dir(&dir).map_err(Error::io("read", &dir))?;
        let mut files: Vec<_> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
        files.sort_by_key(|path| (path.ends_with("trace.json"), path.clone()));
        Ok(files)
    }

    /// Deletes the daemon's copy, and ends what is being made of it.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn release(&self, assembler: &Assembler) -> Result<()> {
        assembler.cancel(&self.dir);
        let _stage = lock(&self.stage);
        self.held.sub(disk::size(&self.dir));
        std::fs::remove_dir_all(&self.dir).map_err(Error::io("remove", &self.dir))
    }

    #[must_use]
    pub fn clock(&self) -> TraceClock {
        TraceClock { realtime_offset_ns: self.metadata.realtime_offset_ns }
    }

    /// Of what is counted: sensors may have been read beside a model.
    #[must_use]
    pub fn basis(&self) -> Basis {
        let counted = self.metadata.domains.iter().filter(|domain| domain.counted);
        counted.map(|domain| domain.basis).min().unwrap_or(Basis::Modelled)
    }

    fn trace_dir(&self) -> PathBuf {
        self.dir.join("trace")
    }
}

/// A panic while the lock was held has been told by its own thread; the data stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
