//! Names of what a training step computes by itself, in no layer.

use crate::programs::{Program, Step, autoencoder, pair};
use smaragdine_core::profiler::RawOp;

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

/// A step that uses the encoder's kernel itself, beside its layer: `tf.matmul(hidden, kernel, transpose_b=True)`, and a
/// penalty on its size.
fn tied() -> Step {
    Step::default()
        .node("data", "IteratorGetNext", &[])
        .dense("encoder_1/dense_1", "pair/encoder/dense/kernel", "data", "gradient_tape/MatMul/MatMul")
        .variable("MatMul/ReadVariableOp", "pair/encoder/dense/kernel")
        .node("MatMul", "MatMul", &["encoder_1/dense_1/MatMul", "MatMul/ReadVariableOp"])
        .node("sub", "Sub", &["MatMul", "data"])
        .node("pow", "Square", &["sub"])
        .node("Mean", "Mean", &["pow"])
        .variable("L2Loss/ReadVariableOp", "pair/encoder/dense/kernel")
        .node("L2Loss", "L2Loss", &["L2Loss/ReadVariableOp"])
        .node("mul", "Mul", &["L2Loss"])
        .node("add", "AddV2", &["Mean", "mul"])
        .node("gradient_tape/pow/mul_1", "Mul", &["sub"])
        .node("gradient_tape/MatMul/MatMul", "MatMul", &["gradient_tape/pow/mul_1", "MatMul/ReadVariableOp"])
        .node("gradient_tape/MatMul/MatMul_1", "MatMul", &["gradient_tape/pow/mul_1", "encoder_1/dense_1/MatMul"])
        .node("gradient_tape/mul", "Mul", &["L2Loss/ReadVariableOp"])
        .node(
            "AddN",
            "AddN",
            &["gradient_tape/encoder_1/dense_1/MatMul/MatMul_1", "gradient_tape/MatMul/MatMul_1", "gradient_tape/mul"],
        )
        .update("adam", "", "pair/encoder/dense/kernel", "AddN")
}

#[test]
fn a_loss_that_uses_a_layers_variable_itself_is_no_work_of_the_optimizer() {
    let program = Program::new(pair(), &[tied()]);
    for raw_name in ["MatMul", "sub", "pow", "Mean", "L2Loss/ReadVariableOp", "L2Loss", "mul", "add"] {
        assert_eq!(program.name(raw_name), format!("loss/{raw_name} | loss | forward"));
    }
    for raw_name in ["MatMul/MatMul", "MatMul/MatMul_1", "mul"] {
        let named = format!("gradients/loss/{raw_name} | loss | backward");
        assert_eq!(program.name(&format!("gradient_tape/{raw_name}")), named);
    }
    assert_eq!(program.layer("encoder_1/dense_1/MatMul"), "pair/encoder/dense");
    assert_eq!(program.layer("adam/Mul"), "pair/encoder/dense");
}

#[test]
fn what_a_step_updates_by_itself_serves_the_layer_and_what_all_updates_take_the_optimizer() {
    let gradient = |part: &str| format!("gradient_tape/{part}_1/dense_1/MatMul/MatMul_1");
    let (encoder, decoder) = (gradient("encoder"), gradient("decoder"));
    let step = Step::default()
        .node("data", "IteratorGetNext", &[])
        .dense(
            "encoder_1/dense_1",
            "pair/encoder/dense/kernel",
            "data",
            "gradient_tape/decoder_1/dense_1/MatMul/MatMul",
        )
        .dense("decoder_1/dense_1", "pair/decoder/dense/kernel", "encoder_1/dense_1/MatMul", "gradient_tape/ones")
        .node("Sqrt", "Sqrt", &[&encoder, &decoder])
        .captured("one", "pair/encoder/dense/kernel")
        .node("mul", "Mul", &[&encoder, "Sqrt"])
        .node("AssignSubVariableOp", "AssignSubVariableOp", &["one", "mul"])
        .captured("other", "pair/decoder/dense/kernel")
        .node("mul_1", "Mul", &[&decoder, "Sqrt"])
        .node("AssignSubVariableOp_1", "AssignSubVariableOp", &["other", "mul_1"]);
    let program = Program::new(pair(), &[step]);
    for (raw_name, named) in [
        ("mul", "optimizer/pair/encoder/dense/mul | pair/encoder/dense | optimizer"),
        ("mul_1", "optimizer/pair/decoder/dense/mul | pair/decoder/dense | optimizer"),
        ("AssignSubVariableOp_1", "optimizer/pair/decoder/dense/AssignSubVariableOp | pair/decoder/dense | optimizer"),
        ("Sqrt", "optimizer/Sqrt | optimizer | optimizer"),
    ] {
        assert_eq!(program.name(raw_name), named);
    }
    assert_eq!(program.name(&encoder), "gradients/pair/encoder/dense/MatMul/MatMul_1 | pair/encoder/dense | backward");
}

#[test]
fn what_xla_adds_within_a_function_that_the_step_calls_is_of_no_layer() {
    let program = Program::new(pair(), &[]);
    for raw_name in ["copy.44", "StatefulPartitionedCall/copy", "StatefulPartitionedCall_1/while/body/_3/copy"] {
        let raw = RawOp { raw_name: raw_name.into(), kind: "copy".into(), ..RawOp::default() };
        assert_eq!(
            (program.namer.name(&raw).qtn.as_str(), program.namer.name(&raw).layer.as_str()),
            ("runtime/copy", "runtime")
        );
    }
}
