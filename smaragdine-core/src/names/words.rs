//! Layers that are none of the user's: words that we give a meaning.

pub const OPTIMIZER: &str = "optimizer";
pub const LOSS: &str = "loss";
pub const METRICS: &str = "metrics";
pub const DATA: &str = "data";
pub const RUNTIME: &str = "runtime";
pub const UNKNOWN: &str = "unknown";

pub(super) fn is_word(layer: &str) -> bool {
    matches!(layer, OPTIMIZER | LOSS | METRICS | DATA | RUNTIME | UNKNOWN)
}
