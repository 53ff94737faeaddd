//! Raw names → operations: the qualified tensor name in the paper's form, the user's layer, the phase.
//!
//! Three modes name one operation in three ways; all become `bert/encoder/layer_0/output/dense/MatMul`:
//!
//! ```text
//! graph     bert/encoder/layer_0/output/dense/MatMul
//! Keras     StatefulPartitionedCall/bert_1/encoder_1/layer_0_1/output_1/dense_1/BiasAdd, a fused MatMul
//! XLA       bert_1/encoder_1/layer_0_1/output_1/dense_1/MatMul
//! ```

mod layers;
mod path;
mod servants;

use rustc_hash::{FxHashMap, FxHashSet};

use self::layers::Layers;
use self::path::{Path, canonical_type, principal_type, unwrapped, without_number};
use crate::graph::{Graph, NodeId};
use crate::trace::{Op, Phase};
use crate::xplane::RawOp;

pub const OPTIMIZER: &str = "optimizer";
pub const LOSS: &str = "loss";
pub const METRICS: &str = "metrics";
pub const DATA: &str = "data";
pub const RUNTIME: &str = "runtime";
pub const UNKNOWN: &str = "unknown";

/// What the user's program says about its model; empty where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// The outermost scope, `bert`.
    pub name: String,
    /// `encoder/layer_0/attention`, without the model's name.
    pub layer_paths: Vec<String>,
    /// `bert/encoder/layer_0/output/dense/kernel`, in the optimizer's order.
    pub variables: Vec<String>,
}

/// Names operations of one model.
#[derive(Debug, Default)]
pub struct Namer {
    layers: Layers,
    graphs: Vec<Graph>,
    /// The outermost scopes of optimizers, `adam`.
    optimizers: FxHashSet<String>,
}

/// Whom an operation serves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    layer: String,
    phase: Phase,
}

impl Place {
    fn new(layer: impl Into<String>, phase: Phase) -> Self {
        Self { layer: layer.into(), phase }
    }

    fn unknown() -> Self {
        Self::new(UNKNOWN, Phase::Other)
    }
}

impl Namer {
    /// Where the model names no layers, they are the scopes of the graphs' variables.
    #[must_use]
    pub fn new(model: Model, graphs: Vec<Graph>) -> Self {
        let mut layers = Layers::default();
        for path in &model.layer_paths {
            layers.add(&if model.name.is_empty() { path.clone() } else { format!("{}/{path}", model.name) });
        }
        if layers.is_empty() {
            if !model.name.is_empty() {
                layers.add(&model.name);
            }
            for path in model.variables.iter().map(String::as_str).chain(graphs.iter().flat_map(variables)) {
                layers.add(path.rsplit_once('/').map_or("", |(scope, _)| scope));
            }
        }
        let mut namer = Self { layers, graphs, optimizers: FxHashSet::default() };
        namer.optimizers = namer.find_optimizers();
        namer
    }

    /// The operation that `raw` names. The same `raw` always gives the same operation.
    #[must_use]
    pub fn name(&self, raw: &RawOp) -> Op {
        let path = Path::of(&raw.raw_name);
        let place = self.place(raw, &path);
        Op {
            qtn: self.qtn(raw, &path, &place),
            layer: place.layer,
            kind: canonical_type(&raw.kind).to_owned(),
            phase: place.phase,
            raw_name: raw.raw_name.clone(),
            flops: raw.flops,
        }
    }

    /// Which operations feed which, as pairs of indexes into `ops`. Operations that `ops` lacks, because they never ran
    /// or were optimised away, are looked through. Sorted, without repetition.
    #[must_use]
    pub fn edges(&self, ops: &[Op]) -> Vec<(u32, u32)> {
        let mut edges = Vec::new();
        for (index, graph) in self.graphs.iter().enumerate() {
            let mut seen: FxHashMap<NodeId, u32> = FxHashMap::default();
            for (op, number) in ops.iter().zip(0_u32..) {
                if let Some((found, node)) = self.node(&op.raw_name)
                    && found == index
                {
                    seen.entry(node).or_insert(number);
                }
            }
            for (&node, &to) in &seen {
                let mut visited: FxHashSet<NodeId> = FxHashSet::default();
                let mut waiting = graph.node(node).inputs.clone();
                while let Some(input) = waiting.pop() {
                    if !visited.insert(input) {
                        continue;
                    }
                    match seen.get(&input) {
                        Some(&from) => edges.push((from, to)),
                        None => waiting.extend(&graph.node(input).inputs),
                    }
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    fn place(&self, raw: &RawOp, path: &Path) -> Place {
        if raw.pipeline {
            return Place::new(DATA, Phase::Other);
        }
        if let Some(place) = self.by_scope(path) {
            return place;
        }
        if let Some(place) = by_type(&raw.kind) {
            return place;
        }
        if let Some(place) = self.by_graph(&raw.raw_name) {
            return place;
        }
        let phase = if path.backward { Phase::Backward } else { Phase::Forward };
        match path.segments.as_slice() {
            // A scope of the user's own outside all layers; an operation's own parts, `Sum/reduction_indices`, are none.
            [scope @ .., _] if !scope.is_empty() && !self.is_operation(&raw.raw_name) => {
                Place::new(scope.join("/"), phase)
            }
            _ if path.backward => Place::new(UNKNOWN, Phase::Backward),
            _ => Place::unknown(),
        }
    }

    /// What the outermost scopes say; `None` where they say nothing.
    fn by_scope(&self, path: &Path) -> Option<Place> {
        let phase = if path.backward { Phase::Backward } else { Phase::Forward };
        if let Some(found) = self.layers.find(&path.segments) {
            return Some(Place::new(found.layer, phase));
        }
        if path.segments.len() < 2 {
            return None;
        }
        match without_number(path.first()).unwrap_or(path.first()) {
            "compile_loss" | "loss" | "losses" => Some(Place::new(LOSS, phase)),
            "compile_metrics" | "metrics" => Some(Place::new(METRICS, Phase::Other)),
            _ if self.is_optimizer(path.first()) => Some(Place::new(OPTIMIZER, Phase::Optimizer)),
            _ => None,
        }
    }

    fn is_optimizer(&self, scope: &str) -> bool {
        const KNOWN: [&str; 20] = [
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
            "rmsprop",
            "schedulefreeadamw",
            "sgd",
        ];
        self.optimizers.contains(scope)
            || KNOWN.contains(&without_number(scope).unwrap_or(scope).to_ascii_lowercase().as_str())
    }

    fn qtn(&self, raw: &RawOp, path: &Path, place: &Place) -> String {
        let principal = principal_type(&raw.kind).map(|principal| self.principal(&raw.raw_name, principal));
        let owned = principal.as_ref().map(|name| Path::of(name));
        let path = owned.as_ref().unwrap_or(path);
        let own = match self.layers.find(&path.segments) {
            Some(found) => format!("{}/{}", found.layer, path.segments[found.depth..].join("/")),
            None => match (place.layer.as_str(), path.segments.split_first()) {
                (LOSS, Some((_, rest))) if !rest.is_empty() => format!("{LOSS}/{}", rest.join("/")),
                (DATA | METRICS | RUNTIME, Some(_)) => format!("{}/{}", place.layer, path.segments.join("/")),
                (OPTIMIZER, Some((_, []))) => format!("{OPTIMIZER}/{}", path.segments.join("/")),
                (_, Some(_)) => path.segments.join("/"),
                (_, None) => raw.raw_name.clone(),
            },
        };
        if place.phase == Phase::Backward { format!("gradients/{own}") } else { own }
    }

    /// The name of the operation that a fused kernel is named after: `query/BiasAdd` → `query/MatMul`.
    fn principal(&self, raw_name: &str, principal: &str) -> String {
        let mut waiting: Vec<(NodeId, usize)> = Vec::new();
        if let Some((graph, node)) = self.node(raw_name) {
            let graph = &self.graphs[graph];
            waiting.push((node, 0));
            let mut next = 0;
            // What is fused is a chain of few elementwise operations that ends in the principal one.
            while let Some(&(node, depth)) = waiting.get(next) {
                let node = graph.node(node);
                if canonical_type(&node.op) == principal {
                    return node.name.clone();
                }
                if depth < 6 && waiting.len() < 64 {
                    waiting.extend(node.inputs.iter().map(|&input| (input, depth + 1)));
                }
                next += 1;
            }
        }
        let own = unwrapped(raw_name);
        own.rsplit_once('/').map_or_else(|| principal.to_owned(), |(scope, _)| format!("{scope}/{principal}"))
    }

    fn node(&self, raw_name: &str) -> Option<(usize, NodeId)> {
        let own = unwrapped(raw_name);
        let find =
            |name: &str| self.graphs.iter().enumerate().find_map(|(index, graph)| Some((index, graph.find(name)?)));
        find(raw_name).or_else(|| find(own))
    }
}

fn by_type(kind: &str) -> Option<Place> {
    let layer = match kind {
        "_Arg" | "_Retval" | "_Send" | "_Recv" | "_HostSend" | "_HostRecv" | "NoOp" | "_XlaCompile" => RUNTIME,
        _ if kind.starts_with("Iterator") || kind.starts_with("Optional") || kind.contains("Dataset") => DATA,
        _ => return None,
    };
    Some(Place::new(layer, Phase::Other))
}

/// The paths of a graph's variables, without an optimizer's slots for them.
fn variables(graph: &Graph) -> impl Iterator<Item = &str> {
    graph.nodes().filter(|node| is_variable(&node.op) && !is_slot(graph, &node.name)).map(|node| node.name.as_str())
}

fn is_variable(op: &str) -> bool {
    matches!(op, "VarHandleOp" | "VariableV2" | "Variable")
}

/// `…/kernel/Adam` beside `…/kernel`
fn is_slot(graph: &Graph, name: &str) -> bool {
    let parent = name.rsplit_once('/').and_then(|(parent, _)| graph.find(parent));
    parent.is_some_and(|parent| is_variable(&graph.node(parent).op))
}
