//! Profiles with GPUs, composed from the schema that XLA's CUPTI collector writes: no GPU was at hand to record one.

use std::collections::HashMap;

use crate::composed::{
    Plane, START_NS, Stat, calling, computation, decoded, executes, instruction, op, program, space, told,
};
use smaragdine_core::accounting::account::account;
use smaragdine_core::build::assembly::add_xspaces;
use smaragdine_core::profiler::Profile;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::trace::{Domain, Entry, Flags, Kind, Metadata, Policy, Reading, Step, Trace};

const KERNEL: &str = "void cutlass::Kernel<cutlass_80_simt_sgemm_128x64_8x5_nn>(Params)";

fn correlated(id: u64) -> (&'static str, Stat<'static>) {
    ("correlation_id", Stat::Number(id))
}

/// A call of the driver, as CUPTI tells it on the thread that made it.
fn launch(id: u64) -> [(&'static str, Stat<'static>); 2] {
    [("device_id", Stat::Number(0)), correlated(id)]
}

fn tf_op(name: &str) -> (&str, Stat<'_>) {
    ("tf_op", Stat::Text(name))
}

fn names(profile: &Profile) -> Vec<(&str, &str, &str)> {
    let events = profile.events.iter();
    let told = events.map(|event| {
        let op = op(profile, event);
        (profile.devices[usize::from(event.device)].as_str(), op.raw_name.as_str(), op.kind.as_str())
    });
    told.collect()
}

#[test]
fn a_kernel_and_the_operation_on_the_host_that_launched_it_have_one_name_and_type() {
    let host = Plane::new("/host:CPU").line("Host Threads/77").event("m/dense/MatMul:MatMul", 0, 100, &[]).event(
        "cuLaunchKernel",
        20,
        30,
        &launch(5),
    );
    // A plane of a GPU may come before the host's.
    let gpu = Plane::new("/device:GPU:0").line("Stream #13(Compute)").event(
        KERNEL,
        500,
        900,
        &[correlated(5), tf_op("m/dense/MatMul:MatMul")],
    );
    let profile = decoded(vec![gpu, host]);
    assert_eq!(names(&profile), [("CPU:0", "m/dense/MatMul", "MatMul"), ("GPU:0", "m/dense/MatMul", "MatMul")]);
    assert_eq!(told(&profile), [("m/dense/MatMul", 0, 0, 100), ("m/dense/MatMul", 0, 500, 900)]);
    assert_eq!(profile.events[1].correlation, Some(5));
    let namer =
        Namer::new(Model { name: "m".into(), layer_paths: vec!["dense".into()], ..Model::default() }, Vec::new());
    let qtns: Vec<String> = profile.events.iter().map(|event| namer.name(op(&profile, event)).qtn).collect();
    assert_eq!(qtns, ["m/dense/MatMul"; 2]);
}

#[test]
fn a_kernel_is_named_by_xlas_instruction_then_by_its_launch_then_by_the_annotation_then_by_itself() {
    let add = vec![instruction(1, "add", "m/a/Add", &[10], &[]), instruction(2, "negate", "m/b/Neg", &[30], &[1])];
    let programs =
        program(vec![computation(1, add), computation(2, vec![calling(90, "fusion", "m/b/Neg", &[30], &[], 1)])]);
    let host = Plane::new("/host:CPU").line("tf_Compute/1").event("m/c/Relu:Relu", 0, 100, &[]).event(
        "cuLaunchKernel",
        20,
        30,
        &launch(5),
    );
    let [hlo_op, program_id] = executes("fusion.90");
    let gpu = Plane::new("/device:GPU:0")
        .line("Stream #13(Compute)")
        .event("fusion_90", 0, 400, &[correlated(5), tf_op("cluster_0:_XlaRun"), hlo_op, program_id])
        // The annotation is the outermost: a function's that calls the operation.
        .event("kernel", 400, 500, &[correlated(5), tf_op("PartitionedCall:StatefulPartitionedCall")])
        .event("kernel", 500, 600, &[correlated(6), tf_op("m/d/Mul:Mul")])
        .event("kernel", 600, 700, &[correlated(7), tf_op("jit(step)/dot_general")])
        .event("kernel", 700, 800, &[correlated(8), tf_op("PartitionedCall:StatefulPartitionedCall")]);
    let profile = decoded(vec![host, gpu, Plane::of_programs(&[(7, programs)])]);
    let expected = [
        ("m/c/Relu", 0, 0, 100),
        ("m/a/Add", 0, 0, 100),
        ("m/b/Neg", 0, 100, 400),
        ("m/c/Relu", 0, 400, 500),
        ("m/d/Mul", 0, 500, 600),
        ("jit(step)/dot_general", 0, 600, 700),
        ("kernel", 0, 700, 800),
    ];
    assert_eq!(told(&profile), expected);
}

#[test]
fn a_body_that_a_gpu_runs_as_one_is_divided_among_its_kernels() {
    let body = vec![instruction(1, "add", "m/a/Add", &[10], &[]), instruction(2, "negate", "m/b/Neg", &[30], &[1])];
    let entry = vec![calling(3, "call", "", &[30], &[], 1)];
    let gpu =
        Plane::new("/device:GPU:0").line("Stream #13(CudaGraph)").event("CudaGraphExec:1", 0, 400, &executes("call.3"));
    let profile =
        decoded(vec![gpu, Plane::of_programs(&[(7, program(vec![computation(1, body), computation(2, entry)]))])]);
    assert_eq!(told(&profile), [("m/a/Add", 0, 0, 100), ("m/b/Neg", 0, 100, 400)]);
}

#[test]
fn kernels_of_eager_operations_have_the_scope_that_they_were_launched_in() {
    let host = Plane::new("/host:CPU")
        .line("python")
        .event("smaragdine:mlp/dense", 0, 100, &[])
        .event("EagerLocalExecute: MatMul", 10, 90, &[])
        .event("cuLaunchKernel", 20, 30, &launch(5));
    let gpu = Plane::new("/device:GPU:0").line("Stream #13(Compute)").event(
        KERNEL,
        500,
        900,
        &[correlated(5), tf_op("MatMul:MatMul")],
    );
    let profile = decoded(vec![host, gpu]);
    assert_eq!(names(&profile), [("CPU:0", "mlp/dense/MatMul", "MatMul"), ("GPU:0", "mlp/dense/MatMul", "MatMul")]);
}

#[test]
fn streams_are_lanes_copies_copies_and_waits_waits() {
    let gpu = Plane::new("/device:GPU:1")
        .line("Stream #14(MemcpyH2D,Memset)")
        .event("MemcpyH2D", 0, 10, &[("memcpy_details", Stat::Text("kind_src:pageable size:4"))])
        .event("Memset 0", 10, 20, &[])
        .line("Stream #13(Compute,Generic)")
        .event(KERNEL, 5, 25, &[])
        .event("cuStreamWaitEvent", 25, 40, &[])
        .line("Stream #268435457(UnifiedMemory)")
        .event("UM_BYTES_TRANSFER_HTOD", 0, 10, &[])
        .event("UM_GPU_PAGE_FAULT", 10, 11, &[]);
    let profile = decoded(vec![gpu]);
    assert_eq!(profile.devices, ["GPU:1"]);
    let kinds: Vec<_> = profile.events.iter().map(|event| (event.lane, event.kind)).collect();
    let expected = [(0, Kind::Copy), (0, Kind::Copy), (1, Kind::Compute), (1, Kind::Wait), (2, Kind::Copy)];
    assert_eq!(kinds, expected);
}

#[test]
fn what_repeats_the_streams_or_is_no_work_is_left_out() {
    let gpu = Plane::new("/device:GPU:0")
        .line("Stream #13(Compute,MemoryResidency)")
        .event(KERNEL, 100, 200, &[])
        .event("Memory Device", 0, 10_000, &[("MemoryResidency_details", Stat::Text("kind:device"))])
        .line("Steps")
        .event("1", 0, 1_000, &[])
        .line("XLA Modules")
        .event("a_step(7)", 0, 1_000, &[])
        .line("XLA Ops")
        .event(KERNEL, 100, 200, &[])
        .line("Framework Ops")
        .event("m/dense/MatMul", 100, 200, &[])
        .line("TensorFlow Name Scope")
        .event("m", 100, 200, &[])
        .line("Source code")
        .event("m.py:3", 100, 200, &[])
        .line("_counters_")
        .event("power_mw", 100, 100, &[])
        // A stream on which CUPTI was busy as well has this name.
        .line("CUPTI overhead")
        .event("BUFFER_FLUSH", 300, 400, &[])
        .event(KERNEL, 250, 290, &[]);
    let profile = decoded(vec![gpu]);
    assert_eq!(told(&profile), [(KERNEL, 0, 100, 200), (KERNEL, 8, 250, 290)]);
}

#[test]
fn a_thread_that_waits_for_the_gpu_within_an_operation_waits_for_that_operation() {
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("m/loss/Sum:Sum", 0, 100, &[])
        .event("cuStreamSynchronize", 40, 90, &launch(5))
        .event("cuStreamSynchronize", 200, 300, &launch(6));
    let profile = decoded(vec![host]);
    let sum = "m/loss/Sum";
    assert_eq!(told(&profile), [(sum, 0, 0, 40), (sum, 0, 40, 90), (sum, 0, 90, 100)]);
    let kinds: Vec<_> = profile.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Compute, Kind::Wait, Kind::Compute]);
}

/// What a profile says for people where its GPU is missing.
fn note(errors: &[&str], host: Plane) -> Vec<String> {
    decode(&space(vec![host], errors)).unwrap().notes
}

#[test]
fn where_kernels_are_not_traced_a_note_says_what_to_do() {
    let quiet = || Plane::new("/host:CPU").line("t").event("a:MatMul", 0, 10, &[]);
    let refused = note(&["node: Insufficient privilege to run libcupti (you need root permission)."], quiet());
    assert!(
        matches!(refused.as_slice(), [note] if note.contains("NVreg_RestrictProfilingToAdminUsers=0")),
        "{refused:?}"
    );
    let lacking = note(&["node: Failed to load libcupti (is it installed and accessible?)"], quiet());
    assert!(matches!(lacking.as_slice(), [note] if note.contains("tensorflow[and-cuda]")), "{lacking:?}");
    // A launch without a kernel, and memory of a GPU's without either.
    let launched = note(&[], quiet().event("cuLaunchKernel", 2, 3, &launch(5)));
    let allocated = note(&[], quiet().event("MemoryAllocation", 2, 2, &[("allocator_name", Stat::Text("GPU_0_bfc"))]));
    for notes in [launched, allocated] {
        assert!(matches!(notes.as_slice(), [note] if note.contains("hint: CUPTI must be")), "{notes:?}");
    }
    assert!(note(&[], quiet()).is_empty());
    let refused = note(&["CUPTI_ERROR_INSUFFICIENT_PRIVILEGES"], quiet().event("cuLaunchKernel", 2, 3, &launch(5)));
    assert_eq!(refused.len(), 1, "{refused:?}");
    let other = note(&["the disk is full"], quiet());
    assert_eq!(other, ["the profiler reports: the disk is full"]);
}

const MS: i64 = 1_000_000;

/// A training step of one layer on one GPU: its operations on the host, and what they launched.
fn step() -> Vec<u8> {
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("m/dense/MatMul:MatMul", 0, MS / 2, &[])
        .event("cuLaunchKernel", MS / 10, MS / 5, &launch(1))
        .event("m/dense/Relu:Relu", MS / 2, MS, &[])
        .event("cuLaunchKernel", MS * 6 / 10, MS * 7 / 10, &launch(2));
    let gpu = Plane::new("/device:GPU:0")
        .line("Stream #13(Compute)")
        .event(KERNEL, MS, 4 * MS, &[correlated(1), tf_op("m/dense/MatMul:MatMul")])
        .event("cuStreamWaitEvent", 5 * MS, 6 * MS, &[])
        .line("Stream #14(Compute)")
        .event("relu", 2 * MS, 3 * MS, &[correlated(2), tf_op("m/dense/Relu:Relu")])
        .line("Stream #15(MemcpyD2H)")
        .event("MemcpyD2H", 7 * MS / 2, 5 * MS, &[correlated(3), tf_op("m/dense/Relu:Relu")])
        .line("XLA Ops")
        .event(KERNEL, MS, 4 * MS, &[]);
    space(vec![host, gpu], &[])
}

/// Ten milliseconds in readings of one: the package at 50 W, the GPU at 100 W, all of the application.
fn trace() -> Trace {
    let domain = |name: &str, device: &str, scope: &str| Domain::new(name, device, "replay", scope);
    let reading = |domain: u16, number: i64, energy_j: f64| Reading {
        domain,
        start_ns: START_NS + number * MS,
        end_ns: START_NS + (number + 1) * MS,
        edge_uncertainty_ns: None,
        read_start_ns: START_NS + (number + 1) * MS,
        read_end_ns: START_NS + (number + 1) * MS,
        energy_j,
        app_share: Some(1.0),
        daemon_share: None,
        idle_share: None,
        flags: Flags::NONE,
    };
    let model = Model { name: "m".into(), layer_paths: vec!["dense".into()], ..Model::default() };
    let metadata = Metadata {
        start_ns: START_NS,
        realtime_offset_ns: START_NS,
        model,
        domains: vec![domain("package-0", "CPU:0", "socket:0"), domain("gpu-0", "GPU:0", "gpu:0")],
        ..Metadata::default()
    };
    let readings = [(0, 0.05), (1, 0.1)].into_iter();
    let readings = readings.flat_map(|(domain, energy_j)| (0..10).map(move |number| reading(domain, number, energy_j)));
    let steps = vec![Step { start_ns: START_NS, end_ns: START_NS + 10 * MS, traced: true, ..Step::default() }];
    Trace { metadata, readings: readings.collect(), steps, ..Trace::default() }
}

#[test]
fn joules_of_a_step_on_a_gpu_are_those_worked_out_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("step.xplane.pb");
    std::fs::write(&file, step()).unwrap();
    let mut trace = trace();
    add_xspaces(&mut trace, &[&file]).unwrap();
    account(&mut trace, Policy::Equal);

    let energy_j = |qtn: &str, device: &str| {
        let rows = trace.footprint.iter().filter(|row| trace.ops[row.op as usize].qtn == qtn && row.device == device);
        let rows: Vec<f64> = rows.map(|row| row.energy_j).collect();
        assert_eq!(rows.len(), 1, "one operation of {qtn} on {device}");
        (rows[0] * 1e9).round() / 1e9
    };
    // Half a millisecond each at 50 W.
    assert_eq!(energy_j("m/dense/MatMul", "CPU:0"), 0.025);
    assert_eq!(energy_j("m/dense/Relu", "CPU:0"), 0.025);
    // At 100 W: alone for two milliseconds, and half of the one that both streams compute in.
    assert_eq!(energy_j("m/dense/MatMul", "GPU:0"), 0.25);
    // The other half, and the copy's millisecond after the last computation: beside that it draws nothing.
    assert_eq!(energy_j("m/dense/Relu", "GPU:0"), 0.15);
    let ledger: HashMap<Entry, f64> = trace
        .ledger
        .iter()
        .filter(|row| row.domain == "gpu-0" && row.energy_j.abs() > 1e-12)
        .map(|row| (row.entry, (row.energy_j * 1e9).round() / 1e9))
        .collect();
    // A millisecond before the first kernel, the wait, and the four after it.
    assert_eq!(ledger, HashMap::from([(Entry::Operations, 0.4), (Entry::Idle, 0.6)]));
    assert_eq!(trace.ops.iter().filter(|op| op.layer == "m/dense").count(), 2, "one operation on both devices");
}

#[test]
fn nearly_all_kernel_time_is_under_the_name_of_an_operation_of_the_model() {
    let profile = decode(&step()).unwrap();
    let trace = trace();
    let namer = Namer::new(trace.metadata.model, Vec::new());
    let gpu = profile.devices.iter().position(|device| device == "GPU:0").unwrap();
    let kernels = profile.events.iter().filter(|event| usize::from(event.device) == gpu && event.kind != Kind::Wait);
    let (mut named, mut all) = (0, 0);
    for event in kernels {
        let length = event.end_ns - event.start_ns;
        all += length;
        named += if namer.name(op(&profile, event)).qtn.starts_with("m/dense/") { length } else { 0 };
    }
    assert!(named as f64 >= 0.95 * all as f64, "{named} of {all} ns");
}
