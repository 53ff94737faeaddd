//! Files that come back: traces and journals, damaged by a disk or made by somebody.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use smaragdine_core::accounting::account::account;
use smaragdine_core::build::assembler::Assembler;
use smaragdine_core::build::assembly::assemble;
use smaragdine_core::store::journal::{Journal, Record};
use smaragdine_core::store::tables;
use smaragdine_core::trace::{Policy, Trace};
use smaragdine_core::wire::v1;
use smaragdine_core::wire::v1::record_request::Payload;

use crate::harness::{Random, fuzz};
use crate::{bytes, synthetic, wire};

/// Accounts what could be read, sealed or not: whatever passed the checks must be safe to compute with.
fn read_and_account(dir: &Path, random: &mut Random) -> bool {
    tables::read_as_it_is(dir)
        .map(|mut read| account(&mut read.trace, *random.pick(&[Policy::Equal, Policy::Recency])))
        .is_ok()
}

fn mutate_json(value: &mut Value, random: &mut Random) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !random.chance(12) => {
            let at = random.below(fields.len());
            let key = fields.keys().nth(at).cloned().unwrap_or_default();
            if random.chance(6) {
                fields.remove(&key);
            } else if let Some(inside) = fields.get_mut(&key) {
                mutate_json(inside, random);
            }
        }
        Value::Array(items) if !items.is_empty() && !random.chance(6) => {
            let at = random.below(items.len());
            match random.below(6) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => mutate_json(&mut items[at], random),
            }
        }
        _ => {
            *value = match random.below(7) {
                0 => Value::Null,
                1 => Value::Bool(random.chance(2)),
                2 => Value::from(random.number()),
                3 => Value::from(random.number().cast_signed()),
                4 => Value::from(f64::from_bits(random.next())),
                5 => Value::from(["", "package-0", "GPU:0", "CPU:0", "\u{0}", "equal"][random.below(6)]),
                _ => Value::Array(Vec::new()),
            };
        }
    }
}

#[test]
fn no_damaged_trace_makes_its_reader_panic() {
    let dir = tempfile::tempdir().unwrap();
    tables::write(dir.path(), &small_trace()).unwrap();
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    fuzz("trace", 10, |random| {
        let at = random.below(files.len());
        let mut damaged = whole[at].clone();
        if files[at].ends_with(tables::METADATA) && !random.chance(4) {
            let mut json = serde_json::from_slice(&damaged).unwrap();
            mutate_json(&mut json, random);
            damaged = serde_json::to_vec(&json).unwrap();
        } else {
            // Headers and footers tell lengths and places; most of the rest is compressed.
            let end = damaged.len() - random.below(damaged.len().min(600));
            let mut tail = damaged.split_off(end);
            bytes::mutate(&mut tail, random);
            damaged.extend(tail);
        }
        fs::write(&files[at], damaged).unwrap();
        let good = read_and_account(dir.path(), random);
        fs::write(&files[at], &whole[at]).unwrap();
        good
    });
}

/// The synthetic trace, short enough to be read a hundred thousand times.
fn small_trace() -> Trace {
    let mut trace = synthetic::trace();
    trace.events.truncate(50);
    trace.readings.truncate(50);
    account(&mut trace, Policy::Equal);
    trace
}

#[test]
fn no_row_that_can_be_written_makes_accounting_panic() {
    let dir = tempfile::tempdir().unwrap();
    let whole = small_trace();
    fuzz("rows", 1, |random| {
        let mut trace = whole.clone();
        for _ in 0..=random.below(6) {
            let number = random.number();
            let ns = number.cast_signed();
            let energy = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300][random.below(6)];
            let (reading, event) = (random.below(trace.readings.len()), random.below(trace.events.len()));
            match random.below(9) {
                0 => trace.readings[reading].start_ns = ns,
                1 => trace.readings[reading].end_ns = ns,
                2 => trace.readings[reading].energy_j = energy,
                3 => trace.readings[reading].app_share = Some(energy),
                4 => trace.readings[reading].edge_uncertainty_ns = Some(ns),
                5 => trace.events[event].start_ns = ns,
                6 => trace.events[event].end_ns = ns,
                7 => trace.events[event].lane = number as u32,
                _ => trace.metadata.start_ns = ns,
            }
        }
        tables::write(dir.path(), &trace).is_ok() && read_and_account(dir.path(), random)
    });
}

#[test]
fn no_journal_makes_recovery_panic() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, requests) = (synthetic::trace(), requests());
    fuzz("journal", 7, |random| {
        let path = journal(dir.path(), &whole, &requests, random);
        assemble(&path).map(|mut trace| account(&mut trace, Policy::Equal)).is_ok()
    });
}

#[test]
fn no_journal_makes_a_trace_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let (whole, requests) = (synthetic::trace(), requests());
    // In this process, so that a panic shows; the child that commands have do it in only limits it.
    let assembler = Assembler::new(None, 0);
    fuzz("recovered", 1, |random| {
        journal(dir.path(), &whole, &requests, random);
        let recovered = assembler.recover(dir.path(), &output, random.chance(2).then(|| random.number().cast_signed()));
        if recovered.is_ok() {
            tables::read(&output).unwrap();
        }
        let _ = fs::remove_dir_all(&output);
        recovered.is_ok()
    });
}

/// A journal that no daemon wrote, of what daemons write.
fn journal(dir: &Path, whole: &Trace, requests: &[wire::Message], random: &mut Random) -> PathBuf {
    let path = dir.join("journal");
    let _ = fs::remove_file(&path);
    let mut journal = Journal::create(&path).unwrap();
    journal.append(&Record::Start(Box::new(whole.metadata.clone()))).unwrap();
    for _ in 0..random.below(8) {
        let record = match random.below(4) {
            0 => {
                let mut readings = whole.readings[..8].to_vec();
                let at = random.below(readings.len());
                readings[at].domain = random.number() as u16;
                readings[at].start_ns = random.number().cast_signed();
                readings[at].end_ns = random.number().cast_signed();
                Record::Readings(readings)
            }
            1 => Record::End(Box::new(whole.metadata.clone())),
            _ => {
                let mut message = random.pick(requests).clone();
                wire::mutate(&mut message, random);
                let Ok(request) = prost::Message::decode(&*wire::encode(&message)) else { continue };
                Record::Request { stream: random.next() % 2, request: Box::new(request) }
            }
        };
        journal.append(&record).unwrap();
    }
    if random.chance(3) {
        let mut damaged = fs::read(&path).unwrap();
        bytes::mutate(&mut damaged, random);
        fs::write(&path, damaged).unwrap();
    }
    path
}

/// One request of each kind, as clients send them.
pub(crate) fn requests() -> Vec<wire::Message> {
    let start_ns = synthetic::START_NS;
    let event = v1::Event { op: 7, start_ns, end_ns: start_ns + 1000, lane: 1, ..v1::Event::default() };
    let op = v1::Op { op: 7, qtn: "net/dense/MatMul".to_owned(), flops: 1e9, ..v1::Op::default() };
    let xspace = "../tests/fixtures/tensorflow/2.21/keras.xplane.pb";
    let xspace = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(xspace)).unwrap();
    let mut random = Random::seeded("requests", 0);
    let profile = wire::encode(&wire::thin(wire::parse(&xspace).unwrap(), 4, &mut random));
    let payloads = [
        Payload::Events(v1::EventBatch {
            clock: v1::Clock::Realtime as i32,
            ops: vec![op],
            events: vec![event; 3],
            edges: vec![v1::Edge { from_op: 7, to_op: 7 }],
        }),
        Payload::Step(v1::Step {
            step: 1,
            start_ns,
            end_ns: start_ns + 1_000_000,
            traced: true,
            metrics: [("loss".to_owned(), 0.5)].into(),
            ..v1::Step::default()
        }),
        Payload::Profile(v1::Profile { format: 1, data: profile.into(), last: true }),
        Payload::Profiling(v1::ProfilingSpan { clock: 1, start_ns, end_ns: start_ns + 1000 }),
        Payload::Model(v1::Model {
            name: "net".to_owned(),
            layer_paths: vec!["dense".to_owned()],
            ..v1::Model::default()
        }),
        Payload::Note(v1::Note { text: "hello".to_owned() }),
        Payload::Labels(v1::Labels { labels: [("region".to_owned(), "SWE".to_owned())].into() }),
    ];
    let clock = Some(v1::ClockPair { realtime_ns: start_ns, monotonic_ns: 1 });
    let encode = |payload| {
        let request = v1::RecordRequest { recording: String::new(), sequence: 1, clock, payload: Some(payload) };
        wire::parse(&prost::Message::encode_to_vec(&request)).unwrap()
    };
    payloads.into_iter().map(encode).collect()
}
