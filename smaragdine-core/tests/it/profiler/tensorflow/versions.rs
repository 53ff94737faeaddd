//! One model has the same names whichever TensorFlow runs it: profiles of the oldest and the newest supported version,
//! recorded by `tests/fixtures/tensorflow/record.py`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use smaragdine_core::profiler::Profile;
use smaragdine_core::profiler::tensorflow::graph::Graph;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::profiler::tensorflow::{step_stats, xplane};

const VERSIONS: [&str; 2] = ["2.18", "2.21"];

fn fixture(version: &str, name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow").join(version);
    let path = folder.join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn keras_model(version: &str) -> Model {
    let said: serde_json::Value = serde_json::from_slice(&fixture(version, "keras.model.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    Model {
        name: text(&said["name"]),
        layer_paths: said["layer_paths"].as_array().unwrap().iter().map(text).collect(),
        variables: said["variables"].as_array().unwrap().iter().map(text).collect(),
        shared: Default::default(),
        captures: said["captures"].as_object().unwrap().iter().map(|(name, path)| (name.clone(), text(path))).collect(),
    }
}

fn executed(version: &str, mode: &str) -> Vec<Graph> {
    Graph::decode_executed(&fixture(version, &format!("{mode}.run_metadata.pb"))).unwrap()
}

/// What the operations of a profile are called, and where they are placed.
fn named(profile: &Profile, namer: &Namer) -> BTreeSet<String> {
    let ops = profile.names.iter().map(|raw| namer.name(raw));
    ops.map(|op| format!("{} | {} | {} | {}", op.qtn, op.kind, op.layer, op.phase.name())).collect()
}

fn keras(version: &str) -> BTreeSet<String> {
    let profile = xplane::decode(&fixture(version, "keras.xplane.pb")).unwrap();
    named(&profile, &Namer::new(keras_model(version), executed(version, "keras")))
}

fn session(version: &str) -> BTreeSet<String> {
    let profile = step_stats::decode(&fixture(version, "session.run_metadata.pb")).unwrap();
    let mut graphs = executed(version, "session");
    graphs.push(Graph::decode(&fixture(version, "session.graph.pb")).unwrap());
    named(&profile, &Namer::new(Model::default(), graphs))
}

/// The compiler's own instructions are numbered as it made them, so only their type, HLO's in lower case, is compared.
fn xla(version: &str) -> BTreeSet<String> {
    let profile = xplane::decode(&fixture(version, "xla.xplane.pb")).unwrap();
    let named = named(&profile, &Namer::new(keras_model(version), Vec::new()));
    let unnumbered = |name: String| match name.split_once(" | ") {
        Some((_, rest)) if rest.starts_with(char::is_lowercase) => rest.to_owned(),
        _ => name,
    };
    named.into_iter().map(unnumbered).collect()
}

/// What only the first and only the second of `VERSIONS` has.
fn differences(names: impl Fn(&str) -> BTreeSet<String>) -> [Vec<String>; 2] {
    let [old, new] = VERSIONS.map(names);
    assert!(!old.is_empty());
    [&old - &new, &new - &old].map(|only| only.into_iter().collect())
}

#[test]
fn a_keras_step_has_the_same_names_in_every_version() {
    assert_eq!(differences(keras), [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn a_session_has_the_same_names_but_for_what_the_older_version_computes_of_a_shape() {
    let of_a_shape = [
        "bert/cls/predictions/Shape_1 | Shape | bert/cls/predictions | forward",
        "bert/cls/predictions/strided_slice_1 | StridedSlice | bert/cls/predictions | forward",
        "gradients/bert/cls/predictions/GatherV2_grad/Cast | Cast | bert/cls/predictions | backward",
    ];
    assert_eq!(differences(session), [of_a_shape.map(str::to_owned).to_vec(), Vec::new()]);
}

#[test]
fn what_xla_compiles_has_the_same_names_in_every_version_but_for_its_own_numbers() {
    assert_eq!(differences(xla), [Vec::<String>::new(), Vec::new()]);
}
