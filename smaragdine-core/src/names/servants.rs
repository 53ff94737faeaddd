//! Operations without a scope belong to whom they serve, which the graph tells: sums of gradients, Keras's metrics.

use rustc_hash::FxHashSet;

use super::path::{Path, is_gradient_scope, unwrapped};
use super::{METRICS, Namer, OPTIMIZER, Place, is_slot, is_variable};
use crate::graph::{Graph, NodeId};
use crate::trace::Phase;

/// A walk ends after so many operations without a scope; Keras's metrics take some ten.
const REACH: usize = 256;

impl Namer {
    /// Whom the operation serves as the graph tells; `None` where it lies in no graph or the graph tells nothing.
    pub(super) fn by_graph(&self, raw_name: &str) -> Option<Place> {
        let (graph, node) = self.node(raw_name)?;
        let graph = &self.graphs[graph];
        if is_variable(&graph.node(node).op) && is_slot(graph, &graph.node(node).name) {
            return Some(Place::new(OPTIMIZER, Phase::Optimizer));
        }
        self.by_gradients(graph, node)
            .or_else(|| self.by_consumers(graph, node))
            .or_else(|| self.by_states(graph, node))
    }

    /// The raw name is a node, or a part of one such as `Sum/reduction_indices`.
    pub(super) fn is_operation(&self, raw_name: &str) -> bool {
        let scope = unwrapped(raw_name).rsplit_once('/').map_or("", |(scope, _)| scope);
        !scope.is_empty() && self.graphs.iter().any(|graph| graph.find(scope).is_some())
    }

    /// An operation that gradients feed serves the innermost layer that all of them come from.
    fn by_gradients(&self, graph: &Graph, node: NodeId) -> Option<Place> {
        let mut layer: Option<String> = None;
        let inputs = |graph: &Graph, node: NodeId| graph.node(node).inputs.clone();
        self.walk(graph, node, inputs, |place| {
            if place.phase == Phase::Backward {
                layer = Some(match layer.take() {
                    Some(known) => common(&known, &place.layer),
                    None => place.layer,
                });
            }
            false
        });
        layer.filter(|layer| !layer.is_empty()).map(|layer| Place::new(layer, Phase::Backward))
    }

    /// An operation serves the first scope that its results reach; one whose results end in a variable is a metric.
    fn by_consumers(&self, graph: &Graph, node: NodeId) -> Option<Place> {
        if let Some(place) = self.state(graph, node) {
            return Some(place);
        }
        let mut served = None;
        let mut state = None;
        let consumers = |graph: &Graph, node: NodeId| {
            state = state.take().or_else(|| self.state(graph, node));
            graph.node(node).consumers.clone()
        };
        self.walk(graph, node, consumers, |place| {
            served = Some(place);
            true
        });
        // A value may be counted by a metric and used; then the use is what it is for.
        served.or(state)
    }

    /// What is read back from a metric's variable belongs to it.
    fn by_states(&self, graph: &Graph, node: NodeId) -> Option<Place> {
        let mut found = None;
        let sources = |graph: &Graph, node: NodeId| {
            found = found.take().or_else(|| self.state(graph, node));
            graph.node(node).inputs.iter().chain(&graph.node(node).controls).copied().collect()
        };
        self.walk(graph, node, sources, |_| false);
        found
    }

    /// Whose variable the operation updates, where it is one without a scope that updates one.
    fn state(&self, graph: &Graph, node: NodeId) -> Option<Place> {
        let node = graph.node(node);
        if !is_assignment(&node.op) || node.name.contains('/') {
            return None;
        }
        let variable = node.inputs.first().map_or("", |&variable| graph.node(variable).name.as_str());
        // Functions get their variables as arguments, `adam_add_readvariableop_resource`.
        let of_optimizer = self.optimizers.iter().any(|optimizer| variable.starts_with(&format!("{optimizer}_")));
        let of_optimizer = of_optimizer || variable.split('_').next().is_some_and(|first| self.is_optimizer(first));
        Some(if of_optimizer { Place::new(OPTIMIZER, Phase::Optimizer) } else { Place::new(METRICS, Phase::Other) })
    }

    /// Walks from `node` along `next` through operations without a scope, breadth first; `reached` is told the place of
    /// each operation that has one, and ends the walk by returning true.
    fn walk(
        &self,
        graph: &Graph,
        node: NodeId,
        mut next: impl FnMut(&Graph, NodeId) -> Vec<NodeId>,
        mut reached: impl FnMut(Place) -> bool,
    ) {
        let mut waiting = next(graph, node);
        let mut visited: FxHashSet<NodeId> = FxHashSet::default();
        let mut index = 0;
        while let Some(&node) = waiting.get(index) {
            index += 1;
            if !visited.insert(node) || visited.len() > REACH {
                continue;
            }
            match self.by_scope(&Path::of(&graph.node(node).name)) {
                Some(place) => {
                    if reached(place) {
                        return;
                    }
                }
                None => waiting.extend(next(graph, node)),
            }
        }
    }

    /// The outermost scopes whose operations update variables with what gradients gave.
    pub(super) fn find_optimizers(&self) -> FxHashSet<String> {
        let mut found = FxHashSet::default();
        for graph in &self.graphs {
            for node in graph.nodes().filter(|node| is_assignment(&node.op)) {
                let Some((scope, _)) = node.name.split_once('/') else { continue };
                if found.contains(scope) || is_gradient_scope(scope) || self.layers.find(&[scope, ""]).is_some() {
                    continue;
                }
                let mut waiting = node.inputs.clone();
                let mut visited: FxHashSet<NodeId> = FxHashSet::default();
                while let Some(input) = waiting.pop() {
                    if !visited.insert(input) || visited.len() > REACH {
                        continue;
                    }
                    let input = graph.node(input);
                    let first = input.name.split('/').next().unwrap_or("");
                    if is_gradient_scope(first) {
                        found.insert(scope.to_owned());
                        break;
                    }
                    if first == scope {
                        waiting.extend(&input.inputs);
                    }
                }
            }
        }
        found
    }
}

fn is_assignment(op: &str) -> bool {
    op.starts_with("Assign") || op.starts_with("ResourceApply") || op.starts_with("ResourceSparseApply")
}

/// The innermost scope that holds both.
fn common(one: &str, other: &str) -> String {
    let shared = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    shared.map(|(segment, _)| segment).collect::<Vec<_>>().join("/")
}
