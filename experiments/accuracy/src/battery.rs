//! The battery: worlds in which an interval has to keep its promise.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use smaragdine_core::trace::Policy;

use crate::score::Score;
use crate::sensor::{Edges, Sensor, watch};
use crate::training::{Shape, Training};
use crate::world::{Evaluation, Lengths, World};

const MS: f64 = 1e6;
/// Joined operations of half a millisecond, in steps of 24.
const OP_NS: f64 = 0.5 * MS;
/// Traced seconds of fast registers, and of slow ones.
const FAST_S: f64 = 12.0;
const SLOW_S: f64 = 120.0;

/// One world of the battery.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub world: World,
    pub sensor: Sensor,
    pub edges: Edges,
    /// Its register is fast enough that it has to be answered.
    pub answerable: bool,
}

impl Case {
    /// So many steps that as much is traced in every world.
    fn new(name: &'static str, mut world: World, sensor: Sensor, edges: Edges, answerable: bool) -> Self {
        let seconds = if sensor.is_slow() { SLOW_S } else { FAST_S };
        let step_ns = world.shape.op_ns * (world.kinds * world.layers) as f64 / world.shape.lanes as f64;
        let parts = world.traced.1 as f64 / world.traced.0 as f64;
        world.shape.steps = (seconds * 1e9 * parts / step_ns) as usize;
        Self { name, world, sensor, edges, answerable }
    }

    /// Accounts the world with this seed by deconvolution.
    #[must_use]
    pub fn score(&self, seed: u64) -> Score {
        let world = World { shape: Shape { seed, ..self.world.shape }, ..self.world };
        let training = Training::of(&world);
        let mut trace = watch(&training, self.sensor, self.edges, world.shape.locked, seed);
        Score::by_policy(&training, &mut trace, Policy::Deconvolved)
    }
}

/// Scores worlds with seeds, in their order; on all cores.
///
/// # Panics
/// Where a score does.
#[must_use]
pub fn scores(trainings: &[(Case, u64)]) -> Vec<Score> {
    let (next, scores) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, seed)) = trainings.get(number) else { break };
                    let score = case.score(*seed);
                    scores.lock().expect("no thread panicked").push((number, score));
                }
            });
        }
    });
    let mut scores = scores.into_inner().expect("no thread panicked");
    scores.sort_by_key(|(number, _)| *number);
    scores.into_iter().map(|(_, score)| score).collect()
}

/// Every world that has to be answered, or to be refused.
#[must_use]
pub fn battery() -> Vec<Case> {
    let joined = joined();
    let gaps = World { gap_ns: (1.0 * MS, 4.0 * MS), ..joined };
    let deep = World { layers: 12, ..joined };
    let two_lanes = World { shape: Shape { lanes: 2, ..SHAPE }, layers: 4, ..joined };
    let known = Edges::Within(25e3);
    let worlds = [
        ("joined steps", joined),
        ("gaps of 1–4 ms between steps", gaps),
        ("gaps of 8–15 ms between steps", World { gap_ns: (8.0 * MS, 15.0 * MS), ..joined }),
        ("short steps with gaps of 1–4 ms", World { layers: 1, ..gaps }),
        ("pauses at the end of steps", World::plain(SHAPE)),
        ("pauses within steps", World { breaks: (0.15, (0.3 * MS, 2.0 * MS)), ..joined }),
        ("lengths from 60 µs to 4 ms", World { lengths: Lengths::Wide(0.12, 8.0), ..joined }),
        ("two lanes with a floor", World { shape: Shape { lanes: 2, ..SHAPE }, layers: 4, ..World::plain(SHAPE) }),
        ("windows of 4 in 10 steps", World { traced: (4, 10), ..deep }),
        ("windows of 6 in 20 steps", World { traced: (6, 20), ..joined }),
        ("windows of 4 in 10, with gaps", World { traced: (4, 10), ..gaps }),
        ("windows of 6 in 20, with gaps", World { traced: (6, 20), layers: 12, ..gaps }),
        ("power that drifts by 8 %", World { drift: 0.08, ..joined }),
        ("24 types", World { kinds: 24, ..joined }),
        ("a socket shared with others", World { shared: true, ..joined }),
        ("power depends on the predecessor", World { company: 0.2, ..joined }),
        ("power follows duration", World { length_jitter: 0.2, stretch: (0.5, 0.5), ..joined }),
        ("steps change shape midway", World { reshaped: Some(0.5), ..joined }),
        ("a traced evaluation between epochs", World { evaluation: Evaluation::Seen, ..gaps }),
        ("an unseen evaluation between epochs", World { evaluation: Evaluation::Unseen, ..gaps }),
    ];
    let fast = worlds.map(|(name, world)| Case::new(name, world, Sensor::READINGS_4_MS, known, true));
    let slow = [
        ("counter of 20 ms", joined, Sensor::COUNTER_20_MS, Edges::Read),
        ("counter of 20 ms, gaps of 1–4 ms", gaps, Sensor::COUNTER_20_MS, Edges::Read),
        ("two lanes that never pause", two_lanes, Sensor::READINGS_4_MS, known),
        ("counter of 100 ms", deep, Sensor::COUNTER_100_MS, Edges::Read),
    ];
    let slow = slow.map(|(name, world, sensor, edges)| Case::new(name, world, sensor, edges, false));
    fast.into_iter().chain(slow).collect()
}

/// Worlds that nothing was made for.
#[must_use]
pub fn others() -> Vec<Case> {
    let joined = joined();
    let gaps = World { gap_ns: (0.5 * MS, 5.0 * MS), ..joined };
    let worlds = [
        ("longer executions draw less", World { length_jitter: 0.15, stretch: (-0.8, -0.8), ..joined }),
        ("longer executions of some draw more", World { length_jitter: 0.2, stretch: (0.0, 0.8), ..gaps }),
        ("steps change shape early", World { reshaped: Some(0.2), ..joined }),
        ("steps change shape, windows of 5 in 30", World { reshaped: Some(0.6), traced: (5, 30), ..gaps }),
        ("power falls by 20 %", World { drift: -0.2, ..gaps }),
        ("power wanders by 5 %", World { wander: 0.05, ..joined }),
        ("executions are interrupted", World { interrupted: 0.02, ..joined }),
        ("restless gaps", World { restless_w: 80.0, ..gaps }),
        ("three lanes", World { shape: Shape { lanes: 3, ..SHAPE }, layers: 6, ..World::plain(SHAPE) }),
        ("windows of 3 in 100 short steps", World { traced: (3, 100), layers: 1, ..gaps }),
        ("much company", World { company: 0.5, layers: 4, ..joined }),
        ("6 types", World { kinds: 6, layers: 4, ..gaps }),
        ("48 types", World { kinds: 48, layers: 1, ..gaps }),
        ("operations of 0.2 ms", World { shape: Shape { op_ns: 0.2 * MS, ..SHAPE }, layers: 5, ..gaps }),
        ("operations of 2 ms", World { shape: Shape { op_ns: 2.0 * MS, ..SHAPE }, layers: 1, ..gaps }),
    ];
    worlds.map(|(name, world)| Case::new(name, world, Sensor::READINGS_4_MS, Edges::Within(25e3), false)).into()
}

const SHAPE: Shape = Shape { op_ns: OP_NS, lanes: 1, steps: 0, locked: false, seed: 0 };

fn joined() -> World {
    World { layers: 2, pause_ns: (0.0, 0.0), ..World::plain(SHAPE) }
}
