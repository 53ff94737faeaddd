//! Names of a real model, recorded from TensorFlow by `tests/fixtures/tensorflow/record.py`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustc_hash::FxHashMap;
use smaragdine_core::profiler::tensorflow::graph::Graph;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::profiler::tensorflow::{step_stats, xplane};
use smaragdine_core::profiler::{Profile, RawOp};
use smaragdine_core::trace::{Op, Phase};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn keras_model() -> Model {
    let said: serde_json::Value = serde_json::from_slice(&fixture("2.21/keras.model.json")).unwrap();
    let texts =
        |key: &str| said[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    Model {
        name: said["name"].as_str().unwrap().to_owned(),
        layer_paths: texts("layer_paths"),
        variables: texts("variables"),
        shared: FxHashMap::default(),
        captures: FxHashMap::default(),
    }
}

/// Operations with the nanoseconds that they ran.
struct Named {
    ops: Vec<Op>,
    time_ns: Vec<i64>,
    edges: Vec<(u32, u32)>,
}

impl Named {
    fn new(profile: &Profile, namer: &Namer) -> Self {
        let ops: Vec<Op> = profile.names.iter().map(|raw| namer.name(raw)).collect();
        let mut time_ns = vec![0; ops.len()];
        for event in &profile.events {
            time_ns[event.name as usize] += event.end_ns - event.start_ns;
        }
        Self { edges: namer.edges(&ops), ops, time_ns }
    }

    fn keras() -> Self {
        let graph = Graph::decode(&fixture("2.21/keras.graph.pb")).unwrap();
        let profile = xplane::decode(&fixture("2.21/keras.xplane.pb")).unwrap();
        Self::new(&profile, &Namer::new(keras_model(), vec![graph]))
    }

    fn session() -> Self {
        let graph = Graph::decode(&fixture("2.21/session.graph.pb")).unwrap();
        let profile = step_stats::decode(&fixture("2.21/session.run_metadata.pb")).unwrap();
        Self::new(&profile, &Namer::new(Model::default(), vec![graph]))
    }

    fn xla() -> Self {
        let profile = xplane::decode(&fixture("2.21/xla.xplane.pb")).unwrap();
        Self::new(&profile, &Namer::new(keras_model(), Vec::new()))
    }

    fn share(&self, condition: impl Fn(&Op) -> bool) -> f64 {
        let matching: i64 =
            self.ops.iter().zip(&self.time_ns).filter(|(op, _)| condition(op)).map(|(_, time)| time).sum();
        matching as f64 / self.time_ns.iter().sum::<i64>() as f64
    }

    fn of_model(&self) -> f64 {
        self.share(|op| op.layer.starts_with("bert/") || ["optimizer", "loss", "metrics"].contains(&op.layer.as_str()))
    }

    /// Forward names of the model's own layers.
    fn forward(&self) -> BTreeSet<&str> {
        let forward = self.ops.iter().filter(|op| op.phase == Phase::Forward && op.layer.starts_with("bert/"));
        forward.map(|op| op.qtn.as_str()).collect()
    }

    fn find(&self, qtn: &str) -> &Op {
        self.ops.iter().find(|op| op.qtn == qtn).unwrap_or_else(|| panic!("no operation is named {qtn}"))
    }

    fn listing(&self, condition: impl Fn(&Op) -> bool) -> String {
        let line = |op: &Op| format!("{} | {} | {} | {}\n", op.qtn, op.kind, op.layer, op.phase.name());
        self.ops.iter().filter(|op| condition(op)).map(line).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

#[test]
fn nearly_all_time_has_a_layer_of_the_model_the_optimizer_the_loss_or_the_metrics() {
    for (mode, named) in [("keras", Named::keras()), ("session", Named::session())] {
        let share = named.of_model();
        eprintln!("{mode}: {:.2} % of operation time has a layer", 100.0 * share);
        assert!(share >= 0.95, "{mode}: {share}");
    }
}

#[test]
fn every_operation_of_a_training_step_has_a_place() {
    let unplaced =
        Named::keras().listing(|op| op.layer == "unknown") + &Named::session().listing(|op| op.layer == "unknown");
    assert_eq!(unplaced, "");
}

#[test]
fn forward_backward_and_optimizer_are_told_apart() {
    for (mode, named) in [("keras", Named::keras()), ("session", Named::session())] {
        for phase in [Phase::Forward, Phase::Backward, Phase::Optimizer] {
            let share = named.share(|op| op.phase == phase);
            assert!(share > 0.05, "{mode}: {} is {share}", phase.name());
        }
        let mixed = named.listing(|op| op.qtn.starts_with("gradients/") != (op.phase == Phase::Backward));
        assert_eq!(mixed, "", "{mode}");
        let mixed = named.listing(|op| op.layer == "optimizer" && op.phase != Phase::Optimizer);
        assert_eq!(mixed, "", "{mode}");
    }
}

#[test]
fn one_model_has_the_same_forward_names_in_keras_and_in_graph_mode() {
    let (keras, session) = (Named::keras(), Named::session());
    let (keras_names, session_names) = (keras.forward(), session.forward());
    let common = keras_names.intersection(&session_names).count() as f64;
    assert!(common / keras_names.len() as f64 >= 0.9, "{common} of {}", keras_names.len());
    // A session also tells of what does no work on tensors' elements, of which a profile tells nothing.
    let idle = ["Const", "VarHandleOp", "Identity", "Reshape", "Shape", "ExpandDims"];
    let working: BTreeSet<&str> =
        session_names.into_iter().filter(|name| !idle.contains(&session.find(name).kind.as_str())).collect();
    eprintln!("{common} forward names in common, of Keras's {} and the session's {}", keras_names.len(), working.len());
    assert!(common / working.len() as f64 >= 0.9, "{common} of {}", working.len());
}

#[test]
fn fused_kernels_are_named_after_their_principal_operation() {
    let named = Named::keras();
    let query = named.find("bert/encoder/layer_0/attention/self/query/MatMul");
    assert_eq!((query.kind.as_str(), query.layer.as_str()), ("MatMul", "bert/encoder/layer_0/attention/self/query"));
    assert!(query.raw_name.ends_with("query_1/BiasAdd"), "{}", query.raw_name);
}

#[test]
fn gradients_by_input_and_by_kernel_stay_distinct() {
    let (keras, session) = (Named::keras(), Named::session());
    for (named, name) in [(&keras, "MatMul"), (&session, "MatMul_grad")] {
        let scope = format!("gradients/bert/encoder/layer_0/output/dense/{name}");
        for of in ["MatMul", "MatMul_1"] {
            let op = named.find(&format!("{scope}/{of}"));
            assert_eq!((op.phase, op.layer.as_str()), (Phase::Backward, "bert/encoder/layer_0/output/dense"));
        }
    }
}

#[test]
fn sums_of_gradients_belong_to_the_innermost_layer_that_their_gradients_come_from() {
    let named = Named::keras();
    let sums = named.listing(|op| op.kind == "AddN" && op.raw_name.ends_with("/AddN_16"));
    assert_eq!(
        sums,
        "gradients/bert/encoder/layer_0/attention/AddN | AddN | bert/encoder/layer_0/attention | backward\n"
    );
}

#[test]
fn metrics_that_keras_computes_without_a_scope_are_metrics() {
    let named = Named::keras();
    for name in ["metrics/ArgMax", "metrics/SelectV2", "metrics/div_no_nan_1", "metrics/AssignVariableOp"] {
        assert_eq!(named.find(name).layer, "metrics");
    }
    assert_eq!(named.find("optimizer/AssignVariableOp_2").phase, Phase::Optimizer, "the optimizer counts its steps");
}

#[test]
fn data_flows_along_edges_through_operations_that_were_optimised_away() {
    let named = Named::keras();
    let number = |qtn: &str| named.ops.iter().position(|op| op.qtn == qtn).unwrap() as u32;
    let layer = "bert/encoder/layer_0";
    let edge = |from: &str, to: &str| {
        named.edges.contains(&(number(&format!("{layer}/{from}")), number(&format!("{layer}/{to}"))))
    };
    assert!(edge("intermediate/dense/MatMul", "intermediate/Gelu/mul"));
    assert!(edge("attention/self/value/MatMul", "attention/self/transpose_2"), "a reshape lies between them");
    assert!(!edge("intermediate/Gelu/mul", "intermediate/dense/MatMul"));
}

#[test]
fn slots_of_an_optimizer_serve_the_layer_of_their_variable() {
    let slots = Named::session().listing(|op| op.kind == "VarHandleOp" && op.qtn.ends_with("dense/kernel/Adam_1"));
    assert_eq!(slots.lines().count(), 7, "{slots}");
    assert!(slots.lines().all(|slot| slot.ends_with("/dense | optimizer")), "{slots}");
}

#[test]
fn instructions_of_xla_have_the_names_of_the_operations_they_came_from() {
    let named = Named::xla();
    named.find("bert/encoder/layer_0/intermediate/dense/MatMul");
    named.find("gradients/bert/encoder/layer_0/intermediate/dense/MatMul/MatMul_1");
    let share = named.of_model();
    assert!(share >= 0.8, "copies and some fusions have no name: {share}");
}

#[test]
fn names_of_one_layer_in_keras() {
    let listing = Named::keras().listing(|op| op.layer.starts_with("bert/encoder/layer_1"));
    insta::assert_snapshot!(listing);
}

#[test]
fn names_of_one_layer_in_a_session() {
    let bookkeeping = |op: &Op| matches!(op.kind.as_str(), "Const" | "VarHandleOp");
    let listing =
        Named::session().listing(|op| op.layer.starts_with("bert/encoder/layer_1/output") && !bookkeeping(op));
    insta::assert_snapshot!(listing);
}

#[test]
fn names_outside_the_model_in_keras() {
    let listing = Named::keras().listing(|op| !op.layer.starts_with("bert/") && op.layer != "optimizer");
    insta::assert_snapshot!(listing);
}

#[test]
fn a_model_that_says_nothing_and_gives_no_graph_still_has_names() {
    let namer = Namer::default();
    let name = |raw_name: &str, kind: &str| {
        let op = namer.name(&RawOp { raw_name: raw_name.into(), kind: kind.into(), ..RawOp::default() });
        format!("{} | {} | {}", op.qtn, op.layer, op.phase.name())
    };
    assert_eq!(name("net/block/MatMul", "MatMul"), "net/block/MatMul | net/block | forward");
    assert_eq!(name("gradients/net/block/MatMul", "MatMul"), "gradients/net/block/MatMul | net/block | backward");
    assert_eq!(name("gradients/AddN_3", "AddN"), "gradients/AddN_3 | unknown | backward");
    assert_eq!(name("MatMul", "MatMul"), "MatMul | unknown | other");
    assert_eq!(
        name("Adam/update_net/kernel/ResourceApplyAdam", "ResourceApplyAdam"),
        "Adam/update_net/kernel/ResourceApplyAdam | optimizer | optimizer"
    );
    assert_eq!(name("IteratorGetNext", "IteratorGetNext"), "data/IteratorGetNext | data | other");
    for hostile in [
        "",
        "/",
        "//a//",
        "_1",
        "while/body/_1/",
        "gradients",
        "gradient_tape/",
        "PartitionedCall/",
        "ArithmeticOptimizer",
        "é/ö_1/ü",
    ] {
        name(hostile, "");
        name(hostile, "_FusedMatMul");
        name(hostile, "_Fused");
        name(hostile, "_Mkl");
    }
}
