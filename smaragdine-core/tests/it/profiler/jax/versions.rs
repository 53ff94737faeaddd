//! One model has the same layers whichever JAX runs it: profiles recorded by `tests/fixtures/jax/record.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use smaragdine_core::profiler::tensorflow::xplane::decode;
use smaragdine_core::profiler::{Namer, Profile};
use smaragdine_core::trace::Op;

const VERSIONS: [&str; 3] = ["0.4", "0.10", "0.12"];
const NOBODYS: [&str; 5] = ["loss", "metrics", "optimizer", "runtime", "unknown"];

fn profile(version: &str, name: &str) -> Profile {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/jax").join(version);
    let path = folder.join(format!("{name}.xplane.pb"));
    decode(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn ops(profile: &Profile) -> Vec<Op> {
    let namer = Namer::new(Default::default(), Vec::new(), &profile.names);
    profile.names.iter().map(|raw| namer.name(raw)).collect()
}

fn modules() -> BTreeSet<String> {
    let of_block = |number: u32| {
        let parts = ["", "/norm", "/attention", "/attention/query", "/attention/key", "/attention/value"];
        let parts = parts.into_iter().chain(["/attention/out", "/up", "/down"]);
        parts.map(move |part| format!("Bert/layer_{number}{part}"))
    };
    let outer = ["Bert", "Bert/embed", "Bert/head"].map(str::to_owned);
    outer.into_iter().chain((0..2).flat_map(of_block)).collect()
}

#[test]
fn every_layer_is_one_of_the_models_own_in_every_version() {
    for version in VERSIONS {
        for name in ["linen", "accumulate"] {
            let ops = ops(&profile(version, name));
            let layers: BTreeSet<String> = ops.iter().map(|op| op.layer.clone()).collect();
            let strange: Vec<_> = layers
                .iter()
                .filter(|layer| !NOBODYS.contains(&layer.as_str()) && !modules().contains(*layer))
                .collect();
            assert!(strange.is_empty(), "{version} {name}: {strange:?}");
            // XLA may merge what is added in a block itself with what follows.
            let missing: Vec<_> = modules().into_iter().filter(|layer| !layers.contains(layer)).collect();
            assert!(missing.len() <= 3, "{version} {name}: {missing:?}");
        }
    }
}

#[test]
fn passes_loss_and_optimizer_take_all_but_some_hundredths_of_the_time_in_every_version() {
    for version in VERSIONS {
        for name in ["linen", "accumulate"] {
            let profile = profile(version, name);
            let ops = ops(&profile);
            let mut time: BTreeMap<&str, i64> = BTreeMap::new();
            for event in &profile.events {
                let op = &ops[event.name as usize];
                let word = NOBODYS.iter().find(|word| op.layer == **word).copied().unwrap_or("layer");
                *time.entry(if word == "layer" { op.phase.name() } else { word }).or_default() +=
                    event.end_ns - event.start_ns;
            }
            let all: i64 = time.values().sum();
            let share =
                |words: &[&str]| words.iter().filter_map(|word| time.get(word)).sum::<i64>() as f64 / all as f64;
            assert!(share(&["runtime", "unknown"]) < 0.03, "{version} {name}: {time:?}");
            assert!(share(&["forward"]) > 0.05 && share(&["backward"]) > 0.05, "{version} {name}: {time:?}");
            assert!(share(&["optimizer"]) > 0.0 && share(&["loss"]) > 0.0, "{version} {name}: {time:?}");
        }
    }
}

#[test]
fn updates_are_led_to_the_layers_whose_parameters_they_update() {
    for version in VERSIONS {
        let ops = ops(&profile(version, "linen"));
        let updated: BTreeSet<&str> =
            ops.iter().filter(|op| op.qtn.starts_with("optimizer/Bert/")).map(|op| op.layer.as_str()).collect();
        for layer in ["Bert/embed", "Bert/head", "Bert/layer_0/up", "Bert/layer_1/attention/query"] {
            assert!(updated.contains(layer), "{version}: {layer} of {updated:?}");
        }
    }
}

#[test]
fn products_count_what_their_shapes_say_and_data_flows_between_layers() {
    // In 0.4 a second kernel has the product's name, and an operation of several counts their mean.
    for version in &VERSIONS[1..] {
        let profile = profile(version, "linen");
        // 4 sequences of 8 tokens, 16 wide, times 16 × 64.
        let once = 2.0 * (4.0 * 8.0) * 16.0 * 64.0;
        let ops = ops(&profile);
        let product = ops.iter().find(|op| op.qtn == "Bert/layer_0/up/dot_general");
        assert_eq!(product.and_then(|op| op.flops), Some(once), "{version}");
        let layer = |index: u32| ops[index as usize].layer.as_str();
        let flows = profile
            .edges
            .iter()
            .any(|&(from, to)| layer(from) == "Bert/layer_0/up" && layer(to).starts_with("Bert/layer_0"));
        assert!(flows, "{version}");
    }
}
