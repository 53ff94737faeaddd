//! From a journal to a trace directory, and a trace directory accounted anew.

pub mod assembler;
pub mod assembly;
pub(crate) mod from_journal;
pub mod reaccount;
pub mod recover;
pub mod summary;
