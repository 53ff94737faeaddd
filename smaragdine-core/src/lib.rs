//! Energy accounting of tensor programs.
//!
//! Two processes: the training process emits events, the daemon `smaragdined` does the rest.
//! Data flows one way, in the order of the modules:
//!
//! ```text
//! energy:  source → counter → sampler → journal ┐
//! shares:  /proc  → shares            → journal ├→ assembly → attribution → alignment → footprint → tables
//! events:  gRPC   → service           → journal ┘
//! ```
//!
//! Attribution, alignment and footprint are pure: no clock, no file, no socket.

pub mod error;

pub mod config;
pub mod clock;

pub mod source;
pub mod counter;
pub mod sampler;
pub mod shares;

pub mod trace;
pub mod journal;
pub mod tables;

pub mod xplane;
pub mod step_stats;
pub mod graph;
pub mod names;
pub mod assembly;

pub mod attribution;
pub mod alignment;
pub mod footprint;
pub mod account;

pub mod wire;
pub mod recording;
pub mod service;
