//! How long a recording lasts whose client does not stop it.

use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Recording;
use crate::access::Caller;

/// Ends a recording whose client did not.
pub(crate) fn cut(recording: &Recording) {
    if let Err(error) = recording.cut() {
        tracing::error!(recording = recording.id, "{error}");
    }
}

/// Ends the recording when the process that started it does, so that none runs on for ever. A process that cannot be
/// seen from here has its connection instead.
pub(crate) fn end_with_caller(recording: &Arc<Recording>, caller: Caller) {
    // A weak handle: a recording that was fetched and forgotten needs no more watching.
    let watched = Arc::downgrade(recording);
    let gone = move || {
        if let Some(recording) = watched.upgrade().filter(|recording| recording.is_running()) {
            tracing::info!(recording = recording.id, "its process ended; finishing the trace");
            cut(&recording);
        }
    };
    let Some(pid) = caller.pid.and_then(Pid::from_raw) else {
        let mut connected = caller.connected;
        tokio::spawn(async move {
            while connected.changed().await.is_ok() {}
            let _ = tokio::task::spawn_blocking(gone).await;
        });
        return;
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Some(pidfd),
        Err(Errno::SRCH) => None,
        Err(error) => return tracing::warn!("a recording will not end with its process: {error}"),
    };
    let watch = move || {
        // A process's descriptor becomes readable when the process ends (pidfd_open(2)).
        let ended =
            pidfd.is_none_or(|pidfd| retry_on_intr(|| poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None)).is_ok());
        if ended {
            gone();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("caller".to_owned()).spawn(watch) {
        tracing::warn!("a recording will not end with its process: {error}");
    }
}
