//! Follows data through one graph, from operations without a scope to those that have one.

use rustc_hash::{FxHashMap, FxHashSet};

use super::path::Path;
use super::variables::{Variable, is_variable, layer_of, slot_of};
use super::{METRICS, Namer, OPTIMIZER, Place, by_type};
use crate::graph::{Graph, NodeId};
use crate::trace::Phase;

/// A walk ends after so many operations without a scope; Keras's metrics take some ten.
const REACH: usize = 256;

/// The variable that operations of the optimizer serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    One(String),
    Many,
}

/// Follows data through one graph.
pub(super) struct Walker<'a> {
    namer: &'a Namer,
    graph: &'a Graph,
    /// What the scopes of each node say.
    places: Vec<Option<Place>>,
}

impl<'a> Walker<'a> {
    pub(super) fn of(namer: &'a Namer, graph: &'a Graph) -> Self {
        let places = graph.nodes().map(|node| namer.by_scope(&Path::of(&node.name))).collect();
        Self { namer, graph, places }
    }

    fn place(&self, node: NodeId) -> Option<&Place> {
        self.places[node as usize].as_ref()
    }

    fn is_optimizer(&self, node: NodeId) -> bool {
        self.place(node).is_some_and(|place| place.phase == Phase::Optimizer)
    }

    /// No scope says whom it serves: it has none, or is a part of such an operation, `Add_1/ReadVariableOp`.
    pub(super) fn is_unplaced(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let segments = Path::of(&node.name).segments.len();
        let within = |whole: &str| node.op == "ReadVariableOp" || self.graph.find(whole).is_some();
        let is_part = || node.name.rsplit_once('/').is_some_and(|(whole, _)| within(whole));
        let placed = self.place(id).is_some() || by_type(&node.op).is_some();
        !placed && (segments == 1 || segments == 2 && is_part())
    }

    /// The variable that each of the optimizer's operations serves: the one whose update its result reaches.
    pub(super) fn owners(&self) -> FxHashMap<NodeId, Owner> {
        let mut owners: FxHashMap<NodeId, Owner> = FxHashMap::default();
        for node in self.graph.ids() {
            let Some(owner) = self.updated(node) else { continue };
            let mut waiting = vec![node];
            while let Some(node) = waiting.pop() {
                let known = owners.get(&node);
                let new = match known {
                    Some(known) if *known == owner || *known == Owner::Many => continue,
                    Some(_) => Owner::Many,
                    None => owner.clone(),
                };
                owners.insert(node, new);
                let inputs = self.graph.node(node).inputs.iter().copied();
                waiting.extend(inputs.filter(|&input| self.is_optimizer(input)));
            }
        }
        owners
    }

    /// The variable for which this operation of the optimizer updates something.
    fn updated(&self, id: NodeId) -> Option<Owner> {
        let node = self.graph.node(id);
        if is_variable(&node.op) {
            return slot_of(self.graph, &node.name).map(|variable| Owner::One(variable.to_owned()));
        }
        if !self.is_optimizer(id) || !is_assignment(&node.op) {
            return None;
        }
        match self.namer.variables.find(self.graph, self.graph.node(*node.inputs.first()?))? {
            Variable::Own(path) | Variable::Slot(path) => Some(Owner::One(path)),
            Variable::Other(_) => Some(Owner::Many),
        }
    }

    /// Whom an operation without a scope serves; `None` where the graph does not tell.
    pub(super) fn serves(&self, node: NodeId) -> Option<Place> {
        self.by_gradients(node).or_else(|| self.by_consumers(node)).or_else(|| self.by_states(node))
    }

    /// An operation that gradients feed serves the innermost layer that all of them come from.
    fn by_gradients(&self, node: NodeId) -> Option<Place> {
        let mut layer: Option<String> = None;
        let inputs = |node: NodeId| within_reach(&self.graph.node(node).inputs).collect();
        self.walk(node, inputs, |place| {
            if place.phase == Phase::Backward {
                layer = Some(match layer.take() {
                    Some(known) => common(&known, &place.layer),
                    None => place.layer.clone(),
                });
            }
            false
        });
        layer.filter(|layer| !layer.is_empty()).map(|layer| Place::new(layer, Phase::Backward))
    }

    /// An operation serves the first scope that its results reach; one whose results end in a variable is a metric.
    fn by_consumers(&self, node: NodeId) -> Option<Place> {
        if let Some(place) = self.state(node) {
            return Some(place);
        }
        let mut served = None;
        let mut state = None;
        let consumers = |node: NodeId| {
            state = state.take().or_else(|| self.state(node));
            within_reach(&self.graph.node(node).consumers).collect()
        };
        self.walk(node, consumers, |place| {
            served = Some(place.clone());
            true
        });
        // A value may be counted by a metric and used; then the use is what it is for.
        served.or(state)
    }

    /// What is read back from a metric's variable belongs to it.
    fn by_states(&self, node: NodeId) -> Option<Place> {
        let mut found = None;
        let sources = |node: NodeId| {
            found = found.take().or_else(|| self.state(node));
            let node = self.graph.node(node);
            within_reach(&node.inputs).chain(within_reach(&node.controls)).collect()
        };
        self.walk(node, sources, |_| false);
        found
    }

    /// Whose variable the operation updates, where it is one without a scope that updates one.
    fn state(&self, id: NodeId) -> Option<Place> {
        let node = self.graph.node(id);
        if !is_assignment(&node.op) || !self.is_unplaced(id) {
            return None;
        }
        let resource = self.graph.node(*node.inputs.first()?);
        let variable = match self.namer.variables.find(self.graph, resource) {
            Some(Variable::Own(path) | Variable::Slot(path)) => {
                if let Some((layer, _)) = layer_of(&self.namer.layers, &self.namer.model_name, &path) {
                    return Some(Place::new(layer, Phase::Optimizer));
                }
                path
            }
            Some(Variable::Other(path)) => path,
            // Functions get their variables as arguments, `adam_add_readvariableop_resource`.
            None => resource.name.replace('_', "/"),
        };
        let names = [variable.as_str(), Path::of(&node.name).first()];
        let of_optimizer = |name: &str| name.split('/').next().is_some_and(|first| self.namer.is_optimizer(first));
        Some(if names.into_iter().any(of_optimizer) {
            Place::new(OPTIMIZER, Phase::Optimizer)
        } else {
            Place::new(METRICS, Phase::Other)
        })
    }

    /// Walks from `node` along `next` through operations without a scope, breadth first; `reached` is told the place of
    /// each operation that has one, and ends the walk by returning true.
    fn walk(&self, node: NodeId, mut next: impl FnMut(NodeId) -> Vec<NodeId>, mut reached: impl FnMut(&Place) -> bool) {
        let mut waiting = next(node);
        let mut visited: FxHashSet<NodeId> = FxHashSet::default();
        let mut index = 0;
        while let Some(&node) = waiting.get(index) {
            index += 1;
            if !visited.insert(node) {
                continue;
            }
            if visited.len() > REACH {
                return;
            }
            match self.place(node) {
                Some(place) => {
                    if reached(place) {
                        return;
                    }
                }
                None => waiting.extend(next(node)),
            }
        }
    }
}

/// As many as a walk can visit, and some more, which may be the same.
fn within_reach(nodes: &[NodeId]) -> impl Iterator<Item = NodeId> {
    nodes.iter().copied().take(4 * REACH)
}

pub(super) fn is_assignment(op: &str) -> bool {
    op.starts_with("Assign")
        || op.starts_with("ResourceApply")
        || op.starts_with("ResourceSparseApply")
        || op.starts_with("Apply")
}

/// The innermost scope that holds both.
fn common(one: &str, other: &str) -> String {
    let shared = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    shared.map(|(segment, _)| segment).collect::<Vec<_>>().join("/")
}
