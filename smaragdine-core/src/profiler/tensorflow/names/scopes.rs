//! Learns from graphs which scopes are whose: an operation in `dense_3` that reads `pair/decoder/dense/kernel` says so.

use rustc_hash::FxHashSet;

use super::layers::Layers;
use super::path::Path;
use super::variables::Variables;
use super::walk::is_assignment;
use crate::profiler::tensorflow::graph::{Graph, Node};

/// Leads `layers` from the scopes of `graphs`; what lies in the scopes of `optimizers` says nothing of a layer's calls.
pub(super) fn learn(layers: &mut Layers, variables: &Variables, graphs: &[Graph], optimizers: &FxHashSet<String>) {
    let mut operations = Vec::new();
    let mut readers = Vec::new();
    for graph in graphs {
        for node in graph.nodes() {
            let path = Path::of(&node.name, layers);
            let [scopes @ .., operation] = path.segments.as_slice() else { continue };
            if scopes.is_empty() {
                operations.push(*operation);
            } else if !path.backward && !optimizers.contains(path.first()) && reads_variable(node) {
                let variable = node.inputs.first().map(|&input| graph.node(input));
                let variable = variable.and_then(|resource| variables.captured(graph, resource));
                readers.extend(variable.map(|variable| (scopes.to_vec(), variable)));
            }
        }
    }
    operations.into_iter().for_each(|operation| layers.learn_operation(operation));
    for (scopes, variable) in readers {
        let path: Vec<&str> = variable.split('/').collect();
        layers.learn_variable(&scopes, &path[..path.len() - 1]);
    }
    layers.learned();
}

/// Whether the first of its inputs is a variable.
fn reads_variable(node: &Node) -> bool {
    node.op == "ReadVariableOp" || node.op.starts_with("Resource") || is_assignment(&node.op)
}
