//! Profile bytes → leaf events → names, in events per second of all events that the profile holds, dropped ones included.
//!
//! `SMARAGDINE_XSPACE=FILE` measures another profile than the recorded one; larger ones amortise their names better.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message as _;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::wire::tensorflow::profiler::XSpace;

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
    group.throughput(Throughput::Elements(events as u64)).sample_size(20);
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&bytes))));
    group.bench_function("prost_alone", |bencher| bencher.iter(|| XSpace::decode(black_box(bytes.as_slice()))));
    group.finish();

    // Most of a short profile of XLA's is its compiled program, which is read once whatever it executes.
    let compiled = std::fs::read(fixtures().join("2.21/xla.xplane.pb")).expect("the profile of XLA was recorded");
    let mut group = criterion.benchmark_group("xla");
    group.throughput(Throughput::Bytes(compiled.len() as u64)).sample_size(20);
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&compiled))));
    group.finish();

    let namer = Namer::new(Model::default(), Vec::new());
    let mut group = criterion.benchmark_group("names");
    group.throughput(Throughput::Elements(leaves.names.len() as u64)).sample_size(20);
    group.bench_function("name", |bencher| {
        bencher.iter(|| leaves.names.iter().map(|raw| namer.name(black_box(raw)).qtn.len()).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, profile);
criterion_main!(benches);
