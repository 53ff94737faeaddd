//! Which scopes are an optimizer's.

use rustc_hash::FxHashSet;

use super::layers::Layers;
use super::path::{Path, without_number};
use super::walk::is_assignment;
use crate::graph::{Graph, NodeId};

/// An optimizer's step reaches its variables through so many operations at most.
const REACH: usize = 256;

/// The outermost scope of an optimizer that Keras or TensorFlow ships, or of what it does to all gradients.
pub(super) fn is_known(scope: &str) -> bool {
    const KNOWN: [&str; 21] = [
        "adam",
        "adamw",
        "adamax",
        "adadelta",
        "adafactor",
        "adagrad",
        "adamweightdecayoptimizer",
        "clip_by_global_norm",
        "ftrl",
        "global_norm",
        "gradientdescent",
        "lamb",
        "lion",
        "loss_scale_optimizer",
        "momentum",
        "muon",
        "nadam",
        "optimizer",
        "rmsprop",
        "schedulefreeadamw",
        "sgd",
    ];
    KNOWN.contains(&without_number(scope).unwrap_or(scope).to_ascii_lowercase().as_str())
}

/// The outermost scopes whose operations update variables with what gradients gave.
pub(super) fn find(graphs: &[Graph], layers: &Layers) -> FxHashSet<String> {
    let mut found = FxHashSet::default();
    // What gradients are taken of is a model, whatever it updates meanwhile.
    let paths = graphs.iter().flat_map(Graph::nodes).map(|node| Path::of(&node.name, layers));
    let models: FxHashSet<&str> = paths.filter(|path| path.backward).map(|path| path.first()).collect();
    for graph in graphs {
        for node in graph.nodes().filter(|node| is_assignment(&node.op)) {
            let path = Path::of(&node.name, layers);
            let scope = path.first();
            let is_model = models.contains(scope) || !layers.are_told() && layers.find(&[scope, ""]).is_some();
            if path.segments.len() < 2 || path.backward || is_model || found.contains(scope) {
                continue;
            }
            let mut waiting = node.inputs.clone();
            let mut visited: FxHashSet<NodeId> = FxHashSet::default();
            while let Some(input) = waiting.pop() {
                if !visited.insert(input) || visited.len() > REACH {
                    continue;
                }
                let input = graph.node(input);
                let from = Path::of(&input.name, layers);
                if from.backward {
                    found.insert(scope.to_owned());
                    break;
                }
                if from.first() == scope {
                    waiting.extend(&input.inputs);
                }
            }
        }
    }
    found
}
