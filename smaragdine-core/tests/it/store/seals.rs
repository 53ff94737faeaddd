//! Damage is told as damage: what is not as it was sealed is no trace to read, and accounting it anew says so.

use std::fs;
use std::path::Path;

use crate::written::{accounted, written};
use serde_json::Value;
use smaragdine_core::build::reaccount::reaccount;
use smaragdine_core::error::Error;
use smaragdine_core::store::tables;
use smaragdine_core::trace::Policy;

const TABLES: [&str; 8] = ["readings", "events", "ops", "edges", "steps", "footprint", "footprint_domains", "ledger"];

/// Changes what `trace.json` says, in a file that is formatted as the change leaves it.
fn edit(dir: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = dir.join("trace.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
    change(json.as_object_mut().expect("an object"));
    fs::write(path, json.to_string()).expect("a file");
}

fn problem(dir: &Path) -> String {
    match tables::read(dir) {
        Err(Error::ChangedTrace { path, problem }) => {
            format!("{}: {problem}", path.file_name().expect("a name").display())
        }
        other => panic!("not told: {other:?}"),
    }
}

#[test]
fn a_flipped_bit_is_never_another_trace() {
    let trace = accounted();
    let dir = written(&trace);
    for table in TABLES {
        let path = dir.path().join(format!("{table}.parquet"));
        let whole = fs::read(&path).expect("a file");
        // A prime number of bits apart, so that every part of a file has its turn.
        for bit in (0..whole.len() * 8).step_by(997) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).expect("a file");
            if let Ok(read) = tables::read(dir.path()) {
                assert_eq!(read, trace, "bit {bit} of {table}");
            }
        }
        fs::write(&path, whole).expect("a file");
    }
}

#[test]
fn a_table_of_another_trace_is_not_the_one_that_was_sealed() {
    let dir = written(&accounted());
    let mut other = accounted();
    other.ledger[0].energy_j += 1.0;
    let ledger = "ledger.parquet";
    fs::copy(written(&other).path().join(ledger), dir.path().join(ledger)).expect("a file");
    assert_eq!(problem(dir.path()), "ledger.parquet: column `energy_j` is not what was sealed");
    other.ledger.pop();
    fs::copy(written(&other).path().join(ledger), dir.path().join(ledger)).expect("a file");
    assert!(problem(dir.path()).starts_with("ledger.parquet: it has "), "{}", problem(dir.path()));
}

#[test]
fn metadata_that_are_formatted_anew_are_as_they_were_sealed() {
    let mut trace = accounted();
    trace.metadata.domains[0].static_w = Some(4.0);
    trace.metadata.coverage.traced_s = Some(1.5e-7);
    let dir = written(&trace);
    edit(dir.path(), |fields| {
        let sorted: std::collections::BTreeMap<_, _> = std::mem::take(fields).into_iter().collect();
        fields.extend(sorted);
        // As JavaScript and jq write 4.0.
        fields["domains"][0]["static_w"] = 4.into();
    });
    assert_eq!(tables::read(dir.path()).expect("a trace is read"), trace);
}

#[test]
fn no_field_is_changed_removed_or_renamed_unnoticed() {
    let trace = accounted();
    let names: Vec<String> = {
        let json = fs::read(written(&trace).path().join("trace.json")).expect("a file");
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        json.as_object().expect("an object").keys().cloned().collect()
    };
    for name in names.iter().filter(|name| *name != "schema_version") {
        let dir = written(&trace);
        edit(dir.path(), |fields| {
            let value = fields.shift_remove(name).expect("a field");
            fields.insert(format!("{name}_"), value);
        });
        assert!(tables::read(dir.path()).is_err(), "{name}");
    }
    let dir = written(&trace);
    edit(dir.path(), |fields| fields["start_ns"] = (trace.metadata.start_ns + 1).into());
    assert_eq!(problem(dir.path()), "trace.json: its fields are not those that were sealed");
}

#[test]
fn what_was_changed_on_purpose_is_accounted_named_and_sealed_anew() {
    let dir = written(&accounted());
    let mut other = accounted();
    other.readings[3].energy_j *= 2.0;
    let readings = "readings.parquet";
    fs::copy(written(&other).path().join(readings), dir.path().join(readings)).expect("a file");
    edit(dir.path(), |fields| fields["name"] = "renamed".into());
    let told = reaccount(dir.path(), Policy::Equal, &[]).expect("a trace is accounted");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("trace.json was changed") && told[1].contains("readings.parquet was changed"), "{told:?}");
    let read = tables::read(dir.path()).expect("it is sealed");
    assert_eq!((read.metadata.name.as_str(), read.readings), ("renamed", other.readings));
    assert_eq!(reaccount(dir.path(), Policy::Equal, &[]).expect("a trace is accounted"), Vec::<String>::new());
}

#[test]
fn an_older_trace_without_checksums_is_read_and_sealed_when_it_is_accounted() {
    let trace = accounted();
    let dir = written(&trace);
    edit(dir.path(), |fields| fields.retain(|name, _| name != "seal" && name != "checksums"));
    assert_eq!(tables::read(dir.path()).expect("a trace is read"), trace);
    let told = reaccount(dir.path(), Policy::Equal, &[]).expect("a trace is accounted");
    assert!(told[0].contains("had no checksums"), "{told:?}");
    let sealed = tables::read_as_it_is(dir.path()).expect("a trace is read");
    assert!(sealed.sealed && sealed.changed.is_empty());
}

#[test]
fn a_pipe_or_a_folder_in_place_of_a_file_is_damage_and_keeps_nobody_waiting() {
    for name in ["trace.json", "events.parquet"] {
        let dir = written(&accounted());
        let path = dir.path().join(name);
        fs::remove_file(&path).expect("a file");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let told = tables::read(dir.path()).expect_err("a pipe").to_string();
        assert!(told.contains("no file of bytes"), "{told}");
    }
    let dir = written(&accounted());
    fs::remove_file(dir.path().join("trace.json")).expect("a file");
    fs::create_dir(dir.path().join("trace.json")).expect("a folder");
    assert!(tables::read(dir.path()).is_err());
}
