//! Raw names → operations: the qualified tensor name in the paper's form, the user's layer, the phase.
//!
//! Three modes name one operation in three ways; all become `bert/encoder/layer_0/output/dense/MatMul`:
//!
//! ```text
//! graph     bert/encoder/layer_0/output/dense/MatMul
//! Keras     StatefulPartitionedCall/bert_1/encoder_1/layer_0_1/output_1/dense_1/BiasAdd, a fused MatMul
//! XLA       bert_1/encoder_1/layer_0_1/output_1/dense_1/MatMul
//! ```

mod dataflow;
mod layers;
mod losses;
mod optimizers;
mod path;
mod servants;
mod variables;
mod walk;

use rustc_hash::FxHashSet;

use self::layers::Layers;
use self::path::{Path, canonical_type, is_control_flow, principal_type, unwrapped, without_number};
use self::servants::{Servants, Service};
use self::variables::Variables;
use crate::flops::flops;
use crate::graph::{Graph, NodeId};
pub use crate::trace::Model;
use crate::trace::{Op, Phase};
use crate::xplane::RawOp;

pub const OPTIMIZER: &str = "optimizer";
pub const LOSS: &str = "loss";
pub const METRICS: &str = "metrics";
pub const DATA: &str = "data";
pub const RUNTIME: &str = "runtime";
pub const UNKNOWN: &str = "unknown";

/// Names operations of one model.
#[derive(Debug, Default)]
pub struct Namer {
    layers: Layers,
    model_name: String,
    variables: Variables,
    graphs: Vec<Graph>,
    /// Of each graph.
    servants: Vec<Servants>,
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
            for path in model.variables.iter().map(String::as_str).chain(graphs.iter().flat_map(variables::paths)) {
                layers.add(path.rsplit_once('/').map_or("", |(scope, _)| scope));
            }
        }
        let optimizers = optimizers::find(&graphs, &layers);
        let variables = Variables::of(&model, &graphs);
        let mut namer = Self { layers, model_name: model.name, variables, graphs, servants: Vec::new(), optimizers };
        namer.servants = namer.graphs.iter().map(|graph| Servants::find(&namer, graph)).collect();
        namer
    }

    /// Whether this is the path of one of the model's own layers.
    #[must_use]
    pub fn is_layer(&self, path: &str) -> bool {
        self.layers.contains(path)
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
            flops: raw.flops.or_else(|| self.flops(raw)),
            fused: self.fused(raw),
        }
    }

    fn place(&self, raw: &RawOp, path: &Path) -> Place {
        if raw.pipeline {
            return Place::new(DATA, Phase::Other);
        }
        if let Some(service) = self.service(&raw.raw_name) {
            return service.place.clone();
        }
        if let Some(place) = self.by_scope(path) {
            return place;
        }
        if let Some(place) = by_type(&raw.kind) {
            return place;
        }
        if is_instruction(raw) {
            return Place::new(RUNTIME, Phase::Other);
        }
        let phase = if path.backward { Phase::Backward } else { Phase::Forward };
        if is_control_flow(path.first()) && path.segments.len() > 1 && !self.layers.is_empty() {
            // A loop of training steps counts them, and asks whether there is a next one.
            return Place::new(RUNTIME, Phase::Other);
        }
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
            scope if losses::is_known(scope) => Some(Place::new(LOSS, phase)),
            "compile_metrics" | "metrics" => Some(Place::new(METRICS, Phase::Other)),
            _ if self.is_optimizer(path.first()) => Some(Place::new(OPTIMIZER, Phase::Optimizer)),
            _ => None,
        }
    }

    fn is_optimizer(&self, scope: &str) -> bool {
        self.optimizers.contains(scope) || optimizers::is_known(scope)
    }

    /// Whom the operation serves as a graph tells; `None` where its own scope says that, or nothing does.
    fn service(&self, raw_name: &str) -> Option<&Service> {
        let (graph, node) = self.node(raw_name)?;
        self.servants[graph].get(node)
    }

    /// `BiasAdd+Relu`: what a kernel computes besides what its type says.
    fn fused(&self, raw: &RawOp) -> String {
        let executed = self.node(&raw.raw_name).map(|(graph, node)| self.graphs[graph].node(node));
        executed.filter(|node| node.op == raw.kind).map_or(String::new(), |node| node.attributes.fused.join("+"))
    }

    fn flops(&self, raw: &RawOp) -> Option<f64> {
        let nodes = self.graphs.iter().filter_map(|graph| Some((graph, find(graph, &raw.raw_name)?)));
        // The graph as it was traced has no kernels that fuse several operations.
        let same = nodes.map(|(graph, node)| (graph, graph.node(node))).filter(|(_, node)| node.op == raw.kind);
        same.into_iter().find_map(|(graph, node)| flops(graph, node, canonical_type(&node.op)))
    }

    /// The raw name is a node, or a part of one such as `Sum/reduction_indices`.
    fn is_operation(&self, raw_name: &str) -> bool {
        let scope = unwrapped(raw_name).rsplit_once('/').map_or("", |(scope, _)| scope);
        !scope.is_empty() && self.graphs.iter().any(|graph| graph.find(scope).is_some())
    }

    fn qtn(&self, raw: &RawOp, path: &Path, place: &Place) -> String {
        if let Some(service) = self.service(&raw.raw_name).filter(|service| !service.qtn.is_empty()) {
            return service.qtn.clone();
        }
        if place.layer == RUNTIME && is_instruction(raw) {
            return format!("{RUNTIME}/{}", raw.kind);
        }
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
        // In a graph that was executed the principal operation is gone.
        let traced = self.graphs.iter().filter(|graph| !graph.executed);
        if let Some((graph, node)) = traced.into_iter().find_map(|graph| Some((graph, find(graph, raw_name)?))) {
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
        self.graphs.iter().enumerate().find_map(|(index, graph)| Some((index, find(graph, raw_name)?)))
    }
}

/// A graph that was executed holds its nodes by their whole names, one that was traced without what calls them.
fn find(graph: &Graph, raw_name: &str) -> Option<NodeId> {
    graph.find(raw_name).or_else(|| graph.find(unwrapped(raw_name)).filter(|_| !graph.executed))
}

/// An instruction that XLA made on its own and numbers anew in each compilation: `copy.44`, of type `copy`.
fn is_instruction(raw: &RawOp) -> bool {
    raw.kind.starts_with(|first: char| first.is_ascii_lowercase()) && !raw.raw_name.contains('/')
}

fn by_type(kind: &str) -> Option<Place> {
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
