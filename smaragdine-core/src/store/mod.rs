//! Journals and trace directories as they lie on a disk.

pub mod directory;
pub mod folder;
pub mod journal;
pub mod state;
pub mod tables;
