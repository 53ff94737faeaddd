//! What the daemon's parts do, in folders as `src` has them.

mod accounting;
mod build;
mod profiler;
mod registers;
mod rooms;
mod store;

#[path = "../support/composed.rs"]
mod composed;
#[path = "../support/programs.rs"]
mod programs;
#[path = "../support/synthetic.rs"]
mod synthetic;
#[path = "../support/written.rs"]
mod written;
