//! Leads a node of a graph to the variable that it holds, and an optimizer's slot to the variable it is for.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Model;
use super::layers::Layers;
use super::path::Path;
use crate::profiler::tensorflow::graph::{Graph, Node};

/// The model's own variables, and how functions call them.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// What a function calls a variable that it captures → the variable's path.
    captures: FxHashMap<String, String>,
    /// A variable's path as Keras writes it into the name of a slot, `dense_kernel` → `dense/kernel`.
    flat: FxHashMap<String, String>,
    paths: FxHashSet<String>,
}

/// What a variable is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// The path of a variable of the model's.
    Own(String),
    /// An optimizer's, for the model's variable of this path.
    Slot(String),
    /// Neither: an optimizer's count of steps, a metric's sum, the state of a random generator.
    Other(String),
}

/// What says which variable a resource is.
enum Holder<'a> {
    /// The node of this name, which declares it.
    Declared(&'a str),
    /// A function that captured the variable of this path.
    Captured(&'a str),
}

/// Functions hand variables on so many times at most.
const DEPTH: usize = 16;

impl Variables {
    pub(super) fn of(model: &Model, graphs: &[Graph]) -> Self {
        let declared = graphs.iter().flat_map(paths);
        let paths: FxHashSet<String> =
            model.variables.iter().map(String::as_str).chain(declared).map(str::to_owned).collect();
        let flat = paths.iter().map(|path| (path.replace('/', "_"), path.clone())).collect();
        Self { captures: model.captures.clone(), flat, paths }
    }

    /// The variable that `node`, a resource, stands for.
    pub(super) fn find(&self, graph: &Graph, node: &Node) -> Option<Variable> {
        Some(match self.holder(graph, node)? {
            Holder::Declared(name) => match slot_of(graph, name) {
                Some(variable) => Variable::Slot(variable.to_owned()),
                None => self.classify(unwrapped(name)),
            },
            Holder::Captured(path) => self.classify(path),
        })
    }

    /// The path of a variable of the user's program that `node` stands for and a function captured.
    pub(super) fn captured<'a>(&'a self, graph: &'a Graph, node: &'a Node) -> Option<&'a str> {
        match self.holder(graph, node)? {
            Holder::Captured(path) => Some(path),
            Holder::Declared(_) => None,
        }
    }

    fn holder<'a>(&'a self, graph: &'a Graph, node: &'a Node) -> Option<Holder<'a>> {
        let mut node = node;
        for _ in 0..DEPTH {
            if is_variable(&node.op) {
                return Some(Holder::Declared(&node.name));
            }
            // Arguments that share a name in the user's program are told apart by their nodes.
            if let Some(path) = self.captures.get(&node.attributes.argument).or_else(|| self.captures.get(&node.name)) {
                return Some(Holder::Captured(path));
            }
            let &input = node.inputs.first()?;
            node = graph.node(input);
        }
        None
    }

    fn classify(&self, path: &str) -> Variable {
        let flat = path.replace('/', "_");
        if self.flat.contains_key(&flat) {
            return Variable::Own(path.to_owned());
        }
        let slot = path.split_once('/').map_or("", |(_, slot)| slot);
        // `adam/net/dense/kernel/momentum`
        if let Some((of, _)) = slot.rsplit_once('/').filter(|(of, _)| self.paths.contains(*of)) {
            return Variable::Slot(of.to_owned());
        }
        // `adam/dense_kernel_momentum`: the longest variable that the slot's name starts with.
        let slot = slot.replace('/', "_");
        let ends = slot.match_indices('_').map(|(end, _)| end).collect::<Vec<_>>();
        let of = ends.into_iter().rev().find_map(|end| self.flat.get(&slot[..end]));
        of.map_or_else(|| Variable::Other(path.to_owned()), |own| Variable::Slot(own.clone()))
    }
}

/// The paths of a graph's variables, without an optimizer's slots for them.
pub(super) fn paths(graph: &Graph) -> impl Iterator<Item = &str> {
    let own = |node: &&Node| is_variable(&node.op) && slot_of(graph, &node.name).is_none();
    graph.nodes().filter(own).map(|node| node.name.as_str())
}

/// The layer that holds a variable, and the variable's name in it: `bert/pooler/dense`, `kernel`.
pub(super) fn layer_of(layers: &Layers, model: &str, path: &str) -> Option<(String, String)> {
    // A functional model's variables do not start with its name.
    let within = format!("{model}/{path}");
    [path, within.as_str()].into_iter().find_map(|path| {
        let segments: Vec<&str> = path.split('/').collect();
        // The last segment is the variable.
        let found = layers.locate(&segments[..segments.len() - 1])?;
        Some((found.layer, segments[found.depth..].join("/")))
    })
}

/// The name of a variable that a graph declares, without the functions that call it.
fn unwrapped(name: &str) -> &str {
    Path::of(name, &Layers::default()).node
}

pub(super) fn is_variable(op: &str) -> bool {
    matches!(op, "VarHandleOp" | "VariableV2" | "Variable")
}

/// `…/kernel` for `…/kernel/Adam` beside it.
pub(super) fn slot_of<'a>(graph: &Graph, name: &'a str) -> Option<&'a str> {
    let (parent, _) = name.rsplit_once('/')?;
    graph.find(parent).is_some_and(|found| is_variable(&graph.node(found).op)).then_some(parent)
}
