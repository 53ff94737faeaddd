//! Kernels, copies and waits of GPUs, led back by correlation to the operation around their launch.

use super::composed::{Form, Trace, told};

fn call(trace: &mut Trace, name: &str, span: (i64, i64), correlation: u64) {
    let args = format!("\"cbid\": 211, \"correlation\": {correlation}, \"External id\": {correlation}");
    trace.event("cuda_runtime", name, 1, span, &args);
}

fn on_gpu(trace: &mut Trace, cat: &str, name: &str, (device, stream): (u32, i64), span: (i64, i64), correlation: u64) {
    let args =
        format!("\"device\": {device}, \"stream\": {stream}, \"correlation\": {correlation}, \"grid\": [1, 1, 1]");
    trace.event(cat, name, 9, span, &args);
}

#[test]
fn a_kernel_is_its_launchers_whatever_runs_when_it_does() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 500));
    trace.op("aten::linear", (10, 100));
    trace.op("aten::addmm", (20, 90));
    call(&mut trace, "cudaLaunchKernel", (30, 40), 5);
    trace.op("aten::relu", (110, 150));
    call(&mut trace, "cuLaunchKernelEx", (120, 130), 6);
    trace.op("aten::copy_", (200, 400));
    call(&mut trace, "cudaMemcpyAsync", (210, 220), 7);
    call(&mut trace, "cudaStreamSynchronize", (230, 390), 8);
    on_gpu(&mut trace, "kernel", "sm90_xmma_gemm<f32, f32>", (1, 7), (1000, 1400), 5);
    on_gpu(&mut trace, "kernel", "void relu(float*)", (1, 7), (1400, 1450), 6);
    on_gpu(&mut trace, "gpu_memcpy", "Memcpy DtoH (Device -> Pageable)", (1, 9), (1300, 1380), 7);
    on_gpu(&mut trace, "cuda_sync", "Stream Synchronize", (1, -1), (1300, 1390), 8);
    on_gpu(&mut trace, "gpu_user_annotation", "smaragdine:net", (1, 7), (1000, 1450), 0);
    let profile = trace.decoded();
    assert_eq!(
        told(&profile),
        [
            "CPU:0 compute forward net | net/linear 10..20",
            "CPU:0 compute forward net | net/addmm 20..90",
            "CPU:0 compute forward net | net/linear 90..100",
            "CPU:0 compute forward net | net/relu 110..150",
            "CPU:0 compute forward net | net/copy_ 200..230",
            "CPU:0 wait forward net | net/copy_ 230..390",
            "CPU:0 compute forward net | net/copy_ 390..400",
            "GPU:1 compute forward net | net/addmm 1000..1400",
            "GPU:1 compute forward net | net/relu 1400..1450",
            "GPU:1 copy forward net | net/copy_ 1300..1380",
            "GPU:1 wait forward net | net/copy_ 1300..1390",
        ]
    );
    assert_eq!(profile.notes, [""; 0]);
}

#[test]
fn a_number_that_is_equal_by_chance_leads_nowhere() {
    let mut trace = Trace::new(Form::Newest);
    // Its number is the correlation of a call on another thread, which no operation is around.
    trace.event("cpu_op", "aten::mul", 1, (0, 1000), "\"External id\": 5");
    trace.event("cuda_runtime", "cudaLaunchKernel", 2, (30, 40), "\"correlation\": 5, \"External id\": 5");
    on_gpu(&mut trace, "kernel", "mine", (0, 7), (50, 60), 5);
    assert_eq!(told(&trace.decoded())[1], "GPU:0 compute other unknown | unknown/mine 50..60");
}

#[test]
fn an_operation_that_lasts_at_the_launch_is_found_by_its_number() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 1000));
    trace.event("cpu_op", "aten::mul", 1, (0, 1000), "\"External id\": 12");
    let both = "\"correlation\": 5, \"External id\": 12, \"device\": 0, \"stream\": 7";
    trace.event("cuda_runtime", "cudaLaunchKernel", 2, (30, 40), both);
    trace.event("kernel", "mine", 9, (50, 60), both);
    assert_eq!(told(&trace.decoded())[1], "GPU:0 compute forward net | net/mul 50..60");
}

#[test]
fn a_launch_without_its_kernel_is_told_and_so_is_a_gpu_without_any() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("aten::mul", (0, 100));
    call(&mut trace, "hipLaunchKernel", (10, 20), 1);
    let notes = trace.decoded().notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("a GPU was used and none of its kernels were traced; hint: "), "{notes:?}");
    call(&mut trace, "hipLaunchKernel", (30, 40), 2);
    on_gpu(&mut trace, "kernel", "mul", (0, 0), (50, 60), 2);
    let notes = trace.decoded().notes;
    assert!(notes[0].starts_with("launches without a kernel were seen"), "{notes:?}");
}

#[test]
fn kernels_of_a_graph_stand_under_its_launch_and_this_is_said() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("smaragdine:net", (0, 1000));
    trace.op("CUDAGraph::replay", (5, 50));
    call(&mut trace, "cudaGraphLaunch", (10, 20), 3);
    on_gpu(&mut trace, "kernel", "first", (0, 7), (60, 70), 3);
    on_gpu(&mut trace, "kernel", "second", (0, 7), (70, 90), 3);
    let profile = trace.decoded();
    assert_eq!(told(&profile)[1], "GPU:0 compute forward net | net/replay 60..70");
    assert_eq!(told(&profile)[2], "GPU:0 compute forward net | net/replay 70..90");
    assert!(profile.notes[0].starts_with("CUDA graphs were launched"), "{:?}", profile.notes);
}

#[test]
fn collectives_keep_their_name_and_devices_are_apart() {
    let mut trace = Trace::new(Form::Newest);
    trace.op("nccl:all_reduce", (0, 100));
    call(&mut trace, "cudaLaunchKernelExC", (10, 20), 1);
    call(&mut trace, "cudaLaunchKernelExC", (30, 40), 2);
    on_gpu(&mut trace, "kernel", "ncclDevKernel_AllReduce_Sum_f32", (0, 20), (50, 90), 1);
    on_gpu(&mut trace, "kernel", "ncclDevKernel_AllReduce_Sum_f32", (3, 20), (55, 90), 2);
    assert_eq!(
        told(&trace.decoded())[1..],
        [
            "GPU:0 compute other runtime | runtime/nccl:all_reduce 50..90",
            "GPU:3 compute other runtime | runtime/nccl:all_reduce 55..90",
        ]
    );
}
