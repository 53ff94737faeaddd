//! How a daemon leaves: what is measured is kept, and made into traces as far as there is time.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

use super::Daemon;
use crate::serve::recording::{Cut, Recording};

impl Daemon {
    /// Ends every recording that still runs, waits for those that are being ended, and makes traces of them as far as
    /// there is time; called when the daemon leaves. What is measured is in the journals before anything else is done.
    pub fn finish(&self, why: Cut, until: Instant) {
        let own: Vec<_> = self
            .all()
            .into_iter()
            .filter(|recording| recording.is_of_this_daemon() && !recording.has_trace())
            .collect();
        // Side by side: each has to wait for its own samplers.
        side_by_side(&own, until, move |_, recording| recording.cut(why), self);
        side_by_side(
            &own,
            until,
            |daemon, recording| {
                if let Err(error) = recording.assemble(daemon.assembler()) {
                    tracing::warn!(recording = recording.id, "{error}");
                }
            },
            self,
        );
    }
}

/// Does the same with each recording, on a thread for each, and waits until `until` at most.
fn side_by_side(
    recordings: &[Arc<Recording>],
    until: Instant,
    what: impl Fn(&Daemon, &Recording) + Copy + Send + 'static,
    daemon: &Daemon,
) {
    let (under_way, done) = channel::<()>();
    for recording in recordings {
        let (daemon, recording, under_way) = (daemon.clone(), Arc::clone(recording), under_way.clone());
        std::thread::spawn(move || {
            what(&daemon, &recording);
            drop(under_way);
        });
    }
    drop(under_way);
    // Nothing is ever sent: it ends when the last of them does.
    if done.recv_timeout(until.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!("no time is left to finish all recordings: their journals are kept");
    }
}
