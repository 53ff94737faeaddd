//! Kineto's text → leaf events under their names, in events per second of all that the text holds, dropped ones included.
//!
//! `SMARAGDINE_KINETO=FILE` measures another profile than the recorded one; larger ones amortise their names better.

mod numbers;
mod timed;

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smaragdine_core::profiler::torch::decode;

use self::numbers::Number;
use self::timed::{SAMPLES, Timed};

fn profile(criterion: &mut Criterion) {
    let recorded = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/torch/2.15/train.json");
    let path = std::env::var_os("SMARAGDINE_KINETO").map_or(recorded, PathBuf::from);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let events = bytes.windows(9).filter(|text| text == b"\"ph\": \"X\"").count();
    let leaves = decode(&bytes).expect("the bench's profile is one");
    eprintln!("{} bytes, {events} events, {} leaves, {} names", bytes.len(), leaves.events.len(), leaves.names.len());
    let mut group = criterion.benchmark_group("kineto");
    group.throughput(Throughput::Elements(events as u64)).sample_size(SAMPLES);
    let mut decoded = Timed::default();
    group.bench_function("decode", |bencher| decoded.time(bencher, || decode(black_box(&bytes))));
    group.finish();
    let rate = |seconds: f64| events as f64 / seconds * 1e-6;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Number::new(format!("{file}: decode, with names"), decoded.median_s().map(rate), "M events/s").hand_over();
}

criterion_group!(benches, profile);
criterion_main!(benches);
