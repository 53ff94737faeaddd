//! What threads and sockets do while the clock runs: samplers, shares, and a real daemon with its clients.
//!
//! A process of its own, so that what only computes does not take the processors meanwhile.

mod registers;
mod serve;

#[path = "../support/daemon.rs"]
mod daemon;
