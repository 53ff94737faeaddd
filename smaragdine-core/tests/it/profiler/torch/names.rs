//! Whose an operation is: modules, nodes of autograd, the loss between them, optimizers, loaders.

use super::composed::{BASE_NS, Form, START_NS, Trace, told};

/// One step of a network with one layer, its loss by a function, clipped, and stepped.
fn step(form: Form) -> Trace {
    let mut trace = Trace::new(form);
    trace.event("user_annotation", "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", 1, (0, 50), "");
    trace.op("aten::stack", (10, 40));
    trace.event("user_annotation", "Optimizer.zero_grad#AdamW.zero_grad", 1, (50, 60), "");
    trace.op("smaragdine:net", (100, 300));
    trace.op("smaragdine:net/head", (110, 290));
    trace.with_node("aten::linear", (120, 280), 3, false);
    trace.with_node("aten::t", (130, 140), 3, false);
    trace.with_node("aten::addmm", (150, 270), 4, false);
    trace.op("aten::expand", (160, 170));
    trace.op("aten::copy_", (200, 220));
    trace.with_node("aten::mse_loss", (310, 350), 5, false);
    trace.op("aten::ones_like", (360, 370));
    trace.with_node("autograd::engine::evaluate_function: MseLossBackward0", (400, 450), 5, true);
    trace.with_node("MseLossBackward0", (410, 440), 5, true);
    trace.op("aten::mse_loss_backward", (420, 430));
    trace.with_node("autograd::engine::evaluate_function: AddmmBackward0", (500, 600), 4, true);
    trace.with_node("AddmmBackward0", (510, 560), 4, true);
    trace.op("aten::mm", (520, 530));
    trace.op("aten::mm", (540, 550));
    trace.op("aten::sum", (570, 590));
    trace.op("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", (600, 650));
    trace.op("torch::autograd::AccumulateGrad", (610, 640));
    trace.op("aten::add_", (620, 630));
    trace.op("aten::_foreach_norm", (700, 720));
    trace.event("user_annotation", "Optimizer.step#AdamW.step", 1, (750, 800), "");
    trace.op("aten::addcdiv_", (760, 770));
    trace.op("aten::addcdiv_", (780, 790));
    trace.op("aten::rand", (850, 860));
    trace
}

const STEP: [&str; 25] = [
    "CPU:0 compute other data | data/stack 10..40",
    "CPU:0 compute forward net/head | net/head/linear 120..150",
    "CPU:0 compute forward net/head | net/head/addmm 150..200",
    "CPU:0 compute forward net/head | net/head/copy_ 200..220",
    "CPU:0 compute forward net/head | net/head/addmm 220..270",
    "CPU:0 compute forward net/head | net/head/linear 270..280",
    "CPU:0 compute forward loss | loss/mse_loss 310..350",
    "CPU:0 compute forward loss | loss/ones_like 360..370",
    "CPU:0 compute backward loss | gradients/loss/mse_loss/MseLossBackward0 400..420",
    "CPU:0 compute backward loss | gradients/loss/mse_loss/mse_loss_backward 420..430",
    "CPU:0 compute backward loss | gradients/loss/mse_loss/MseLossBackward0 430..450",
    "CPU:0 compute backward net/head | gradients/net/head/addmm/AddmmBackward0 500..520",
    "CPU:0 compute backward net/head | gradients/net/head/addmm/mm 520..530",
    "CPU:0 compute backward net/head | gradients/net/head/addmm/AddmmBackward0 530..540",
    "CPU:0 compute backward net/head | gradients/net/head/addmm/mm_1 540..550",
    "CPU:0 compute backward net/head | gradients/net/head/addmm/AddmmBackward0 550..570",
    "CPU:0 compute backward net/head | gradients/net/head/addmm/sum 570..590",
    "CPU:0 compute backward net/head | gradients/net/head/addmm/AddmmBackward0 590..600",
    "CPU:0 compute backward net/head | gradients/net/head/AccumulateGrad 600..620",
    "CPU:0 compute backward net/head | gradients/net/head/add_ 620..630",
    "CPU:0 compute backward net/head | gradients/net/head/AccumulateGrad 630..650",
    "CPU:0 compute optimizer optimizer | optimizer/_foreach_norm 700..720",
    "CPU:0 compute optimizer optimizer | optimizer/AdamW/addcdiv_ 760..770",
    "CPU:0 compute optimizer optimizer | optimizer/AdamW/addcdiv_ 780..790",
    "CPU:0 compute other unknown | unknown/rand 850..860",
];

#[test]
fn a_step_is_told_by_layer_and_pass() {
    assert_eq!(told(&step(Form::Newest).decoded()), STEP);
}

#[test]
fn the_order_of_fields_quotes_around_numbers_and_the_place_of_the_base_mean_nothing() {
    assert_eq!(told(&step(Form::Oldest).decoded()), STEP);
    assert_eq!(told(&step(Form::Quoted).decoded()), STEP);
}

#[test]
fn what_a_checkpoint_computes_again_is_backward_of_its_own_layer() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 20));
    trace.with_node("CheckpointFunction", (5, 15), 9, false);
    trace.with_node("autograd::engine::evaluate_function: CheckpointFunctionBackward", (30, 100), 9, true);
    trace.op("smaragdine:net/block", (40, 60));
    trace.with_node("aten::tanh", (45, 55), 10, false);
    trace.with_node("autograd::engine::evaluate_function: TanhBackward0", (70, 90), 10, true);
    let told = told(&trace.decoded());
    assert!(
        told.contains(&"CPU:0 compute backward net/block | gradients/net/block/tanh 45..55".to_owned()),
        "{told:?}"
    );
    let again = "CPU:0 compute backward net/block | gradients/net/block/tanh/TanhBackward0 70..90".to_owned();
    assert!(told.contains(&again), "{told:?}");
}

#[test]
fn a_graph_of_torchscripts_is_its_own_layers_and_not_that_of_what_ran_before_it() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 100));
    trace.op("smaragdine:net/frozen", (5, 20));
    trace.with_node("aten::embedding", (10, 18), 28, false);
    trace.op("smaragdine:net/scripted", (30, 60));
    trace.with_node("aten::addmm", (35, 45), 29, false);
    trace.with_node("aten::gelu", (46, 55), 29, false);
    trace.op("smaragdine:net/head", (60, 90));
    trace.with_node("aten::mm", (65, 80), 29, false);
    trace.with_node("autograd::engine::evaluate_function: MmBackward0", (200, 210), 29, true);
    let graph = "torch::jit::(anonymous namespace)::DifferentiableGraphBackward";
    trace.with_node(&format!("autograd::engine::evaluate_function: {graph}"), (220, 240), 28, true);
    trace.with_node(graph, (222, 238), 28, true);
    trace.op("aten::mm", (225, 230));
    // Its forward lies before the window.
    trace.with_node(&format!("autograd::engine::evaluate_function: {graph}"), (300, 310), 90, true);
    assert_eq!(
        told(&trace.decoded())[4..],
        [
            "CPU:0 compute backward net/head | gradients/net/head/mm/MmBackward0 200..210",
            "CPU:0 compute backward net/scripted | gradients/net/scripted/DifferentiableGraphBackward 220..225",
            "CPU:0 compute backward net/scripted | gradients/net/scripted/mm 225..230",
            "CPU:0 compute backward net/scripted | gradients/net/scripted/DifferentiableGraphBackward 230..240",
            "CPU:0 compute backward unknown | gradients/unknown/DifferentiableGraphBackward 300..310",
        ]
    );
}

#[test]
fn a_loss_within_an_optimizers_closure_is_the_loss() {
    let mut trace = Trace::new(Form::Newest);
    trace.event("user_annotation", "Optimizer.step#AdamW.step", 1, (0, 500), "");
    trace.op("aten::ones_like", (5, 10));
    trace.op("smaragdine:net", (20, 60));
    trace.with_node("aten::mm", (30, 50), 3, false);
    trace.with_node("aten::nll_loss", (70, 90), 4, false);
    trace.event("user_annotation", "Optimizer.zero_grad#AdamW.zero_grad", 1, (100, 130), "");
    trace.op("aten::zero_", (110, 120));
    trace.with_node("autograd::engine::evaluate_function: NllLossBackward0", (200, 220), 4, true);
    trace.with_node("autograd::engine::evaluate_function: MmBackward0", (230, 260), 3, true);
    trace.op("aten::addcdiv_", (300, 400));
    assert_eq!(
        told(&trace.decoded()),
        [
            "CPU:0 compute optimizer optimizer | optimizer/AdamW/ones_like 5..10",
            "CPU:0 compute forward net | net/mm 30..50",
            "CPU:0 compute forward loss | loss/nll_loss 70..90",
            "CPU:0 compute optimizer optimizer | optimizer/AdamW/zero_ 110..120",
            "CPU:0 compute backward loss | gradients/loss/nll_loss/NllLossBackward0 200..220",
            "CPU:0 compute backward net | gradients/net/mm/MmBackward0 230..260",
            "CPU:0 compute optimizer optimizer | optimizer/AdamW/addcdiv_ 300..400",
        ]
    );
}

#[test]
fn a_node_that_is_evaluated_without_its_number_is_its_layers_all_the_same() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 50));
    trace.with_node("aten::mm", (10, 20), 3, false);
    trace.with_node("aten::add", (20, 30), 4, false);
    // Hooks run before it, which run a node of another name.
    trace.op("autograd::engine::evaluate_function: AddBackward0", (200, 300));
    trace.with_node("MmBackward0", (210, 220), 3, true);
    trace.with_node("AddBackward0", (250, 260), 4, true);
    trace.op("autograd::engine::evaluate_function: AddBackward0", (400, 410));
    assert_eq!(
        told(&trace.decoded())[2..],
        [
            "CPU:0 compute backward net | gradients/net/add/AddBackward0 200..210",
            "CPU:0 compute backward net | gradients/net/add/MmBackward0 210..220",
            "CPU:0 compute backward net | gradients/net/add/AddBackward0 220..300",
            "CPU:0 compute backward unknown | gradients/unknown/AddBackward0 400..410",
        ]
    );
}

#[test]
fn a_loss_module_is_the_loss_and_another_module_aside_is_itself() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:?augment", (0, 10));
    trace.op("aten::flip", (2, 8));
    trace.op("smaragdine:net", (20, 30));
    trace.op("aten::mm", (22, 28));
    trace.op("smaragdine:?my_loss", (40, 50));
    trace.op("aten::abs", (42, 48));
    trace.with_node("autograd::engine::evaluate_function: AbsBackward0", (60, 70), 77, true);
    assert_eq!(
        told(&trace.decoded()),
        [
            "CPU:0 compute forward augment | augment/flip 2..8",
            "CPU:0 compute forward net | net/mm 22..28",
            "CPU:0 compute forward loss | loss/my_loss/abs 42..48",
            // Its forward lies before the window.
            "CPU:0 compute backward unknown | gradients/unknown/AbsBackward0 60..70",
        ]
    );
}

#[test]
fn between_two_models_lies_no_loss_and_after_generating_neither() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 10));
    trace.op("aten::argmax", (20, 30));
    trace.op("smaragdine:net", (40, 50));
    assert_eq!(told(&trace.decoded()), ["CPU:0 compute other unknown | unknown/argmax 20..30"]);
}

#[test]
fn where_two_threads_count_alike_arrows_tell_which_forward_is_meant() {
    let mut trace = Trace::new(Form::Newest);
    for (thread, layer, start) in [(1, "a", 0), (2, "b", 100)] {
        trace.event("cpu_op", &format!("smaragdine:net/{layer}"), thread, (start, start + 50), "");
        trace.event(
            "cpu_op",
            "aten::mul",
            thread,
            (start + 10, start + 20),
            "\"Sequence number\": 4, \"Fwd thread id\": 0",
        );
        let node = "autograd::engine::evaluate_function: MulBackward0";
        trace.event("cpu_op", node, 3, (start + 300, start + 320), "\"Sequence number\": 4, \"Fwd thread id\": 1");
    }
    let mut text = trace.text();
    let micros = |ns: i64| {
        let ns = START_NS - BASE_NS + ns;
        format!("{}.{:03}", ns / 1000, ns % 1000)
    };
    let arrow = |phase: &str, id: u32, thread: u32, ns: i64| {
        format!(
            ",{{\"ph\": \"{phase}\", \"id\": {id}, \"pid\": 7, \"tid\": {thread}, \"ts\": {}, \"cat\": \"fwdbwd\"}}",
            micros(ns)
        )
    };
    let arrows = [arrow("s", 1, 1, 10), arrow("f", 1, 3, 300), arrow("s", 2, 2, 110), arrow("f", 2, 3, 400)].concat();
    text = text.replacen("\n]", &format!("{arrows}\n]"), 1);
    let told = told(&smaragdine_core::profiler::torch::decode(text.as_bytes()).unwrap());
    assert!(told[1].contains("backward net/a | gradients/net/a/mul/MulBackward0"), "{told:?}");
    assert!(told[2].contains("backward net/b | gradients/net/b/mul/MulBackward0"), "{told:?}");
}

#[test]
fn a_loop_within_a_module_numbers_its_operations_up_to_a_bound() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:lstm", (0, 10_000));
    for step in 0..100 {
        trace.op("aten::mm", (step * 10, step * 10 + 5));
    }
    let profile = trace.decoded();
    assert_eq!(profile.names.len(), 64);
    assert_eq!(profile.names[63].as_told().unwrap().qtn, "lstm/mm_more");
    assert_eq!(profile.events.len(), 100);
}

/// A whole step that was compiled, run within the optimizer's as Lightning does: no module is called.
fn compiled_step(wholes: &[&str]) -> Trace {
    let mut trace = Trace::new(Form::Newest);
    for (number, whole) in (0..).zip(wholes) {
        trace.op(&format!("smaragdine:={whole}"), (number, number));
    }
    trace.event("user_annotation", "Optimizer.step#AdamW.step", 1, (50, 800), "");
    trace.op("Torch-Compiled Region: 0/0", (100, 300));
    trace.with_node("CompiledFunction", (110, 290), 3, false);
    trace.op("aten::mm", (120, 280));
    trace.with_node("autograd::engine::evaluate_function: CompiledFunctionBackward", (400, 500), 3, true);
    trace.op("aten::mm", (410, 490));
    trace.op("aten::addcdiv_", (700, 720));
    trace
}

#[test]
fn what_was_compiled_as_a_whole_is_the_model_s_where_the_program_named_one() {
    let told_of = |wholes: &[&str]| told(&compiled_step(wholes).decoded());
    let named = told_of(&["lit"]);
    for line in [
        "CPU:0 compute forward lit | lit/mm 120..280",
        "CPU:0 compute backward lit | gradients/lit/CompiledFunction/mm 410..490",
        "CPU:0 compute optimizer optimizer | optimizer/AdamW/addcdiv_ 700..720",
    ] {
        assert!(named.contains(&line.to_owned()), "{named:#?}");
    }
    assert_eq!(told_of(&["lit", "lit"]), named);
    for unknown in [told_of(&[]), told_of(&["lit", "other"])] {
        assert!(unknown.iter().all(|line| !line.contains("forward")), "{unknown:#?}");
        assert!(unknown.iter().any(|line| line.contains("backward unknown")), "{unknown:#?}");
    }
}

#[test]
fn what_was_compiled_within_a_call_is_the_called_module_s() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:=net", (0, 0));
    trace.op("smaragdine:net/block", (100, 300));
    trace.with_node("CompiledFunction", (110, 290), 3, false);
    trace.op("aten::mm", (120, 280));
    let told = told(&trace.decoded());
    assert!(told.contains(&"CPU:0 compute forward net/block | net/block/mm 120..280".to_owned()), "{told:#?}");
}
