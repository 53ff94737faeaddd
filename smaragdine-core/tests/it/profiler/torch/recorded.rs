//! A profile that PyTorch 2.15 wrote (`tests/fixtures/torch/record.py`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use smaragdine_core::profiler::torch::decode;
use smaragdine_core::trace::Phase;

#[test]
fn a_real_step_leads_to_its_layers() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/torch/2.15/train.json");
    let profile = decode(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        (profile.impossible, profile.notes.len(), profile.devices.as_slice()),
        (0, 0, &["CPU:0".to_owned()][..])
    );
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let ops: Vec<_> = profile.names.iter().map(|raw| raw.as_told().unwrap()).collect();
    for event in &profile.events {
        let op = &ops[event.name as usize];
        *counts.entry((op.phase.name(), op.layer.clone())).or_default() += 1;
    }
    let layers = |phase: Phase| -> Vec<&str> {
        counts.keys().filter(|(own, _)| *own == phase.name()).map(|(_, layer)| layer.as_str()).collect()
    };
    let model = [
        "loss",
        "net/embed",
        "net/head",
        "net/layer/0",
        "net/layer/0/attention",
        "net/layer/0/norm",
        "net/layer/1",
        "net/layer/1/attention",
        "net/layer/1/norm",
    ];
    assert_eq!(layers(Phase::Forward), model);
    assert_eq!(layers(Phase::Backward), model);
    assert_eq!(layers(Phase::Optimizer), ["optimizer"]);
    assert!(layers(Phase::Other).iter().all(|layer| matches!(*layer, "data" | "unknown")), "{counts:?}");
    let unknown = counts.get(&("other", "unknown".to_owned())).copied().unwrap_or(0);
    assert!(50 * unknown < profile.events.len(), "{unknown} of {}", profile.events.len());
    // Two batches are accumulated: each of their operations ran twice, under one name.
    let addmm = ops.iter().position(|op| op.qtn == "net/layer/1/attention/addmm").unwrap();
    assert!(profile.events.iter().filter(|event| event.name as usize == addmm).count() >= 2);
    assert!(ops.iter().any(|op| op.qtn == "gradients/net/layer/1/attention/addmm/mm_1"));
}
