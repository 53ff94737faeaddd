//! What a daemon takes of each user, and of all: more is refused in words.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use prost::Message;

use super::Daemon;
use crate::clock::monotonic_ns;
use crate::error::{Error, Result};
use crate::serve::connection::Place;
use crate::serve::limits::validate_period;
use crate::serve::recording::Recording;
use crate::store::journal::DiskUse;
use crate::wire::v1;

/// What a client may say of itself when it starts; it is kept in memory and in every `trace.json`.
const LARGEST_START: usize = 64 << 10;

impl Daemon {
    /// A place for one more call that stops a recording.
    ///
    /// # Errors
    /// [`Error::OverQuota`] where the user has too many under way.
    pub(crate) fn stopping(&self, uid: u32) -> Result<Place> {
        self.shared.stops.take(uid).ok_or_else(|| Error::OverQuota {
            told: "as many recordings are being stopped or fetched as this daemon takes at once, in all or of yours"
                .into(),
            hint: "wait for their answers, and call again",
        })
    }

    pub(super) fn check(&self, request: &v1::StartRequest) -> Result<Duration> {
        if self.shared.leaving.load(Ordering::Acquire) {
            return Err(Error::Leaving);
        }
        if request.encoded_len() > LARGEST_START {
            return Err(Error::Invalid(format!("name, labels and software exceed {} KiB", LARGEST_START >> 10)));
        }
        let period = match request.period_ns {
            0 => self.settings().period,
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
        Ok(period)
    }

    pub(super) fn disk_use_of(&self, uid: u32) -> Arc<DiskUse> {
        Arc::clone(self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).entry(uid).or_default())
    }

    pub(super) fn full(&self, recordings: &HashMap<String, Arc<Recording>>, uid: u32) -> Option<Error> {
        let limits = &self.settings().limits;
        let of_caller = recordings.values().filter(|recording| recording.owner == uid && !recording.is_running());
        let kept = of_caller.count();
        if kept >= limits.most_kept {
            return Some(Error::OverQuota {
                told: format!(
                    "{kept} recordings of yours ended and were not fetched, the most for one user (--most-kept)"
                ),
                hint: "fetch them: `smaragdine recover OUTPUT`",
            });
        }
        let running = recordings.values().filter(|recording| recording.is_running());
        let (all, own) =
            running.fold((0, 0), |(all, own), recording| (all + 1, own + usize::from(recording.owner == uid)));
        let told = if all >= limits.most_recordings {
            format!("{all} recordings run already, which is the most that this daemon takes (--most-recordings)")
        } else if own >= limits.most_per_user {
            format!("{own} recordings of yours run already, which is the most for one user (--most-per-user)")
        } else {
            return None;
        };
        Some(Error::TooMuch(told))
    }
}
