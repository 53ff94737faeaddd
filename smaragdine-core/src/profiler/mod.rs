//! What a framework's profiler said: raw operations and their events, and the names that they are given.

mod leaves;
mod profile;
pub mod tensorflow;
pub mod torch;

pub use profile::{Profile, RawEvent, RawOp, Shape, Told};
