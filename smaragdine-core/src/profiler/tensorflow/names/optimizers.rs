//! Which scopes are an optimizer's.

use rustc_hash::FxHashSet;

use super::layers::Layers;
use super::path::{Path, is_call, is_gradient_scope, without_number};
use super::variables::{Variable, Variables};
use super::walk::is_assignment;
use crate::profiler::tensorflow::graph::{Graph, Node, NodeId};

/// An optimizer's step reaches its variables through so many operations at most.
const REACH: usize = 256;

/// The outermost scope of an optimizer that Keras or TensorFlow ships, or of what it does to all gradients.
pub(super) fn is_known(scope: &str) -> bool {
    const KNOWN: [&str; 24] = [
        "adam",
        "adam_w",
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
        "rm_sprop",
        "rmsprop",
        "schedule_free_adam_w",
        "schedulefreeadamw",
        "sgd",
    ];
    KNOWN.contains(&without_number(scope).unwrap_or(scope).to_ascii_lowercase().as_str())
}

/// Tells `layers` of optimizers that are called as the scope of gradients is: nothing is trained within that.
pub(super) fn learn(layers: &mut Layers, graphs: &[Graph], variables: &Variables) {
    for graph in graphs {
        for node in graph.nodes().filter(|node| is_assignment(&node.op)) {
            let segments: Vec<&str> = node.name.split('/').collect();
            let [around @ .., scope, _] = segments.as_slice() else { continue };
            let is_outermost = around.iter().all(|segment| is_call(segment));
            if is_outermost && is_gradient_scope(scope) && updates_trained(graph, node, variables) {
                layers.learn_optimizer(scope);
            }
        }
    }
}

/// The outermost scopes whose operations update variables that are trained, or others with what gradients gave.
pub(super) fn find(graphs: &[Graph], layers: &Layers, variables: &Variables) -> FxHashSet<String> {
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
            let trains = layers.are_told() && updates_trained(graph, node, variables);
            if trains || takes_gradients(graph, node, scope, layers) {
                found.insert(scope.to_owned());
            }
        }
    }
    found
}

/// Whether the variable is the model's, and trained, or a slot for one.
fn updates_trained(graph: &Graph, node: &Node, variables: &Variables) -> bool {
    let resource = node.inputs.first().map(|&input| graph.node(input));
    let variable = resource.and_then(|resource| variables.find(graph, resource));
    matches!(variable, Some(Variable::Own(_) | Variable::Slot(_)))
}

/// Whether gradients reach the operation within its outermost scope, summed up perhaps.
fn takes_gradients(graph: &Graph, node: &Node, scope: &str, layers: &Layers) -> bool {
    let mut waiting = node.inputs.clone();
    let mut visited: FxHashSet<NodeId> = FxHashSet::default();
    while let Some(input) = waiting.pop() {
        if !visited.insert(input) || visited.len() > REACH {
            continue;
        }
        let input = graph.node(input);
        let from = Path::of(&input.name, layers);
        if from.backward {
            return true;
        }
        if from.first() == scope || input.op == "AddN" {
            waiting.extend(&input.inputs);
        }
    }
    false
}
