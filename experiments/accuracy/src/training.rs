//! A training: layers of types of operations in each step, and the power that they draw.

use smaragdine_core::trace::{Event, Kind, Op, Phase, Step};

use crate::noise::Noise;
use crate::power::{Beside, Power};
use crate::world::{Evaluation, Lengths, World};

const START_NS: i64 = 1_760_000_000_000_000_000;
/// Before the first step and after the last one.
const MARGIN_NS: i64 = 2_000_000_000;
/// Drawn whatever runs; while operations run it is theirs in equal parts.
const FLOOR_W: f64 = 60.0;
/// What an operation draws beside it: some types little, some much.
const LITTLE_W: f64 = 40.0;
const MUCH_W: f64 = 190.0;
/// Standard deviation of an execution's power, as a part.
const POWER_JITTER: f64 = 0.03;
/// Steps of an epoch, and how long the evaluation after it takes, in operations.
const EPOCH_STEPS: usize = 25;
const EVALUATION_OPS: usize = 120;
/// How often what other processes do changes, and floors follow a drift.
const CHANGE_NS: i64 = 100_000_000;

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
    /// Types of operations; operation n is of type n % `kinds`.
    pub kinds: usize,
    pub ops: Vec<Op>,
    /// Those that are traced, in order of their start.
    pub events: Vec<Event>,
    pub steps: Vec<Step>,
    /// Joules by operation, of the events that are traced.
    pub truth_j: Vec<f64>,
    pub power: Power,
    /// CPU time of other processes as a part of the program's, from each instant on.
    others: Vec<(i64, f64)>,
}

impl Training {
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self::of(&World::plain(shape))
    }

    #[must_use]
    pub fn of(world: &World) -> Self {
        Making::new(world).make()
    }

    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.span_ns().1 - self.span_ns().0) as f64 * 1e-9
    }

    /// CPU time of other processes as a part of the program's.
    #[must_use]
    pub fn others_at(&self, at_ns: i64) -> f64 {
        let later = self.others.partition_point(|change| change.0 <= at_ns);
        later.checked_sub(1).map_or(0.0, |latest| self.others[latest].1)
    }

    #[must_use]
    pub fn span_ns(&self) -> (i64, i64) {
        (self.steps[0].start_ns, self.steps[self.steps.len() - 1].end_ns)
    }
}

/// A training as it is made.
struct Making<'a> {
    world: &'a World,
    noise: Noise,
    /// Nanoseconds and watts by type.
    mean_ns: Vec<f64>,
    draws_w: Vec<f64>,
    /// The types of each layer, in the order in which they run.
    order: Vec<Vec<usize>>,
    /// All that ran, what it drew, and whether it is traced.
    events: Vec<Event>,
    watts: Vec<f64>,
    traced: Vec<bool>,
    before: Option<usize>,
    wander: f64,
    /// From, to, and watts that are drawn there besides.
    restless: Vec<(i64, i64, f64)>,
}

impl<'a> Making<'a> {
    fn new(world: &'a World) -> Self {
        let mut noise = Noise::new(world.shape.seed);
        let kinds = world.kinds;
        let part = |noise: &mut Noise| match world.lengths {
            Lengths::Even(low, high) => noise.between(low, high),
            Lengths::Wide(low, high) => (noise.between(low.ln(), high.ln())).exp(),
        };
        let mean_ns: Vec<f64> = (0..kinds).map(|_| world.shape.op_ns * part(&mut noise)).collect();
        let mut draws_w: Vec<f64> = (0..kinds).map(|kind| if kind % 2 == 0 { LITTLE_W } else { MUCH_W }).collect();
        shuffle(&mut draws_w, &mut noise);
        let mut order: Vec<Vec<usize>> = (0..world.layers).map(|_| (0..kinds).collect()).collect();
        if world.company != 0.0 {
            order.iter_mut().for_each(|layer| shuffle(layer, &mut noise));
        }
        let (events, watts, traced) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            world,
            noise,
            mean_ns,
            draws_w,
            order,
            events,
            watts,
            traced,
            before: None,
            wander: 0.0,
            restless: Vec::new(),
        }
    }

    fn make(mut self) -> Training {
        let World { shape, gap_ns, pause_ns, traced, evaluation, .. } = *self.world;
        let mut steps = Vec::new();
        let mut now_ns = START_NS + (self.noise.unit() * 1e6) as i64;
        // Long enough for the slowest lane.
        let ops = self.world.kinds * self.world.layers;
        let locked_ns = ((1.3 * shape.op_ns * (ops / shape.lanes) as f64) / 4e6).ceil() as i64 * 4_000_000;
        for number in 0..shape.steps {
            let start_ns = now_ns;
            let is_traced = number % traced.1 < traced.0;
            let done_ns = self.step(number, start_ns, is_traced);
            now_ns = if shape.locked {
                start_ns + locked_ns
            } else {
                done_ns + self.noise.between(pause_ns.0, pause_ns.1) as i64
            };
            steps.push(Step { step: number as i64, start_ns, end_ns: now_ns, traced: is_traced, ..Step::default() });
            if gap_ns.1 > 0.0 {
                let from_ns = now_ns;
                now_ns += self.noise.between(gap_ns.0, gap_ns.1) as i64;
                if self.world.restless_w > 0.0 {
                    let watts = self.noise.between(0.0, self.world.restless_w);
                    self.restless.push((from_ns, now_ns, watts));
                }
            }
            if self.world.wander > 0.0 {
                // Back within some fifty steps.
                self.wander = 0.98 * self.wander + 0.2 * self.world.wander * self.noise.normal();
            }
            let ends_epoch = number % EPOCH_STEPS == EPOCH_STEPS - 1 && number + 1 < shape.steps;
            if evaluation != Evaluation::None && ends_epoch {
                now_ns = self.evaluate(now_ns, is_traced && evaluation == Evaluation::Seen);
            }
        }
        self.finish(steps, now_ns)
    }

    /// Runs a step from `start_ns` on; gives when its last operation ends.
    fn step(&mut self, number: usize, start_ns: i64, is_traced: bool) -> i64 {
        let shape = self.world.shape;
        let mut lanes = vec![start_ns; shape.lanes];
        let progress = number as f64 / shape.steps as f64;
        for layer in 0..self.world.layers {
            for place in 0..self.world.kinds {
                let op = layer * self.world.kinds + self.order[layer][place];
                let lane = (layer * self.world.kinds + place) % shape.lanes;
                lanes[lane] = self.run(op, lane, lanes[lane], Some(number), progress, is_traced);
                let (probability, (least, most)) = self.world.breaks;
                if probability > 0.0 && self.noise.unit() < probability {
                    lanes[lane] += self.noise.between(least, most) as i64;
                }
            }
        }
        lanes.into_iter().max().unwrap_or(start_ns)
    }

    /// Half of the types, again and again, in no step.
    fn evaluate(&mut self, start_ns: i64, is_traced: bool) -> i64 {
        let half = self.world.kinds / 2;
        (0..EVALUATION_OPS).fold(start_ns, |now_ns, place| self.run(place % half, 0, now_ns, None, 0.5, is_traced))
    }

    /// One execution; gives its end.
    fn run(&mut self, op: usize, lane: usize, start: i64, step: Option<usize>, progress: f64, is_traced: bool) -> i64 {
        let (world, kind) = (self.world, op % self.world.kinds);
        let (longer, stronger) =
            if world.shape.locked { (0.0, 0.0) } else { (self.noise.normal(), self.noise.normal()) };
        let changed = world.reshaped.is_some_and(|from| progress >= from);
        let reshaped = if changed && kind % 3 == 0 { 1.8 } else { 1.0 };
        let interrupted = world.interrupted > 0.0 && self.noise.unit() < world.interrupted;
        let part = (1.0 + world.length_jitter * longer).max(0.1);
        let times = if interrupted { 4.0 } else { 1.0 };
        let end_ns = start + (self.mean_ns[kind] * reshaped * part * times) as i64;
        let own_w = self.draws_w[kind] * if changed { 1.1 } else { 1.0 };
        let beside_w = self.before.map_or(own_w, |before| self.draws_w[before]);
        let stretch = if kind % 2 == 0 { world.stretch.0 } else { world.stretch.1 };
        let watts = (own_w + world.company * (beside_w - own_w)) / times
            * (1.0 + stretch * (part - 1.0))
            * (1.0 + POWER_JITTER * stronger)
            * (1.0 + world.drift * progress)
            * (1.0 + self.wander);
        self.events.push(Event {
            op: op as u32,
            device: 0,
            lane: lane as u32,
            kind: Kind::Compute,
            start_ns: start,
            end_ns,
            step: step.map(|step| step as i64),
            correlation: None,
        });
        self.watts.push(watts);
        self.traced.push(is_traced);
        self.before = Some(kind);
        end_ns
    }

    fn finish(mut self, steps: Vec<Step>, end_ns: i64) -> Training {
        let kinds = self.world.kinds;
        let (from_ns, to_ns) = (START_NS - MARGIN_NS, end_ns + MARGIN_NS);
        let (others, beside) = self.beside(from_ns, end_ns);
        let (power, event_j) = Power::of(&self.events, &self.watts, &beside, to_ns);
        let mut truth_j = vec![0.0; kinds * self.world.layers];
        let mut order: Vec<usize> = (0..self.events.len()).filter(|number| self.traced[*number]).collect();
        order.iter().for_each(|number| truth_j[self.events[*number].op as usize] += event_j[*number]);
        order.sort_by_key(|number| self.events[*number].start_ns);
        let events = order.into_iter().map(|number| self.events[number]).collect();
        let ops = (0..truth_j.len()).map(|number| op(number, kinds)).collect();
        Training { kinds, ops, events, steps, truth_j, power, others }
    }

    /// What other processes do over time, and what is drawn beside operations.
    fn beside(&mut self, from_ns: i64, end_ns: i64) -> (Vec<(i64, f64)>, Vec<Beside>) {
        let mean_w = self.draws_w.iter().zip(&self.mean_ns).map(|(watts, ns)| watts * ns).sum::<f64>()
            / self.mean_ns.iter().sum::<f64>();
        // What goes before the first step and after the last one tells nothing of the time between steps.
        let around_w = if self.world.shape.locked { FLOOR_W } else { self.noise.between(30.0, 250.0) };
        let changes = self.world.shared || self.world.drift != 0.0;
        let step_ns = if changes { CHANGE_NS } else { end_ns - START_NS };
        let (mut others, mut beside, mut busy) = (Vec::new(), Vec::new(), 0.5);
        let around = |from_ns| Beside { from_ns, drawn_w: around_w, theirs_w: 0.0 };
        beside.push(around(from_ns));
        for from_ns in (START_NS..end_ns).step_by(step_ns as usize) {
            let progress = (from_ns - START_NS) as f64 / (end_ns - START_NS) as f64;
            let floor_w = FLOOR_W * (1.0 + self.world.drift * progress);
            if self.world.shared {
                busy = (busy + 0.15 * self.noise.normal()).clamp(0.1, 0.9);
                others.push((from_ns, busy));
                // What is drawn in any case goes with active time; other processes draw what operations do in the mean.
                let theirs_w = floor_w / (1.0 + busy);
                beside.push(Beside { from_ns, drawn_w: floor_w + mean_w * busy, theirs_w });
            } else {
                beside.push(Beside { from_ns, drawn_w: floor_w, theirs_w: floor_w });
            }
        }
        beside.push(around(end_ns));
        for (from_ns, to_ns, watts) in std::mem::take(&mut self.restless) {
            beside.push(Beside { from_ns, drawn_w: FLOOR_W + watts, theirs_w: 0.0 });
            beside.push(Beside { from_ns: to_ns, drawn_w: FLOOR_W, theirs_w: FLOOR_W });
        }
        (others, beside)
    }
}

fn shuffle<T>(values: &mut [T], noise: &mut Noise) {
    for place in (1..values.len()).rev() {
        values.swap(place, (noise.unit() * (place + 1) as f64) as usize);
    }
}

fn op(number: usize, kinds: usize) -> Op {
    let (layer, kind) = (format!("model/layer_{}", number / kinds), format!("Type{:02}", number % kinds));
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
