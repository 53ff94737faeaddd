//! What a framework's profiler said: raw operations and their events, and the names that they are given.

mod profile;
pub mod tensorflow;

pub use profile::{Profile, RawEvent, RawOp, Shape};
