//! Names in programs that call parts of a model themselves, on graphs as TensorFlow makes them, in small.

use prost::Message;
use rustc_hash::FxHashMap;
use smaragdine_core::graph::Graph;
use smaragdine_core::names::{Model, Namer};
use smaragdine_core::wire::tensorflow::{FunctionDef, FunctionDefLibrary, GraphDef, NodeDef, OpDef};
use smaragdine_core::xplane::RawOp;

/// A compiled step, and what it calls the variables that it captures.
#[derive(Default)]
struct Step {
    nodes: Vec<NodeDef>,
    captures: FxHashMap<String, String>,
}

impl Step {
    fn node(mut self, name: &str, kind: &str, inputs: &[&str]) -> Self {
        let input = inputs.iter().map(|&input| input.to_owned()).collect();
        self.nodes.push(NodeDef { name: name.into(), op: kind.into(), input, ..NodeDef::default() });
        self
    }

    /// A layer's product with its kernel: `scope/MatMul`, and the gradients of both its inputs.
    fn dense(self, scope: &str, kernel: &str, input: &str, gradient: &str) -> Self {
        let (read, product) = (format!("{scope}/Cast/ReadVariableOp"), format!("{scope}/MatMul"));
        let backward = format!("gradient_tape/{scope}/MatMul");
        self.variable(&read, kernel)
            .node(&product, "MatMul", &[input, &read])
            .node(&format!("{backward}/MatMul"), "MatMul", &[gradient, &read])
            .node(&format!("{backward}/MatMul_1"), "MatMul", &[input, gradient])
    }

    /// Reads the variable of this path.
    fn variable(self, read: &str, path: &str) -> Self {
        let argument = format!("{}_resource", read.to_lowercase().replace('/', "_"));
        self.captured(&argument, path).node(read, "ReadVariableOp", &[&argument])
    }

    fn captured(mut self, argument: &str, path: &str) -> Self {
        self.captures.insert(argument.to_owned(), path.to_owned());
        self
    }

    /// An update of the variable of this path with a gradient, in the optimizer's scope.
    fn update(self, scope: &str, number: &str, path: &str, gradient: &str) -> Self {
        let (rate, argument) = (format!("{scope}/Mul{number}"), format!("{scope}_assign{number}_resource"));
        self.captured(&argument, path).node(&rate, "Mul", &[gradient]).node(
            &format!("{scope}/AssignSubVariableOp{number}"),
            "AssignSubVariableOp",
            &[&argument, &rate],
        )
    }

    fn graph(&self) -> Graph {
        let signature = Some(OpDef { name: "step".into(), ..OpDef::default() });
        let function = FunctionDef { signature, node_def: self.nodes.clone() };
        let library = Some(FunctionDefLibrary { function: vec![function] });
        Graph::decode(&GraphDef { library, ..GraphDef::default() }.encode_to_vec()).unwrap()
    }
}

/// A model whose layers have these paths, and a kernel each, and the steps of a program that holds it.
struct Program {
    namer: Namer,
    kinds: FxHashMap<String, String>,
}

impl Program {
    fn new(model: Model, steps: &[Step]) -> Self {
        let captures = steps.iter().flat_map(|step| step.captures.clone()).collect();
        let variables = model.layer_paths.iter().map(|path| format!("{}/{path}/kernel", model.name)).collect();
        let namer = Namer::new(Model { variables, captures, ..model }, steps.iter().map(Step::graph).collect());
        let nodes = steps.iter().flat_map(|step| &step.nodes);
        Self { namer, kinds: nodes.map(|node| (node.name.clone(), node.op.clone())).collect() }
    }

    /// `qtn | layer | phase`
    fn name(&self, raw_name: &str) -> String {
        let kind = self.kinds.get(raw_name).map_or("Op", String::as_str);
        let raw = RawOp { raw_name: raw_name.into(), kind: kind.into(), ..RawOp::default() };
        let op = self.namer.name(&raw);
        format!("{} | {} | {}", op.qtn, op.layer, op.phase.name())
    }

    fn layer(&self, raw_name: &str) -> String {
        self.name(raw_name).split(" | ").nth(1).unwrap().to_owned()
    }
}

fn model(name: &str, layers: &[&str]) -> Model {
    let layer_paths = layers.iter().map(|&layer| layer.to_owned()).collect();
    Model { name: name.into(), layer_paths, ..Model::default() }
}

fn pair() -> Model {
    model("pair", &["encoder", "encoder/dense", "encoder/flat", "decoder", "decoder/dense"])
}

/// Encoder and decoder, called by a step which computes a loss, and an update of both kernels.
fn autoencoder(encoder: &str, decoder: &str) -> Step {
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

#[test]
fn a_part_has_one_path_in_every_pass_however_it_is_called() {
    for (encoder, decoder) in [
        ("encoder_1/dense_1", "decoder_1/dense_1"),
        // The parts' layers instead of the parts.
        ("dense_1", "dense_3"),
        ("first_pass/encoder_1/dense_1", "second/decoder_1/dense_1"),
        ("pair_1/encoder_1/dense_1", "decoder_1/dense_1"),
        ("encoder_1/while/dense_1", "decoder_5/dense_1"),
    ] {
        let program = Program::new(pair(), &[autoencoder(encoder, decoder)]);
        for (scope, layer) in [(encoder, "pair/encoder/dense"), (decoder, "pair/decoder/dense")] {
            assert_eq!(program.name(&format!("{scope}/MatMul")), format!("{layer}/MatMul | {layer} | forward"));
            for of in ["MatMul", "MatMul_1"] {
                let named = format!("gradients/{layer}/MatMul/{of} | {layer} | backward");
                assert_eq!(program.name(&format!("gradient_tape/{scope}/MatMul/{of}")), named);
            }
        }
        let update = "optimizer/pair/encoder/dense/kernel/Mul | pair/encoder/dense | optimizer";
        assert_eq!(program.name("adam/Mul"), update);
        assert_eq!(program.layer("adam/AssignSubVariableOp_1"), "pair/decoder/dense");
    }
}

#[test]
fn what_a_step_computes_by_itself_is_in_no_layer_backward_neither() {
    let program = Program::new(pair(), &[autoencoder("encoder_1/dense_1", "decoder_1/dense_1")]);
    for (raw_name, named) in [
        ("sub", "loss/sub | loss | forward"),
        ("pow", "loss/pow | loss | forward"),
        ("Mean", "loss/Mean | loss | forward"),
        ("gradient_tape/pow/mul_1", "gradients/loss/pow/mul_1 | loss | backward"),
        ("random_normal/RandomStandardNormal", "random_normal/RandomStandardNormal | unknown | other"),
        ("encoder_1/flat_1/Reshape", "pair/encoder/flat/Reshape | pair/encoder/flat | forward"),
    ] {
        assert_eq!(program.name(raw_name), named);
    }
}

#[test]
fn what_a_step_computes_between_parts_is_the_models() {
    let step = Step::default()
        .node("data", "IteratorGetNext", &[])
        .node("random_normal/RandomStandardNormal", "RandomStandardNormal", &[])
        .dense("encoder_1/dense_1", "pair/encoder/dense/kernel", "data", "gradient_tape/mul/Mul")
        .node("mul", "Mul", &["encoder_1/dense_1/MatMul", "random_normal/RandomStandardNormal"])
        .node("gradient_tape/mul/Mul", "Mul", &["gradient_tape/decoder_1/dense_1/MatMul/MatMul"])
        .dense("decoder_1/dense_1", "pair/decoder/dense/kernel", "mul", "gradient_tape/ones");
    let program = Program::new(pair(), &[step]);
    assert_eq!(program.name("mul"), "pair/mul | pair | forward");
    assert_eq!(program.layer("random_normal/RandomStandardNormal"), "pair");
    assert_eq!(program.name("gradient_tape/mul/Mul"), "gradients/pair/mul/Mul | pair | backward");
}

#[test]
fn sums_of_gradients_are_of_the_innermost_layer_and_a_layers_own_gradients_of_that_layer() {
    let step = Step::default()
        .node("data", "IteratorGetNext", &[])
        .dense("encoder_1/dense_1", "pair/encoder/dense/kernel", "data", "mul_2")
        .node("encoder_1/flat_1/Sigmoid", "Sigmoid", &["encoder_1/dense_1/MatMul"])
        .dense("decoder_1/dense_1", "pair/decoder/dense/kernel", "encoder_1/flat_1/Sigmoid", "gradient_tape/ones")
        .node("AddN", "AddN", &["gradient_tape/decoder_1/dense_1/MatMul/MatMul", "gradient_tape/decoder_1/dense_1/x"])
        // As `tf.nn.silu` does: without a scope, from the result that the layer was given.
        .node("Sigmoid", "Sigmoid", &["encoder_1/dense_1/MatMul"])
        .node("mul_2", "Mul", &["Sigmoid", "AddN"]);
    let program = Program::new(pair(), &[step]);
    assert_eq!(program.name("AddN"), "gradients/pair/decoder/dense/AddN | pair/decoder/dense | backward");
    assert_eq!(program.name("mul_2"), "gradients/pair/encoder/flat/mul | pair/encoder/flat | backward");
    assert_eq!(program.name("Sigmoid"), "gradients/pair/encoder/flat/Sigmoid | pair/encoder/flat | backward");
}

#[test]
fn a_metric_may_take_a_constant_from_the_gradients_and_read_back_what_a_loss_counted() {
    let step = autoencoder("encoder_1/dense_1", "decoder_1/dense_1")
        .node("gradient_tape/decoder_1/dense_1/Const", "Const", &[])
        .node("Sum", "Sum", &["decoder_1/dense_1/MatMul", "gradient_tape/decoder_1/dense_1/Const"])
        .captured("mae", "mean_absolute_error/total")
        .captured("age", "compile_loss/age_loss/total")
        .node("AssignAddVariableOp", "AssignAddVariableOp", &["mae", "Sum"])
        .node("compile_loss/AssignVariableOp", "AssignVariableOp", &["age", "Mean"])
        .node("Cast_10/ReadVariableOp", "ReadVariableOp", &["age", "^compile_loss/AssignVariableOp"]);
    let program = Program::new(pair(), &[step]);
    assert_eq!(program.layer("Sum"), "metrics");
    assert_eq!(program.layer("Cast_10/ReadVariableOp"), "loss");
}

#[test]
fn an_optimizer_is_told_from_a_part_that_bears_its_name() {
    let gan = model("gan", &["adam", "adam/dense", "mine", "mine/dense"]);
    let step = Step::default()
        .dense("adam_1/dense_1", "gan/adam/dense/kernel", "data", "gradient_tape/mine_1/dense_1/MatMul/MatMul")
        .dense("mine_1/dense_1", "gan/mine/dense/kernel", "adam_1/dense_1/MatMul", "gradient_tape/ones")
        .node("AddN", "AddN", &["gradient_tape/mine_1/dense_1/MatMul/MatMul_1"])
        .update("adam_2", "", "gan/adam/dense/kernel", "gradient_tape/adam_1/dense_1/MatMul/MatMul_1")
        .update("mine_2", "", "gan/mine/dense/kernel", "AddN")
        .captured("velocity", "mine/gan/mine/dense/kernel/velocity")
        .node("mine_2/AssignVariableOp", "AssignVariableOp", &["velocity", "AddN"])
        .captured("count", "mine/iteration")
        .node("Add", "AddV2", &[])
        .node("AssignVariableOp", "AssignVariableOp", &["count", "Add"]);
    let program = Program::new(gan, &[step]);
    assert_eq!(program.layer("adam_1/dense_1/MatMul"), "gan/adam/dense");
    assert_eq!(program.layer("gradient_tape/mine_1/dense_1/MatMul/MatMul"), "gan/mine/dense");
    assert_eq!(program.name("adam_2/Mul"), "optimizer/gan/adam/dense/kernel/Mul | gan/adam/dense | optimizer");
    for raw_name in ["mine_2/Mul", "mine_2/AssignSubVariableOp", "mine_2/AssignVariableOp"] {
        assert!(program.name(raw_name).ends_with(" | gan/mine/dense | optimizer"), "{}", program.name(raw_name));
    }
    assert_eq!(program.layer("Add"), "optimizer", "it counts its steps");
}

#[test]
fn where_two_functions_have_an_update_of_one_name_for_a_layer_each_it_is_of_neither() {
    let one = Step::default()
        .dense("encoder_1/dense_1", "pair/encoder/dense/kernel", "data", "gradient_tape/ones")
        .update("sgd", "", "pair/encoder/dense/kernel", "gradient_tape/encoder_1/dense_1/MatMul/MatMul_1");
    let other = || {
        let argument = "decoder_1_dense_1_cast_readvariableop_resource";
        Step::default()
            .dense("decoder_1/dense_1", "pair/decoder/dense/kernel", "data", "gradient_tape/ones")
            .node("sgd/Mul", "Mul", &["gradient_tape/decoder_1/dense_1/MatMul/MatMul_1"])
            .node("sgd/AssignSubVariableOp", "AssignSubVariableOp", &[argument, "sgd/Mul"])
    };
    assert_eq!(Program::new(pair(), &[other()]).layer("sgd/Mul"), "pair/decoder/dense");
    let both = Program::new(pair(), &[one, other()]);
    assert_eq!(both.name("sgd/Mul"), "sgd/Mul | optimizer | optimizer");
    assert_eq!(both.layer("encoder_1/dense_1/MatMul"), "pair/encoder/dense");
}

#[test]
fn variables_whose_paths_look_alike_in_the_names_of_slots_are_told_apart() {
    let net = model("net", &["a", "a/b", "a_b"]);
    let step = Step::default()
        .dense("a_1/b_1", "net/a/b/kernel", "data", "gradient_tape/ones")
        .dense("a_b_1", "net/a_b/kernel", "data", "gradient_tape/ones")
        .captured("one", "adam/net/a/b/kernel/momentum")
        .captured("other", "adam/net/a_b/kernel/momentum")
        .node("adam/AssignVariableOp", "AssignVariableOp", &["one", "gradient_tape/a_1/b_1/MatMul/MatMul_1"])
        .node("adam/AssignVariableOp_1", "AssignVariableOp", &["other", "gradient_tape/a_b_1/MatMul/MatMul_1"]);
    let program = Program::new(net, &[step]);
    assert_eq!(program.layer("adam/AssignVariableOp"), "net/a/b");
    assert_eq!(program.layer("adam/AssignVariableOp_1"), "net/a_b");
}

#[test]
fn a_kernel_that_fuses_two_layers_is_of_the_layer_it_is_named_after() {
    let step = Step::default()
        .dense("encoder_1/dense_1", "pair/encoder/dense/kernel", "data", "gradient_tape/ones")
        .node("encoder_1/flat_1/Relu", "Relu", &["encoder_1/dense_1/MatMul"]);
    let program = Program::new(pair(), &[step]);
    let fused = RawOp { raw_name: "encoder_1/flat_1/Relu".into(), kind: "_FusedMatMul".into(), ..RawOp::default() };
    let op = program.namer.name(&fused);
    assert_eq!((op.qtn.as_str(), op.layer.as_str()), ("pair/encoder/dense/MatMul", "pair/encoder/dense"));
}

#[test]
fn a_layer_that_several_hold_has_one_path_also_where_nothing_but_names_is_known() {
    let mut pair = pair();
    pair.shared.insert("decoder/twin".into(), "encoder/dense".into());
    let program = Program::new(pair, &[]);
    for scope in ["decoder_1/twin_1", "encoder_1/dense_1", "pair_1/decoder_1/twin_1", "pair/encoder/dense"] {
        assert_eq!(program.layer(&format!("{scope}/MatMul")), "pair/encoder/dense", "{scope}");
    }
}

#[test]
fn eager_operations_have_the_layers_that_the_client_says() {
    let program = Program::new(model("optimizer", &["first"]), &[]);
    for (raw_name, named) in [
        ("optimizer/first/MatMul", "optimizer/first/MatMul | optimizer/first | forward"),
        (":gradients/optimizer/first/MatMul", "gradients/optimizer/first/MatMul | optimizer/first | backward"),
        (":update/optimizer/first/kernel/Sub", "optimizer/optimizer/first/kernel/Sub | optimizer/first | optimizer"),
        ("optimizer/Mul", "optimizer/optimizer/Mul | optimizer/optimizer | forward"),
        (":optimizer/adam/Sub", "optimizer/adam/Sub | optimizer | optimizer"),
        (":loss/mse/Sub", "loss/mse/Sub | loss | forward"),
        (":gradients/:loss/mse/Sub", "gradients/loss/mse/Sub | loss | backward"),
        (":gradients/Mul", "gradients/Mul | unknown | backward"),
        (":metrics/mae/Abs", "metrics/mae/Abs | metrics | other"),
    ] {
        assert_eq!(program.name(raw_name), named);
    }
}
