//! The laws of accounting, held by random traces.

mod accounting;
mod alignment;
mod deconvolution;
mod definition;
mod random;
mod streaming;
