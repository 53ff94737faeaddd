//! A training: 12 layers of 12 types of operations in each step, and the power that they draw.

use smaragdine_core::trace::{Event, Kind, Op, Phase, Step};

use crate::noise::Noise;

pub const TYPES: usize = 12;
pub const LAYERS: usize = 12;
const START_NS: i64 = 1_760_000_000_000_000_000;
/// Drawn whatever runs; while operations run it is theirs in equal parts.
const FLOOR_W: f64 = 60.0;
/// What an operation draws beside it: some types little, some much.
const LITTLE_W: f64 = 40.0;
const MUCH_W: f64 = 190.0;
/// Standard deviations, as a part: of an execution's length, and of its power.
const LENGTH_JITTER: f64 = 0.05;
const POWER_JITTER: f64 = 0.03;

/// What is trained.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Mean length of an operation.
    pub op_ns: f64,
    /// Operations that run at once.
    pub lanes: usize,
    pub steps: usize,
    /// Every step takes exactly as long, and so does each operation.
    pub locked: bool,
    pub seed: u64,
}

/// What happened, and what it truly took.
pub struct Training {
    pub ops: Vec<Op>,
    /// In order of their start.
    pub events: Vec<Event>,
    pub steps: Vec<Step>,
    /// Joules by operation.
    pub truth_j: Vec<f64>,
    pub power: Power,
}

impl Training {
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let mut noise = Noise::new(shape.seed);
        let mean_ns: Vec<f64> = (0..TYPES).map(|_| shape.op_ns * noise.between(0.4, 1.6)).collect();
        let mut draws: Vec<f64> = (0..TYPES).map(|kind| if kind % 2 == 0 { LITTLE_W } else { MUCH_W }).collect();
        for kind in (1..TYPES).rev() {
            draws.swap(kind, (noise.unit() * (kind + 1) as f64) as usize);
        }
        let (mut events, mut watts, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        let mut now_ns = START_NS + (noise.unit() * 1e6) as i64;
        // Long enough for the slowest lane.
        let locked_ns = ((1.3 * shape.op_ns * (TYPES * LAYERS / shape.lanes) as f64) / 4e6).ceil() as i64 * 4_000_000;
        for number in 0..shape.steps {
            let start_ns = now_ns;
            let mut lanes = vec![start_ns; shape.lanes];
            for op in 0..LAYERS * TYPES {
                let (lane, kind) = (op % shape.lanes, op % TYPES);
                let (longer, stronger) = if shape.locked { (0.0, 0.0) } else { (noise.normal(), noise.normal()) };
                let length_ns = mean_ns[kind] * (1.0 + LENGTH_JITTER * longer).max(0.1);
                let start = lanes[lane];
                lanes[lane] += length_ns as i64;
                events.push(Event {
                    op: op as u32,
                    device: 0,
                    lane: lane as u32,
                    kind: Kind::Compute,
                    start_ns: start,
                    end_ns: lanes[lane],
                    step: Some(number as i64),
                    correlation: None,
                });
                watts.push(draws[kind] * (1.0 + POWER_JITTER * stronger));
            }
            let done_ns = lanes.into_iter().max().unwrap_or(start_ns);
            now_ns = if shape.locked { start_ns + locked_ns } else { done_ns + noise.between(2e6, 6e6) as i64 };
            steps.push(Step { step: number as i64, start_ns, end_ns: now_ns, traced: true, ..Step::default() });
        }
        let (power, truth_j) = Power::of(&events, &watts, START_NS - 2_000_000_000, now_ns + 2_000_000_000);
        let mut order: Vec<usize> = (0..events.len()).collect();
        order.sort_by_key(|number| events[*number].start_ns);
        let events = order.into_iter().map(|number| events[number]).collect();
        Self { ops: (0..LAYERS * TYPES).map(op).collect(), events, steps, truth_j, power }
    }

    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.span_ns().1 - self.span_ns().0) as f64 * 1e-9
    }

    #[must_use]
    pub fn span_ns(&self) -> (i64, i64) {
        (self.steps[0].start_ns, self.steps[self.steps.len() - 1].end_ns)
    }
}

fn op(number: usize) -> Op {
    let (layer, kind) = (format!("model/layer_{}", number / TYPES), format!("Type{:02}", number % TYPES));
    Op {
        qtn: format!("{layer}/{kind}"),
        layer,
        raw_name: kind.clone(),
        kind,
        phase: Phase::Forward,
        flops: None,
        fused: String::new(),
    }
}

/// True power over time, in pieces of constant power.
pub struct Power {
    at_ns: Vec<i64>,
    watts: Vec<f64>,
    /// Joules up to each of `at_ns`.
    joules: Vec<f64>,
}

impl Power {
    /// The power of `events`, each drawing its own of `watts`, and joules by operation.
    fn of(events: &[Event], watts: &[f64], from_ns: i64, to_ns: i64) -> (Self, Vec<f64>) {
        let starts = events.iter().enumerate().map(|(number, event)| (event.start_ns, true, number));
        let ends = events.iter().enumerate().map(|(number, event)| (event.end_ns, false, number));
        let mut boundaries: Vec<(i64, bool, usize)> = starts.chain(ends).collect();
        boundaries.sort_unstable();
        let mut power = Self { at_ns: vec![from_ns], watts: vec![FLOOR_W], joules: vec![0.0] };
        let ops = events.iter().map(|event| event.op as usize + 1).max().unwrap_or(0);
        let (mut truth_j, mut shared, mut since) = (vec![0.0; ops], 0.0, vec![0.0; events.len()]);
        let (mut active, mut drawn_w) = (0, 0.0);
        for (at_ns, starts, number) in boundaries {
            let last = power.at_ns.len() - 1;
            let elapsed_s = (at_ns - power.at_ns[last]) as f64 * 1e-9;
            if active > 0 {
                shared += FLOOR_W * elapsed_s / f64::from(active);
            }
            let event = &events[number];
            if starts {
                since[number] = shared;
                active += 1;
                drawn_w += watts[number];
            } else {
                let length_s = (event.end_ns - event.start_ns) as f64 * 1e-9;
                truth_j[event.op as usize] += watts[number] * length_s + shared - since[number];
                active -= 1;
                drawn_w = if active == 0 { 0.0 } else { drawn_w - watts[number] };
            }
            power.at_ns.push(at_ns);
            power.joules.push(power.joules[last] + power.watts[last] * elapsed_s);
            power.watts.push(FLOOR_W + drawn_w);
        }
        let last = power.at_ns.len() - 1;
        power.joules.push(power.joules[last] + power.watts[last] * (to_ns - power.at_ns[last]) as f64 * 1e-9);
        power.at_ns.push(to_ns);
        power.watts.push(FLOOR_W);
        (power, truth_j)
    }

    /// Joules from the beginning up to `at_ns`.
    #[must_use]
    pub fn energy_j(&self, at_ns: i64) -> f64 {
        let place = self.at_ns.partition_point(|piece| *piece <= at_ns).saturating_sub(1);
        self.joules[place] + self.watts[place] * (at_ns - self.at_ns[place]) as f64 * 1e-9
    }
}
