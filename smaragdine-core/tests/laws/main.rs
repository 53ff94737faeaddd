//! The laws of accounting, held by random traces.

mod accounting;
mod alignment;
mod definition;
mod random;
