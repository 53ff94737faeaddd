//! What is run, with what is made ready before.

use std::fs;
use std::path::PathBuf;

use smaragdine_core::accounting::account::account;
use smaragdine_core::accounting::alignment::Aligner;
use smaragdine_core::profiler::tensorflow::names::{Model, Namer};
use smaragdine_core::profiler::{tensorflow::xplane, torch};
use smaragdine_core::registers::counter::Counter;
use smaragdine_core::registers::source::{Observation, Value};
use smaragdine_core::trace::{Domain, Event, Flags, Metadata, Policy, State, Step, Trace};

use crate::Ready;
use crate::lanes::{DISORDER_NS, Events, OPS, PERIOD_NS, disordered, op, reading};

/// What makes a loop ready.
type Prepare = fn() -> Ready;

pub(crate) const ALL: [(&str, Prepare); 8] = [
    ("alignment in order", || aligned(Events::new(4).take(EVENTS).collect(), 0)),
    ("alignment with 50 ms disorder", || aligned(disordered(Events::new(4).take(EVENTS).collect()), DISORDER_NS)),
    ("equal share of a trace", accounted),
    ("XSpace decoded", || decoded("tensorflow/2.21/keras.xplane.pb", "bytes", |bytes| leaves(xplane::decode(bytes)))),
    ("XSpace of XLA decoded", || {
        decoded("tensorflow/2.21/xla.xplane.pb", "bytes", |bytes| leaves(xplane::decode(bytes)))
    }),
    ("operations named", named),
    ("Kineto decoded", || decoded("torch/2.15/train.json", "bytes", |bytes| leaves(torch::decode(bytes)))),
    ("differences of counters", counted),
];

const EVENTS: usize = 50_000;
const STEP_NS: i64 = 100_000_000;
/// Events between two advances.
const CHUNK: usize = 1 << 14;
const LOOKS: usize = 10_000;

fn aligned(events: Vec<Event>, disorder_ns: i64) -> Ready {
    let run = move || {
        let mut aligner = Aligner::new(1, OPS);
        let (mut read_ns, mut newest_ns) = (0, i64::MIN);
        for chunk in events.chunks(CHUNK) {
            for event in chunk {
                newest_ns = newest_ns.max(event.start_ns);
                aligner.push_event(event);
            }
            while read_ns <= newest_ns {
                aligner.push_energy(0, read_ns, read_ns + PERIOD_NS, 0.4);
                read_ns += PERIOD_NS;
            }
            aligner.advance(newest_ns - disorder_ns);
        }
        aligner.finish().energy_j(0, 0).to_bits() as usize
    };
    Ready { count: EVENTS, unit: "events", run: Box::new(run) }
}

/// Equal share of a whole trace in memory: two domains, every step traced.
fn accounted() -> Ready {
    let events: Vec<Event> =
        Events::new(4).take(EVENTS).map(|event| Event { step: Some(event.start_ns / STEP_NS), ..event }).collect();
    let end_ns = events.iter().map(|event| event.end_ns).max().unwrap_or(0) / STEP_NS * STEP_NS + STEP_NS;
    let domains = ["package-0", "dram-0"].map(|name| Domain::new(name, "CPU:0", "powercap", "socket:0"));
    let starts = || (0..end_ns).step_by(PERIOD_NS as usize);
    let readings = (0..2).flat_map(|domain| starts().map(move |start_ns| reading(domain, start_ns))).collect();
    let step = |step: i64| Step {
        step,
        start_ns: step * STEP_NS,
        end_ns: (step + 1) * STEP_NS,
        traced: true,
        ..Step::default()
    };
    let metadata = Metadata {
        state: State::Complete,
        start_ns: 0,
        end_ns: Some(end_ns),
        domains: domains.into(),
        devices: vec!["CPU:0".into()],
        ..Metadata::default()
    };
    let mut trace = Trace {
        metadata,
        readings,
        events,
        ops: (0..OPS).map(op).collect(),
        steps: (0..end_ns / STEP_NS).map(step).collect(),
        ..Trace::default()
    };
    let run = move || {
        account(&mut trace, Policy::Equal);
        trace.footprint.len()
    };
    Ready { count: EVENTS, unit: "events", run: Box::new(run) }
}

fn leaves(profile: smaragdine_core::error::Result<smaragdine_core::profiler::Profile>) -> usize {
    profile.expect("a recorded profile is one").events.len()
}

fn decoded(fixture: &str, unit: &'static str, decode: impl Fn(&[u8]) -> usize + 'static) -> Ready {
    let bytes = recorded(fixture);
    Ready { count: bytes.len(), unit, run: Box::new(move || decode(&bytes)) }
}

fn named() -> Ready {
    let names = xplane::decode(&recorded("tensorflow/2.21/keras.xplane.pb")).expect("a recorded profile is one").names;
    let count = names.len();
    let run = move || {
        let namer = Namer::new(Model::default(), Vec::new());
        names.iter().map(|raw| namer.name(raw).qtn.len()).sum()
    };
    Ready { count, unit: "names", run: Box::new(run) }
}

/// What counters of four registers tell, looked at every 4 ms; each wraps now and then. Reading registers is not
/// among the loops: it asks for the time, where valgrind and the kernel's own clock page do not go together.
fn counted() -> Ready {
    const RANGE_UJ: u64 = 50_000_000;
    let domain = |name: &str| Domain { range_uj: Some(RANGE_UJ), ..Domain::new(name, "CPU:0", "powercap", "socket:0") };
    let mut counters = ["package-0", "dram-0", "package-1", "dram-1"].map(|name| Counter::of(&domain(name)));
    let observation = |domain: u16, look: i64| Observation {
        domain,
        read_start_ns: look * PERIOD_NS,
        read_end_ns: look * PERIOD_NS + 900,
        value: Value::Counter { energy_uj: look.unsigned_abs() * 400_000 / (u64::from(domain) + 1) % RANGE_UJ },
        flags: Flags::NONE,
    };
    let looks: Vec<Observation> =
        (0..LOOKS as i64).flat_map(|look| (0..4).map(move |domain| observation(domain, look))).collect();
    let run = move || {
        let closed = looks.iter().filter_map(|look| counters[usize::from(look.domain)].update(look).interval());
        closed.map(|interval| interval.energy_j as usize).sum()
    };
    Ready { count: LOOKS, unit: "looks at four", run: Box::new(run) }
}

fn recorded(fixture: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(fixture);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
