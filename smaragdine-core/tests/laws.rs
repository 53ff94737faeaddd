//! The laws of accounting, held by random traces.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use smaragdine_core::account::account;
use smaragdine_core::alignment::{Aligner, Alignment};
use smaragdine_core::attribution::{apply_shares, split};
use smaragdine_core::trace::{
    Basis, Domain, Entry, Event, Flag, Flags, Kind, Metadata, Op, Phase, Policy, Reading, ShareSample, Step, Trace,
};

const OPS: usize = 8;
const SPAN_NS: i64 = 3_000_000_000;

/// A thousand cases, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(1000),
    }
}

/// Energy of one domain over one interval, in joules: start, end, energy.
type Piece = (i64, i64, f64);

fn event() -> impl Strategy<Value = Event> {
    // Lengths from nothing to seconds: what is short must be right beside what is long.
    let length = prop_oneof![Just(0i64), 1..100i64, 1_000..1_000_000i64, 1_000_000..2_000_000_000i64];
    let kind = prop_oneof![4 => Just(Kind::Compute), 1 => Just(Kind::Copy), 1 => Just(Kind::Wait)];
    (0..OPS as u32, 0..4u32, kind, 0..SPAN_NS, length).prop_map(|(op, lane, kind, start_ns, length)| Event {
        op,
        device: 0,
        lane,
        kind,
        start_ns,
        end_ns: start_ns + length,
        step: None,
        correlation: None,
    })
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..40)
}

/// Intervals of a domain, in order and with holes among them.
fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = (prop_oneof![3 => Just(0i64), 1 => 1..50_000_000i64], 1..400_000_000i64, 0.0..50.0f64);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| {
        let mut now = 0;
        let place = |(hole, length, energy): (i64, i64, f64)| {
            let start = now + hole;
            now = start + length;
            (start, now, energy)
        };
        pieces.into_iter().map(place).collect()
    })
}

fn domains() -> impl Strategy<Value = Vec<Vec<Piece>>> {
    prop::collection::vec(pieces(), 1..6)
}

fn align(domains: &[Vec<Piece>], events: &[Event]) -> Alignment {
    let mut aligner = Aligner::new(domains.len(), OPS);
    for (domain, pieces) in domains.iter().enumerate() {
        pieces.iter().for_each(|(start, end, energy)| assert!(aligner.push_energy(domain, *start, *end, *energy)));
    }
    events.iter().for_each(|event| assert!(aligner.push_event(event)));
    aligner.finish()
}

/// The equal share by definition: between any two neighbouring boundaries, count and divide.
fn by_definition(pieces: &[Piece], events: &[Event], lanes: impl Fn(&[&Event]) -> Vec<u32>) -> (Vec<f64>, f64) {
    let ends = |start: i64, end: i64| [start, end];
    let of_events = events.iter().flat_map(|event| ends(event.start_ns, event.end_ns));
    let boundaries: BTreeSet<i64> = of_events.chain(pieces.iter().flat_map(|piece| ends(piece.0, piece.1))).collect();
    let boundaries: Vec<i64> = boundaries.into_iter().collect();
    let (mut energy, mut outside) = (vec![0.0; OPS], 0.0);
    for segment in boundaries.windows(2) {
        let within = |start: i64, end: i64| start <= segment[0] && segment[1] <= end;
        let Some(piece) = pieces.iter().find(|piece| within(piece.0, piece.1)) else { continue };
        let joules = piece.2 * ((segment[1] - segment[0]) as f64 / (piece.1 - piece.0) as f64);
        let active: Vec<&Event> = events.iter().filter(|event| within(event.start_ns, event.end_ns)).collect();
        let lanes = lanes(&active);
        lanes.iter().for_each(|op| energy[*op as usize] += joules / lanes.len() as f64);
        outside += if lanes.is_empty() { joules } else { 0.0 };
    }
    (energy, outside)
}

/// The operations that share: those that compute, else those that copy.
fn sharing(active: &[&Event]) -> Vec<u32> {
    let of = |kind: Kind| active.iter().filter(|event| event.kind == kind).map(|event| event.op).collect::<Vec<_>>();
    if of(Kind::Compute).is_empty() { of(Kind::Copy) } else { of(Kind::Compute) }
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

fn assert_same(a: &Alignment, b: &Alignment, scale: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!((a.domains, a.count.len()), (b.domains, b.count.len()));
    for domain in 0..a.domains {
        for op in 0..a.count.len() {
            let (a, b) = (a.energy_j(op, domain) * scale, b.energy_j(op, domain));
            prop_assert!(close(a, b, 1e-12), "operation {} in domain {}: {} and {}", op, domain, a, b);
        }
        prop_assert!(close(a.untraced_j[domain] * scale, b.untraced_j[domain], 1e-12));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_event_receives_its_equal_share_as_defined(domains in domains(), events in events()) {
        let alignment = align(&domains, &events);
        for (domain, pieces) in domains.iter().enumerate() {
            let (energy, outside) = by_definition(pieces, &events, sharing);
            for (op, expected) in energy.iter().enumerate() {
                let energy = alignment.energy_j(op, domain);
                prop_assert!(close(energy, *expected, 1e-12), "{} {}: {} and {}", op, domain, energy, expected);
            }
            // A remainder of what operations took is only as exact as the energy that it remains of.
            let whole: f64 = pieces.iter().map(|piece| piece.2).sum();
            prop_assert!((alignment.untraced_j[domain] - outside).abs() <= 1e-12 * whole);
        }
        for op in 0..OPS {
            let mine = || events.iter().filter(|event| event.op as usize == op);
            prop_assert_eq!(alignment.count[op], mine().count() as u64);
            prop_assert_eq!(alignment.time_ns[op] as i64, mine().map(|event| event.end_ns - event.start_ns).sum::<i64>());
        }
    }

    #[test]
    fn the_order_in_which_events_come_changes_nothing(
        domains in domains(),
        (events, shuffled) in events().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
    ) {
        assert_same(&align(&domains, &events), &align(&domains, &shuffled), 1.0)?;
    }

    #[test]
    fn an_event_split_in_two_receives_what_it_received_whole(
        domains in domains(),
        events in events(),
        which in any::<prop::sample::Index>(),
        at in 0.0..1.0f64,
    ) {
        prop_assume!(!events.is_empty());
        let mut split = events.clone();
        let event = &mut split[which.index(events.len())];
        let middle = event.start_ns + ((event.end_ns - event.start_ns) as f64 * at) as i64;
        let rest = Event { start_ns: middle, ..*event };
        event.end_ns = middle;
        split.push(rest);
        assert_same(&align(&domains, &events), &align(&domains, &split), 1.0)?;
    }

    #[test]
    fn energies_follow_power(domains in domains(), events in events(), scale in 1e-6..1e6f64) {
        let scaled: Vec<Vec<Piece>> = domains
            .iter()
            .map(|pieces| pieces.iter().map(|(start, end, energy)| (*start, *end, energy * scale)).collect())
            .collect();
        assert_same(&align(&domains, &events), &align(&scaled, &events), scale)?;
    }

    #[test]
    fn the_clock_may_start_anywhere(
        domains in domains(),
        events in events(),
        shift in prop_oneof![Just(1_760_000_000_000_000_000i64), Just(-SPAN_NS), Just(i64::MIN), Just(i64::MAX - 10 * SPAN_NS), any::<i64>()],
    ) {
        let shift = shift.min(i64::MAX - 10 * SPAN_NS);
        let shifted_events = events.iter().map(|event| Event {
            start_ns: event.start_ns + shift,
            end_ns: event.end_ns + shift,
            ..*event
        });
        let shifted: Vec<Vec<Piece>> = domains
            .iter()
            .map(|pieces| pieces.iter().map(|(start, end, energy)| (start + shift, end + shift, *energy)).collect())
            .collect();
        assert_same(&align(&domains, &events), &align(&shifted, &shifted_events.collect::<Vec<_>>()), 1.0)?;
    }

    #[test]
    fn what_comes_in_a_stream_is_aligned_as_what_comes_at_once(
        domains in domains(),
        events in events(),
        mut instants in prop::collection::vec(0..2 * SPAN_NS, 0..12),
    ) {
        let batch = align(&domains, &events);
        instants.sort_unstable();
        instants.push(i64::MAX);
        let mut aligner = Aligner::new(domains.len(), 0);
        aligner.grow(OPS);
        let mut after = i64::MIN;
        for until in instants {
            let due = |start: i64| after <= start && start < until;
            for (domain, pieces) in domains.iter().enumerate() {
                for (start, end, energy) in pieces.iter().filter(|piece| due(piece.0)) {
                    prop_assert!(aligner.push_energy(domain, *start, *end, *energy));
                }
            }
            // The last that start come first, as far as the stream allows.
            events.iter().rev().filter(|event| due(event.start_ns)).for_each(|event| assert!(aligner.push_event(event)));
            aligner.advance(until);
            after = until;
        }
        prop_assert_eq!(aligner.late(), 0);
        assert_same(&batch, &aligner.finish(), 1.0)?;
    }

    #[test]
    fn energy_belongs_to_the_interval_over_which_it_was_measured(
        pieces in pieces(),
        events in events(),
        which in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!pieces.is_empty());
        let which = which.index(pieces.len());
        let mut more = pieces.clone();
        more[which].2 += 100.0;
        let (start, end, _) = pieces[which];
        let (before, after) = (align(&[pieces], &events), align(&[more], &events));
        for op in 0..OPS {
            let overlaps = |event: &Event| event.op as usize == op && event.start_ns < end && start < event.end_ns;
            if !events.iter().any(overlaps) {
                prop_assert!(close(before.energy_j(op, 0), after.energy_j(op, 0), 1e-12));
            }
        }
        let sum = |alignment: &Alignment| alignment.operations_j(0) + alignment.untraced_j[0];
        prop_assert!(close(sum(&before) + 100.0, sum(&after), 1e-12));
    }

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
        let mut trace = trace_of(&[pieces.clone()], events.clone());
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
        prop_assert!(pieces.is_empty() || trace.footprint.len() == trace.ops.len() - (0..OPS).filter(|op| events.iter().all(|event| event.op as usize != *op)).count());
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
        trace.metadata.profiling = instants.iter().map(|(start, end, _)| (*start, *end)).collect();
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

fn template() -> Event {
    Event { op: 0, device: 0, lane: 0, kind: Kind::Compute, start_ns: 0, end_ns: 0, step: None, correlation: None }
}

fn blank() -> Reading {
    Reading {
        domain: 0,
        start_ns: 0,
        end_ns: 0,
        edge_uncertainty_ns: None,
        read_start_ns: 0,
        read_end_ns: 0,
        energy_j: 0.0,
        app_share: None,
        daemon_share: None,
        idle_share: None,
        flags: Flags::NONE,
    }
}

fn reading() -> impl Strategy<Value = Reading> {
    let share = || prop::option::weighted(0.9, 0.0..1.0f64);
    let flags = prop_oneof![8 => Just(Flags::NONE), 1 => Just(Flags::NONE.with(Flag::Reset)), 1 => Just(Flags::NONE.with(Flag::Wrap))];
    (0..SPAN_NS, 1..400_000_000i64, 0.0..50.0f64, share(), share(), share(), flags).prop_map(
        |(start_ns, length, energy_j, app_share, daemon, idle, flags)| Reading {
            start_ns,
            end_ns: start_ns + length,
            energy_j,
            app_share,
            daemon_share: daemon.map(|share| share * 0.3),
            idle_share: idle.map(|share| share * 0.6),
            flags,
            ..blank()
        },
    )
}

fn domain(name: &str, device: &str, counted: bool, basis: Basis) -> Domain {
    Domain {
        name: name.into(),
        device: device.into(),
        parent: None,
        counted,
        not_counted_because: None,
        basis,
        source: "replay".into(),
        static_w: None,
        range_uj: None,
        scope: "socket:0".into(),
    }
}

/// A trace of which the application has all energy.
fn trace_of(domains: &[Vec<Piece>], events: Vec<Event>) -> Trace {
    let op = |op: usize| Op {
        qtn: format!("layer/Op_{op}"),
        layer: "layer".into(),
        kind: "Op".into(),
        phase: Phase::Forward,
        raw_name: String::new(),
        flops: None,
    };
    let readings = (0u16..).zip(domains).flat_map(|(domain, pieces)| {
        pieces.iter().map(move |(start_ns, end_ns, energy_j)| Reading {
            domain,
            start_ns: *start_ns,
            end_ns: *end_ns,
            energy_j: *energy_j,
            app_share: Some(1.0),
            ..blank()
        })
    });
    Trace {
        metadata: Metadata {
            devices: vec!["CPU:0".into(), "GPU:0".into()],
            domains: vec![
                domain("package-0", "CPU:0", true, Basis::Measured),
                domain("dram-0", "CPU:0", true, Basis::Measured),
                domain("psys", "CPU:0", false, Basis::Measured),
                domain("model-0", "CPU:0", true, Basis::Modelled),
                domain("gpu-0", "GPU:0", true, Basis::Measured),
            ],
            ..Metadata::default()
        },
        readings: readings.collect(),
        events,
        ops: (0..OPS).map(op).collect(),
        ..Trace::default()
    }
}

/// A trace with domains on two devices, shares, gaps, traced steps and stretches of profiling.
fn trace() -> impl Strategy<Value = Trace> {
    let span = || (0..SPAN_NS, 0..500_000_000i64).prop_map(|(start, length)| (start, start + length));
    let readings = prop::collection::vec(reading(), 60);
    let spans = (prop::collection::vec(span(), 0..4), prop::collection::vec(span(), 0..3));
    let devices = prop::collection::vec(0..2u16, 40);
    (domains(), events(), readings, spans, devices).prop_map(|(domains, events, flesh, (steps, profiling), devices)| {
        let mut trace = trace_of(&domains, events);
        for (event, device) in trace.events.iter_mut().zip(devices) {
            event.device = device;
        }
        for (reading, flesh) in trace.readings.iter_mut().zip(flesh) {
            (reading.app_share, reading.daemon_share) = (flesh.app_share, flesh.daemon_share);
            (reading.idle_share, reading.flags) = (flesh.idle_share, flesh.flags);
        }
        let step = |(start_ns, end_ns)| Step { start_ns, end_ns, traced: true, ..Step::default() };
        trace.steps = steps.into_iter().map(step).collect();
        trace.metadata.profiling = profiling;
        trace
    })
}
