//! Profile bytes → leaf events → names, in events per second of all events that the profile holds, dropped ones included.
//!
//! `SMARAGDINE_XSPACE=FILE` measures another profile than the recorded one; larger ones amortise their names better.

mod numbers;
mod timed;

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message as _;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::wire::tensorflow::profiler::XSpace;

use self::numbers::Number;
use self::timed::{SAMPLES, Timed};

const EVENTS: &str = "M events/s";
const PROST: &str = "prost, parsing alone";
/// Measured by `experiments/speed`.
const PYTHON: &str = "Python's protobuf (upb), parsing alone";

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow")
}

fn profile(criterion: &mut Criterion) {
    let path = std::env::var_os("SMARAGDINE_XSPACE").map_or(fixtures().join("2.21/keras.xplane.pb"), PathBuf::from);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let space = XSpace::decode(bytes.as_slice()).expect("the bench's profile is one");
    let events: usize = space.planes.iter().flat_map(|plane| &plane.lines).map(|line| line.events.len()).sum();
    let leaves = decode(&bytes).expect("the bench's profile is one");
    eprintln!("{} bytes, {events} events, {} leaves, {} names", bytes.len(), leaves.events.len(), leaves.names.len());

    let mut group = criterion.benchmark_group("xplane");
    group.throughput(Throughput::Elements(events as u64)).sample_size(SAMPLES);
    let [mut decoded, mut parsed] = [Timed::default(), Timed::default()];
    group.bench_function("decode", |bencher| decoded.time(bencher, || decode(black_box(&bytes))));
    group.bench_function("prost_alone", |bencher| {
        parsed.time(bencher, || XSpace::decode(black_box(bytes.as_slice())));
    });
    group.finish();
    let rate = |timed: Timed| timed.median_s().map(|seconds| events as f64 / seconds * 1e-6);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Number::new(format!("{file}: decode"), rate(decoded), EVENTS).compared_to(PROST).compared_to(PYTHON).hand_over();
    Number::new(PROST, rate(parsed), EVENTS).hand_over();

    // Most of a short profile of XLA's is its compiled program, which is read once whatever it executes.
    let compiled = std::fs::read(fixtures().join("2.21/xla.xplane.pb")).expect("the profile of XLA was recorded");
    let mut group = criterion.benchmark_group("xla");
    group.throughput(Throughput::Bytes(compiled.len() as u64)).sample_size(SAMPLES);
    let mut decoded = Timed::default();
    group.bench_function("decode", |bencher| decoded.time(bencher, || decode(black_box(&compiled))));
    group.finish();
    let rate = decoded.median_s().map(|seconds| compiled.len() as f64 / seconds * 1e-6);
    Number::new("xla.xplane.pb: decode", rate, "MB/s").hand_over();

    let namer = Namer::new(Model::default(), Vec::new());
    let mut group = criterion.benchmark_group("names");
    group.throughput(Throughput::Elements(leaves.names.len() as u64)).sample_size(SAMPLES);
    let mut named = Timed::default();
    group.bench_function("name", |bencher| {
        named.time(bencher, || leaves.names.iter().map(|raw| namer.name(black_box(raw)).qtn.len()).sum::<usize>());
    });
    group.finish();
    let rate = named.median_s().map(|seconds| leaves.names.len() as f64 / seconds * 1e-6);
    Number::new(format!("{file}: names"), rate, "M names/s").hand_over();
}

criterion_group!(benches, profile);
criterion_main!(benches);
