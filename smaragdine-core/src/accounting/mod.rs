//! Readings and events become footprints and ledgers. Pure: no clock, no file, no socket, and no name of a source.

pub mod account;
pub mod alignment;
pub mod attribution;
pub mod deconvolution;
pub mod footprint;
mod response;
