//! Random events, readings and traces.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use smaragdine_core::trace::{Basis, Domain, Event, Flag, Flags, Kind, Metadata, Op, Phase, Reading, Step, Trace};

pub(crate) const OPS: usize = 8;
pub(crate) const SPAN_NS: i64 = 3_000_000_000;

/// Ten thousand cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let seeds = FileFailurePersistence::WithSource("regressions");
    ProptestConfig {
        cases: asked.unwrap_or(10_000),
        failure_persistence: Some(Box::new(seeds)),
        ..ProptestConfig::default()
    }
}

/// Energy of one domain over one interval, in joules: start, end, energy.
pub(crate) type Piece = (i64, i64, f64);

pub(crate) fn event() -> impl Strategy<Value = Event> {
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

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..40)
}

/// Intervals of a domain, in order and with holes among them.
pub(crate) fn pieces() -> impl Strategy<Value = Vec<Piece>> {
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

pub(crate) fn domains() -> impl Strategy<Value = Vec<Vec<Piece>>> {
    prop::collection::vec(pieces(), 1..6)
}

pub(crate) fn template() -> Event {
    Event { op: 0, device: 0, lane: 0, kind: Kind::Compute, start_ns: 0, end_ns: 0, step: None, correlation: None }
}

pub(crate) fn blank() -> Reading {
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

pub(crate) fn reading() -> impl Strategy<Value = Reading> {
    let share = || prop::option::weighted(0.9, 0.0..1.0f64);
    let doubts = prop::sample::select(vec![Flag::Reset, Flag::Impossible, Flag::Standing]);
    let flags = prop_oneof![8 => Just(Flags::NONE), 1 => doubts.prop_map(|doubt| Flags::NONE.with(doubt)), 1 => Just(Flags::NONE.with(Flag::Wrap))];
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

pub(crate) fn domain(name: &str, device: &str, counted: bool, basis: Basis) -> Domain {
    Domain { counted, basis, ..Domain::new(name, device, "replay", "socket:0") }
}

/// A trace of which the application has all energy.
pub(crate) fn trace_of(domains: &[Vec<Piece>], events: Vec<Event>) -> Trace {
    let op = |op: usize| Op {
        qtn: format!("layer/Op_{op}"),
        layer: "layer".into(),
        kind: "Op".into(),
        phase: Phase::Forward,
        raw_name: String::new(),
        flops: None,
        fused: String::new(),
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
pub(crate) fn trace() -> impl Strategy<Value = Trace> {
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
        trace.metadata.profiling = profiling.into_iter().map(Into::into).collect();
        trace
    })
}
