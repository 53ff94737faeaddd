//! Energy accounting of tensor programs.
//!
//! Two processes: the training process emits events, the daemon `smaragdined` does the rest.
//! Data flows one way, in the order of the modules:
//!
//! ```text
//! energy:  source → counter → sampler → journal ┐
//! shares:  /proc  → shares            → journal ├→ assembly → attribution → alignment, deconvolution → footprint → tables
//! events:  gRPC   → service           → journal ┘
//! ```
//!
//! Attribution, alignment, deconvolution and footprint are pure: no clock, no file, no socket.

pub mod error;

pub mod clock;
pub mod config;
pub mod folder;
pub mod host;
pub mod shown;
pub(crate) mod span;

mod cpuinfo;
mod mounts;
pub mod topology;

pub mod counter;
pub mod sampler;
pub mod shares;
pub mod source;

pub mod journal;
pub mod tables;
pub mod trace;

pub mod flops;
pub mod graph;
pub mod names;
pub mod step_stats;
pub mod xplane;

pub mod assembly;
pub mod mirrors;

pub mod account;
pub mod alignment;
pub mod attribution;
pub mod deconvolution;
pub mod footprint;

pub mod access;
mod acl;
pub mod assembler;
pub mod codec;
pub mod connection;
pub mod daemon;
pub mod directory;
pub(crate) mod intake;
pub mod lifeline;
pub mod process;
pub mod reaccount;
pub mod recording;
pub mod recover;
pub mod room;
pub mod server;
pub mod service;
pub mod socket;
pub mod state;
pub mod wire;
