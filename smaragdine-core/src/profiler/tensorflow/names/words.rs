//! Layers that are none of the user's: words that we give a meaning.

use crate::trace::OwnLayer;

pub const OPTIMIZER: &str = OwnLayer::Optimizer.name();
pub const LOSS: &str = OwnLayer::Loss.name();
pub const METRICS: &str = OwnLayer::Metrics.name();
pub const DATA: &str = OwnLayer::Data.name();
pub const RUNTIME: &str = OwnLayer::Runtime.name();
pub const UNKNOWN: &str = OwnLayer::Unknown.name();

pub(super) fn is_word(layer: &str) -> bool {
    OwnLayer::parse(layer).is_some()
}
