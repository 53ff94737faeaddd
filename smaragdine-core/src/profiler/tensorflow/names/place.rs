//! Whom an operation serves: a layer, and in which pass.

use super::layers::Layers;
use super::losses;
use super::path::{Path, without_number};
use super::words::{DATA, LOSS, METRICS, OPTIMIZER, RUNTIME, UNKNOWN, is_word};
use super::{Namer, optimizers};
use crate::trace::Phase;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) layer: String,
    pub(super) phase: Phase,
}

impl Place {
    pub(super) fn new(layer: impl Into<String>, phase: Phase) -> Self {
        Self { layer: layer.into(), phase }
    }

    pub(super) fn unknown() -> Self {
        Self::new(UNKNOWN, Phase::Other)
    }

    /// Whether it is in a layer of the user's.
    pub(super) fn is_in_layer(&self) -> bool {
        !is_word(&self.layer)
    }
}

impl Namer {
    /// What the outermost scopes say; `None` where they say nothing.
    pub(super) fn by_scope(&self, path: &Path) -> Option<Place> {
        let phase = if path.backward { Phase::Backward } else { Phase::Forward };
        if let Some(word) = path.word {
            return by_word(word, phase, path, &self.layers);
        }
        // What is known to update variables with gradients does so, whatever layers are called.
        if self.optimizers.contains(path.first()) && path.segments.len() > 1 && !path.backward {
            return Some(Place::new(OPTIMIZER, Phase::Optimizer));
        }
        if let Some(found) = &path.found {
            return Some(Place::new(found.layer.clone(), phase));
        }
        if path.segments.len() < 2 {
            return None;
        }
        match without_number(path.first()).unwrap_or(path.first()) {
            scope if is_loss_scope(scope) || losses::is_known(scope) => Some(Place::new(LOSS, phase)),
            "compile_metrics" | "metrics" => Some(Place::new(METRICS, Phase::Other)),
            _ if optimizers::is_known(path.first()) => Some(Place::new(OPTIMIZER, Phase::Optimizer)),
            _ => None,
        }
    }

    pub(super) fn is_optimizer(&self, scope: &str) -> bool {
        self.optimizers.contains(scope) || optimizers::is_known(scope)
    }

    /// Whether this is the name of an optimizer, which TensorFlow may have numbered as a scope.
    pub(super) fn names_optimizer(&self, name: &str) -> bool {
        self.is_optimizer(name) || self.optimizers.iter().any(|scope| without_number(scope) == Some(name))
    }
}

/// What our client said of an operation that ran eagerly.
fn by_word(word: &str, phase: Phase, path: &Path, layers: &Layers) -> Option<Place> {
    match word {
        // An update of the variable with this path.
        "update" => Some(layers.locate(&path.segments).map_or_else(
            || Place::new(OPTIMIZER, Phase::Optimizer),
            |found| Place::new(found.layer, Phase::Optimizer),
        )),
        OPTIMIZER => Some(Place::new(OPTIMIZER, Phase::Optimizer)),
        LOSS => Some(Place::new(LOSS, phase)),
        METRICS => Some(Place::new(METRICS, Phase::Other)),
        _ => None,
    }
}

/// The scope of all losses that Keras was told to minimise.
pub(super) fn is_loss_scope(scope: &str) -> bool {
    matches!(without_number(scope).unwrap_or(scope), "compile_loss" | "loss" | "losses")
}

/// What an operation's type says, where nothing else does.
pub(super) fn by_type(kind: &str) -> Option<Place> {
    let layer = match kind {
        "_Arg" | "_Retval" | "_Send" | "_Recv" | "_HostSend" | "_HostRecv" | "NoOp" | "_XlaCompile" => RUNTIME,
        // Packs what a step of Keras returns.
        "OptionalFromValue" => RUNTIME,
        // Copies what Python holds into a tensor.
        "_EagerConst" => DATA,
        // `MakeIterator`, `IteratorGetNext`, `DeleteMultiDeviceIterator`
        _ if kind.contains("Iterator") || kind.starts_with("Optional") || kind.contains("Dataset") => DATA,
        _ => return None,
    };
    Some(Place::new(layer, Phase::Other))
}
