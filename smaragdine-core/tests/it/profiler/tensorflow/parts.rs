//! Names of the parts of a model that a program calls itself.

use crate::programs::{Program, Step, autoencoder, model, pair};
use smaragdine_core::profiler::RawOp;

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
fn an_optimizer_that_is_called_as_the_scope_of_gradients_updates_layers() {
    for name in ["gradients", "gradients_1", "gradient_tape"] {
        let gradient = "gradient_tape/encoder_1/dense_1/MatMul/MatMul_1";
        let step = Step::default()
            .dense("encoder_1/dense_1", "pair/encoder/dense/kernel", "data", "gradient_tape/ones")
            .node("gradients/encoder_1/dense_1/Relu_grad/ReluGrad", "ReluGrad", &["encoder_1/dense_1/MatMul"])
            .update(name, "", "pair/encoder/dense/kernel", gradient);
        let program = Program::new(pair(), &[step]);
        let named = |kind: &str| format!("optimizer/pair/encoder/dense/kernel/{kind} | pair/encoder/dense | optimizer");
        assert_eq!(program.name(&format!("{name}/Mul")), named("Mul"));
        assert_eq!(program.name(&format!("{name}/AssignSubVariableOp")), named("AssignSubVariableOp"));
        for raw_name in [gradient, "gradients/encoder_1/dense_1/Relu_grad/ReluGrad"] {
            assert!(program.name(raw_name).ends_with(" | pair/encoder/dense | backward"), "{}", program.name(raw_name));
        }
    }
}

#[test]
fn updates_within_a_branch_that_xla_compiled_serve_their_layers() {
    let step = Step::default()
        .dense("encoder_1/dense_1", "pair/encoder/dense/kernel", "data", "gradient_tape/ones")
        .captured("kernel", "pair/encoder/dense/kernel")
        .node("adam/cond/Mul", "Mul", &["gradient_tape/encoder_1/dense_1/MatMul/MatMul_1"])
        .node("adam/cond/AssignSubVariableOp", "AssignSubVariableOp", &["kernel", "adam/cond/Mul"]);
    let program = Program::new(pair(), &[step]);
    let once = program.name("adam/cond/Mul");
    assert_eq!(once, "optimizer/pair/encoder/dense/kernel/cond/Mul | pair/encoder/dense | optimizer");
    // The branch stands before the name that its function gives the node.
    assert_eq!(program.name("adam/cond/adam/cond/Mul"), once);
    assert_eq!(program.layer("cond/adam/cond/Mul"), "pair/encoder/dense");
    assert_eq!(program.layer("adam/cond/other/Mul"), "optimizer");
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
