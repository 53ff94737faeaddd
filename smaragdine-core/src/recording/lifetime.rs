//! How long a recording lasts whose client does not stop it.

use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Recording;
use crate::access::Caller;

/// Ends the recording when the process that started it does, so that none runs on for ever. A process that cannot be
/// seen from here has its connection instead.
pub(crate) fn end_with_caller(recording: &Arc<Recording>, caller: Caller) {
    // A weak handle: a recording that was fetched and forgotten needs no more watching.
    let watched = Arc::downgrade(recording);
    let gone = move || {
        if let Some(recording) = watched.upgrade().filter(|recording| recording.is_running()) {
            tracing::info!(recording = recording.id, "its process ended; so does it");
            recording.cut();
        }
    };
    let Some(pid) = caller.pid.and_then(Pid::from_raw) else {
        let (mut connected, mut live) = (caller.connected, recording.live());
        tokio::spawn(async move {
            tokio::select! {
                () = async { while connected.changed().await.is_ok() {} } => {}
                () = async { while live.changed().await.is_ok() {} } => return,
            }
            let _ = tokio::task::spawn_blocking(gone).await;
        });
        return;
    };
    // A process's descriptor becomes readable when the process ends (pidfd_open(2)).
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        // SAFETY: the descriptor is owned by what watches it, and stays open for as long.
        Ok(pidfd) => unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }
            .map(Some)
            .map_err(std::io::Error::from),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(std::io::Error::from(error)),
    };
    let pidfd = match pidfd {
        Ok(pidfd) => pidfd,
        Err(error) => return tracing::warn!("a recording will not end with its process: {error}"),
    };
    let mut live = recording.live();
    tokio::spawn(async move {
        if let Some(pidfd) = pidfd {
            // Nothing is held of a recording that has ended: its last reading is the last that is told of it.
            let ended = async { while live.changed().await.is_ok() {} };
            tokio::select! {
                _ = pidfd.readable() => {}
                () = ended => return,
            }
        }
        let _ = tokio::task::spawn_blocking(gone).await;
    });
}
