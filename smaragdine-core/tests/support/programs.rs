//! Programs whose training steps call parts of a model, on graphs as TensorFlow makes them, in small.

#![allow(dead_code, reason = "each test file uses its own part")]

use prost::Message;
use rustc_hash::FxHashMap;
use smaragdine_core::profiler::RawOp;
use smaragdine_core::profiler::tensorflow::graph::Graph;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::wire::tensorflow::{FunctionDef, FunctionDefLibrary, GraphDef, NodeDef, OpDef};

/// A compiled step, and what it calls the variables that it captures.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) nodes: Vec<NodeDef>,
    pub(crate) captures: FxHashMap<String, String>,
}

impl Step {
    pub(crate) fn node(mut self, name: &str, kind: &str, inputs: &[&str]) -> Self {
        let input = inputs.iter().map(|&input| input.to_owned()).collect();
        self.nodes.push(NodeDef { name: name.into(), op: kind.into(), input, ..NodeDef::default() });
        self
    }

    /// A layer's product with its kernel: `scope/MatMul`, and the gradients of both its inputs.
    pub(crate) fn dense(self, scope: &str, kernel: &str, input: &str, gradient: &str) -> Self {
        let (read, product) = (format!("{scope}/Cast/ReadVariableOp"), format!("{scope}/MatMul"));
        let backward = format!("gradient_tape/{scope}/MatMul");
        self.variable(&read, kernel)
            .node(&product, "MatMul", &[input, &read])
            .node(&format!("{backward}/MatMul"), "MatMul", &[gradient, &read])
            .node(&format!("{backward}/MatMul_1"), "MatMul", &[input, gradient])
    }

    /// Reads the variable of this path.
    pub(crate) fn variable(self, read: &str, path: &str) -> Self {
        let argument = format!("{}_resource", read.to_lowercase().replace('/', "_"));
        self.captured(&argument, path).node(read, "ReadVariableOp", &[&argument])
    }

    pub(crate) fn captured(mut self, argument: &str, path: &str) -> Self {
        self.captures.insert(argument.to_owned(), path.to_owned());
        self
    }

    /// An update of the variable of this path with a gradient, in the optimizer's scope.
    pub(crate) fn update(self, scope: &str, number: &str, path: &str, gradient: &str) -> Self {
        let (rate, argument) = (format!("{scope}/Mul{number}"), format!("{scope}_assign{number}_resource"));
        self.captured(&argument, path).node(&rate, "Mul", &[gradient]).node(
            &format!("{scope}/AssignSubVariableOp{number}"),
            "AssignSubVariableOp",
            &[&argument, &rate],
        )
    }

    pub(crate) fn graph(&self) -> Graph {
        let signature = Some(OpDef { name: "step".into(), ..OpDef::default() });
        let function = FunctionDef { signature, node_def: self.nodes.clone() };
        let library = Some(FunctionDefLibrary { function: vec![function] });
        Graph::decode(&GraphDef { library, ..GraphDef::default() }.encode_to_vec()).unwrap()
    }
}

/// A model whose layers have these paths, and a kernel each, and the steps of a program that holds it.
pub(crate) struct Program {
    pub(crate) namer: Namer,
    kinds: FxHashMap<String, String>,
}

impl Program {
    pub(crate) fn new(model: Model, steps: &[Step]) -> Self {
        let captures = steps.iter().flat_map(|step| step.captures.clone()).collect();
        let variables = model.layer_paths.iter().map(|path| format!("{}/{path}/kernel", model.name)).collect();
        let namer = Namer::new(Model { variables, captures, ..model }, steps.iter().map(Step::graph).collect());
        let nodes = steps.iter().flat_map(|step| &step.nodes);
        Self { namer, kinds: nodes.map(|node| (node.name.clone(), node.op.clone())).collect() }
    }

    /// `qtn | layer | phase`
    pub(crate) fn name(&self, raw_name: &str) -> String {
        let kind = self.kinds.get(raw_name).map_or("Op", String::as_str);
        let raw = RawOp { raw_name: raw_name.into(), kind: kind.into(), ..RawOp::default() };
        let op = self.namer.name(&raw);
        format!("{} | {} | {}", op.qtn, op.layer, op.phase.name())
    }

    pub(crate) fn layer(&self, raw_name: &str) -> String {
        self.name(raw_name).split(" | ").nth(1).unwrap().to_owned()
    }
}

pub(crate) fn model(name: &str, layers: &[&str]) -> Model {
    let layer_paths = layers.iter().map(|&layer| layer.to_owned()).collect();
    Model { name: name.into(), layer_paths, ..Model::default() }
}

pub(crate) fn pair() -> Model {
    model("pair", &["encoder", "encoder/dense", "encoder/flat", "decoder", "decoder/dense"])
}

/// Encoder and decoder, called by a step which computes a loss, and an update of both kernels.
pub(crate) fn autoencoder(encoder: &str, decoder: &str) -> Step {
    let gradient = format!("gradient_tape/{decoder}/MatMul/MatMul");
    Step::default()
        .node("data", "IteratorGetNext", &[])
        .dense(encoder, "pair/encoder/dense/kernel", "data", &gradient)
        .dense(decoder, "pair/decoder/dense/kernel", &format!("{encoder}/MatMul"), "gradient_tape/pow/mul_1")
        .node("sub", "Sub", &[&format!("{decoder}/MatMul"), "data"])
        .node("pow", "Pow", &["sub"])
        .node("Mean", "Mean", &["pow"])
        .node("gradient_tape/pow/mul", "Mul", &["sub"])
        .node("gradient_tape/pow/mul_1", "Mul", &["gradient_tape/pow/mul"])
        .update("adam", "", "pair/encoder/dense/kernel", &format!("gradient_tape/{encoder}/MatMul/MatMul_1"))
        .update("adam", "_1", "pair/decoder/dense/kernel", &format!("gradient_tape/{decoder}/MatMul/MatMul_1"))
}
