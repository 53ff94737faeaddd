//! Names of a real model, recorded from TensorFlow by `tests/fixtures/tensorflow/record.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use smaragdine_core::graph::Graph;
use smaragdine_core::names::{Model, Namer};
use smaragdine_core::trace::{Op, Phase};
use smaragdine_core::xplane::Profile;
use smaragdine_core::{step_stats, xplane};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn keras_model() -> Model {
    let said: serde_json::Value = serde_json::from_slice(&fixture("keras.model.json")).unwrap();
    let texts = |key: &str| said[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    Model {
        name: said["name"].as_str().unwrap().to_owned(),
        layer_paths: texts("layer_paths"),
        variables: texts("variables"),
    }
}

/// Operations with the nanoseconds that they ran.
struct Named {
    ops: Vec<Op>,
    time_ns: Vec<i64>,
    edges: Vec<(u32, u32)>,
}

impl Named {
    fn new(profile: &Profile, namer: &Namer) -> Self {
        let ops: Vec<Op> = profile.names.iter().map(|raw| namer.name(raw)).collect();
        let mut time_ns = vec![0; ops.len()];
        for event in &profile.events {
            time_ns[event.name as usize] += event.end_ns - event.start_ns;
        }
        Self { edges: namer.edges(&ops), ops, time_ns }
    }

    fn keras() -> Self {
        let graph = Graph::decode(&fixture("keras.graph.pb")).unwrap();
        let profile = xplane::decode(&fixture("keras.xplane.pb")).unwrap();
        Self::new(&profile, &Namer::new(keras_model(), vec![graph]))
    }

    fn session() -> Self {
        let graph = Graph::decode(&fixture("session.graph.pb")).unwrap();
        let profile = step_stats::decode(&fixture("session.run_metadata.pb")).unwrap();
        Self::new(&profile, &Namer::new(Model::default(), vec![graph]))
    }

    fn xla() -> Self {
        let profile = xplane::decode(&fixture("xla.xplane.pb")).unwrap();
        Self::new(&profile, &Namer::new(keras_model(), Vec::new()))
    }

    fn share(&self, condition: impl Fn(&Op) -> bool) -> f64 {
        let matching: i64 = self.ops.iter().zip(&self.time_ns).filter(|(op, _)| condition(op)).map(|(_, time)| time).sum();
        matching as f64 / self.time_ns.iter().sum::<i64>() as f64
    }

    fn of_model(&self) -> f64 {
        self.share(|op| op.layer.starts_with("bert/") || ["optimizer", "loss", "metrics"].contains(&op.layer.as_str()))
    }

    fn by_layer(&self) -> String {
        let mut layers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for op in &self.ops {
            *layers.entry((&op.layer, op.phase.name())).or_default() += 1;
        }
        layers.iter().map(|((layer, phase), count)| format!("{layer} {phase} {count}\n")).collect()
    }
}
#[test]
fn look() {
    for (name, named) in [("keras", Named::keras()), ("session", Named::session()), ("xla", Named::xla())] {
        println!("== {name} ops {} of_model {:.4} fwd {:.3} bwd {:.3} opt {:.3} edges {}", named.ops.len(), named.of_model(),
            named.share(|op| op.phase == Phase::Forward), named.share(|op| op.phase == Phase::Backward), named.share(|op| op.phase == Phase::Optimizer), named.edges.len());
        print!("{}", named.by_layer());
        for (op, t) in named.ops.iter().zip(&named.time_ns) {
            if !op.layer.starts_with("bert/") && op.layer != "optimizer" && op.layer != "loss" { println!("   {t} {} [{}] {} {} <- {}", op.qtn, op.kind, op.layer, op.phase.name(), op.raw_name); }
        }
        if name != "session" { for op in &named.ops { if op.layer.contains("layer_0") && op.phase==Phase::Forward {println!("   F {} {} {} <- {}", op.layer, op.qtn, op.kind, op.raw_name);} } }
    }
    let names = |named: &Named| named.ops.iter().filter(|op| op.phase == Phase::Forward && op.layer.starts_with("bert/")).map(|op| op.qtn.clone()).collect::<BTreeSet<_>>();
    let (k, g) = (names(&Named::keras()), names(&Named::session()));
    println!("k {} g {} both {}", k.len(), g.len(), k.intersection(&g).count());
    for x in k.difference(&g) { println!("K only {x}"); }
}
