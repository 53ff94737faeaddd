//! Assembly takes time in proportion to what it was sent: what is twice as large takes some twice as long.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message;
use smaragdine_core::build::assembly::assemble;
use smaragdine_core::profiler::RawOp;
use smaragdine_core::profiler::tensorflow::graph::Graph;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::store::journal::{Journal, Record};
use smaragdine_core::trace::{Metadata, Op, Trace};
use smaragdine_core::wire::tensorflow::{GraphDef, NodeDef};
use smaragdine_core::wire::v1;
use smaragdine_core::wire::v1::record_request::Payload;

/// Processor time of this thread, which other programs do not take.
fn used() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// The best of some runs, which other programs disturb least.
fn shortest(run: impl Fn()) -> Duration {
    let one = |_| {
        let start = used();
        run();
        used().saturating_sub(start)
    };
    (0..3).map(one).min().unwrap_or_default()
}

/// Eight times as much may take 24 times as long, since caches are missed; what is quadratic takes 64 times as long.
fn assert_linear(run: impl Fn(usize), count: usize) {
    let (small, large) = (shortest(|| run(count)), shortest(|| run(8 * count)));
    assert!(large < small * 24, "{small:?} for {count}, {large:?} for eight times as many");
}

fn node(name: String, op: &str, input: Vec<String>) -> NodeDef {
    NodeDef { name, op: op.to_owned(), input, ..NodeDef::default() }
}

fn named(nodes: Vec<NodeDef>, ran: &[String]) -> (Namer, Vec<Op>) {
    let def = GraphDef { node: nodes, ..GraphDef::default() };
    let graph = Graph::decode(&def.encode_to_vec()).unwrap();
    let namer = Namer::new(Model { layer_paths: vec!["m/d".to_owned()], ..Model::default() }, vec![graph]);
    let raw = |name: &String| RawOp { raw_name: name.clone(), kind: "Mul".to_owned(), ..RawOp::default() };
    let ops = ran.iter().map(|name| namer.name(&raw(name))).collect();
    (namer, ops)
}

/// Operations that all take what one hidden operation makes of all inputs.
fn shared_fan_in(count: usize) {
    let inputs: Vec<_> = (0..count).map(|n| format!("m/d/in_{n}")).collect();
    let outputs: Vec<_> = (0..count).map(|n| format!("m/d/out_{n}")).collect();
    let mut nodes: Vec<_> = inputs.iter().map(|name| node(name.clone(), "Mul", Vec::new())).collect();
    nodes.push(node("m/d/all".to_owned(), "AddN", inputs.clone()));
    nodes.extend(outputs.iter().map(|name| node(name.clone(), "Mul", vec!["m/d/all".to_owned()])));
    let ran = [&inputs[..], &outputs[..]].concat();
    let (namer, ops) = named(nodes, &ran);
    assert!(!namer.edges(&ops).is_empty());
}

/// Operations without a scope that all feed one another through one of them.
fn shared_without_a_scope(count: usize) {
    let mut nodes = vec![node("AddN".to_owned(), "AddN", (1..=count).map(|n| format!("Mul_{n}")).collect())];
    nodes.extend((1..=count).map(|n| node(format!("Mul_{n}"), "Mul", vec!["AddN".to_owned()])));
    named(nodes, &[]);
}

/// Updates of one variable, numbered.
fn numbered(count: usize) {
    let mut nodes = vec![node("gradients/m/d/MatMul".to_owned(), "MatMul", Vec::new())];
    nodes.extend((0..count).map(|n| node(format!("AddN_{n}"), "AddN", vec!["gradients/m/d/MatMul".to_owned()])));
    named(nodes, &[]);
}

fn events_on(devices: usize) -> Trace {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::create(&path).unwrap();
    journal.append(&Record::Start(Box::new(Metadata { start_ns: 1, ..Metadata::default() }))).unwrap();
    let event = |n: usize| v1::Event {
        device: format!("CPU:{n}"),
        start_ns: 1_000_000 + n as i64,
        end_ns: 2_000_000 + n as i64,
        ..v1::Event::default()
    };
    let events = v1::EventBatch {
        clock: v1::Clock::Monotonic as i32,
        ops: vec![v1::Op { qtn: "m/d/Mul".to_owned(), ..v1::Op::default() }],
        events: (0..devices).map(event).collect(),
        edges: Vec::new(),
    };
    let request = v1::RecordRequest { payload: Some(Payload::Events(events)), ..v1::RecordRequest::default() };
    journal.append(&Record::Request { stream: 1, request: Box::new(request) }).unwrap();
    assemble(&path).unwrap()
}

#[test]
fn what_many_operations_share_is_not_looked_through_by_each_of_them_to_its_end() {
    assert_linear(shared_fan_in, 2_000);
    assert_linear(shared_without_a_scope, 2_000);
}

#[test]
fn many_operations_of_one_name_are_numbered_at_once() {
    assert_linear(numbered, 2_000);
}

#[test]
fn devices_that_no_machine_has_are_left_out_and_told() {
    let trace = events_on(60_000);
    assert_eq!((trace.metadata.devices.len(), trace.events.len()), (256, 256));
    let told: BTreeSet<_> = trace.metadata.warnings.iter().filter(|told| told.contains("devices")).collect();
    assert_eq!(told.len(), 1, "{:?}", trace.metadata.warnings);
    assert!(events_on(200).metadata.warnings.iter().all(|told| !told.contains("devices")));
}
