//! A module that others call has the layer of its parameters: where it was made, in every pass.

use crate::composed::{Plane, computation, decoded, dot, executes, instruction, parameter, program};
use smaragdine_core::profiler::{Namer, Profile};
use smaragdine_core::wire::xla::HloInstructionProto;

fn argument(id: i64, number: i64, path: &str) -> HloInstructionProto {
    let mut argument = parameter(id, number, &[4, 4]);
    argument.metadata.as_mut().unwrap().op_name = path.into();
    argument
}

fn named(profile: &Profile) -> Vec<String> {
    let namer = Namer::new(Default::default(), Vec::new(), &profile.names);
    let ops = profile.events.iter().map(|event| namer.name(&profile.names[event.name as usize]));
    ops.map(|op| format!("{} | {} | {}", op.qtn, op.layer, op.phase.name())).collect()
}

/// A cell that is called within `Net/lstm`, with the paths of its parameter and of that one's moment.
fn recurrent(kernel: &str, moment: &str) -> Vec<String> {
    let within = "while/body/closed_call/LSTMCell_0.scan_fn/LSTMCell_0";
    let entry = vec![
        argument(1, 0, kernel),
        argument(2, 1, moment),
        argument(3, 2, "batch"),
        instruction(10, "concatenate", "jit(step)/LSTMCell_0.scan_fn/LSTMCell_0/concatenate", &[4, 8], &[1]),
        dot(11, &format!("jit(step)/jvp(Net)/lstm/{within}/dot_general"), &[4, 4], &[3, 10]),
        instruction(12, "copy", "jit(step)/jvp(Net)/lstm/while/body/dynamic_slice", &[4, 4], &[11]),
        dot(13, &format!("jit(step)/transpose(jvp(Net))/lstm/{within}/transpose"), &[4, 4], &[12, 3]),
        instruction(14, "subtract", "jit(step)/sub", &[4, 4], &[1, 13]),
        instruction(15, "multiply", "jit(step)/mul", &[4, 4], &[2]),
    ];
    let mut host = Plane::new("/host:CPU").line("tf_XLAEigen/1");
    let ran = ["concatenate.10", "dot.11", "copy.12", "dot.13", "subtract.14", "multiply.15"];
    for (start_ns, instruction) in (0..).step_by(2_000).zip(ran) {
        host = host.event(instruction, start_ns, start_ns + 1_000, &executes(instruction));
    }
    named(&decoded(vec![host, Plane::of_programs(&[(7, program(vec![computation(1, entry)]))])]))
}

#[test]
fn a_cell_that_is_handed_to_a_loop_is_where_it_was_made() {
    let told =
        recurrent("p['params']['LSTMCell_0']['hf']['kernel']", "s[0].mu['params']['LSTMCell_0']['hf']['kernel']");
    assert_eq!(
        told,
        [
            "Net/LSTMCell_0/concatenate | Net/LSTMCell_0 | forward",
            "Net/LSTMCell_0/dot_general | Net/LSTMCell_0 | forward",
            "Net/lstm/dynamic_slice | Net/lstm | forward",
            "gradients/Net/LSTMCell_0/transpose | Net/LSTMCell_0 | backward",
            "optimizer/Net/LSTMCell_0/hf/kernel/sub | Net/LSTMCell_0 | optimizer",
            "optimizer/Net/LSTMCell_0/hf/kernel/mul | Net/LSTMCell_0 | optimizer",
        ]
    );
}

#[test]
fn a_cell_that_a_loop_made_itself_stays_within_it() {
    let told = recurrent(
        "p['params']['lstm']['LSTMCell_0']['hf']['kernel']",
        "s[0].mu['params']['lstm']['LSTMCell_0']['hf']['kernel']",
    );
    assert_eq!(told[1], "Net/lstm/LSTMCell_0/dot_general | Net/lstm/LSTMCell_0 | forward");
    assert_eq!(told[4], "optimizer/Net/lstm/LSTMCell_0/hf/kernel/sub | Net/lstm/LSTMCell_0 | optimizer");
}
