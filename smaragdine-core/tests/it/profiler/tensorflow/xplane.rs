//! Profiles that TensorFlow wrote, profiles made by hand, and bytes that are no profile.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::composed::{Plane, START_NS, Stat, decoded, space, told};
use proptest::prelude::*;
use prost::Message as _;
use smaragdine_core::profiler::tensorflow::graph::Graph;
use smaragdine_core::profiler::tensorflow::step_stats;
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::wire::tensorflow::profiler::{XEvent, XLine, XPlane, XSpace};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn only_operations_are_events_and_their_times_are_since_1970() {
    let host = Plane::new("/host:CPU")
        .line("tf_Compute/1")
        .event("ExecutorState::Process", 0, 900, &[])
        .event("m/dense/MatMul:_MklMatMul", 100, 250, &[])
        .event("ThreadpoolListener::Record", 120, 130, &[]);
    let profile = decoded(vec![host]);
    assert_eq!(profile.devices, ["CPU:0"]);
    assert_eq!(told(&profile), [("m/dense/MatMul", 0, 100, 250)]);
    assert_eq!(profile.names[0].kind, "_MklMatMul");
    assert!(profile.notes.is_empty(), "{:?}", profile.notes);
}

#[test]
fn nested_operations_share_their_lane_without_overlap() {
    let host = Plane::new("/host:CPU")
        .line("tf_data_private_threadpool/1")
        .event("inner:MatMul", 20, 40, &[])
        .event("outer:MapDataset", 0, 100, &[])
        .line("tf_Compute/2")
        .event("inner:MatMul", 20, 40, &[]);
    let profile = decoded(vec![host]);
    assert_eq!(
        told(&profile),
        [("outer", 0, 0, 20), ("inner", 0, 20, 40), ("outer", 0, 40, 100), ("inner", 1, 20, 40)]
    );
    let pipeline: Vec<bool> = profile.names.iter().map(|op| op.pipeline).collect();
    assert_eq!(pipeline.iter().filter(|&&pipeline| pipeline).count(), 2, "one name on two kinds of thread is two");
}

#[test]
fn eager_operations_are_named_by_the_innermost_scope_and_numbered_within_it() {
    let mut host = Plane::new("/host:CPU").line("python");
    for start_ns in [0, 1_000] {
        // A scope that reads as a type, `smaragdine:MLP`, is no operation.
        host = host
            .event("smaragdine:MLP", start_ns, start_ns + 500, &[])
            .event("EagerLocalExecute: Cast", start_ns + 10, start_ns + 20, &[])
            .event("smaragdine:MLP/dense", start_ns + 100, start_ns + 300, &[])
            .event("EagerLocalExecute: MatMul", start_ns + 110, start_ns + 150, &[])
            .event("EagerLocalExecute: AddV2", start_ns + 160, start_ns + 170, &[])
            .event("EagerLocalExecute: MatMul", start_ns + 200, start_ns + 250, &[])
            .event("EagerLocalExecute: MatMul", start_ns + 600, start_ns + 650, &[]);
    }
    // A scope of one thread's is none of another's.
    let host = host.line("other").event("EagerLocalExecute: MatMul", 110, 150, &[]);
    let profile = decoded(vec![host]);
    let names: Vec<_> = told(&profile).into_iter().map(|(name, ..)| name).collect();
    let step = ["MLP/Cast", "MLP/dense/MatMul", "MLP/dense/AddV2", "MLP/dense/MatMul_1", "MatMul"];
    assert_eq!(names, [&step[..], &step[..], &["MatMul"]].concat());
    let numbers: HashSet<u32> = profile.events.iter().map(|event| event.name).collect();
    assert_eq!(numbers.len(), 5, "the same in each step");
    assert!(profile.events.iter().all(|event| profile.names[event.name as usize].kind != "MLP"));
}

#[test]
fn a_profile_without_a_start_says_so() {
    let line = XLine { timestamp_ns: START_NS, events: vec![XEvent::default()], ..XLine::default() };
    let host = XPlane { name: "/host:CPU".into(), lines: vec![line], ..XPlane::default() };
    let profile = decode(&XSpace { planes: vec![host], ..XSpace::default() }.encode_to_vec()).unwrap();
    assert_eq!(profile.notes.len(), 1);
}

#[test]
fn a_recorded_profile_holds_each_operation_of_each_step_within_the_session() {
    let profile = decode(&fixture("2.21/keras.xplane.pb")).unwrap();
    let counts = profile.events.iter().fold(HashMap::<u32, usize>::new(), |mut counts, event| {
        *counts.entry(event.name).or_default() += 1;
        counts
    });
    let matmuls: Vec<usize> = (0..)
        .zip(&profile.names)
        .filter(|(_, op)| op.kind == "_MklNativeFusedMatMul" || op.kind == "_FusedMatMul")
        .map(|(name, _)| counts[&name])
        .collect();
    assert_eq!(matmuls, [2; 14], "2 layers of 6 dense layers, and 2 of the head, in 2 steps");
    let (first, last) = (
        profile.events.iter().map(|event| event.start_ns).min(),
        profile.events.iter().map(|event| event.end_ns).max(),
    );
    let length_ns = last.unwrap() - first.unwrap();
    assert!((1_000_000..60_000_000_000).contains(&length_ns), "{length_ns} ns");
    assert!(first.unwrap() > 1_700_000_000_000_000_000, "times are since 1970");
    for pair in profile.events.windows(2).filter(|pair| pair[0].lane == pair[1].lane) {
        assert!(pair[0].end_ns <= pair[1].start_ns, "{pair:?} overlap");
    }
}

#[test]
fn instructions_of_xla_are_led_back_to_the_operations_they_came_from() {
    let profile = decode(&fixture("2.21/xla.xplane.pb")).unwrap();
    let named: HashSet<&str> = profile.names.iter().map(|op| op.raw_name.as_str()).collect();
    let found = named.iter().filter(|name| name.contains("encoder_1/layer_0_1/intermediate_1/dense_1/MatMul")).count();
    assert!(found >= 3, "forward, dX and dW: {found}");
    assert!(!named.iter().any(|name| name.starts_with("end: ")), "twins that mark an end are no operations");
}

#[test]
fn a_truncated_profile_is_an_error_or_a_part_never_a_panic() {
    let whole = fixture("2.21/keras.xplane.pb");
    for length in (0..whole.len()).step_by(4_999) {
        let _ = decode(&whole[..length]);
    }
    let whole = fixture("2.21/session.run_metadata.pb");
    for length in (0..whole.len()).step_by(9_973) {
        let _ = step_stats::decode(&whole[..length]);
    }
    let whole = fixture("2.21/keras.graph.pb");
    for length in (0..whole.len()).step_by(9_973) {
        let _ = Graph::decode(&whole[..length]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_profile_never_panics(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let host = Plane::new("/host:CPU")
            .line("tf_Compute/1")
            .event("smaragdine:m", 0, 90, &[])
            .event("m/dense/MatMul:MatMul", 0, 50, &[])
            .event("cuLaunchKernel", 10, 12, &[("correlation_id", Stat::Number(5))])
            .event("copy.4", 10, 20, &[("hlo_op", Stat::Text("copy.4"))])
            .event("EagerLocalExecute: MatMul", 60, 70, &[]);
        let gpu = Plane::new("/device:GPU:0")
            .line("Stream #1")
            .event("kernel", 0, 50, &[("correlation_id", Stat::Number(5))])
            .event("MemcpyH2D", 10, 20, &[]);
        let mut bytes = space(vec![host, gpu], &[]);
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
    fn bytes_that_are_nothing_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = step_stats::decode(&bytes);
        let _ = Graph::decode(&bytes);
    }
}
