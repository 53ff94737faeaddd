//! How a recording starts: who is recorded, by which sensors, and whether there is a place for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Daemon, Settings};
use crate::clock::realtime_ns;
use crate::error::{Error, Result};
use crate::registers::host::own_pid;
use crate::registers::source::choice::choose;
use crate::registers::source::nvml::CudaEnvironment;
use crate::serve::access::Caller;
use crate::serve::process::Process;
use crate::serve::recording::{Cut, Options, Recording};
use crate::store::journal::disk;
use crate::wire::v1;

impl Daemon {
    /// Starts a recording of the caller and its descendants.
    ///
    /// # Errors
    /// Where the period makes no sense, too many recordings run, no sensor is readable though one is required, the
    /// state directory fails, or the daemon is leaving.
    pub fn start_recording(&self, request: v1::StartRequest, caller: &Caller) -> Result<Arc<Recording>> {
        let Settings { roots, state, socket, roll, .. } = self.settings();
        let period = self.check(&request)?;
        if let Some(refused) = self.full(&self.recordings(), caller.uid) {
            return Err(refused);
        }
        self.forget_old();
        let held = self.disk_use_of(caller.uid);
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
        let recording = Arc::new(Recording::start(id.clone(), options, &self.shared.station, sources, &state.path)?);
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
        if let Some(roll) = roll {
            recording.enter(roll);
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
}

/// The caller's own word on its CUDA environment.
fn cuda(environment: &HashMap<String, String>) -> Option<CudaEnvironment> {
    let told = CudaEnvironment::told(|name| environment.get(name).cloned());
    (told != CudaEnvironment::default()).then_some(told)
}
