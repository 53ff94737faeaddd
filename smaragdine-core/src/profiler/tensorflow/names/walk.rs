//! Follows data through one graph, from operations without a scope to those that have one.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Namer;
use super::path::Path;
use super::place::{Place, by_type};
use super::variables::{Variable, is_variable, slot_of};
use crate::profiler::tensorflow::graph::{Graph, NodeId};
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
    pub(super) namer: &'a Namer,
    pub(super) graph: &'a Graph,
    /// What the scopes of each node say.
    places: Vec<Option<Place>>,
    /// Whether they say that it computes gradients.
    backward: Vec<bool>,
}

impl<'a> Walker<'a> {
    pub(super) fn of(namer: &'a Namer, graph: &'a Graph) -> Self {
        let paths = graph.nodes().map(|node| Path::of(&node.name, &namer.layers));
        let (places, backward) = paths.map(|path| (namer.by_scope(&path), path.backward)).unzip();
        Self { namer, graph, places, backward }
    }

    pub(super) fn place(&self, node: NodeId) -> Option<&Place> {
        self.places[node as usize].as_ref()
    }

    pub(super) fn is_backward(&self, node: NodeId) -> bool {
        self.backward[node as usize]
    }

    fn is_optimizer(&self, node: NodeId) -> bool {
        self.place(node).is_some_and(|place| place.phase == Phase::Optimizer)
    }

    /// No scope says whom it serves. Where layers are not told, any scope but an operation's own is one.
    pub(super) fn is_unplaced(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        if self.place(id).is_some() || by_type(&node.op).is_some() {
            return false;
        }
        let segments = || Path::of(&node.name, &self.namer.layers).segments.len();
        let within = |whole: &str| node.op == "ReadVariableOp" || self.graph.find(whole).is_some();
        let is_part = || node.name.rsplit_once('/').is_some_and(|(whole, _)| within(whole));
        self.namer.layers.are_told() || segments() == 1 || segments() == 2 && is_part()
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

    /// Walks from `node` along `next` through operations without a scope, breadth first; `reached` is told the place of
    /// each operation that has one, and ends the walk by returning true.
    pub(super) fn walk(
        &self,
        node: NodeId,
        mut next: impl FnMut(NodeId) -> Vec<NodeId>,
        mut reached: impl FnMut(NodeId, &Place) -> bool,
    ) {
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
                    if reached(node, place) {
                        return;
                    }
                }
                None => waiting.extend(next(node)),
            }
        }
    }
}

/// As many as a walk can visit, and some more, which may be the same.
pub(super) fn within_reach(nodes: &[NodeId]) -> impl Iterator<Item = NodeId> {
    nodes.iter().copied().take(4 * REACH)
}

pub(super) fn is_assignment(op: &str) -> bool {
    op.starts_with("Assign")
        || op.starts_with("ResourceApply")
        || op.starts_with("ResourceSparseApply")
        || op.starts_with("Apply")
}
