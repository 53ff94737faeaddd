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
mod place;
mod scopes;
mod servants;
mod serving;
mod stage;
mod types;
mod variables;
mod walk;
mod words;

use rustc_hash::FxHashSet;

use self::layers::Layers;
use self::path::{Path, is_control_flow};
use self::place::{Place, by_type, is_loss_scope};
use self::servants::{Servants, Service};
use self::types::{canonical_type, principal_type};
use self::variables::Variables;
pub use self::words::{DATA, LOSS, METRICS, OPTIMIZER, RUNTIME, UNKNOWN};
use crate::profiler::RawOp;
use crate::profiler::tensorflow::flops::flops;
use crate::profiler::tensorflow::graph::{Graph, NodeId};
pub use crate::trace::Model;
use crate::trace::{Op, Phase};

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

impl Namer {
    /// Where the model names no layers, they are the scopes of the graphs' variables.
    #[must_use]
    pub fn new(model: Model, graphs: Vec<Graph>) -> Self {
        let mut layers = Layers::new(!model.layer_paths.is_empty());
        let whole = |path: &str| if model.name.is_empty() { path.to_owned() } else { format!("{}/{path}", model.name) };
        model.layer_paths.iter().for_each(|path| layers.add(&whole(path)));
        model.shared.iter().for_each(|(other, path)| layers.share(&whole(other), &whole(path)));
        if !layers.are_told() {
            layers.add(&model.name);
            for path in model.variables.iter().map(String::as_str).chain(graphs.iter().flat_map(variables::paths)) {
                layers.add(path.rsplit_once('/').map_or("", |(scope, _)| scope));
            }
        }
        Self::among(layers, model, graphs)
    }

    /// Names operations of which nothing is known but the paths of their layers.
    #[must_use]
    pub fn of_layers<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut layers = Layers::default();
        paths.into_iter().filter(|path| !words::is_word(path)).for_each(|path| layers.add(path));
        Self::among(layers, Model::default(), Vec::new())
    }

    fn among(mut layers: Layers, model: Model, graphs: Vec<Graph>) -> Self {
        let variables = Variables::of(&model, &graphs);
        if layers.are_told() {
            optimizers::learn(&mut layers, &graphs, &variables);
        }
        let optimizers = optimizers::find(&graphs, &layers, &variables);
        if layers.are_told() {
            scopes::learn(&mut layers, &variables, &graphs, &optimizers);
        }
        let mut namer = Self { layers, model_name: model.name, variables, graphs, servants: Vec::new(), optimizers };
        namer.servants = namer.graphs.iter().map(|graph| Servants::find(&namer, graph)).collect();
        namer
    }

    /// The operation that `raw` names. The same `raw` always gives the same operation.
    #[must_use]
    pub fn name(&self, raw: &RawOp) -> Op {
        let principal = principal_type(&raw.kind).map(|principal| self.principal(&raw.raw_name, principal));
        let path = Path::of(principal.as_deref().unwrap_or(&raw.raw_name), &self.layers);
        // A kernel that fuses several layers' operations is that of the one it is built around.
        let service = self.service(&raw.raw_name).filter(|_| principal.is_none() || path.found.is_none());
        let place = service.map_or_else(|| self.place(raw, &path), |service| service.place.clone());
        let qtn = match service {
            Some(service) if !service.qtn.is_empty() => service.qtn.clone(),
            _ => qtn(raw, &path, &place),
        };
        Op {
            qtn,
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
        if let Some(place) = self.by_scope(path).or_else(|| by_type(&raw.kind)) {
            return place;
        }
        if is_instruction(raw, path) {
            return Place::new(RUNTIME, Phase::Other);
        }
        let phase = if path.backward { Phase::Backward } else { Phase::Forward };
        if is_control_flow(path.first()) && path.segments.len() > 1 && !self.layers.is_empty() {
            // A loop of training steps counts them, and asks whether there is a next one.
            return Place::new(RUNTIME, Phase::Other);
        }
        match path.segments.as_slice() {
            // A scope of the user's own outside all layers, as far as those are not told; an operation's own parts,
            // `Sum/reduction_indices`, are none.
            [scope @ .., _] if !scope.is_empty() && !self.layers.are_told() && !self.is_operation(path.node) => {
                Place::new(scope.join("/"), phase)
            }
            _ if path.backward => Place::new(UNKNOWN, Phase::Backward),
            _ => Place::unknown(),
        }
    }

    /// Whom the operation serves as a graph tells; `None` where its own scope says that, nothing does, or two functions
    /// have an operation of this name each, for another layer.
    fn service(&self, raw_name: &str) -> Option<&Service> {
        let (first, node) = self.node(raw_name)?;
        let service = self.servants[first].get(node)?;
        let alike = |graph: &&Graph| graph.executed == self.graphs[first].executed;
        let mut others = self.graphs.iter().zip(&self.servants).filter(|(graph, _)| alike(graph));
        let disagrees = |(graph, servants): (&Graph, &Servants)| {
            let other = self.find(graph, raw_name).and_then(|node| servants.get(node));
            other.is_some_and(|other| other.place.is_in_layer() && other.place != service.place)
        };
        (!service.place.is_in_layer() || !others.any(disagrees)).then_some(service)
    }

    /// `BiasAdd+Relu`: what a kernel computes besides what its type says.
    fn fused(&self, raw: &RawOp) -> String {
        let executed = self.node(&raw.raw_name).map(|(graph, node)| self.graphs[graph].node(node));
        executed.filter(|node| node.op == raw.kind).map_or(String::new(), |node| node.attributes.fused.join("+"))
    }

    fn flops(&self, raw: &RawOp) -> Option<f64> {
        let nodes = self.graphs.iter().filter_map(|graph| Some((graph, self.find(graph, &raw.raw_name)?)));
        // The graph as it was traced has no kernels that fuse several operations.
        let same = nodes.map(|(graph, node)| (graph, graph.node(node))).filter(|(_, node)| node.op == raw.kind);
        same.into_iter().find_map(|(graph, node)| flops(graph, node, canonical_type(&node.op)))
    }

    /// The name of a node is that of a part of another, such as `Sum/reduction_indices`.
    fn is_operation(&self, name: &str) -> bool {
        let scope = name.rsplit_once('/').map_or("", |(scope, _)| scope);
        !scope.is_empty() && self.graphs.iter().any(|graph| graph.find(scope).is_some())
    }

    /// The name of the operation that a fused kernel is named after: `query/BiasAdd` → `query/MatMul`.
    fn principal(&self, raw_name: &str, principal: &str) -> String {
        let mut waiting: Vec<(NodeId, usize)> = Vec::new();
        // In a graph that was executed the principal operation is gone.
        let traced = self.graphs.iter().filter(|graph| !graph.executed);
        if let Some((graph, node)) = traced.into_iter().find_map(|graph| Some((graph, self.find(graph, raw_name)?))) {
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
        raw_name.rsplit_once('/').map_or_else(|| principal.to_owned(), |(scope, _)| format!("{scope}/{principal}"))
    }

    fn node(&self, raw_name: &str) -> Option<(usize, NodeId)> {
        self.graphs.iter().enumerate().find_map(|(index, graph)| Some((index, self.find(graph, raw_name)?)))
    }

    /// A graph that was executed holds its nodes by their whole names, one that was traced without what calls them.
    fn find(&self, graph: &Graph, raw_name: &str) -> Option<NodeId> {
        if graph.executed {
            return graph.find(raw_name);
        }
        graph.find(raw_name).or_else(|| {
            let mut name = Path::of(raw_name, &self.layers).node;
            loop {
                if let Some(node) = graph.find(name) {
                    return Some(node);
                }
                name = within_branch(name)?;
            }
        })
    }
}

fn qtn(raw: &RawOp, path: &Path, place: &Place) -> String {
    if place.layer == RUNTIME && is_instruction(raw, path) {
        return format!("{RUNTIME}/{}", raw.kind);
    }
    let scope = path.segments.join("/");
    let own = match (&path.found, place.layer.as_str(), path.segments.split_first()) {
        (Some(found), layer, _) if found.layer == layer => {
            format!("{layer}/{}", path.segments[found.depth..].join("/"))
        }
        (_, _, None) => raw.raw_name.clone(),
        (_, LOSS, Some((first, rest))) if path.word.is_none() && is_loss_scope(first) && !rest.is_empty() => {
            format!("{LOSS}/{}", rest.join("/"))
        }
        (_, LOSS | DATA | METRICS | RUNTIME, _) => format!("{}/{scope}", place.layer),
        (_, OPTIMIZER, Some((_, []))) => format!("{OPTIMIZER}/{scope}"),
        _ if path.word.is_some() => format!("{OPTIMIZER}/{scope}"),
        _ => scope,
    };
    if place.phase == Phase::Backward { format!("gradients/{own}") } else { own }
}

/// An instruction that XLA made on its own and numbers anew in each compilation: `copy.44`, of type `copy`.
fn is_instruction(raw: &RawOp, path: &Path) -> bool {
    raw.kind.starts_with(|first: char| first.is_ascii_lowercase()) && path.segments.len() == 1
}

/// XLA puts a branch before the name that the branch's function gives its node: `cond/net/Mul`, `adam/cond/adam/cond/Mul`.
fn within_branch(name: &str) -> Option<&str> {
    let ends = name.match_indices('/').map(|(end, _)| end);
    let (branch, rest) = ends
        .map(|end| (&name[..end], &name[end + 1..]))
        .find(|(scope, _)| is_control_flow(scope.rsplit('/').next().unwrap_or(scope)))?;
    let is_repeated = rest.strip_prefix(branch).is_some_and(|rest| rest.starts_with('/'));
    (is_repeated || !branch.contains('/')).then_some(rest)
}
