//! What frameworks and clients send as bytes: XSpace, RunMetadata, GraphDef.

use std::path::PathBuf;

use smaragdine_core::profiler::Profile;
use smaragdine_core::profiler::tensorflow::graph::Graph;
use smaragdine_core::profiler::tensorflow::names::Namer;
use smaragdine_core::profiler::tensorflow::{step_stats, xplane};
use smaragdine_core::profiler::torch;
use smaragdine_core::trace::Model;

use crate::harness::{Random, fuzz};
use crate::wire::{self, Message};

/// Recordings of TensorFlow, thinned in several ways.
fn corpus(files: &[&str]) -> Vec<Message> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tensorflow");
    let read = |file: &&str| {
        let path = root.join(file);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        wire::parse(&bytes).unwrap_or_else(|| panic!("{} is no message", path.display()))
    };
    let whole: Vec<Message> = files.iter().map(read).collect();
    let mut random = Random::seeded("corpus", 0);
    let thinned = (0..16).flat_map(|_| whole.clone()).map(|message| {
        let most = *random.pick(&[2, 4, 8, 16]);
        wire::thin(message, most, &mut random)
    });
    thinned.collect()
}

fn mutated(corpus: &[Message], random: &mut Random) -> Vec<u8> {
    let mut message = random.pick(corpus).clone();
    wire::mutate(&mut message, random);
    let mut bytes = wire::encode(&message);
    if random.chance(6) {
        crate::bytes::mutate(&mut bytes, random);
    }
    bytes
}

fn name_all(profile: &Profile, graphs: Vec<Graph>) {
    let namer = Namer::new(Model::default(), graphs);
    profile.names.iter().for_each(|raw| drop(namer.name(raw)));
}

#[test]
fn no_xspace_makes_the_decoder_panic() {
    let corpus = corpus(&["2.21/keras.xplane.pb", "2.21/xla.xplane.pb", "2.18/xla.xplane.pb"]);
    fuzz("xspace", 25, |random| {
        xplane::decode(&mutated(&corpus, random)).map(|profile| name_all(&profile, Vec::new())).is_ok()
    });
}

#[test]
fn no_run_metadata_makes_the_decoder_panic() {
    let corpus = corpus(&["2.21/session.run_metadata.pb", "2.21/keras.run_metadata.pb"]);
    fuzz("run metadata", 15, |random| {
        let bytes = mutated(&corpus, random);
        let graphs = Graph::decode_executed(&bytes).unwrap_or_default();
        step_stats::decode(&bytes).map(|profile| name_all(&profile, graphs)).is_ok()
    });
}

#[test]
fn no_graph_makes_the_decoder_panic() {
    let corpus = corpus(&["2.21/keras.graph.pb", "2.21/session.graph.pb"]);
    fuzz("graph", 10, |random| {
        Graph::decode(&mutated(&corpus, random)).map(|graph| name_all(&Profile::default(), vec![graph])).is_ok()
    });
}

#[test]
fn no_text_of_pytorch_makes_the_decoder_panic() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/torch/2.15/train.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (head, rest) = text.split_once("\"traceEvents\": [").unwrap();
    let events: Vec<&str> = rest[..rest.rfind(']').unwrap()].split("\n},").collect();
    fuzz("kineto", 10, |random| {
        let first = random.below(events.len());
        let some = &events[first..events.len().min(first + 1 + random.below(40))];
        let mut bytes = format!("{head}\"traceEvents\": [{}}}]}}", some.join("\n},")).into_bytes();
        if !random.chance(8) {
            crate::bytes::mutate(&mut bytes, random);
        }
        torch::decode(&bytes).map(|profile| profile.names.iter().for_each(|raw| drop(raw.as_told()))).is_ok()
    });
}
