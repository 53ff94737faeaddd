//! What a client sends of its recording: kept, acknowledged, and slowed down where there is no room.

use std::sync::Arc;
use std::time::Duration;

use super::Daemon;
use crate::error::{Error, Result};
use crate::serve::access::Caller;
use crate::serve::recording::Recording;
use crate::wire::v1;
use crate::wire::v1::record_response::Advice;

/// One stream of a client's requests.
pub struct OpenStream {
    recording: Arc<Recording>,
    stream: u64,
    /// The client was told to send nothing that can wait.
    paused: bool,
}

impl Daemon {
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
