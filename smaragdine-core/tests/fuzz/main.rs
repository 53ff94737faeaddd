//! Inputs that nobody should send: none may make the accountant panic.
//!
//! What is well formed is taken apart and put together wrongly, so that inputs get past the first check. Every input is
//! a function of its number: `make fuzz` tries a million of them, `cargo test` 20,000 of the same, and
//! `SMARAGDINE_FUZZ_FROM=N SMARAGDINE_FUZZ_INPUTS=1` the one that failed again.

#![allow(clippy::print_stdout, reason = "says how many inputs were tried")]

mod bytes;
mod files;
mod harness;
mod profiles;
mod rpc;
mod wire;
mod zones;

#[path = "../support/synthetic.rs"]
mod synthetic;
