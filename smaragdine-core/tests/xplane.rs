//! Profiles that TensorFlow wrote, profiles made by hand, and bytes that are no profile.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use proptest::prelude::*;
use prost::Message as _;
use smaragdine_core::graph::Graph;
use smaragdine_core::step_stats;
use smaragdine_core::trace::Kind;
use smaragdine_core::wire::tensorflow::profiler::{
    XEvent, XEventMetadata, XLine, XPlane, XSpace, XStat, XStatMetadata, x_event, x_stat,
};
use smaragdine_core::xplane::{Profile, decode};

const START_NS: i64 = 1_700_000_000_000_000_000;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A plane whose events are named in order of `titles`, from 1.
fn plane(name: &str, titles: &[&str], lines: Vec<XLine>) -> XPlane {
    let event_metadata = (1..)
        .zip(titles)
        .map(|(id, &title)| (id, XEventMetadata { id, name: title.into(), stats: Vec::new() }))
        .collect();
    XPlane { name: name.into(), event_metadata, lines, ..XPlane::default() }
}

fn line(name: &str, timestamp_ns: i64, events: Vec<XEvent>) -> XLine {
    XLine { id: 7, name: name.into(), timestamp_ns, events }
}

fn event(metadata_id: i64, start_ns: i64, end_ns: i64) -> XEvent {
    let data = Some(x_event::Data::OffsetPs(start_ns * 1000));
    XEvent { metadata_id, data, duration_ps: (end_ns - start_ns) * 1000, stats: Vec::new() }
}

fn environment() -> XPlane {
    let name = "profile_start_time".to_owned();
    let value = Some(x_stat::Value::Uint64Value(START_NS as u64));
    XPlane {
        name: "Task Environment".into(),
        stat_metadata: HashMap::from([(1, XStatMetadata { id: 1, name })]),
        stats: vec![XStat { metadata_id: 1, value }],
        ..XPlane::default()
    }
}

fn decoded(planes: Vec<XPlane>) -> Profile {
    decode(&XSpace { planes, ..XSpace::default() }.encode_to_vec()).unwrap()
}

fn told(profile: &Profile) -> Vec<(&str, u32, i64, i64)> {
    let told = |event: &smaragdine_core::xplane::RawEvent| {
        let name = profile.names[event.name as usize].raw_name.as_str();
        (name, event.lane, event.start_ns - START_NS, event.end_ns - START_NS)
    };
    profile.events.iter().map(told).collect()
}

#[test]
fn only_operations_are_events_and_their_times_are_since_1970() {
    let titles = ["m/dense/MatMul:_MklMatMul", "ThreadpoolListener::Record", "ExecutorState::Process"];
    let events = vec![event(3, 0, 900), event(1, 100, 250), event(2, 120, 130)];
    let profile = decoded(vec![plane("/host:CPU", &titles, vec![line("tf_Compute/1", 5_000, events)]), environment()]);
    assert_eq!(profile.devices, ["CPU:0"]);
    assert_eq!(told(&profile), [("m/dense/MatMul", 0, 5_100, 5_250)]);
    assert_eq!(profile.names[0].kind, "_MklMatMul");
    assert!(profile.notes.is_empty(), "{:?}", profile.notes);
}

#[test]
fn nested_operations_share_their_lane_without_overlap() {
    let titles = ["outer:MapDataset", "inner:MatMul"];
    let lines = vec![
        line("tf_data_private_threadpool/1", 0, vec![event(2, 20, 40), event(1, 0, 100)]),
        line("tf_Compute/2", 0, vec![event(2, 20, 40)]),
    ];
    let profile = decoded(vec![environment(), plane("/host:CPU", &titles, lines)]);
    assert_eq!(
        told(&profile),
        [("outer", 0, 0, 20), ("inner", 0, 20, 40), ("outer", 0, 40, 100), ("inner", 1, 20, 40)]
    );
    let pipeline: Vec<bool> = profile.names.iter().map(|op| op.pipeline).collect();
    assert_eq!(pipeline.iter().filter(|&&pipeline| pipeline).count(), 2, "one name on two kinds of thread is two");
}

#[test]
fn streams_of_a_gpu_are_lanes_and_its_transfers_copies() {
    let titles = ["MemcpyH2D", "ampere_sgemm_128x64"];
    let mut gpu = plane(
        "/device:GPU:1",
        &titles,
        vec![
            line("Stream #13(MemcpyH2D)", 0, vec![event(1, 0, 10)]),
            line("Stream #14(Compute)", 0, vec![event(2, 5, 25)]),
            line("TensorFlow Ops", 0, vec![event(2, 5, 25)]),
        ],
    );
    gpu.stat_metadata = HashMap::from([
        (1, XStatMetadata { id: 1, name: "tf_op".into() }),
        (2, XStatMetadata { id: 2, name: "correlation_id".into() }),
    ]);
    gpu.lines[1].events[0].stats = vec![
        XStat { metadata_id: 1, value: Some(x_stat::Value::StrValue("m/dense/MatMul:MatMul".into())) },
        XStat { metadata_id: 2, value: Some(x_stat::Value::Uint64Value(42)) },
    ];
    let profile = decoded(vec![gpu, environment()]);
    assert_eq!(profile.devices, ["GPU:1"]);
    assert_eq!(told(&profile), [("MemcpyH2D", 0, 0, 10), ("m/dense/MatMul", 1, 5, 25)]);
    assert_eq!(profile.events[0].kind, Kind::Copy);
    assert_eq!((profile.events[1].kind, profile.events[1].correlation), (Kind::Compute, Some(42)));
}

#[test]
fn a_profile_without_a_start_says_so() {
    let profile = decoded(vec![plane("/host:CPU", &["a:MatMul"], vec![line("t", START_NS, vec![event(1, 0, 10)])])]);
    assert_eq!(told(&profile), [("a", 0, 0, 10)]);
    assert_eq!(profile.notes.len(), 1);
}

#[test]
fn a_recorded_profile_holds_each_operation_of_each_step_within_the_session() {
    let profile = decode(&fixture("keras.xplane.pb")).unwrap();
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
    let profile = decode(&fixture("xla.xplane.pb")).unwrap();
    let named: HashSet<&str> = profile.names.iter().map(|op| op.raw_name.as_str()).collect();
    let found = named.iter().filter(|name| name.contains("encoder_1/layer_0_1/intermediate_1/dense_1/MatMul")).count();
    assert!(found >= 3, "forward, dX and dW: {found}");
    assert!(!named.iter().any(|name| name.starts_with("end: ")), "twins that mark an end are no operations");
}

#[test]
fn a_truncated_profile_is_an_error_or_a_part_never_a_panic() {
    let whole = fixture("keras.xplane.pb");
    for length in (0..whole.len()).step_by(4_999) {
        let _ = decode(&whole[..length]);
    }
    let whole = fixture("session.run_metadata.pb");
    for length in (0..whole.len()).step_by(9_973) {
        let _ = step_stats::decode(&whole[..length]);
    }
    let whole = fixture("keras.graph.pb");
    for length in (0..whole.len()).step_by(9_973) {
        let _ = Graph::decode(&whole[..length]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_profile_never_panics(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let titles = ["m/dense/MatMul:MatMul", "copy.4", "ParallelFor"];
        let mut cpu = plane("/host:CPU", &titles, vec![line("tf_Compute/1", 9, vec![event(1, 0, 50), event(2, 10, 20), event(3, 60, 70)])]);
        cpu.stat_metadata.insert(1, XStatMetadata { id: 1, name: "hlo_op".into() });
        cpu.lines[0].events[1].stats = vec![XStat { metadata_id: 1, value: Some(x_stat::Value::RefValue(1)) }];
        let gpu = plane("/device:GPU:0", &titles, vec![line("Stream #1", 9, vec![event(1, 0, 50), event(2, 10, 20)])]);
        let mut bytes = XSpace { planes: vec![cpu, gpu, environment()], ..XSpace::default() }.encode_to_vec();
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
