//! Energy accounting of tensor programs.
//!
//! Two processes: the training process emits events, the daemon `smaragdined` does the rest. Data flows one way:
//!
//! ```text
//! energy:  source → sampler → counter → journal ┐
//! shares:  /proc  → shares            → journal ├→ assembly → attribution → alignment, deconvolution → footprint → tables
//! events:  gRPC   → service           → journal ┘
//! ```
//!
//! Rooms, of which each imports only those above it (`tests/it/rooms.rs` holds that):
//!
//! ```text
//! trace       the nouns: readings, events, operations, what is known beside
//! registers   sensors → readings             profiler   what a framework's profiler said
//! accounting  readings and events → footprint and ledger; pure: no clock, no file, no socket
//! store       journals and trace directories on a disk
//! build       journal → trace directory, and a trace directory accounted anew
//! monitor     counters of energy for a site's monitoring
//! serve       the daemon: who may do what, recordings, and their clients
//! ```

pub mod clock;
pub mod config;
pub mod error;
pub mod shown;
pub mod span;
pub mod wire;

pub mod accounting;
pub mod build;
pub mod monitor;
pub mod profiler;
pub mod registers;
pub mod serve;
pub mod store;
pub mod trace;
