//! Sensors: what each tells of a true power, and how well it is known over which time it does.

use smaragdine_core::registers::counter::{Counter, Interval};
use smaragdine_core::registers::source::{Observation, Value};
use smaragdine_core::trace::{self, Domain, Flag, Flags, Limit, Metadata, Reading, SourceReport, Trace};

use crate::noise::Noise;
use crate::training::Training;

const MS: f64 = 1e6;
/// No register here does what it cannot.
const LIMIT: Limit = Limit { power_w: 10_000.0, stale_ns: 1_000_000_000, moves_within_ns: None, is_always_on: true };

/// A register: updated on a clock of its own, read on the host's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sensor {
    pub update_ns: f64,
    /// An update comes up to this much early.
    pub jitter_ns: f64,
    pub period_ns: f64,
    /// An update counts the mean power of this time before it; `None`: what was drawn since the last one.
    pub looks_ns: Option<f64>,
    /// … and it tells of it this much later.
    pub delay_ns: f64,
}

impl Sensor {
    /// RAPL, at the default period: its clock is not that of the reads, so their distance drifts.
    pub const READINGS_4_MS: Self =
        Self { update_ns: 1.0007 * MS, jitter_ns: 2e4, period_ns: 4.0 * MS, looks_ns: None, delay_ns: 0.0 };
    pub const REGISTER_1_MS: Self = Self { period_ns: MS, ..Self::READINGS_4_MS };
    /// GPUs, at the period at which NVML is read.
    pub const COUNTER_20_MS: Self =
        Self { update_ns: 20.0006 * MS, jitter_ns: 2e4, period_ns: 9.7 * MS, looks_ns: None, delay_ns: 0.0 };
    pub const COUNTER_100_MS: Self = Self { update_ns: 100.003 * MS, ..Self::COUNTER_20_MS };
    /// As an H100: what the last 25 ms drew, as if it had been drawn all along.
    pub const PART_TIME: Self = Self { looks_ns: Some(25.0 * MS), ..Self::COUNTER_100_MS };
    pub const AVERAGE: Self = Self { looks_ns: Some(1e9), ..Self::COUNTER_100_MS };

    pub const ALL: [(&'static str, Self); 6] = [
        ("1 ms register", Self::REGISTER_1_MS),
        ("4 ms readings", Self::READINGS_4_MS),
        ("20 ms counter", Self::COUNTER_20_MS),
        ("100 ms counter", Self::COUNTER_100_MS),
        ("25 of 100 ms", Self::PART_TIME),
        ("1 s average", Self::AVERAGE),
    ];

    /// Its readings are longer than ten milliseconds, so that it takes more time for as many.
    #[must_use]
    pub fn is_slow(self) -> bool {
        self.update_ns > 10.0 * MS
    }

    /// Joules that an update at `at_ns` adds to the one before.
    fn adds_j(self, training: &Training, before_ns: i64, at_ns: i64) -> f64 {
        let (before_ns, at_ns) = (before_ns - self.delay_ns as i64, at_ns - self.delay_ns as i64);
        let energy_j = |from_ns: i64| training.power.energy_j(at_ns) - training.power.energy_j(from_ns);
        match self.looks_ns {
            None => energy_j(before_ns),
            Some(looks_ns) => energy_j(at_ns - looks_ns as i64) * (at_ns - before_ns) as f64 / looks_ns,
        }
    }
}

/// How well the instants are known at which the register was updated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edges {
    Exact,
    /// Give or take this many nanoseconds.
    Within(f64),
    /// As the daemon makes them out from its reads, without polling.
    Read,
}

impl Edges {
    pub const ALL: [(&'static str, Self); 4] = [
        ("exact", Self::Exact),
        ("±25 µs", Self::Within(25e3)),
        ("±100 µs", Self::Within(100e3)),
        ("by reads", Self::Read),
    ];
}

/// A read, and the update that it finds.
struct Read {
    at_ns: i64,
    update: usize,
}

/// The trace that `sensor` leaves of `training`.
#[must_use]
pub fn watch(training: &Training, sensor: Sensor, edges: Edges, locked: bool, seed: u64) -> Trace {
    let mut noise = Noise::new(seed ^ 0xed6e);
    let (from_ns, to_ns) = training.span_ns();
    // The phase of the register has nothing to do with that of the first step.
    let first_ns = from_ns - (noise.unit() * 1e8) as i64 - 1_200_000_000;
    let (update_ns, jitter_ns, late_ns) = if locked {
        ((sensor.update_ns / MS).round() * MS, 0.0, 0.0)
    } else {
        (sensor.update_ns, sensor.jitter_ns, 2e4)
    };
    let updates = ((to_ns - first_ns) as f64 / update_ns) as usize + 3;
    // When each update is, and joules counted up to it.
    let mut register: Vec<(i64, f64)> = Vec::with_capacity(updates);
    for number in 0..updates {
        let at_ns = first_ns + (number as f64 * update_ns - jitter_ns * noise.unit()) as i64;
        let (before_ns, counted_j) = register.last().copied().unwrap_or((at_ns, 0.0));
        register.push((at_ns, counted_j + sensor.adds_j(training, before_ns, at_ns)));
    }
    let reads = ((to_ns - first_ns) as f64 / sensor.period_ns) as usize;
    let read = |number: usize| {
        let at_ns = first_ns + ((number as f64 + 0.3) * sensor.period_ns + late_ns * noise.unit()) as i64;
        Read { at_ns, update: register.partition_point(|update| update.0 <= at_ns).saturating_sub(1) }
    };
    let reads: Vec<Read> = (1..reads).map(read).collect();
    let intervals = match edges {
        Edges::Exact => stamped(&register, &reads, 0.0, &mut noise),
        Edges::Within(uncertainty_ns) => stamped(&register, &reads, uncertainty_ns, &mut noise),
        Edges::Read => counted(&register, &reads),
    };
    let flags = if sensor == Sensor::AVERAGE { Flags::NONE.with(Flag::Integrated) } else { Flags::NONE };
    Trace {
        metadata: metadata(sensor),
        readings: intervals.into_iter().map(|interval| reading(&interval, training, flags)).collect(),
        events: training.events.clone(),
        ops: training.ops.clone(),
        steps: training.steps.clone(),
        ..Trace::default()
    }
}

/// The updates that were read, each stamped to within `uncertainty_ns`.
fn stamped(register: &[(i64, f64)], reads: &[Read], uncertainty_ns: f64, noise: &mut Noise) -> Vec<Interval> {
    let mut updates: Vec<usize> = reads.iter().map(|read| read.update).collect();
    // A read that finds the register as it was closes no interval.
    updates.dedup();
    let stamp = |update: &usize| register[*update].0 + (uncertainty_ns * noise.between(-1.0, 1.0)) as i64;
    let stamps: Vec<i64> = updates.iter().map(stamp).collect();
    let interval = |(stamp, update): (&[i64], &[usize])| Interval {
        start_ns: stamp[0],
        end_ns: stamp[1],
        edge_uncertainty_ns: Some(uncertainty_ns as i64),
        read: (stamp[1], stamp[1]).into(),
        energy_j: register[update[1]].1 - register[update[0]].1,
        flags: Flags::NONE,
    };
    stamps.windows(2).zip(updates.windows(2)).map(interval).collect()
}

/// What the daemon's own counter makes of the reads, in microjoules.
fn counted(register: &[(i64, f64)], reads: &[Read]) -> Vec<Interval> {
    let mut counter = Counter::new(None, LIMIT);
    let observation = |read: &Read| Observation {
        domain: 0,
        read_start_ns: read.at_ns,
        read_end_ns: read.at_ns,
        value: Value::Counter { energy_uj: (register[read.update].1 * 1e6) as u64 },
        flags: Flags::NONE,
    };
    reads.iter().filter_map(|read| counter.update(&observation(read)).interval()).collect()
}

fn reading(interval: &Interval, training: &Training, flags: Flags) -> Reading {
    let app_share = 1.0 / (1.0 + training.others_at(interval.start_ns + (interval.end_ns - interval.start_ns) / 2));
    Reading {
        domain: 0,
        start_ns: interval.start_ns,
        end_ns: interval.end_ns,
        edge_uncertainty_ns: interval.edge_uncertainty_ns,
        read_start_ns: interval.end_ns,
        read_end_ns: interval.end_ns,
        energy_j: interval.energy_j,
        app_share: Some(app_share),
        daemon_share: Some(0.0),
        idle_share: Some(0.0),
        flags: flags.union(interval.flags),
    }
}

fn metadata(sensor: Sensor) -> Metadata {
    let (device, name, source) =
        if sensor.is_slow() { ("GPU:0", "gpu-0", "nvml") } else { ("CPU:0", "package-0", "powercap") };
    let update_ns = Some(sensor.update_ns as i64);
    let characteristics = trace::Sensor { domain: name.into(), update_ns, ..trace::Sensor::default() };
    Metadata {
        sources: vec![SourceReport { name: source.into(), sensors: vec![characteristics], ..SourceReport::default() }],
        devices: vec![device.into()],
        domains: vec![Domain::new(name, device, source, "socket:0")],
        ..Metadata::default()
    }
}
