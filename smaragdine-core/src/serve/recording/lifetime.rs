//! How long a recording lasts that its client does not end itself.

use std::sync::Arc;

use super::{Cut, Recording};
use crate::serve::access::Caller;
use crate::serve::process::Process;

/// Ends the recording when the process that started it does, so that none runs on for ever. A process that cannot be
/// seen from here has its connection instead.
pub(crate) fn end_with_caller(recording: &Arc<Recording>, caller: Caller) {
    let watched = Arc::downgrade(recording);
    let gone = move || {
        if let Some(recording) = watched.upgrade().filter(|recording| recording.is_running()) {
            tracing::info!(recording = recording.id, "its process ended; so does it");
            recording.cut(Cut::ProgramEnded);
        }
    };
    let mut live = recording.live();
    tokio::spawn(async move {
        let program_ended = async {
            if let Some(process) = caller.process.filter(Process::can_be_waited_for) {
                match process.end().await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!("its connection is watched instead of a process: {error}"),
                }
            }
            let mut connected = caller.connected;
            while connected.changed().await.is_ok() {}
        };
        // Nothing is held of a recording that has ended: its last reading is the last that is told of it.
        let recording_ended = async { while live.changed().await.is_ok() {} };
        tokio::select! {
            () = program_ended => {}
            () = recording_ended => return,
        }
        let _ = tokio::task::spawn_blocking(gone).await;
    });
}
