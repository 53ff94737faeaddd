//! What PyTorch's profiler wrote (Kineto JSON) → leaf events, under the names that the profile itself tells.
//!
//! ```text
//! text → records → threads: frames and what runs in them → scopes → names
//!                     ↳ calls of the GPU's runtime → streams
//! ```
//!
//! Whose an operation is, the innermost frame around it on its thread tells: a module's call (marked by the Python
//! package while a window is open), a node of autograd's, the optimizer, the data loader. A node leads to the forward
//! operation that made it, by its sequence number. Instants: `baseTimeNanoseconds` + `ts`, CLOCK_REALTIME.

mod document;
mod frames;
mod json;
mod launches;
mod leaf;
mod names;
mod notes;
mod partners;
mod scopes;
mod streams;
mod thread;
mod title;
mod titles;

use std::ops::RangeInclusive;

use self::document::{Category, Document, Record};
use self::frames::Frames;
use self::json::Malformed;
use self::launches::Launches;
use self::names::Names;
use self::partners::Partners;
use self::scopes::Scopes;
use self::streams::Streams;
use self::thread::Threads;
use self::titles::Titles;
use crate::error::{Error, Result};
use crate::profiler::Profile;

impl From<Malformed> for Error {
    fn from(Malformed: Malformed) -> Self {
        Self::Undecodable { what: "the profile (Kineto JSON)", problem: "it ends early, or is no such trace".into() }
    }
}

/// Decodes the text of a trace as PyTorch's profiler saves it.
///
/// # Errors
///
/// [`Error::Undecodable`] where the text is none, or a part of one. Memory is bounded by some 100 times the text's
/// length, whatever it holds.
pub fn decode(bytes: &[u8]) -> Result<Profile> {
    decode_within(bytes, &(i64::MIN..=i64::MAX))
}

/// Decodes such a text, of which nothing can have happened but `within` these instants of `CLOCK_REALTIME`; what did is
/// left out before anything is nested.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_within(bytes: &[u8], within: &RangeInclusive<i64>) -> Result<Profile> {
    let document = Document::read(bytes, within)?;
    let titles = Titles::of(&document);
    let lanes = by_thread(&document.records, document.threads.len());
    let mut frames = Frames::default();
    let mut launches = Launches::default();
    let threads = Threads::walk(&document, &lanes, &titles, &mut frames, &mut launches);
    let partners = Partners::of(&document, &threads);
    let scopes = Scopes::of(&frames, &threads, &partners, &titles);
    let mut names = Names::new(&titles, &scopes);
    let mut profile = Profile { impossible: document.impossible, ..Profile::default() };
    profile.notes.extend(notes::without_base(&document));
    for (lane, spans) in (0..).zip(&threads.spans) {
        profile.events.extend(names.events(&threads.leaves, spans, 0, lane));
    }
    if !profile.events.is_empty() {
        profile.devices.push("CPU:0".to_owned());
    }
    let streams = Streams::of(&document, &launches, &threads, &titles);
    streams.add_to(&mut profile, &mut names);
    profile.notes.extend(notes::of_gpu(&streams));
    profile.names = names.into_operations();
    Ok(profile)
}

/// Indexes of the host's records by thread, each in order: whatever holds others before them.
fn by_thread(records: &[Record], threads: usize) -> Vec<Vec<u32>> {
    let on_host =
        |record: &Record| matches!(record.category, Category::Operation | Category::Annotation | Category::Call);
    let mut lanes = vec![Vec::new(); threads];
    for (record, number) in records.iter().zip(0..).filter(|(record, _)| on_host(record)) {
        lanes[record.thread as usize].push(number);
    }
    let order = |number: &u32| {
        let record = &records[*number as usize];
        (record.start_ns, std::cmp::Reverse(record.end_ns))
    };
    for lane in &mut lanes {
        if !lane.is_sorted_by_key(order) {
            // Stable: of two that are as long, the one that was written first holds the other.
            lane.sort_by_key(order);
        }
    }
    lanes
}
