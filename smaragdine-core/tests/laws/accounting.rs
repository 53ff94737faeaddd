//! Laws 1 and 5, and what recency means: shares, parts and the ledger.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use smaragdine_core::accounting::account::account;
use smaragdine_core::accounting::alignment::Aligner;
use smaragdine_core::accounting::attribution::{apply_shares, split};
use smaragdine_core::trace::{Basis, Entry, Event, Flags, Policy, Reading, ShareSample, Step};

use super::definition::{by_definition, close, sharing};
use super::random::{OPS, blank, cases, domain, events, pieces, reading, template, trace, trace_of};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_parts_of_a_reading_sum_to_it(reading in reading()) {
        let parts = split(&reading);
        let sum = parts.app.unwrap_or(0.0) + parts.daemon + parts.other + parts.idle + parts.gap;
        prop_assert!(close(sum, reading.energy_j, 1e-12), "{:?} of {}", parts, reading.energy_j);
        prop_assert!(parts.daemon >= 0.0 && parts.other >= 0.0 && parts.app.is_none_or(|app| app >= 0.0));
        prop_assert_eq!(parts.app.is_none(), reading.app_share.is_none() || reading.flags.is_gap());
    }

    #[test]
    fn a_reading_takes_the_mean_of_the_shares_that_cover_it(
        lengths in prop::collection::vec((1..400_000_000i64, prop::option::of(0.0..1.0f64)), 0..12),
        reading in reading(),
    ) {
        let mut now = 0;
        let samples: Vec<ShareSample> = lengths.iter().map(|(length, app)| {
            let start_ns = now;
            now += length;
            ShareSample {
                scope: "socket:0".into(),
                start_ns,
                end_ns: now,
                app: *app,
                daemon: app.map(|app| (1.0 - app) / 4.0),
                idle: app.map(|app| (1.0 - app) / 2.0),
                flags: Flags::NONE,
            }
        }).collect();
        let mut readings = [Reading { app_share: None, daemon_share: None, idle_share: None, ..reading }];
        apply_shares(&mut readings, &[domain("package-0", "CPU:0", true, Basis::Measured)], &samples);
        let (mut covered, mut app) = (0.0, 0.0);
        for sample in &samples {
            let within = (sample.end_ns.min(reading.end_ns) - sample.start_ns.max(reading.start_ns)).max(0) as f64;
            covered += sample.app.map_or(0.0, |_| within);
            app += sample.app.map_or(0.0, |app| app * within);
        }
        let [reading] = readings;
        prop_assert_eq!(reading.app_share.is_some(), covered > 0.0);
        if let (Some(share), Some(daemon), Some(idle)) = (reading.app_share, reading.daemon_share, reading.idle_share) {
            prop_assert!((share - app / covered).abs() <= 1e-12);
            prop_assert!((daemon - (1.0 - share) / 4.0).abs() <= 1e-12 && (idle - (1.0 - share) / 2.0).abs() <= 1e-12);
        }
    }

    #[test]
    fn every_joule_is_in_the_ledger_once_whatever_the_policy(trace in trace()) {
        let mut trace = trace;
        Policy::ALL.into_iter().for_each(|policy| account(&mut trace, policy));
        let domains = trace.metadata.domains.iter().enumerate();
        for (number, domain) in domains {
            let readings = || trace.readings.iter().filter(|reading| usize::from(reading.domain) == number);
            let whole: f64 = readings().map(|reading| reading.energy_j).sum();
            for policy in Policy::ALL {
                let rows = trace.ledger.iter().filter(|row| row.policy == policy && row.domain == domain.name);
                let ledger: BTreeMap<Entry, f64> = rows.map(|row| (row.entry, row.energy_j)).collect();
                if !domain.counted || readings().count() == 0 {
                    prop_assert!(ledger.is_empty());
                    continue;
                }
                prop_assert_eq!(ledger.len(), Entry::ALL.len());
                prop_assert!(close(ledger.values().sum(), whole, 1e-9), "{:?} is not {}", ledger, whole);
                let positive = |(entry, energy): (&Entry, &f64)| {
                    *energy >= -1e-12 * whole || (policy, *entry) == (Policy::Recency, Entry::Application)
                };
                prop_assert!(ledger.iter().all(positive), "{:?}", ledger);
                let rows = trace.footprint_domains.iter();
                let rows = rows.filter(|row| row.policy == policy && row.domain == domain.name);
                prop_assert!(close(rows.map(|row| row.energy_j).sum(), ledger[&Entry::Operations], 1e-9));
            }
        }
        for policy in Policy::ALL {
            let footprint = trace.footprint.iter().filter(|row| row.policy == policy).map(|row| row.energy_j).sum();
            let rows = trace.ledger.iter().filter(|row| row.policy == policy && row.entry == Entry::Operations);
            prop_assert!(close(footprint, rows.map(|row| row.energy_j).sum(), 1e-9));
        }
    }

    #[test]
    fn recency_divides_the_power_held_among_distinct_operations(pieces in pieces(), events in events()) {
        let mut trace = trace_of(std::slice::from_ref(&pieces), events.clone());
        account(&mut trace, Policy::Recency);
        let held = pieces.iter().enumerate().map(|(number, (start, end, energy))| {
            let until = pieces.get(number + 1).map_or(2 * end - start, |next| next.1);
            (*end, until, energy * ((until - end) as f64 / (end - start) as f64))
        });
        let distinct = |active: &[&Event]| sharing(active).into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let (energy, _) = by_definition(&held.collect::<Vec<_>>(), &events, distinct);
        for row in &trace.footprint {
            prop_assert!(close(row.energy_j, energy[row.op as usize], 1e-12));
        }
        let executed: BTreeSet<u32> = events.iter().map(|event| event.op).collect();
        prop_assert!(pieces.is_empty() || trace.footprint.iter().map(|row| row.op).eq(executed));
    }

    #[test]
    fn absurd_events_and_readings_neither_panic_nor_make_numbers_that_are_none(
        instants in prop::collection::vec((any::<i64>(), any::<i64>(), any::<u32>()), 0..20),
        readings in prop::collection::vec((any::<i64>(), any::<i64>(), any::<f64>(), any::<Option<f64>>()), 0..20),
        chunk in 1..8usize,
    ) {
        let mut aligner = Aligner::new(2, OPS);
        for (number, (start, end, op)) in instants.iter().enumerate() {
            aligner.push_event(&Event { op: op % 10, start_ns: *start, end_ns: *end, ..template() });
            if number % chunk == 0 {
                aligner.push_energy(number % 3, *end, *start, 1.0);
                aligner.push_traced(*start, *end);
                aligner.advance(*start);
            }
        }
        let alignment = aligner.finish();
        prop_assert!((0..OPS).all(|op| alignment.energy_j(op, 0).is_finite()));
        let mut trace = trace_of(&[], instants.iter().map(|(start, end, op)| Event {
            op: *op,
            start_ns: *start,
            end_ns: *end,
            ..template()
        }).collect());
        trace.readings.extend(readings.iter().map(|(start, end, energy, share)| Reading {
            start_ns: *start,
            end_ns: *end,
            energy_j: *energy,
            app_share: *share,
            ..blank()
        }));
        trace.metadata.profiling = instants.iter().map(|(start, end, _)| (*start, *end).into()).collect();
        trace.steps = instants.iter().map(|(start, end, _)| Step {
            start_ns: *start,
            end_ns: *end,
            traced: true,
            ..Step::default()
        }).collect();
        Policy::ALL.into_iter().for_each(|policy| account(&mut trace, policy));
        prop_assert!(trace.footprint.iter().all(|row| !row.energy_j.is_nan()));
    }
}
