//! What becomes of a register's intervals in a trace: nothing there is below 0, and its gaps bound the truth.

use proptest::prelude::*;
use smaragdine_core::build::assembly::assemble;
use smaragdine_core::registers::counter::{Counter, Interval};
use smaragdine_core::store::journal::{Journal, Record};
use smaragdine_core::trace::{Domain, Metadata, Reading, SCHEMA_VERSION, Trace};

use super::intervals;
use super::laws::fault;
use super::world::{Played, worlds};

fn reading(interval: &Interval) -> Reading {
    Reading {
        domain: 0,
        start_ns: interval.start_ns,
        end_ns: interval.end_ns,
        edge_uncertainty_ns: interval.edge_uncertainty_ns,
        read_start_ns: interval.read.start_ns,
        read_end_ns: interval.read.end_ns,
        energy_j: interval.energy_j,
        app_share: None,
        daemon_share: None,
        idle_share: None,
        flags: interval.flags,
    }
}

fn assembled(domain: &Domain, closed: &[Interval]) -> Trace {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("journal");
    let metadata = Metadata { schema_version: SCHEMA_VERSION, domains: vec![domain.clone()], ..Metadata::default() };
    let mut journal = Journal::create(&path).expect("a journal");
    for record in [
        Record::Start(Box::new(metadata.clone())),
        Record::Readings(closed.iter().map(reading).collect()),
        Record::End(Box::new(metadata)),
    ] {
        journal.append(&record).expect("a record");
    }
    assemble(&path).expect("a trace")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// What was counted too much is taken back, and what gaps state holds.
    #[test]
    fn readings_hold_no_more_than_the_truth_and_gaps_the_rest(world in worlds(fault())) {
        let Played { observations, true_uj } = world.play();
        let domain = Domain { range_uj: Some(262_143_328_850), ..Domain::new("package-0", "CPU:0", "powercap", "") };
        let mut counter = Counter::new(domain.range_uj, world.limit());
        let trace = assembled(&domain, &intervals(&mut counter, &observations));
        let drawn_j = true_uj.last().copied().unwrap_or(0) as f64 * 1e-6;
        prop_assert!(trace.readings.iter().all(|reading| reading.energy_j >= 0.0));
        let counted_j: f64 = trace.readings.iter().map(|reading| reading.energy_j).sum();
        prop_assert!(counted_j <= drawn_j + 1e-6, "{} of {} J: {:?}", counted_j, drawn_j, trace.metadata.gaps);
        let gaps = &trace.metadata.gaps;
        let open_j: f64 = gaps.iter().map(|gap| gap.energy_high_j - gap.energy_low_j).sum();
        prop_assert!(drawn_j <= counted_j + open_j + 1e-6, "{} J, {} of {} J open", counted_j, open_j, drawn_j);
        let in_gaps_j: f64 = gaps.iter().map(|gap| gap.energy_low_j).sum();
        let flagged_j: f64 =
            trace.readings.iter().filter(|one| one.flags.is_gap()).map(|one| one.energy_j).sum();
        prop_assert!((in_gaps_j - flagged_j).abs() <= 1e-9 * (1.0 + flagged_j));
        // Each doubt is told once, and none without cause.
        prop_assert!(trace.metadata.warnings.len() <= 2);
        let doubted = trace.readings.iter().any(|reading| {
            reading.flags.iter().any(|flag| matches!(flag.name(), "impossible" | "standing"))
        });
        prop_assert_eq!(doubted, !trace.metadata.warnings.is_empty(), "{:?}", trace.metadata.warnings);
    }
}
