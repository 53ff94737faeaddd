//! A small trace as a recording leaves it: a transformer trained for twenty steps, five of them traced.

use std::collections::BTreeMap;

use smaragdine_core::trace::{
    Coverage, Domain, Event, Flag, Flags, Host, Kind, Metadata, Op, Phase, Reading, SCHEMA_VERSION, SourceReport,
    State, Step, Trace,
};

pub(crate) const START_NS: i64 = 1_760_000_000_000_000_000;
const MS: i64 = 1_000_000;
const STEP_NS: i64 = 100 * MS;
const STEPS: i64 = 20;
const END_NS: i64 = START_NS + STEPS * STEP_NS + 40 * MS;

/// The trace, before accounting.
pub(crate) fn trace() -> Trace {
    let (ops, edges) = ops();
    let steps = (0..STEPS).map(step).collect::<Vec<_>>();
    let traced = steps.iter().filter(|step| step.traced);
    let events = traced.flat_map(|step| events(step, &ops)).collect();
    Trace { metadata: metadata(), readings: readings(), events, ops, edges, steps, ..Trace::default() }
}

fn metadata() -> Metadata {
    let domain = |name: &str, device: &str, source: &str, scope: &str| Domain {
        range_uj: (source == "powercap").then_some(262_143_328_850),
        ..Domain::new(name, device, source, scope)
    };
    let mut psys = domain("psys", "CPU:0", "powercap", "");
    psys.counted = false;
    psys.not_counted_because = Some("package-0 and dram-0 are counted, which it holds".into());
    let source = |name: &str, period_ns| SourceReport {
        name: name.into(),
        period_ns,
        measured_period_ns: Some(period_ns + 310),
        ticks: 500,
        lateness_p50_ns: Some(9_000),
        lateness_p99_ns: Some(61_000),
        cpu_s: Some(0.011),
        ..SourceReport::default()
    };
    let words = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Metadata {
        schema_version: SCHEMA_VERSION,
        state: State::Complete,
        recording: "synthetic".into(),
        name: "synthetic".into(),
        labels: words(&[("model", "bert-tiny")]),
        start_ns: START_NS,
        end_ns: Some(END_NS),
        host: Host { name: Some("host".into()), kernel: Some("6.12.0".into()), ..Host::default() },
        software: words(&[("tensorflow", "2.21.0")]),
        devices: vec!["CPU:0".into(), "GPU:0".into()],
        domains: vec![
            domain("package-0", "CPU:0", "powercap", "socket:0"),
            domain("dram-0", "CPU:0", "powercap", "socket:0"),
            psys,
            domain("gpu-0", "GPU:0", "nvml", "gpu:0"),
        ],
        sources: vec![source("powercap", 4 * MS), source("nvml", 20 * MS)],
        share_source: Some("procfs".into()),
        share_tick_ns: Some(4 * MS),
        coverage: Coverage { steps: Some(STEPS as u64), traced_steps: Some(5), ..Coverage::default() },
        profiling: vec![
            (START_NS + 8 * STEP_NS - 3 * MS, START_NS + 8 * STEP_NS).into(),
            (START_NS + 13 * STEP_NS, START_NS + 13 * STEP_NS + 30 * MS).into(),
        ],
        ..Metadata::default()
    }
}

fn step(number: i64) -> Step {
    Step {
        step: number,
        epoch: number / 10,
        start_ns: START_NS + number * STEP_NS,
        end_ns: START_NS + (number + 1) * STEP_NS,
        traced: (8..13).contains(&number),
        samples: Some(32),
        metrics: BTreeMap::from([("loss".into(), 2.0 / (1.0 + number as f64 / 5.0))]),
        ..Step::default()
    }
}

fn ops() -> (Vec<Op>, Vec<(u32, u32)>) {
    let mut layers = vec!["bert/embeddings".to_owned()];
    for layer in 0..4 {
        for part in ["attention/self/query", "attention/self/key", "attention/self/value", "attention/output/dense"] {
            layers.push(format!("bert/encoder/layer_{layer}/{part}"));
        }
        layers.push(format!("bert/encoder/layer_{layer}/intermediate/dense"));
        layers.push(format!("bert/encoder/layer_{layer}/output/dense"));
    }
    layers.push("bert/pooler/dense".into());
    let op = |qtn: String, layer: &str, kind: &str, phase, flops| Op {
        raw_name: format!("model/{qtn}"),
        qtn,
        layer: layer.into(),
        kind: kind.into(),
        phase,
        flops,
        fused: String::new(),
    };
    let mut ops = Vec::new();
    for layer in &layers {
        ops.push(op(format!("{layer}/MatMul"), layer, "MatMul", Phase::Forward, Some(2.0e9)));
        ops.push(op(format!("{layer}/BiasAdd"), layer, "BiasAdd", Phase::Forward, Some(1.0e6)));
    }
    ops.push(op("loss/SoftmaxCrossEntropy".into(), "loss", "SoftmaxCrossEntropy", Phase::Forward, None));
    for layer in layers.iter().rev() {
        for matmul in ["MatMul", "MatMul_1"] {
            let qtn = format!("gradients/{layer}/{matmul}");
            ops.push(op(qtn, layer, "MatMul", Phase::Backward, Some(2.0e9)));
        }
    }
    ops.push(op("optimizer/AdamW".into(), "optimizer", "ResourceApplyAdam", Phase::Optimizer, None));
    ops.push(op("data/IteratorGetNext".into(), "data", "IteratorGetNext", Phase::Other, None));
    let edges = (1..ops.len() as u32 - 1).map(|op| (op - 1, op)).collect();
    (ops, edges)
}

/// Kernels on two streams of the GPU, their launches and the input on the CPU.
fn events(step: &Step, ops: &[Op]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut noise = Noise(step.step as u64);
    let event = |op, device, lane, kind, start_ns, length| Event {
        op,
        device,
        lane,
        kind,
        start_ns,
        end_ns: start_ns + length,
        step: Some(step.step),
        correlation: None,
    };
    let last = ops.len() as u32 - 1;
    events.push(event(last, 0, 7, Kind::Compute, step.start_ns + MS, 4 * MS));
    events.push(event(last, 1, 9, Kind::Copy, step.start_ns + 5 * MS, 2 * MS));
    let mut now = step.start_ns + 6 * MS;
    for op in 0..last {
        let length = if ops[op as usize].kind == "MatMul" { 900_000 } else { 200_000 };
        let length = length + noise.below(100_000);
        events.push(event(op, 0, 1 + op % 2, Kind::Compute, now - 300_000, 150_000));
        events.push(event(op, 1, op % 2, Kind::Compute, now, length));
        now += length - noise.below(60_000);
    }
    events.push(event(0, 0, 3, Kind::Wait, now - MS, MS));
    events
}

fn readings() -> Vec<Reading> {
    let mut readings = Vec::new();
    let mut noise = Noise(1);
    for (domain, period_ns, power_w) in [(0, 4 * MS, 95.0), (1, 4 * MS, 11.0), (2, 4 * MS, 160.0), (3, 20 * MS, 240.0)]
    {
        let mut start_ns = START_NS - noise.below(period_ns);
        while start_ns < END_NS {
            let end_ns = start_ns + period_ns + noise.below(20_000) - 10_000;
            let power_w = power_w * (0.9 + noise.below(2_000) as f64 / 1e4);
            // One read of the package failed, another found its register reset.
            let at = (start_ns - START_NS) / (500 * MS);
            let first = readings.last().is_some_and(|last: &Reading| (last.start_ns - START_NS) / (500 * MS) != at);
            let flags = match (domain, first, at) {
                (0, true, 1) => Flags::NONE.with(Flag::Failed),
                (0, true, 2) => Flags::NONE.with(Flag::Reset),
                _ => Flags::NONE,
            };
            let (app, daemon, idle) = match domain {
                2 => (None, None, None),
                3 => (Some(1.0), Some(0.0), Some(0.0)),
                _ => (Some(0.85), Some(0.01), Some(0.05)),
            };
            readings.push(Reading {
                domain,
                start_ns,
                end_ns,
                edge_uncertainty_ns: (domain != 3).then_some(25_000),
                read_start_ns: end_ns + 2_000,
                read_end_ns: end_ns + 9_000,
                energy_j: if flags.is_gap() { 0.0 } else { power_w * (end_ns - start_ns) as f64 * 1e-9 },
                app_share: app,
                daemon_share: daemon,
                idle_share: idle,
                flags,
            });
            start_ns = end_ns;
        }
    }
    readings
}

/// The same numbers on every machine.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as i64) % bound
    }
}
