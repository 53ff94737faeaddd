//! The trace directory: what is written is read, what is broken is said, and merging loses no energy.

use crate::synthetic;
use std::fs;
use std::path::Path;

use crate::written::{accounted, written};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use smaragdine_core::accounting::account::account;
use smaragdine_core::error::Error;
use smaragdine_core::span::Span;
use smaragdine_core::store::tables::{self, merge_untouched};
use smaragdine_core::trace::{Flag, Flags, Policy, Reading, State, Trace};
use tempfile::TempDir;

const TABLES: [&str; 10] = [
    "readings.parquet",
    "events.parquet",
    "ops.parquet",
    "edges.parquet",
    "metrics.parquet",
    "spans.parquet",
    "steps.parquet",
    "footprint.parquet",
    "footprint_domains.parquet",
    "ledger.parquet",
];

/// What is wrong with the trace at `dir`, and with which file.
fn damage(dir: &Path) -> (String, String) {
    match tables::read(dir) {
        Err(Error::DamagedTrace { path, problem }) => {
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), problem)
        }
        other => panic!("not damaged: {other:?}"),
    }
}

#[test]
fn what_is_written_is_read() {
    let mut trace = accounted();
    trace.events[3].correlation = Some(u64::MAX);
    trace.readings[0].flags = Flag::ALL.into_iter().fold(Flags::NONE, Flags::with);
    trace.steps[1].samples = None;
    let dir = written(&trace);
    assert_eq!(tables::read(dir.path()).expect("a trace is read"), trace);
}

#[test]
fn a_trace_of_many_batches_is_read_in_order() {
    let mut trace = synthetic::trace();
    let reading = trace.readings[0];
    trace.readings = (0..150_000).map(|number| Reading { start_ns: reading.start_ns + number, ..reading }).collect();
    let dir = written(&trace);
    assert_eq!(tables::read(dir.path()).expect("a trace is read"), trace);
}

#[test]
fn a_trace_without_rows_is_read() {
    let trace = Trace { metadata: synthetic::trace().metadata, ..Trace::default() };
    let dir = written(&trace);
    assert_eq!(tables::read(dir.path()).expect("a trace is read"), trace);
}

#[test]
fn nothing_but_the_files_of_a_trace_is_left_behind() {
    let dir = written(&accounted());
    let mut files: Vec<_> = fs::read_dir(dir.path()).expect("a directory").flatten().map(|e| e.file_name()).collect();
    files.sort();
    let mut expected: Vec<_> = TABLES.into_iter().chain(["trace.json"]).collect();
    expected.sort_unstable();
    assert_eq!(files, expected);
}

#[test]
fn accounting_anew_leaves_what_was_recorded_as_it_is() {
    let dir = written(&synthetic::trace());
    let recorded =
        |dir: &Path| TABLES[..5].iter().map(|file| fs::read(dir.join(file)).expect("a file")).collect::<Vec<_>>();
    let before = recorded(dir.path());
    let tables::Unsealed { mut trace, checksums, unknown, .. } =
        tables::read_as_it_is(dir.path()).expect("a trace is read");
    account(&mut trace, Policy::Equal);
    // A recorded table that were rewritten from this would differ.
    trace.readings.clear();
    tables::write_accounting(dir.path(), &trace, &unknown, &checksums).expect("accounts are written");
    assert_eq!(recorded(dir.path()), before);
    let read = tables::read(dir.path()).expect("a trace is read");
    assert_eq!((read.footprint, read.ledger, read.steps), (trace.footprint, trace.ledger, trace.steps));
}

#[test]
fn what_is_no_trace_is_called_that() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let problem = |path: &Path| match tables::read(path) {
        Err(Error::NotATrace { problem, .. }) => problem,
        other => panic!("a trace: {other:?}"),
    };
    assert_eq!(problem(&dir.path().join("nowhere")), "it does not exist");
    assert_eq!(problem(dir.path()), "it holds no trace.json");
    let json = dir.path().join("trace.json");
    fs::write(&json, "{\"traceEvents\": []}").expect("a file");
    assert_eq!(problem(dir.path()), "its trace.json tells no schema_version");
    assert_eq!(problem(&json), "it is a file, not a directory");
}

#[test]
fn a_layout_of_another_version_is_refused_in_words_and_is_no_damage() {
    let dir = written(&accounted());
    let path = dir.path().join("trace.json");
    for version in [2, 999] {
        fs::write(&path, format!("{{\"schema_version\": {version}}}")).expect("a file");
        let refused = tables::read(dir.path()).expect_err("unknown here");
        let told = format!("has a layout of version {version}, and this version of smaragdine knows 1");
        assert!(refused.to_string().ends_with(&told), "{refused}");
        assert!(refused.hint().is_some_and(|hint| hint.contains("--upgrade smaragdine")), "{refused}");
    }
}

#[test]
fn a_trace_whose_metadata_is_cut_off_is_damaged() {
    let dir = written(&accounted());
    let path = dir.path().join("trace.json");
    let json = fs::read(&path).expect("a file");
    fs::write(&path, &json[..json.len() / 2]).expect("a file");
    assert_eq!(damage(dir.path()).0, "trace.json");
}

#[test]
fn a_missing_table_is_named() {
    for table in TABLES {
        let dir = written(&accounted());
        fs::remove_file(dir.path().join(table)).expect("a file");
        assert_eq!(damage(dir.path()), (table.to_owned(), "it is not there".to_owned()));
    }
}

#[test]
fn a_trace_that_is_being_recorded_is_told_from_one_that_lost_a_table() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut metadata = synthetic::trace().metadata;
    metadata.state = State::Recording;
    let json = serde_json::to_vec(&metadata).expect("JSON");
    fs::write(dir.path().join("trace.json"), json).expect("metadata are written");
    assert_eq!(damage(dir.path()).1, "it is not there: the trace is being recorded, or its recording was cut");
}

#[test]
fn a_truncated_or_foreign_table_is_named() {
    let dir = written(&accounted());
    for table in TABLES {
        let path = dir.path().join(table);
        let whole = fs::read(&path).expect("a file");
        for part in [&whole[..0], &whole[..whole.len() - 1], &whole[..whole.len() / 2], b"PAR1 nothing else PAR1"] {
            fs::write(&path, part).expect("a file");
            assert_eq!(damage(dir.path()).0, table);
        }
        fs::write(&path, &whole).expect("a file");
    }
    fs::copy(dir.path().join("ops.parquet"), dir.path().join("events.parquet")).expect("a file");
    assert_eq!(damage(dir.path()), ("events.parquet".to_owned(), "it has no column `device`".to_owned()));
}

#[test]
fn a_row_that_names_what_is_not_there_is_damage() {
    type Spoil = fn(&mut Trace);
    let cases: [(&str, Spoil); 6] = [
        ("events.parquet", |trace| trace.events[0].op = u32::MAX),
        ("edges.parquet", |trace| trace.edges[0].1 = 1_000_000),
        ("footprint.parquet", |trace| trace.footprint[0].op = 1_000_000),
        ("footprint_domains.parquet", |trace| trace.footprint_domains[0].op = 1_000_000),
        ("readings.parquet", |trace| trace.readings[0].energy_j = f64::NAN),
        ("readings.parquet", |trace| trace.readings[0].energy_j = f64::INFINITY),
    ];
    for (table, spoil) in cases {
        let mut trace = accounted();
        spoil(&mut trace);
        assert_eq!(damage(written(&trace).path()).0, table);
    }
    let dir = written(&accounted());
    let json = fs::read_to_string(dir.path().join("trace.json")).expect("a file");
    fs::write(dir.path().join("trace.json"), json.replace("\"package-0\"", "\"package-1\"")).expect("a file");
    let expected = ("readings.parquet".to_owned(), "trace.json knows no domain `package-0`".to_owned());
    assert_eq!(damage(dir.path()), expected);
}

#[test]
fn a_trace_that_contradicts_itself_is_not_written() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut trace = accounted();
    trace.events[0].device = 9;
    assert!(matches!(tables::write(dir.path(), &trace), Err(Error::Invalid(_))));
    assert!(!dir.path().join("trace.json").exists());
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn merging_loses_no_energy_and_leaves_windows_as_they_are(
        readings in readings(),
        windows in prop::collection::vec((0..20_000_000_000i64, 0..2_000_000_000i64), 0..4),
    ) {
        let windows: Vec<Span> = windows.into_iter().map(|(start, length)| Span::new(start, start + length)).collect();
        let merged = merge_untouched(&readings, &windows);
        let whole = |readings: &[Reading], domain| {
            readings.iter().filter(|reading| reading.domain == domain).map(|reading| reading.energy_j).sum::<f64>()
        };
        let shared = |readings: &[Reading], domain, share: fn(&Reading) -> Option<f64>| {
            let mine = readings.iter().filter(|reading| reading.domain == domain);
            mine.map(|reading| reading.energy_j * share(reading).unwrap_or(0.0)).sum::<f64>()
        };
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
        for domain in 0..3 {
            prop_assert!(close(whole(&readings, domain), whole(&merged, domain)));
            for share in [|reading: &Reading| reading.app_share, |reading: &Reading| reading.idle_share] {
                prop_assert!(close(shared(&readings, domain, share), shared(&merged, domain, share)));
            }
        }
        let touched = |reading: &Reading| {
            windows.iter().any(|window| window.start_ns < reading.end_ns && reading.start_ns < window.end_ns)
        };
        let kept = |readings: &[Reading]| {
            readings.iter().filter(|reading| touched(reading) || reading.flags.is_gap()).copied().collect::<Vec<_>>()
        };
        prop_assert_eq!(kept(&readings), kept(&merged));
        for reading in &merged {
            let within = |other: &&Reading| {
                other.domain == reading.domain && reading.start_ns <= other.start_ns && other.end_ns <= reading.end_ns
            };
            let parts: Vec<&Reading> = readings.iter().filter(within).collect();
            prop_assert_eq!(parts.len() > 1, reading.flags.has(Flag::Merged));
            prop_assert!(parts.len() == 1 || reading.end_ns - reading.start_ns <= 1_000_000_000);
            // No hole, no unknown share and no gap was papered over.
            let length: i64 = parts.iter().map(|part| part.end_ns - part.start_ns).sum();
            prop_assert_eq!(length, reading.end_ns - reading.start_ns);
            prop_assert!(parts.iter().all(|part| part.app_share.is_some() == reading.app_share.is_some()));
            prop_assert!(parts.iter().all(|part| part.flags.is_gap() == reading.flags.is_gap()));
            prop_assert!(parts.iter().all(|part| part.flags.union(reading.flags) == reading.flags));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..cases() })]

    #[test]
    fn changed_bytes_are_read_or_refused(
        table in 0..TABLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        thread_local! {
            static TRACE: TempDir = written(&accounted());
        }
        TRACE.with(|dir| {
            let path = dir.path().join(TABLES[table]);
            let whole = fs::read(&path).expect("a file");
            let mut changed = whole.clone();
            for (at, byte) in &changes {
                changed[at.index(whole.len())] = *byte;
            }
            fs::write(&path, &changed).expect("a file");
            let read = tables::read(dir.path());
            fs::write(&path, &whole).expect("a file");
            if let Ok(mut trace) = read {
                account(&mut trace, Policy::Equal);
            }
        });
    }
}

/// A thousand cases, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let seeds = FileFailurePersistence::WithSource("regressions");
    ProptestConfig {
        cases: asked.unwrap_or(1000),
        failure_persistence: Some(Box::new(seeds)),
        ..ProptestConfig::default()
    }
}

fn readings() -> impl Strategy<Value = Vec<Reading>> {
    let length = prop_oneof![4 => 1_000_000..20_000_000i64, 1 => 300_000_000..1_500_000_000i64];
    let hole = prop_oneof![9 => Just(0i64), 1 => 1..50_000_000i64];
    let share = || prop::option::weighted(0.9, 0.0..1.0f64);
    let flag = prop_oneof![
        8 => Just(Flags::NONE),
        1 => Just(Flags::NONE.with(Flag::Wrap)),
        1 => Just(Flags::NONE.with(Flag::Reset)),
    ];
    let energy = prop_oneof![9 => 0.0..10.0f64, 1 => Just(0.0)];
    let domain = prop::collection::vec((hole, length, energy, share(), share(), flag), 0..60);
    prop::collection::vec(domain, 1..3).prop_map(|domains| {
        let readings = (0u16..).zip(domains).flat_map(|(domain, rows)| {
            let mut now = 0;
            rows.into_iter().map(move |(hole, length, energy_j, app_share, idle_share, flags)| {
                let start_ns = now + hole;
                now = start_ns + length;
                Reading {
                    domain,
                    start_ns,
                    end_ns: now,
                    edge_uncertainty_ns: Some(hole),
                    read_start_ns: now,
                    read_end_ns: now,
                    energy_j,
                    app_share,
                    daemon_share: Some(0.0),
                    idle_share,
                    flags,
                }
            })
        });
        readings.collect()
    })
}
