//! What a framework's profiler said: raw operations and their events, and the names that they are given.

pub mod jax;
mod namer;
mod profile;
pub mod tensorflow;

pub use namer::Namer;
pub use profile::{Drawn, Profile, RawEvent, RawOp, Shape};
