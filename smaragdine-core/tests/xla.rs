//! What XLA executes: fusions, instructions of its own, loops, and work that it leaves to other threads.

mod composed;

use std::collections::HashMap;
use std::path::PathBuf;

use composed::{
    Plane, S32, Stat, calling, computation, decoded, executes, flops, instruction, parameter, program, space, told,
};
use proptest::prelude::*;
use smaragdine_core::alignment::Aligner;
use smaragdine_core::trace::{Event, Kind};
use smaragdine_core::wire::xla::{
    ConvolutionDimensionNumbers, DotDimensionNumbers, HloComputationProto, HloInstructionProto, HloProto, Window,
    WindowDimension,
};
use smaragdine_core::xplane::{Profile, decode};

/// Executions of instructions of one program on one thread, each 1,000 ns long and 1,000 ns after the other.
fn executed(computations: Vec<HloComputationProto>, instructions: &[&str]) -> Profile {
    let mut host = Plane::new("/host:CPU").line("tf_Compute/1");
    for (start_ns, instruction) in (0..).step_by(2_000).zip(instructions) {
        host = host.event(instruction, start_ns, start_ns + 1_000, &executes(instruction));
    }
    decoded(vec![host, Plane::of_programs(&[(7, program(computations))])])
}

fn fusion(members: Vec<HloInstructionProto>) -> Vec<HloComputationProto> {
    let entry = vec![calling(90, "fusion", "m/dense/Relu", &[4], &[], 1)];
    vec![computation(1, members), computation(2, entry)]
}

fn dot(id: i64, op_name: &str, shape: &[i64], operands: &[i64]) -> HloInstructionProto {
    let dot_dimension_numbers = Some(DotDimensionNumbers { lhs_contracting_dimensions: vec![1] });
    HloInstructionProto { dot_dimension_numbers, ..instruction(id, "dot", op_name, shape, operands) }
}

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

/// A loop whose body is one addition.
fn looped() -> Vec<HloComputationProto> {
    let body = vec![instruction(1, "add", "m/while/body/Add", &[8], &[])];
    vec![computation(1, body), computation(2, vec![calling(3, "while", "m/while", &[8], &[], 1)])]
}

#[test]
fn a_loop_is_not_counted_beside_its_body_on_whichever_thread_that_runs() {
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("while.3", 0, 900, &executes("while.3"))
        .event("ThunkExecutor::Execute", 100, 300, &[])
        .event("add.1", 110, 290, &executes("add.1"))
        .event("end: while.3", 900, 901, &[])
        .line("tf_numa_-1_Eigen/2")
        .event("ThunkExecutor::Execute", 300, 700, &[])
        .event("add.1", 350, 600, &executes("add.1"));
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(looped()))])]);
    assert_eq!(told(&profile), [("m/while/body/Add", 0, 110, 290), ("m/while/body/Add", 1, 350, 600)]);
}

#[test]
fn a_loop_of_a_program_that_is_missing_is_no_work_and_an_instruction_has_its_own_name() {
    let host = Plane::new("/host:CPU").line("tf_Compute/1").event("while.3", 0, 900, &executes("while.3")).event(
        "copy.4",
        100,
        200,
        &executes("copy.4"),
    );
    let profile = decoded(vec![host]);
    assert_eq!(told(&profile), [("copy.4", 0, 100, 200)]);
    assert_eq!(profile.names.last().map(|op| op.kind.as_str()), Some("copy"));
}

fn id(name: &str, number: u64) -> (&str, Stat<'_>) {
    (name, Stat::Number(number))
}

#[test]
fn tasks_on_other_threads_belong_to_the_instruction_that_scheduled_them_until_it_is_done() {
    let [hlo_op, program_id] = executes("add.1");
    let entry = vec![computation(1, vec![instruction(1, "add", "m/a/Add", &[8], &[])])];
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("add.1", 0, 100, &[hlo_op, program_id, id("_p", 40)])
        .event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)])
        // Scheduled by nobody's instruction.
        .event("ThreadpoolListener::Record", 150, 150, &[id("_p", 3)])
        .line("tf_numa_-1_Eigen/2")
        .event("ThreadpoolListener::StartRegion", 50, 50, &[id("_c", 1)])
        .event("ThreadpoolListener::Record", 60, 60, &[id("_p", 2)])
        .event("ThreadpoolListener::StopRegion", 200, 200, &[])
        .event("ThreadpoolListener::StartRegion", 600, 600, &[id("_c", 3)])
        .event("ThreadpoolListener::StopRegion", 700, 700, &[])
        .line("tf_numa_-1_Eigen/3")
        .event("ThreadpoolListener::StartRegion", 80, 80, &[id("_c", 2)])
        .event("end: add.1", 300, 301, &[id("_c", 40)])
        // The thread goes on with what comes next.
        .event("ThunkExecutor::Execute", 310, 500, &[])
        .event("copy.9", 320, 400, &executes("copy.9"))
        .event("ThreadpoolListener::StopRegion", 510, 510, &[])
        // Never seen to end.
        .event("ThreadpoolListener::StartRegion", 800, 800, &[id("_c", 2)]);
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(entry))])]);
    let expected = [("m/a/Add", 0, 0, 100), ("m/a/Add", 1, 50, 200), ("m/a/Add", 2, 80, 300), ("copy.9", 2, 320, 400)];
    assert_eq!(told(&profile), expected);
    let correlations: Vec<_> = profile.events.iter().map(|event| event.correlation).collect();
    assert_eq!(correlations[..3], [Some(40); 3], "one execution");
    assert_ne!(correlations[3], Some(40));
}

#[test]
fn a_task_of_an_execution_without_an_id_lasts_until_it_ends() {
    let entry = vec![computation(1, vec![instruction(1, "add", "m/a/Add", &[8], &[])])];
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("add.1", 0, 100, &executes("add.1"))
        .event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)])
        .line("tf_numa_-1_Eigen/2")
        .event("ThreadpoolListener::StartRegion", 50, 50, &[id("_c", 1)])
        .event("ThreadpoolListener::StopRegion", 200, 200, &[]);
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(entry))])]);
    assert_eq!(told(&profile), [("m/a/Add", 0, 0, 100), ("m/a/Add", 1, 50, 200)]);
}

#[test]
fn the_executor_is_no_work_of_the_task_that_it_runs_in() {
    let [hlo_op, program_id] = executes("add.1");
    let entry = vec![computation(1, vec![instruction(1, "add", "m/a/Add", &[8], &[])])];
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("add.1", 0, 100, &[hlo_op, program_id, id("_p", 40)])
        .event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)])
        .line("tf_numa_-1_Eigen/2")
        .event("ThreadpoolListener::StartRegion", 50, 50, &[id("_c", 1)])
        .event("ThunkExecutor::Execute", 60, 190, &[])
        .event("ThreadpoolListener::Record", 70, 70, &[id("_p", 2)])
        .event("ThreadpoolListener::StopRegion", 200, 200, &[])
        .event("ThreadpoolListener::StartRegion", 300, 300, &[id("_c", 2)])
        .event("ThreadpoolListener::StopRegion", 400, 400, &[]);
    let profile = decoded(vec![host, Plane::of_programs(&[(7, program(entry))])]);
    assert_eq!(told(&profile), [("m/a/Add", 0, 0, 100), ("m/a/Add", 1, 50, 60), ("m/a/Add", 1, 190, 200)]);
}

#[test]
fn a_program_that_is_none_is_told_and_its_instructions_keep_their_names() {
    let bytes = {
        let host = Plane::new("/host:CPU").line("tf_Compute/1").event("copy.4", 0, 10, &executes("copy.4"));
        let broken = HloProto { hlo_module: Some(Default::default()) };
        let mut bytes = space(vec![host, Plane::of_programs(&[(7, broken)])], &[]);
        // The module's length leads beyond the program's end.
        let module = broken_module(&bytes);
        bytes[module + 1] = 9;
        bytes
    };
    let profile = decode(&bytes).unwrap();
    assert_eq!(told(&profile), [("copy.4", 0, 0, 10)]);
    assert!(profile.notes.iter().any(|note| note.contains("could not be decoded")), "{:?}", profile.notes);
}

/// Where the empty module of the only program lies: field 1 of the `HloProto` in field 6 of a stat.
fn broken_module(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|window| window == [0x32, 2, 0x0a, 0]).expect("the program is there") + 2
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

#[test]
fn programs_that_call_themselves_or_have_absurd_shapes_are_executed_all_the_same() {
    let mut cyclic = vec![calling(1, "fusion", "", &[8], &[2], 1), calling(2, "fusion", "", &[8], &[1], 2)];
    cyclic.push(calling(3, "call", "m/a/Call", &[8], &[3], 1));
    cyclic.push(calling(4, "while", "", &[8], &[4], 3));
    let absurd = vec![
        instruction(11, "add", "m/a/Add", &[i64::MAX, i64::MAX], &[]),
        instruction(12, "negate", "m/b/Neg", &[-1], &[11]),
        dot(13, "m/c/MatMul", &[i64::MAX], &[99, 98]),
        instruction(14, "convolution", "m/d/Conv", &[3], &[14, 14]),
        instruction(15, "reduce-window", "m/e/Pool", &[1 << 40, 1 << 12], &[]),
        instruction(16, "exponential", "m/f/Exp", &[1 << 40, 1 << 13], &[]),
        instruction(17, "divide", "m/f/Div", &[1 << 40, 1 << 13], &[16]),
    ];
    let computations = vec![computation(1, cyclic), computation(2, absurd)];
    let names = ["fusion.1", "fusion.2", "call.3", "while.4", "add.11", "dot.13"];
    let profile = executed(computations, &names);
    assert!(profile.events.iter().all(|event| event.end_ns >= event.start_ns));
}

#[test]
fn a_small_profile_does_not_make_a_large_one() {
    let members: Vec<_> = (1..2_000).map(|id| instruction(id, "add", &format!("m/{id}"), &[1], &[])).collect();
    let mut computations = fusion(members);
    computations[1].instructions[0].id = 9_000;
    let executions = vec!["fusion.90"; 4_000];
    let mut host = Plane::new("/host:CPU").line("tf_Compute/1");
    for (start_ns, name) in (0..).step_by(10).zip(&executions) {
        host = host.event(name, start_ns, start_ns + 10, &executes(name));
    }
    let bytes = space(vec![host, Plane::of_programs(&[(7, program(computations))])], &[]);
    let profile = decode(&bytes).unwrap();
    assert!(profile.events.len() < bytes.len(), "{} events of {} bytes", profile.events.len(), bytes.len());
    assert_eq!(profile.events.iter().map(|event| event.end_ns - event.start_ns).sum::<i64>(), 40_000);
    assert!(profile.notes.iter().any(|note| note.contains("heaviest")), "{:?}", profile.notes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_pieces_of_an_execution_follow_each_other_and_add_up_to_it(
        shapes in proptest::collection::vec((0_i64..5_000, 0_i64..5), 1..12),
        length in 0_i64..3_000,
    ) {
        let members = (1..).zip(&shapes);
        let members = members.map(|(id, (size, name))| instruction(id, "add", &format!("m/{name}/Add"), &[*size], &[]));
        let host = Plane::new("/host:CPU").line("t").event("fusion.90", 5, 5 + length, &executes("fusion.90"));
        let profile = decoded(vec![host, Plane::of_programs(&[(7, program(fusion(members.collect())))])]);
        let pieces = told(&profile);
        prop_assert_eq!(pieces.first().map(|piece| piece.2), Some(5));
        prop_assert_eq!(pieces.last().map(|piece| piece.3), Some(5 + length));
        prop_assert!(pieces.windows(2).all(|pair| pair[0].3 == pair[1].2));
        let whole: i64 = shapes.iter().map(|(size, _)| size).sum();
        for (name, _, start_ns, end_ns) in pieces.iter().filter(|_| whole > 0) {
            let own = shapes.iter().filter(|(_, number)| *name == format!("m/{number}/Add"));
            let share = length as f64 * own.map(|(size, _)| *size as f64).sum::<f64>() / whole as f64;
            prop_assert!(((end_ns - start_ns) as f64 - share).abs() <= 1.0, "{name} {share}");
        }
    }

    #[test]
    fn an_execution_draws_the_same_energy_whole_and_divided(
        sizes in proptest::collection::vec(1_i64..500, 2..9),
        others in proptest::collection::vec((0_i64..900, 1_i64..300), 0..6),
        watts in 1.0_f64..300.0,
    ) {
        let members = (1..).zip(&sizes).map(|(id, size)| instruction(id, "add", &format!("m/{id}/Add"), &[*size], &[]));
        let host = Plane::new("/host:CPU").line("t").event("fusion.90", 100, 800, &executes("fusion.90"));
        let profile = decoded(vec![host, Plane::of_programs(&[(7, program(fusion(members.collect())))])]);
        prop_assert_eq!(profile.events.len(), sizes.len());
        let event = |op, lane, start_ns, end_ns| {
            Event { op, device: 0, lane, kind: Kind::Compute, start_ns, end_ns, step: None, correlation: None }
        };
        let energy_j = |own: Vec<Event>| {
            let mut aligner = Aligner::new(1, 2);
            aligner.push_energy(0, 0, 1_500, watts * 1.5e-6);
            let others = others.iter().zip(1..).map(|(&(start, length), lane)| event(1, lane, start, start + length));
            own.into_iter().chain(others).for_each(|event| assert!(aligner.push_event(&event)));
            aligner.finish().energy_j(0, 0)
        };
        let pieces = told(&profile).into_iter().map(|(_, lane, start_ns, end_ns)| event(0, lane, start_ns, end_ns));
        let (divided_j, whole_j) = (energy_j(pieces.collect()), energy_j(vec![event(0, 0, 100, 800)]));
        prop_assert!((divided_j / whole_j - 1.0).abs() < 1e-12, "{divided_j} {whole_j}");
    }

    #[test]
    fn a_damaged_program_never_panics(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60)
    ) {
        let mut computations = looped();
        computations.extend(fusion(vec![dot(31, "m/dense/MatMul", &[4, 5], &[31, 31])]));
        let mut host = Plane::new("/host:CPU").line("t");
        for name in ["fusion.90", "while.3", "add.1", "copy.77"] {
            host = host.event(name, 0, 50, &executes(name));
            host = host.event("ThreadpoolListener::Record", 10, 10, &[id("_p", 1)]);
        }
        let planes = || vec![Plane::of_programs(&[(7, program(computations.clone()))])];
        let mut bytes = space(planes(), &[]);
        bytes.extend(space(vec![host], &[]));
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(profile) = decode(&bytes) {
            prop_assert!(profile.events.iter().all(|event| event.end_ns >= event.start_ns));
            prop_assert!(profile.events.iter().all(|event| (event.name as usize) < profile.names.len()));
        }
    }

    #[test]
    fn a_program_of_any_wiring_never_panics(
        wiring in proptest::collection::vec((0_usize..12, 0_i64..40, 0_i64..40, 0_i64..6, -3_i64..1 << 40), 1..60)
    ) {
        const OPCODES: [&str; 12] = [
            "fusion", "while", "call", "copy", "dot", "convolution", "reduce", "parameter", "tuple", "scatter", "add",
            "conditional",
        ];
        let computations: Vec<_> = wiring.chunks(10).zip(0..).map(|(instructions, own)| {
            let instructions = instructions.iter().zip(own * 10..).map(|(&(opcode, one, other, called, size), id)| {
                let name = if one % 2 == 0 { "" } else { "m/a/Op" };
                calling(id, OPCODES[opcode], name, &[size, size % 7], &[one, other], called)
            });
            computation(own, instructions.collect())
        }).collect();
        let instructions = computations.iter().flat_map(|computation| &computation.instructions);
        let names: Vec<String> = instructions.map(|instruction| instruction.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let profile = executed(computations, &names);
        prop_assert!(profile.events.iter().all(|event| event.end_ns >= event.start_ns));
    }
}
