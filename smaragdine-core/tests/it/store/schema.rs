//! The contract of a trace directory: the committed schema is what this version writes and reads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::written::{accounted, written};
use serde_json::Value;
use smaragdine_core::build::reaccount::reaccount;
use smaragdine_core::store::tables::{self, schema};
use smaragdine_core::trace::{Flag, Policy};

fn committed() -> Value {
    serde_json::from_str(&schema()).expect("JSON")
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// A copy of the trace that an early 0.1 recorded, to write into.
fn recorded_by_an_early_version() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = dir.path().join("demo");
    fs::create_dir(&copy).expect("a folder");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/traces/demo");
    for file in fs::read_dir(fixture).expect("the fixture") {
        let file = file.expect("a file");
        fs::copy(file.path(), copy.join(file.file_name())).expect("a copy");
    }
    (dir, copy)
}

#[test]
fn the_committed_schema_is_that_of_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/trace.json");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == schema(),
        "schema/trace.json is not that of this version; renew it: \
         cargo run -p smaragdine-core --bin smaragdined -- schema > schema/trace.json"
    );
}

#[test]
fn every_field_that_is_written_is_in_the_schema() {
    let schema = committed();
    let known = keys(&schema["properties"]);
    let dir = written(&accounted());
    let json: Value = serde_json::from_slice(&fs::read(dir.path().join("trace.json")).unwrap()).unwrap();
    assert_eq!(keys(&json).difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
    let required = schema["required"].as_array().expect("a list");
    assert!(required.iter().all(|name| json.get(name.as_str().unwrap()).is_some()), "{required:?}");
}

#[test]
fn every_vocabulary_has_its_words_with_what_each_means() {
    let schema = committed();
    let names = ["Basis", "Entry", "Flag", "Kind", "Level", "OwnLayer", "Phase", "Policy", "SourceName", "State"];
    for name in names {
        let vocabulary = &schema["$defs"][name];
        let words: BTreeSet<&str> =
            vocabulary["enum"].as_array().expect(name).iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(words, keys(&vocabulary["meanings"]), "{name}");
    }
    let flags: Vec<&str> = Flag::ALL.iter().map(|flag| flag.name()).collect();
    assert_eq!(schema["$defs"]["Flag"]["enum"], serde_json::json!(flags));
}

#[test]
fn every_table_of_the_schema_is_written_and_no_other() {
    let schema = committed();
    let dir = written(&accounted());
    let files: BTreeSet<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".parquet"))
        .collect();
    let told = schema["tables"].as_object().unwrap().values().map(|table| table["file"].as_str().unwrap().to_owned());
    assert_eq!(files, told.collect());
}

#[test]
fn a_trace_of_an_early_version_is_accounted_and_what_it_lacks_is_told() {
    let (_dir, demo) = recorded_by_an_early_version();
    let before = tables::read(&demo).expect("it is read");
    let told = reaccount(&demo, Policy::Equal, &[]).expect("it is accounted");
    let lack = told.iter().find(|notice| notice.contains("ops.parquet has no column `fused`")).expect("a notice");
    assert!(lack.contains("older than this version") && lack.contains("record anew"), "{lack}");
    assert!(told.iter().all(|notice| !notice.contains("damaged") && !notice.contains("metrics")), "{told:?}");
    let after = tables::read(&demo).expect("it is sealed");
    assert_eq!((&after.ops, &after.ledger.len()), (&before.ops, &before.ledger.len()));
    // Once it is sealed, the same is lacking, and is no change.
    let again = reaccount(&demo, Policy::Equal, &[]).expect("it is accounted");
    assert_eq!(again.iter().collect::<Vec<_>>(), [lack]);
}

#[test]
fn a_column_that_was_sealed_and_is_gone_is_damage_though_earlier_versions_had_none() {
    let dir = written(&accounted());
    let (_demo, early) = recorded_by_an_early_version();
    fs::copy(early.join("ops.parquet"), dir.path().join("ops.parquet")).expect("a copy");
    assert!(tables::read(dir.path()).is_err());
}

#[test]
fn fields_that_another_added_are_kept_wherever_they_stand() {
    let dir = written(&accounted());
    let path = dir.path().join("trace.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.shift_remove("seal");
    fields.shift_remove("checksums");
    fields.insert("carbon".into(), serde_json::json!({ "grams": 1.5e-7 }));
    fields["hardware"]["rack"] = "B 7".into();
    fields["coverage"]["more"] = serde_json::json!([1, 2]);
    fields["coverage"]["deconvolution"] = serde_json::json!({ "package-0": { "refused": "because" } });
    fs::write(&path, serde_json::to_vec(&json).unwrap()).unwrap();
    reaccount(dir.path(), Policy::Deconvolved, &[]).expect("it is accounted");
    let after: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(after["carbon"]["grams"], 1.5e-7);
    assert_eq!((&after["hardware"]["rack"], &after["coverage"]["more"]), (&"B 7".into(), &serde_json::json!([1, 2])));
    assert_ne!(after["coverage"]["deconvolution"]["package-0"]["refused"], "because");
    tables::read(dir.path()).expect("it is sealed with them");
}

#[test]
fn a_table_that_came_later_is_empty_where_none_was_sealed_and_missing_where_one_was() {
    let (_dir, demo) = recorded_by_an_early_version();
    assert!(tables::read(&demo).expect("it is read").metrics.rows().is_empty());
    let mut trace = accounted();
    assert!(trace.metrics.add("load", "machine", 1, 0.5));
    let dir = written(&trace);
    assert_eq!(tables::read(dir.path()).expect("it is read").metrics, trace.metrics);
    fs::remove_file(dir.path().join("metrics.parquet")).expect("it was there");
    assert!(tables::read(dir.path()).is_err());
}
