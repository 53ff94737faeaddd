//! The daemon: who may do what, recordings, and what their clients send and fetch.

mod acl;

pub mod access;
pub mod connection;
pub mod daemon;
pub(crate) mod intake;
pub mod lifeline;
pub mod limits;
pub mod process;
pub mod recording;
pub mod room;
pub mod server;
pub mod service;
pub mod socket;
