//! How long a recording lasts whose client does not stop it.

use std::sync::Arc;

use super::{Cut, Recording};
use crate::access::Caller;
use crate::process::Process;

/// Ends a recording whose client did not.
pub(crate) fn cut(recording: &Recording, why: Cut) {
    if let Err(error) = recording.cut(why) {
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
            cut(&recording, Cut::ProgramEnded);
        }
    };
    let Some(process) = caller.process.filter(Process::can_be_waited_for) else {
        let mut connected = caller.connected;
        tokio::spawn(async move {
            while connected.changed().await.is_ok() {}
            let _ = tokio::task::spawn_blocking(gone).await;
        });
        return;
    };
    let watch = move || {
        if process.wait() {
            gone();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("caller".to_owned()).spawn(watch) {
        tracing::warn!("a recording will not end with its process: {error}");
    }
}
