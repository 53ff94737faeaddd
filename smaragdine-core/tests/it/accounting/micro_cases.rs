//! Small cases with answers worked out by hand, among them those that published accounting code gets wrong.

use smaragdine_core::accounting::account::account;
use smaragdine_core::accounting::alignment::Aligner;
use smaragdine_core::trace::{
    Basis, Domain, Entry, Event, Flag, Flags, Kind, Metadata, Op, Phase, Policy, Reading, Step, Trace, Unmeasured,
};

const US: i64 = 1000;
const A: u32 = 0;
const B: u32 = 1;
const Z: u32 = 2;

fn event(op: u32, start_us: i64, end_us: i64) -> Event {
    Event {
        op,
        device: 0,
        lane: op,
        kind: Kind::Compute,
        start_ns: start_us * US,
        end_ns: end_us * US,
        step: None,
        correlation: None,
    }
}

/// Energies of A, B and Z in microjoules, at 1 W in one reading over the first two milliseconds.
fn energies(events: &[Event]) -> [f64; 3] {
    energies_read_every(2000, events)
}

fn energies_read_every(period_us: i64, events: &[Event]) -> [f64; 3] {
    let mut aligner = Aligner::new(1, 3);
    for start_us in (0..2000).step_by(period_us as usize) {
        assert!(aligner.push_energy(0, start_us * US, (start_us + period_us) * US, period_us as f64 * 1e-6));
    }
    events.iter().for_each(|event| assert!(aligner.push_event(event)));
    let alignment = aligner.finish();
    [A, B, Z].map(|op| round(alignment.energy_j(op as usize, 0) * 1e6))
}

/// To a millionth: answers are whole numbers, and not all microseconds of energy are whole in binary.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[test]
fn operations_one_after_the_other_receive_what_each_took() {
    assert_eq!(energies(&[event(A, 0, 10), event(B, 10, 20)]), [10.0, 10.0, 0.0]);
}

#[test]
fn an_operation_before_a_pause_does_not_receive_the_pause() {
    assert_eq!(energies(&[event(A, 0, 10), event(B, 1000, 1010)]), [10.0, 10.0, 0.0]);
}

#[test]
fn readings_within_a_pause_change_nothing() {
    assert_eq!(energies_read_every(100, &[event(A, 0, 10), event(B, 1000, 1010)]), [10.0, 10.0, 0.0]);
}

#[test]
fn an_operation_without_length_receives_nothing() {
    assert_eq!(energies(&[event(A, 0, 20), event(Z, 20, 20), event(B, 1000, 1010)]), [20.0, 10.0, 0.0]);
}

#[test]
fn two_overlapping_executions_of_an_operation_both_last_until_their_own_end() {
    // A alone for 5, twice for 5, once beside B for 5, B alone for 5.
    assert_eq!(energies(&[event(A, 0, 10), event(A, 5, 15), event(B, 10, 20)]), [12.5, 7.5, 0.0]);
}

#[test]
fn three_lanes_share_equally_while_they_run() {
    // A alone 0–10, A B 10–20, A B Z 20–30, B Z 30–40, Z 40–50.
    let energies = energies(&[event(A, 0, 30), event(B, 10, 40), event(Z, 20, 50)]);
    assert_eq!(energies, [10.0 + 5.0 + 10.0 / 3.0, 5.0 + 10.0 / 3.0 + 5.0, 10.0 / 3.0 + 5.0 + 10.0].map(round));
}

#[test]
fn a_copy_counts_only_while_nothing_computes_and_a_wait_never() {
    let copy = Event { kind: Kind::Copy, ..event(B, 0, 30) };
    let wait = Event { kind: Kind::Wait, ..event(Z, 0, 100) };
    assert_eq!(energies(&[event(A, 10, 20), copy, wait]), [10.0, 20.0, 0.0]);
}

#[test]
fn what_lies_beyond_the_readings_receives_nothing() {
    assert_eq!(energies(&[event(A, -100, -50), event(B, -10, 10), event(Z, 1990, 5000)]), [0.0, 10.0, 10.0]);
}

#[test]
fn what_lies_in_a_hole_between_readings_receives_nothing_and_keeps_its_time() {
    let mut aligner = Aligner::new(1, 1);
    for start_us in [0, 100] {
        assert!(aligner.push_energy(0, start_us * US, (start_us + 50) * US, 50e-6));
    }
    aligner.push_event(&event(A, 40, 110));
    aligner.push_event(&event(A, 60, 90));
    let alignment = aligner.finish();
    // 10 before the hole and 10 after it.
    assert_eq!(round(alignment.energy_j(0, 0) * 1e6), 20.0);
    assert_eq!((alignment.count[0], alignment.time_ns[0]), (2, 100_000));
}

#[test]
fn thousands_at_once_receive_a_thousandth_each() {
    let mut events: Vec<Event> = (0..3_999).map(|lane| Event { lane, ..event(B, 0, 1000) }).collect();
    events.push(Event { lane: 3_999, ..event(A, 500, 1500) });
    // 3999 of B alone for 500, 4000 together for 500, A alone for 500.
    assert_eq!(energies(&events), [0.125 + 500.0, 999.875, 0.0]);
}

#[test]
fn streams_of_a_gpu_share_while_they_compute_and_copies_take_what_is_left() {
    let on = |lane, kind, event| Event { lane, kind, ..event };
    // A alone 0–10, A B 10–20, A 20–30; the copies Z alone 30–40, two of them 40–50; a wait all along.
    let energies = energies(&[
        on(1, Kind::Compute, event(A, 0, 30)),
        on(2, Kind::Compute, event(B, 10, 20)),
        on(3, Kind::Copy, event(Z, 5, 50)),
        on(4, Kind::Copy, event(Z, 40, 50)),
        on(5, Kind::Wait, event(B, 0, 50)),
    ]);
    assert_eq!(energies, [25.0, 5.0, 20.0]);
}

#[test]
fn the_last_event_of_a_day_is_as_exact_as_the_first() {
    const HOUR: i64 = 3_600_000_000;
    let mut aligner = Aligner::new(1, 3);
    for hour in 0..24 {
        aligner.push_energy(0, hour * HOUR * US, (hour + 1) * HOUR * US, 300.0 * 3600.0);
    }
    // A lane that is busy all day, and beside it ten microseconds at its start and at its end.
    [event(A, 0, 24 * HOUR), event(B, 10, 20), event(Z, 24 * HOUR - 20, 24 * HOUR - 10)].iter().for_each(|event| {
        aligner.push_event(event);
    });
    let alignment = aligner.finish();
    for op in [B, Z] {
        let energy_j = alignment.energy_j(op as usize, 0);
        assert!((energy_j / 1.5e-3 - 1.0).abs() < 1e-12, "{energy_j}");
    }
}

#[test]
fn an_event_that_ends_before_it_starts_or_is_of_no_known_operation_is_ignored() {
    let mut aligner = Aligner::new(1, 1);
    assert!(!aligner.push_event(&event(A, 10, 0)));
    assert!(!aligner.push_event(&event(B, 0, 10)));
    assert!(!aligner.push_event(&Event { start_ns: i64::MIN, end_ns: i64::MAX, ..event(A, 0, 0) }));
    assert!(!aligner.push_energy(0, 10, 0, 1.0));
    assert!(!aligner.push_energy(0, 0, 10, f64::NAN));
    assert!(aligner.push_event(&Event { start_ns: i64::MIN, end_ns: i64::MIN + 1, ..event(A, 0, 0) }));
    let alignment = aligner.finish();
    assert_eq!((alignment.count[0], alignment.time_ns[0]), (1, 1));
    assert_eq!(alignment.energy_j(0, 0).to_bits(), 0.0f64.to_bits());
}

#[test]
fn an_event_that_comes_late_receives_only_what_is_not_yet_given_away() {
    let mut aligner = Aligner::new(1, 1);
    aligner.push_energy(0, 0, 100 * US, 100e-6);
    aligner.push_event(&event(A, 0, 10));
    aligner.advance(50 * US);
    aligner.push_event(&event(A, 20, 60));
    assert_eq!(aligner.late(), 1);
    let alignment = aligner.finish();
    let (energy_uj, rest_uj) = (alignment.energy_j(0, 0) * 1e6, alignment.untraced_j[0] * 1e6);
    assert!((20.0..=50.0).contains(&energy_uj), "{energy_uj}");
    assert_eq!(round(energy_uj + rest_uj), 100.0);
}

fn domain(name: &str, device: &str, counted: bool, basis: Basis) -> Domain {
    Domain { counted, basis, ..Domain::new(name, device, "replay", "socket:0") }
}

fn reading(domain: u16, start_us: i64, end_us: i64, watts: f64, app_share: Option<f64>) -> Reading {
    Reading {
        domain,
        start_ns: start_us * US,
        end_ns: end_us * US,
        edge_uncertainty_ns: None,
        read_start_ns: end_us * US,
        read_end_ns: end_us * US,
        energy_j: watts * (end_us - start_us) as f64 * 1e-6,
        app_share,
        daemon_share: app_share.map(|_| 0.1),
        idle_share: app_share.map(|_| 0.2),
        flags: Flags::NONE,
    }
}

/// Two operations on a CPU of one package, with a second package that is not counted, and a GPU without any sensor.
fn trace(readings: Vec<Reading>, events: Vec<Event>) -> Trace {
    let op = |name: &str| Op {
        qtn: name.into(),
        layer: "layer".into(),
        kind: name.into(),
        phase: Phase::Forward,
        raw_name: name.into(),
        flops: None,
        fused: String::new(),
    };
    Trace {
        metadata: Metadata {
            devices: vec!["CPU:0".into(), "GPU:0".into()],
            domains: vec![
                domain("package-0", "CPU:0", true, Basis::Measured),
                domain("psys", "CPU:0", false, Basis::Measured),
                domain("model-0", "CPU:0", true, Basis::Modelled),
            ],
            profiling: vec![(60 * US, 80 * US).into()],
            ..Metadata::default()
        },
        readings,
        events,
        ops: vec![op("A"), op("B")],
        steps: vec![Step { start_ns: 0, end_ns: 50 * US, traced: true, ..Step::default() }],
        ..Trace::default()
    }
}

fn entries(trace: &Trace, policy: Policy, domain: &str) -> Vec<(Entry, f64)> {
    let rows = trace.ledger.iter().filter(|row| row.policy == policy && row.domain == domain);
    rows.map(|row| (row.entry, round(row.energy_j * 1e6))).filter(|(_, energy)| *energy != 0.0).collect()
}

#[test]
fn every_joule_is_entered_once_by_whose_it_is_and_when() {
    let mut trace = trace(vec![reading(0, 0, 100, 1.0, Some(0.5))], vec![event(A, 0, 10), event(B, 70, 75)]);
    account(&mut trace, Policy::Equal);
    let expected = [
        (Entry::Operations, 7.5),
        (Entry::Application, 20.0),
        (Entry::Untraced, 15.0),
        (Entry::Profiling, 7.5),
        (Entry::Daemon, 10.0),
        (Entry::Other, 20.0),
        (Entry::Idle, 20.0),
    ];
    assert_eq!(entries(&trace, Policy::Equal, "package-0"), expected);
    assert_eq!(round(trace.steps[0].energy_j["package-0"] * 1e6), 25.0);
}

#[test]
fn an_unknown_share_and_a_reset_register_are_gaps() {
    let mut doubtful = reading(0, 100, 200, 1.0, Some(0.5));
    doubtful.flags = Flags::NONE.with(Flag::Reset);
    let mut trace = trace(vec![reading(0, 0, 100, 1.0, None), doubtful], vec![event(A, 0, 150)]);
    account(&mut trace, Policy::Equal);
    assert_eq!(entries(&trace, Policy::Equal, "package-0"), [(Entry::Gap, 200.0)]);
    assert!(trace.steps[0].energy_j.is_empty());
}

#[test]
fn a_reading_without_length_is_a_gap_and_so_is_one_within_another() {
    let mut instant = reading(0, 50, 50, 1.0, Some(1.0));
    instant.energy_j = 3e-6;
    let readings = vec![reading(0, 0, 100, 1.0, Some(1.0)), reading(0, 20, 30, 1.0, Some(1.0)), instant];
    let mut trace = trace(readings, vec![event(A, 0, 100)]);
    trace.readings.iter_mut().for_each(|reading| (reading.daemon_share, reading.idle_share) = (None, None));
    account(&mut trace, Policy::Equal);
    let entries = entries(&trace, Policy::Equal, "package-0");
    assert_eq!(entries, [(Entry::Operations, 100.0), (Entry::Gap, 13.0)]);
}

#[test]
fn what_is_not_counted_enters_nothing() {
    let mut trace = trace(vec![reading(1, 0, 100, 1.0, Some(1.0))], vec![event(A, 0, 10)]);
    account(&mut trace, Policy::Equal);
    assert_eq!((trace.footprint.len(), trace.ledger.len()), (0, 0));
}

#[test]
fn a_device_without_a_sensor_has_no_footprint_and_its_time_is_told() {
    let on_gpu = Event { device: 1, ..event(B, 0, 10) };
    let mut trace = trace(vec![reading(0, 0, 100, 1.0, Some(0.5))], vec![event(A, 0, 10), on_gpu, on_gpu]);
    account(&mut trace, Policy::Equal);
    assert!(trace.footprint.iter().all(|row| row.device == "CPU:0" && row.op == A));
    let unmeasured = trace.metadata.coverage.unmeasured_devices["GPU:0"];
    assert_eq!(unmeasured, Unmeasured { events: 2, time_s: 20e-6 });
}

#[test]
fn each_gpu_gives_its_own_operations_its_own_energy() {
    let readings = vec![reading(0, 0, 100, 1.0, Some(1.0)), reading(1, 0, 100, 3.0, Some(1.0))];
    let on = |device, event| Event { device, ..event };
    let events = vec![on(0, event(A, 0, 10)), on(1, event(A, 0, 20)), on(1, event(B, 10, 20)), on(0, event(A, 20, 30))];
    let mut trace = trace(readings, events);
    trace.readings.iter_mut().for_each(|reading| (reading.daemon_share, reading.idle_share) = (None, None));
    trace.metadata.devices = vec!["GPU:0".into(), "GPU:1".into()];
    trace.metadata.domains =
        vec![domain("gpu-0", "GPU:0", true, Basis::Measured), domain("gpu-1", "GPU:1", true, Basis::Measured)];
    for policy in [Policy::Equal, Policy::Deconvolved] {
        account(&mut trace, policy);
        let rows = trace.footprint.iter().filter(|row| row.policy == policy);
        let rows = rows.map(|row| (row.op, row.device.as_str(), round(row.energy_j * 1e6), row.count));
        assert_eq!(rows.collect::<Vec<_>>(), [(A, "GPU:0", 20.0, 2), (A, "GPU:1", 45.0, 1), (B, "GPU:1", 15.0, 1)]);
        for (gpu, whole_uj) in [("gpu-0", 100.0), ("gpu-1", 300.0)] {
            assert_eq!(entries(&trace, policy, gpu).iter().map(|entry| entry.1).sum::<f64>(), whole_uj);
        }
    }
}

#[test]
fn measured_and_modelled_energy_stand_in_two_rows() {
    let readings = vec![reading(0, 0, 100, 1.0, Some(0.5)), reading(2, 0, 100, 4.0, Some(0.5))];
    let mut trace = trace(readings, vec![event(A, 0, 10)]);
    account(&mut trace, Policy::Equal);
    let rows = trace.footprint.iter().map(|row| (row.basis, round(row.energy_j * 1e6), row.count));
    assert_eq!(rows.collect::<Vec<_>>(), [(Basis::Measured, 5.0, 1), (Basis::Modelled, 20.0, 1)]);
    assert_eq!(trace.footprint[0].power_w.map(round), Some(0.5));
}

#[test]
fn a_gpu_that_executes_nothing_in_a_traced_step_is_idle() {
    let mut trace = trace(vec![reading(0, 0, 50, 1.0, Some(1.0))], vec![event(A, 0, 10)]);
    trace.readings[0].daemon_share = None;
    trace.readings[0].idle_share = None;
    trace.metadata.domains[0].device = "GPU:0".into();
    trace.events[0].device = 1;
    account(&mut trace, Policy::Equal);
    let expected = [(Entry::Operations, 10.0), (Entry::Idle, 40.0)];
    assert_eq!(entries(&trace, Policy::Equal, "package-0"), expected);
}

#[test]
fn recency_takes_the_power_of_the_latest_reading_and_divides_by_distinct_operations() {
    let readings = vec![
        reading(0, 0, 100, 1.0, Some(1.0)),
        reading(0, 100, 200, 3.0, Some(1.0)),
        reading(0, 200, 300, 1.0, Some(1.0)),
    ];
    // Twice A beside one B, while the second reading is taken: at the power of the first, in two parts.
    let events = vec![event(A, 110, 120), event(A, 110, 120), event(B, 110, 120)];
    let mut trace = trace(readings, events);
    trace.readings.iter_mut().for_each(|reading| (reading.daemon_share, reading.idle_share) = (None, None));
    account(&mut trace, Policy::Equal);
    account(&mut trace, Policy::Recency);
    let footprint = |policy| {
        let rows = trace.footprint.iter().filter(move |row| row.policy == policy);
        rows.map(|row| (round(row.energy_j * 1e6), row.count)).collect::<Vec<_>>()
    };
    assert_eq!(footprint(Policy::Equal), [(20.0, 2), (10.0, 1)]);
    assert_eq!(footprint(Policy::Recency), [(5.0, 2), (5.0, 1)]);
    let sum = |policy| round(entries(&trace, policy, "package-0").iter().map(|(_, energy)| energy).sum());
    assert_eq!((sum(Policy::Equal), sum(Policy::Recency)), (500.0, 500.0));
}

#[test]
fn accounting_again_replaces_what_it_replaces() {
    let mut trace = trace(vec![reading(0, 0, 100, 1.0, Some(0.5))], vec![event(A, 0, 10)]);
    Policy::ALL.into_iter().for_each(|policy| account(&mut trace, policy));
    let once = trace.clone();
    account(&mut trace, Policy::Recency);
    assert_eq!(trace, once);
}
