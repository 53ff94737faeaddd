//! What is no module's by its name belongs to whom the program's dataflow says: the optimizer's work on a parameter, the
//! loss, what a step computes before and beside its model.

use crate::composed::{Plane, calling, computation, decoded, dot, executes, instruction, parameter, program};
use smaragdine_core::profiler::{Namer, Profile};
use smaragdine_core::wire::xla::{HloComputationProto, HloInstructionProto};

fn argument(id: i64, number: i64, path: &str, shape: &[i64]) -> HloInstructionProto {
    let mut argument = parameter(id, number, shape);
    argument.metadata.as_mut().unwrap().op_name = path.into();
    argument
}

fn element(id: i64, index: i64, tuple: i64, shape: &[i64]) -> HloInstructionProto {
    HloInstructionProto { tuple_index: index, ..instruction(id, "get-tuple-element", "", shape, &[tuple]) }
}

/// What all instructions that were executed are called: `qtn | layer | phase`.
fn named(profile: &Profile) -> Vec<String> {
    let namer = Namer::new(Default::default(), Vec::new(), &profile.names);
    let ops = profile.events.iter().map(|event| namer.name(&profile.names[event.name as usize]));
    ops.map(|op| format!("{} | {} | {}", op.qtn, op.layer, op.phase.name())).collect()
}

/// Executions of these instructions of one program, one after the other.
fn run(computations: Vec<HloComputationProto>, instructions: &[&str]) -> Profile {
    let mut host = Plane::new("/host:CPU").line("tf_XLAEigen/1");
    for (start_ns, instruction) in (0..).step_by(2_000).zip(instructions) {
        host = host.event(instruction, start_ns, start_ns + 1_000, &executes(instruction));
    }
    decoded(vec![host, Plane::of_programs(&[(7, program(computations))])])
}

const LOSS: &str = "jit(step)/jvp()/log";
const D_LOSS: &str = "jit(step)/transpose(jvp())/div";

/// Two layers `Net/a` and `Net/b` with a kernel each, a loss, gradients of both, and what follows.
fn training(rest: Vec<HloInstructionProto>) -> Vec<HloComputationProto> {
    let mut entry = vec![
        argument(1, 0, "p['params']['a']['kernel']", &[4, 4]),
        argument(2, 1, "p['params']['b']['kernel']", &[4, 4]),
        argument(3, 2, "state[0].mu['params']['a']['kernel']", &[4, 4]),
        argument(4, 3, "state[0].mu['params']['b']['kernel']", &[4, 4]),
        argument(5, 4, "batch", &[8, 4]),
        dot(10, "jit(step)/jvp(Net)/a/dot_general", &[8, 4], &[5, 1]),
        dot(11, "jit(step)/jvp(Net)/b/dot_general", &[8, 4], &[10, 2]),
        instruction(12, "log", LOSS, &[8, 4], &[11]),
        instruction(13, "divide", D_LOSS, &[8, 4], &[12]),
        dot(14, "jit(step)/transpose(jvp(Net))/b/transpose", &[4, 4], &[11, 13]),
        dot(15, "jit(step)/transpose(jvp(Net))/b/dot_general", &[8, 4], &[13, 2]),
        dot(16, "jit(step)/transpose(jvp(Net))/a/transpose", &[4, 4], &[5, 15]),
    ];
    entry.extend(rest);
    vec![computation(1, entry)]
}

#[test]
fn passes_and_loss_are_told_by_names_alone() {
    let profile = run(training(Vec::new()), &["dot.10", "dot.11", "log.12", "divide.13", "dot.14", "dot.15", "dot.16"]);
    assert_eq!(
        named(&profile),
        [
            "Net/a/dot_general | Net/a | forward",
            "Net/b/dot_general | Net/b | forward",
            "loss/log | loss | forward",
            "gradients/loss/div | loss | backward",
            "gradients/Net/b/transpose | Net/b | backward",
            "gradients/Net/b/dot_general | Net/b | backward",
            "gradients/Net/a/transpose | Net/a | backward",
        ]
    );
    // A product for a gradient is called as the transposition around it; what it is, its instruction says.
    assert_eq!(profile.names[4].kind, "dot_general");
}

#[test]
fn an_update_belongs_to_the_parameter_that_it_works_on() {
    let update = vec![
        // A moment, and what is added to it: neither has a scope.
        instruction(20, "multiply", "jit(step)/mul", &[4, 4], &[3]),
        instruction(21, "multiply", "jit(step)/mul", &[4, 4], &[16]),
        instruction(22, "add", "jit(step)/add", &[4, 4], &[20, 21]),
        instruction(23, "subtract", "jit(step)/sub", &[4, 4], &[1, 22]),
        instruction(24, "subtract", "jit(step)/sub", &[4, 4], &[2, 14]),
        // The norm of all gradients is nobody's.
        instruction(25, "add", "jit(step)/add", &[], &[]),
    ];
    let profile = run(
        training(update),
        &["dot.10", "dot.11", "multiply.20", "multiply.21", "add.22", "subtract.23", "subtract.24", "add.25"],
    );
    let of_a = |operation: &str| format!("optimizer/Net/a/kernel/{operation} | Net/a | optimizer");
    assert_eq!(
        named(&profile)[2..],
        [
            of_a("mul"),
            of_a("mul"),
            of_a("add"),
            of_a("sub"),
            "optimizer/Net/b/kernel/sub | Net/b | optimizer".into(),
            "optimizer/add | optimizer | optimizer".into(),
        ]
    );
}

#[test]
fn an_update_within_fusions_and_loops_finds_its_parameter() {
    let fused = vec![
        parameter(30, 0, &[4, 4]),
        parameter(31, 1, &[4, 4]),
        instruction(32, "subtract", "jit(step)/while/body/sub", &[4, 4], &[30, 31]),
    ];
    let body = vec![
        parameter(40, 0, &[]),
        element(41, 0, 40, &[4, 4]),
        element(42, 1, 40, &[4, 4]),
        dot(43, "jit(step)/while/body/jvp(Net)/a/dot_general", &[4, 4], &[41, 42]),
        dot(44, "jit(step)/while/body/transpose(jvp(Net))/a/transpose", &[4, 4], &[42, 43]),
        calling(45, "fusion", "jit(step)/while/body/sub", &[4, 4], &[41, 44], 3),
        instruction(46, "tuple", "", &[], &[45, 42]),
    ];
    let entry = vec![
        argument(1, 0, "state.params['a']['kernel'].value", &[4, 4]),
        argument(2, 1, "batch", &[4, 4]),
        instruction(3, "tuple", "", &[], &[1, 2]),
        calling(4, "while", "jit(step)/while", &[], &[3], 2),
    ];
    let computations = vec![computation(3, fused), computation(2, body), computation(1, entry)];
    let profile = run(computations, &["dot.43", "dot.44", "fusion.45"]);
    assert_eq!(
        named(&profile),
        [
            "Net/a/dot_general | Net/a | forward",
            "gradients/Net/a/transpose | Net/a | backward",
            "optimizer/Net/a/kernel/sub | Net/a | optimizer",
        ]
    );
}

#[test]
fn what_feeds_the_model_and_what_measures_it_are_not_the_optimizers() {
    let rest = vec![
        instruction(20, "multiply", "jit(step)/mul", &[8, 4], &[5]),
        dot(21, "jit(step)/jvp(Net)/a/dot_general", &[8, 4], &[20, 1]),
        instruction(22, "compare", "jit(step)/eq", &[8, 4], &[11]),
        // Between two modules, in none: not the loss.
        instruction(23, "add", "jit(step)/jvp()/add", &[8, 4], &[10]),
        dot(24, "jit(step)/jvp(Net)/b/dot_general", &[8, 4], &[23, 2]),
    ];
    let profile = run(training(rest), &["multiply.20", "compare.22", "add.23"]);
    let named = named(&profile);
    assert_eq!(named[1], "metrics/eq | metrics | other");
    // Layers are known by operations that ran; who is served is known by its own name.
    assert_eq!((named[0].as_str(), named[2].as_str()), ("Net/a/mul | Net/a | forward", "Net/b/add | Net/b | forward"));
}

#[test]
fn an_update_that_is_compiled_by_itself_is_the_optimizers_where_another_program_trains() {
    let apply = vec![
        argument(1, 0, "p['params']['a']['kernel']", &[4, 4]),
        argument(2, 1, "slopes['params']['a']['kernel']", &[4, 4]),
        instruction(3, "subtract", "jit(apply)/sub", &[4, 4], &[1, 2]),
    ];
    let host = Plane::new("/host:CPU").line("tf_XLAEigen/1");
    let on = |program: u64, name| {
        [("hlo_op", crate::composed::Stat::Text(name)), crate::composed::id("program_id", program)]
    };
    let host = host.event("dot.10", 0, 10, &on(7, "dot.10")).event("dot.16", 10, 20, &on(7, "dot.16"));
    let host = host.event("subtract.3", 20, 30, &on(8, "subtract.3"));
    let programs = [(7, program(training(Vec::new()))), (8, program(vec![computation(1, apply)]))];
    let profile = decoded(vec![host, Plane::of_programs(&programs)]);
    assert_eq!(named(&profile)[2], "optimizer/Net/a/kernel/sub | Net/a | optimizer");
}

#[test]
fn what_is_exchanged_for_many_gradients_at_once_is_no_layers_alone() {
    let combined = "jit(step)/(transpose(jvp(Net))/a/psum:transpose(jvp(Net))/b/psum:jvp()/psum)";
    let rest = vec![
        instruction(20, "all-reduce", combined, &[], &[14, 16, 12]),
        instruction(21, "all-reduce", "jit(step)/psum", &[4, 4], &[16, 14]),
        instruction(22, "all-reduce", "jit(step)/pmean", &[4, 4], &[14]),
    ];
    let profile =
        run(training(rest), &["dot.10", "dot.11", "dot.14", "all-reduce.20", "all-reduce.21", "all-reduce.22"]);
    assert_eq!(
        named(&profile)[3..],
        [
            "gradients/Net/all-reduce | Net | backward",
            "optimizer/psum | optimizer | optimizer",
            "optimizer/Net/b/pmean | Net/b | optimizer",
        ]
    );
    let kind = profile.names.iter().find(|raw| raw.raw_name == combined).map(|raw| raw.kind.as_str());
    assert_eq!(kind, Some("all-reduce"));
}

#[test]
fn without_modules_passes_are_told_and_layers_are_not() {
    let entry = vec![
        argument(1, 0, "p['kernel']", &[4, 4]),
        dot(2, "jit(step)/jvp()/dot_general", &[4, 4], &[1, 1]),
        dot(3, "jit(step)/transpose(jvp())/transpose", &[4, 4], &[2, 1]),
        instruction(4, "subtract", "jit(step)/sub", &[4, 4], &[1, 3]),
    ];
    let profile = run(vec![computation(1, entry)], &["dot.2", "dot.3", "subtract.4"]);
    assert_eq!(
        named(&profile),
        [
            "unknown/dot_general | unknown | forward",
            "gradients/unknown/transpose | unknown | backward",
            "optimizer/sub | optimizer | optimizer",
        ]
    );
}

#[test]
fn a_copy_of_an_argument_serves_what_reads_it() {
    let mut copy = instruction(20, "copy", "p['params']['a']['kernel']", &[4, 4], &[1]);
    copy.metadata.as_mut().unwrap().op_type.clear();
    let read = dot(21, "jit(step)/jvp(Net)/a/dot_general", &[8, 4], &[5, 20]);
    let profile = run(training(vec![copy, read]), &["copy.20"]);
    assert_eq!(named(&profile), ["Net/a/dot_general | Net/a | forward"]);
}

#[test]
fn edges_follow_the_data_of_the_program_that_ran() {
    let profile = run(training(Vec::new()), &["dot.10", "dot.11", "log.12", "divide.13"]);
    let name = |index: u32| profile.names[index as usize].raw_name.rsplit('/').next().unwrap();
    let edges: Vec<_> = profile.edges.iter().map(|&(from, to)| (name(from), name(to))).collect();
    assert_eq!(edges, [("dot_general", "dot_general"), ("dot_general", "log"), ("log", "div")]);
}
