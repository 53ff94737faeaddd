//! Which operations XLA's instructions come from: fusions, instructions of XLA's own, and what they count.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::composed::{
    Plane, S32, calling, computation, decoded, dot, executed, executes, flops, fusion, instruction, parameter, program,
    told,
};
use smaragdine_core::profiler::Profile;
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::wire::xla::{ConvolutionDimensionNumbers, HloInstructionProto, Window, WindowDimension};

fn of_integers(mut instruction: HloInstructionProto) -> HloInstructionProto {
    instruction.shape.as_mut().unwrap().element_type = S32;
    instruction
}

#[test]
fn an_execution_of_a_fusion_is_divided_by_what_its_operations_compute() {
    // 2 · 4 · 5 · 3 for the product, 20 for each of the others: 120 + 20 + 20 of 1,000 ns.
    let members = vec![
        parameter(1, 0, &[4, 3]),
        parameter(2, 1, &[3, 5]),
        dot(3, "m/dense/MatMul", &[4, 5], &[1, 2]),
        parameter(4, 2, &[5]),
        instruction(5, "broadcast", "m/dense/BiasAdd", &[4, 5], &[4]),
        instruction(6, "add", "m/dense/BiasAdd", &[4, 5], &[3, 5]),
        instruction(7, "constant", "m/other/Relu", &[], &[]),
        instruction(8, "maximum", "m/dense/Relu", &[4, 5], &[6, 7]),
    ];
    let profile = executed(fusion(members), &["fusion.90"]);
    assert_eq!(
        told(&profile),
        [("m/dense/MatMul", 0, 0, 750), ("m/dense/BiasAdd", 0, 750, 875), ("m/dense/Relu", 0, 875, 1_000)]
    );
    let counted =
        HashMap::from([("m/dense/MatMul", Some(120.0)), ("m/dense/BiasAdd", Some(20.0)), ("m/dense/Relu", Some(20.0))]);
    assert_eq!(flops(&profile), counted);
    assert_eq!(profile.names[0].kind, "MatMul");
}

#[test]
fn members_without_a_name_leave_their_time_to_the_others() {
    let members = vec![
        instruction(1, "multiply", "", &[1_000], &[]),
        instruction(2, "add", "m/a/Add", &[30], &[1]),
        instruction(3, "tanh", "m/b/Tanh", &[3], &[2]),
        instruction(4, "reshape", "m/c/Reshape", &[3, 1], &[3]),
    ];
    // A function such as tanh weighs 20 times an addition.
    assert_eq!(told(&executed(fusion(members), &["fusion.90"])), [("m/a/Add", 0, 0, 333), ("m/b/Tanh", 0, 333, 1_000)]);
}

#[test]
fn reductions_weigh_what_they_read_and_updates_what_they_write() {
    let members = vec![
        parameter(1, 0, &[600]),
        parameter(2, 1, &[]),
        calling(3, "reduce", "m/a/Sum", &[], &[1, 2], 9),
        parameter(4, 2, &[10_000]),
        parameter(5, 3, &[400]),
        instruction(6, "dynamic-update-slice", "m/b/SetItem", &[10_000], &[4, 5, 2]),
    ];
    let mut computations = fusion(members);
    computations.push(computation(9, vec![instruction(91, "add", "m/a/Sum", &[], &[])]));
    let profile = executed(computations, &["fusion.90"]);
    assert_eq!(told(&profile), [("m/a/Sum", 0, 0, 600), ("m/b/SetItem", 0, 600, 1_000)]);
    assert_eq!(flops(&profile), HashMap::from([("m/a/Sum", Some(600.0)), ("m/b/SetItem", Some(0.0))]));
}

#[test]
fn a_fusion_in_which_nothing_computes_is_its_own_operation() {
    let members = vec![instruction(1, "constant", "m/x/Const", &[], &[]), instruction(2, "broadcast", "", &[9], &[1])];
    assert_eq!(told(&executed(fusion(members), &["fusion.90"])), [("m/dense/Relu", 0, 0, 1_000)]);
}

#[test]
fn fusions_within_fusions_are_divided_too() {
    let inner = vec![instruction(1, "add", "m/a/Add", &[10], &[]), instruction(2, "negate", "m/b/Neg", &[10], &[1])];
    let outer = vec![calling(3, "fusion", "m/b/Neg", &[10], &[], 1), instruction(4, "abs", "m/c/Abs", &[20], &[3])];
    let entry = vec![calling(90, "fusion", "m/c/Abs", &[20], &[], 2)];
    let profile = executed(vec![computation(1, inner), computation(2, outer), computation(3, entry)], &["fusion.90"]);
    assert_eq!(told(&profile), [("m/a/Add", 0, 0, 250), ("m/b/Neg", 0, 250, 500), ("m/c/Abs", 0, 500, 1_000)]);
}

#[test]
fn what_xla_made_itself_belongs_to_the_operation_that_reads_it() {
    // A transpose for a gradient that lost its own name, which the optimizer's fusion tells: it renames its argument.
    let update = vec![
        parameter(1, 0, &[8]),
        parameter(2, 1, &[2, 4]),
        instruction(3, "transpose", "gradient_tape/m/conv/Filter", &[8], &[2]),
        instruction(4, "add", "adam/AssignAdd", &[8], &[1, 3]),
    ];
    let moved = vec![parameter(11, 0, &[8]), instruction(12, "transpose", "", &[8], &[11])];
    let entry = vec![
        instruction(21, "negate", "gradient_tape/m/relu/Grad", &[8], &[]),
        calling(22, "fusion", "", &[8], &[21], 2),
        instruction(23, "convolution", "", &[2, 4], &[22, 22]),
        parameter(24, 0, &[8]),
        calling(25, "fusion", "adam/AssignAdd", &[8], &[24, 23], 1),
    ];
    let computations = vec![computation(1, update), computation(2, moved), computation(3, entry)];
    let profile = executed(computations, &["fusion.22", "convolution.23"]);
    let names: Vec<_> = told(&profile).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["gradient_tape/m/conv/Filter"; 2]);
    assert_eq!(profile.names[0].kind, "Filter");
}

#[test]
fn what_nothing_with_a_name_reads_belongs_to_the_operation_that_it_reads() {
    let entry = vec![
        instruction(1, "add", "m/a/Add", &[8], &[]),
        instruction(2, "bitcast", "", &[8], &[1]),
        instruction(3, "copy", "", &[8], &[2]),
        instruction(4, "tuple", "XLA_Retvals", &[], &[3]),
    ];
    assert_eq!(told(&executed(vec![computation(1, entry)], &["copy.3"])), [("m/a/Add", 0, 0, 1_000)]);
}

#[test]
fn a_copy_for_several_operations_belongs_to_the_scope_they_share_or_to_xla() {
    let entry = vec![
        parameter(1, 0, &[8]),
        instruction(2, "copy", "", &[8], &[1]),
        instruction(3, "add", "m/lstm/cell/Add", &[8], &[2]),
        instruction(4, "negate", "m/lstm/state/Neg", &[8], &[2]),
        instruction(5, "copy", "", &[8], &[1]),
        instruction(6, "abs", "m/a/Abs", &[8], &[5]),
        instruction(7, "abs", "adam/Abs", &[8], &[5]),
        // Heavy work for two operations of the optimizer is not the optimizer's.
        instruction(8, "convolution", "", &[8], &[1, 1]),
        instruction(9, "abs", "adam/Abs_1", &[8], &[8]),
        instruction(10, "abs", "adam/Abs_2", &[8], &[8]),
    ];
    let profile = executed(vec![computation(1, entry)], &["copy.2", "copy.5", "convolution.8"]);
    let names: Vec<_> = told(&profile).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["m/lstm/copy", "copy.5", "convolution.8"]);
    assert_eq!(profile.names[1].kind, "copy");
}

#[test]
fn what_a_call_runs_has_the_name_of_the_call_where_it_has_none() {
    let body = vec![instruction(1, "multiply", "", &[8], &[]), instruction(2, "tuple", "", &[], &[1])];
    let entry = vec![calling(3, "call", "m/dropout/Random", &[8], &[], 1)];
    let computations = vec![computation(1, body), computation(2, entry)];
    assert_eq!(told(&executed(computations, &["multiply.1"])), [("m/dropout/Random", 0, 0, 1_000)]);
}

#[test]
fn a_convolution_and_both_its_gradients_count_alike() {
    let convolution = |id: i64, op_name: &str, shape: &[i64], operands: &[i64], features: i64, spread: i64| {
        let dimension = WindowDimension { size: 3, base_dilation: spread };
        HloInstructionProto {
            window: Some(Window { dimensions: vec![dimension, dimension] }),
            convolution_dimension_numbers: Some(ConvolutionDimensionNumbers {
                kernel_output_feature_dimension: features,
            }),
            ..instruction(id, "convolution", op_name, shape, operands)
        }
    };
    // 2 images of 16 × 16 × 3, 3 × 3 filters to 6 features, a stride of 2: 8 × 8 results, padded.
    let entry = vec![
        parameter(1, 0, &[2, 16, 16, 3]),
        parameter(2, 1, &[3, 3, 3, 6]),
        parameter(3, 2, &[2, 8, 8, 6]),
        convolution(4, "m/Conv", &[2, 8, 8, 6], &[1, 2], 3, 1),
        convolution(5, "m/Input", &[2, 16, 16, 3], &[3, 2], 2, 2),
        convolution(6, "m/Filter", &[3, 3, 3, 6], &[1, 3], 3, 1),
    ];
    let profile = executed(vec![computation(1, entry)], &["convolution.4", "convolution.5", "convolution.6"]);
    let once = 2.0 * (2.0 * 8.0 * 8.0 * 6.0) * (3.0 * 3.0 * 3.0);
    let counted = ["m/Conv", "m/Input", "m/Filter"].map(|name| (name, Some(once)));
    assert_eq!(flops(&profile), HashMap::from(counted));
}

#[test]
fn only_floating_point_is_counted_and_only_where_shapes_tell() {
    let entry = vec![
        parameter(1, 0, &[10]),
        of_integers(parameter(2, 1, &[10])),
        instruction(3, "compare", "m/Greater", &[10], &[1, 1]),
        of_integers(instruction(4, "add", "m/Count", &[10], &[2, 2])),
        instruction(5, "transpose", "m/Transpose", &[10], &[1]),
        instruction(6, "exponential", "m/Exp", &[10], &[1]),
        instruction(7, "custom-call", "m/Solve", &[10], &[1]),
        instruction(8, "dot", "m/Odd", &[10], &[]),
    ];
    let names: Vec<String> = entry.iter().map(|instruction| instruction.name.clone()).collect();
    let names: Vec<&str> = names.iter().skip(2).map(String::as_str).collect();
    let profile = executed(vec![computation(1, entry)], &names);
    let expected = [
        ("m/Greater", Some(10.0)),
        ("m/Count", Some(0.0)),
        ("m/Transpose", Some(0.0)),
        ("m/Exp", Some(10.0)),
        ("m/Solve", None),
        ("m/Odd", None),
    ];
    assert_eq!(flops(&profile), HashMap::from(expected));
}

#[test]
fn a_program_is_found_by_the_id_in_its_name_and_a_type_by_the_operations() {
    let mut product = instruction(3, "dot", "jit(step)/mlp/dot_general_1", &[4], &[]);
    product.metadata.as_mut().unwrap().op_type.clear();
    let mut named = program(vec![computation(1, vec![product])]);
    named.hlo_module.as_mut().unwrap().name = "a_step(7)".into();
    let host = Plane::new("/host:CPU").line("tf_XLAEigen/1").event("dot.3", 0, 10, &executes("dot.3"));
    let profile = decoded(vec![host, Plane::of_programs(&[(1, named)])]);
    assert_eq!(told(&profile), [("jit(step)/mlp/dot_general_1", 0, 0, 10)]);
    assert_eq!(profile.names[0].kind, "dot_general");
}

#[test]
fn an_operation_in_several_kernels_counts_their_mean() {
    let entry =
        vec![instruction(1, "add", "m/a/Softmax", &[30], &[]), instruction(2, "divide", "m/a/Softmax", &[10], &[1])];
    let profile = executed(vec![computation(1, entry)], &["add.1", "divide.2", "add.1"]);
    assert_eq!(flops(&profile), HashMap::from([("m/a/Softmax", Some(20.0))]));
    assert_eq!(profile.names.len(), 1);
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A step of one model as the oldest and the newest supported TensorFlow tell it.
fn recorded() -> [Profile; 2] {
    ["2.18", "2.21"].map(|version| decode(&fixture(&format!("{version}/xla.xplane.pb"))).unwrap())
}

#[test]
fn in_a_recorded_step_nearly_all_that_xla_executes_is_an_operation_of_the_frameworks() {
    for profile in recorded() {
        // Executions of XLA's instructions carry their id; types of the framework's are written in capitals.
        let (mut all, mut own) = (0, 0);
        for event in profile.events.iter().filter(|event| event.correlation.is_some()) {
            let kind = profile.names[event.name as usize].kind.as_str();
            all += event.end_ns - event.start_ns;
            own += if kind.starts_with(char::is_lowercase) { event.end_ns - event.start_ns } else { 0 };
        }
        assert!(all > 0);
        let share = own as f64 / all as f64;
        assert!(share < 0.05, "{:.1} % of the time is XLA's own", 100.0 * share);
    }
}

#[test]
fn in_a_recorded_step_matrix_products_count_what_their_shapes_say() {
    // A batch of 2 sequences of 16, 32 wide, times 32 × 128.
    let scope = "bert_1/encoder_1/layer_0_1/intermediate_1/dense_1/MatMul";
    let once = 2.0 * (2.0 * 16.0) * 32.0 * 128.0;
    for profile in recorded() {
        let counted = flops(&profile);
        for name in [scope, &format!("gradient_tape/{scope}/MatMul"), &format!("gradient_tape/{scope}/MatMul_1")] {
            assert_eq!(counted.get(name), Some(&Some(once)), "{name}");
        }
    }
}
