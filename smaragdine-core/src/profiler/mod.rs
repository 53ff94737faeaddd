//! What a framework's profiler said: raw operations and their events, and the names that they are given.

pub mod tensorflow;
