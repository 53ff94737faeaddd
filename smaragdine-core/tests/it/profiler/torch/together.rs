//! Processes that work together: what is theirs stands apart from the layers, and waiting from working.

use super::composed::{Form, Trace, told};

#[test]
fn collectives_are_the_runtimes_in_the_pass_that_asked_for_them() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 100));
    trace.with_node("aten::mm", (10, 50), 3, false);
    trace.with_node("autograd::engine::evaluate_function: MmBackward0", (200, 300), 3, true);
    trace.op("aten::mm", (210, 220));
    trace.op("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", (300, 400));
    trace.op("torch::distributed::reducer::mul_out", (310, 320));
    trace.op("c10d::allreduce_", (330, 360));
    trace.op("record_param_comms", (335, 355));
    trace.event("cuda_runtime", "cudaLaunchKernelExC", 1, (340, 350), "\"correlation\": 4");
    trace.event("kernel", "ncclDevKernel_AllReduce", 7, (500, 600), "\"correlation\": 4, \"device\": 0, \"stream\": 7");
    // After the last gradient, and yet no optimizer's.
    trace.op("torch.distributed.ddp.reducer::copy_bucket_to_grad", (410, 430));
    trace.event("user_annotation", "Optimizer.step#SGD.step", 1, (450, 460), "");
    assert_eq!(
        told(&trace.decoded())[1..],
        [
            "CPU:0 compute backward net | gradients/net/mm/MmBackward0 200..210",
            "CPU:0 compute backward net | gradients/net/mm/mm 210..220",
            "CPU:0 compute backward net | gradients/net/mm/MmBackward0 220..300",
            "CPU:0 compute backward net | gradients/net/AccumulateGrad 300..310",
            "CPU:0 compute backward runtime | gradients/runtime/mul_out 310..320",
            "CPU:0 compute backward net | gradients/net/AccumulateGrad 320..330",
            "CPU:0 compute backward runtime | gradients/runtime/allreduce_ 330..360",
            "CPU:0 compute backward net | gradients/net/AccumulateGrad 360..400",
            "CPU:0 compute backward runtime | gradients/runtime/copy_bucket_to_grad 410..430",
            "GPU:0 compute backward runtime | gradients/runtime/allreduce_ 500..600",
        ]
    );
}

#[test]
fn a_thread_that_waits_for_others_takes_time_and_no_work() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 100));
    trace.op("aten::mm", (10, 90));
    trace.event("user_annotation", "gloo:all_gather", 2, (20, 80), "");
    trace.event("cpu_op", "aten::copy_", 2, (60, 70), "");
    trace.op("autograd::engine::evaluate_function: MmBackward0", (200, 300));
    trace.event("user_annotation", "gloo:all_reduce", 2, (220, 290), "");
    // Where the program's own thread is told to exchange, it does so beside what it works.
    trace.event("user_annotation", "gloo:all_reduce", 1, (220, 400), "");
    trace.op("_c10d_functional::wait_tensor", (230, 250));
    assert_eq!(
        told(&trace.decoded()),
        [
            "CPU:0 compute forward net | net/mm 10..90",
            "CPU:0 compute backward unknown | gradients/unknown/MmBackward0 200..230",
            "CPU:0 wait backward runtime | gradients/runtime/wait_tensor 230..250",
            "CPU:0 compute backward unknown | gradients/unknown/MmBackward0 250..300",
            "CPU:0 wait forward runtime | runtime/gloo:all_gather 20..60",
            "CPU:0 compute forward runtime | runtime/copy_ 60..70",
            "CPU:0 wait forward runtime | runtime/gloo:all_gather 70..80",
            "CPU:0 wait backward runtime | gradients/runtime/gloo:all_reduce 220..290",
        ]
    );
}

#[test]
fn what_keeps_a_model_in_pieces_is_no_layers_and_its_own_waiting_is_no_operation() {
    for (before, after) in [
        ("FSDP::pre_forward (layer.0)", "FSDP::post_backward_reduce (layer.0)"),
        ("FullyShardedDataParallel._pre_forward", "FullyShardedDataParallel._post_backward_hook"),
    ] {
        let mut trace = Trace::new(Form::Newest);
        trace.op("smaragdine:net", (0, 100));
        trace.event("user_annotation", "FullyShardedDataParallel.forward", 1, (1, 99), "");
        trace.event("user_annotation", before, 1, (10, 50), "");
        trace.op("fsdp::all_gather_copy_in", (12, 20));
        trace.op("c10d::_allgather_base_", (22, 30));
        trace.op("aten::copy_", (40, 45));
        trace.op("aten::mm", (60, 90));
        trace.op("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", (200, 300));
        trace.event("user_annotation", after, 1, (210, 290), "");
        trace.op("aten::add_", (220, 230));
        assert_eq!(
            told(&trace.decoded()),
            [
                "CPU:0 compute forward runtime | runtime/all_gather_copy_in 12..20",
                "CPU:0 compute forward runtime | runtime/_allgather_base_ 22..30",
                "CPU:0 compute forward runtime | runtime/copy_ 40..45",
                "CPU:0 compute forward net | net/mm 60..90",
                "CPU:0 compute backward unknown | gradients/unknown/AccumulateGrad 200..210",
                "CPU:0 compute backward runtime | gradients/runtime/add_ 220..230",
                "CPU:0 compute backward unknown | gradients/unknown/AccumulateGrad 290..300",
            ],
            "{before}"
        );
    }
}

#[test]
fn what_others_sent_makes_no_nodes_whatever_its_numbers() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 100));
    trace.with_node("aten::mm", (10, 50), 3, false);
    trace.event("user_annotation", "gloo:all_gather", 2, (20, 80), "");
    trace.event("cpu_op", "aten::copy_", 2, (60, 70), "\"Sequence number\": 3, \"Fwd thread id\": 0");
    trace.with_node("autograd::engine::evaluate_function: MmBackward0", (200, 300), 3, true);
    let told = told(&trace.decoded());
    let own = "CPU:0 compute backward net | gradients/net/mm/MmBackward0 200..300".to_owned();
    assert!(told.contains(&own), "{told:?}");
}
