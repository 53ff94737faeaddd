//! What a framework's profiler said: raw operations and their events, and the names that they are given.

pub mod jax;
mod leaves;
mod namer;
mod profile;
pub mod tensorflow;
pub mod torch;

pub use namer::Namer;
pub use profile::{Drawn, Profile, RawEvent, RawOp, Shape, Told};
