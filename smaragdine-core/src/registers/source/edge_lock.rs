//! Seeing registers being updated: any source, polled closely around the instant at which its next update is expected.
//!
//! A register that is updated every millisecond and read every four tells energies of intervals that are known to a
//! millisecond only, which is too little for operations that are shorter. Polling until the value changes tells the
//! update to a few microseconds, for a few per cent of a core: it is opt-in. Registers that stand still are read as ever.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec};

use crate::clock::monotonic_ns;
use crate::registers::source::{Observation, Source, Value};
use crate::trace::{Domain, GpuHardware};

/// How long before the expected update polling begins: waking is late by tens of microseconds.
const LEAD_NS: i64 = 60_000;
/// How many update periods are polled for one that does not come.
const PATIENCE: f64 = 1.2;
/// How fast the period is followed, and how far from what it is said to be.
const FOLLOW: f64 = 0.05;
const FARTHEST: f64 = 0.1;
/// At most this many reads are not polled where polling found nothing: a machine without load is to be left alone.
const LONGEST_REST: u32 = 256;

/// Reads another source's registers as they change.
pub struct EdgeLock {
    source: Box<dyn Source>,
    /// What the source says its update period is, and what it was seen to be.
    nominal_ns: f64,
    update_ns: f64,
    /// When a register was last seen to be updated.
    edge_ns: Option<i64>,
    /// By domain: it moved when last polled or since then, and is waited for.
    moves: Vec<bool>,
    /// By domain: what it counted at the end of the last poll.
    counted: Vec<Option<u64>>,
    /// Reads to come that are not polled, and how many there are after another poll that finds nothing.
    rest: u32,
    next_rest: u32,
    observations: Vec<Observation>,
}

impl EdgeLock {
    /// `source` as it is, where it does not know how often its registers are updated.
    #[must_use]
    pub fn around(source: Box<dyn Source>) -> Box<dyn Source> {
        let Some(update_ns) = source.update_ns() else { return source };
        let (moves, counted) = (vec![true; source.domains().len()], vec![None; source.domains().len()]);
        Box::new(Self {
            source,
            nominal_ns: update_ns as f64,
            update_ns: update_ns as f64,
            edge_ns: None,
            moves,
            counted,
            rest: 0,
            next_rest: 1,
            observations: Vec::new(),
        })
    }

    fn wait_for_edge(&self) {
        let Some(edge_ns) = self.edge_ns else { return };
        let now_ns = monotonic_ns() + LEAD_NS;
        let updates = ((now_ns - edge_ns) as f64 / self.update_ns).ceil();
        let wake_ns = edge_ns + (updates * self.update_ns) as i64 - LEAD_NS;
        let wake = Timespec { tv_sec: wake_ns / 1_000_000_000, tv_nsec: wake_ns % 1_000_000_000 };
        // Interrupted, it polls for a little longer.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &wake);
    }

    /// Follows the updates from one that was seen to the next.
    fn follow(&mut self, edge_ns: i64) {
        if let Some(last_ns) = self.edge_ns {
            let apart_ns = (edge_ns - last_ns) as f64;
            let updates = (apart_ns / self.update_ns).round().max(1.0);
            let farthest_ns = FARTHEST * self.nominal_ns;
            self.update_ns = (self.update_ns + FOLLOW * (apart_ns / updates - self.update_ns))
                .clamp(self.nominal_ns - farthest_ns, self.nominal_ns + farthest_ns);
        }
        self.edge_ns = Some(edge_ns);
    }
}

impl Source for EdgeLock {
    fn name(&self) -> &'static str {
        self.source.name()
    }

    fn domains(&self) -> &[Domain] {
        self.source.domains()
    }

    fn registers(&self) -> Vec<String> {
        self.source.registers().into_iter().map(|register| register + " polled").collect()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        if self.rest > 0 {
            self.rest -= 1;
            return self.source.read(out);
        }
        self.wait_for_edge();
        let until_ns = monotonic_ns() + (PATIENCE * self.update_ns) as i64 + LEAD_NS;
        // By domain: its last observation; and the one that first differed.
        let mut before: Vec<Option<Observation>> = vec![None; self.moves.len()];
        let mut edges: Vec<Option<Observation>> = vec![None; self.moves.len()];
        loop {
            self.source.read(&mut self.observations);
            for observation in self.observations.drain(..) {
                let domain = usize::from(observation.domain);
                let (Some(before), Some(edge)) = (before.get_mut(domain), edges.get_mut(domain)) else { continue };
                if edge.is_none() {
                    *edge = before.as_ref().and_then(|before| updated(before, &observation));
                }
                *before = Some(observation);
            }
            let awaited = self.moves.iter().zip(&edges).any(|(moves, edge)| *moves && edge.is_none());
            if !awaited || monotonic_ns() >= until_ns {
                break;
            }
        }
        let first =
            edges.iter().flatten().map(|edge| edge.read_start_ns + (edge.read_end_ns - edge.read_start_ns) / 2).min();
        match first {
            Some(edge_ns) => {
                self.follow(edge_ns);
                self.next_rest = 1;
            }
            None => {
                self.edge_ns = None;
                self.rest = self.next_rest;
                self.next_rest = (2 * self.next_rest).min(LONGEST_REST);
            }
        }
        for (domain, (before, edge)) in before.into_iter().zip(edges).enumerate() {
            let counts = before.as_ref().and_then(|before| counted_uj(&before.value));
            // Where nothing moved, all are waited for again: the next poll starts from nothing. A register that is
            // updated just after the others is missed by a poll that ends with them, so what it counted tells.
            self.moves[domain] = edge.is_some() || first.is_none() || counts != self.counted[domain];
            self.counted[domain] = counts;
            out.extend(edge.or(before));
        }
    }

    fn problems(&self) -> Vec<String> {
        self.source.problems()
    }

    fn gpu_hardware(&self) -> Vec<GpuHardware> {
        self.source.gpu_hardware()
    }

    fn software(&self) -> Vec<(&'static str, String)> {
        self.source.software()
    }

    fn update_ns(&self) -> Option<i64> {
        self.source.update_ns()
    }

    fn shortest_period_ns(&self) -> Option<i64> {
        self.source.shortest_period_ns()
    }
}

fn counted_uj(value: &Value) -> Option<u64> {
    match value {
        Value::Counter { energy_uj } => Some(*energy_uj),
        _ => None,
    }
}

/// The update that happened between two reads of a register, if one did.
fn updated(before: &Observation, after: &Observation) -> Option<Observation> {
    match (&before.value, &after.value) {
        (Value::Counter { energy_uj: old }, Value::Counter { energy_uj }) if old != energy_uj => Some(Observation {
            read_start_ns: before.read_start_ns,
            value: Value::Updated { energy_uj: *energy_uj },
            ..after.clone()
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Flags;

    const UPDATE_NS: i64 = 1_000_000;

    /// Two registers: one counts the milliseconds that have passed, the other stands.
    struct Milliseconds {
        domains: Vec<Domain>,
    }

    impl Source for Milliseconds {
        fn name(&self) -> &'static str {
            "milliseconds"
        }

        fn domains(&self) -> &[Domain] {
            &self.domains
        }

        fn read(&mut self, out: &mut Vec<Observation>) {
            let read_start_ns = monotonic_ns();
            let energies = [read_start_ns / UPDATE_NS, 7];
            out.extend((0..).zip(energies).map(|(domain, energy)| Observation {
                domain,
                read_start_ns,
                read_end_ns: monotonic_ns(),
                value: Value::Counter { energy_uj: energy.unsigned_abs() },
                flags: Flags::NONE,
            }));
        }

        fn update_ns(&self) -> Option<i64> {
            Some(UPDATE_NS)
        }
    }

    /// Two registers that are updated in turn, at every second read.
    #[derive(Default)]
    struct InTurn {
        domains: Vec<Domain>,
        reads: u64,
    }

    impl Source for InTurn {
        fn name(&self) -> &'static str {
            "in turn"
        }

        fn domains(&self) -> &[Domain] {
            &self.domains
        }

        fn read(&mut self, out: &mut Vec<Observation>) {
            let read_start_ns = monotonic_ns();
            let energies = [self.reads.div_ceil(2), self.reads / 2];
            self.reads += 1;
            out.extend((0..).zip(energies).map(|(domain, energy_uj)| Observation {
                domain,
                read_start_ns,
                read_end_ns: monotonic_ns(),
                value: Value::Counter { energy_uj },
                flags: Flags::NONE,
            }));
        }

        fn update_ns(&self) -> Option<i64> {
            Some(UPDATE_NS)
        }

        fn gpu_hardware(&self) -> Vec<GpuHardware> {
            vec![GpuHardware { index: 3, ..GpuHardware::default() }]
        }
    }

    fn domain(name: &str) -> Domain {
        Domain::new(name, "CPU:0", "milliseconds", "")
    }

    #[test]
    fn an_update_lies_between_the_reads_around_it_and_what_stands_is_read_as_ever() {
        let mut lock = EdgeLock::around(Box::new(Milliseconds { domains: vec![domain("moving"), domain("standing")] }));
        let mut seen = 0;
        for _ in 0..50 {
            let mut observations = Vec::new();
            lock.read(&mut observations);
            let [moving, standing] = observations.as_slice() else { panic!("{observations:?}") };
            assert_eq!(standing.value, Value::Counter { energy_uj: 7 });
            // A machine that stops for a while may let an update pass unseen.
            if let Value::Updated { energy_uj } = moving.value {
                let update_ns = energy_uj as i64 * UPDATE_NS;
                assert!((moving.read_start_ns..=moving.read_end_ns).contains(&update_ns), "{moving:?}");
                seen += 1;
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn a_register_that_a_poll_ended_without_is_waited_for_again_since_it_moved() {
        let update_ns = 50.0 * UPDATE_NS as f64;
        let mut lock = EdgeLock {
            source: Box::new(InTurn { domains: vec![domain("first"), domain("second")], reads: 0 }),
            nominal_ns: update_ns,
            update_ns,
            edge_ns: None,
            moves: vec![true, false],
            counted: vec![Some(0); 2],
            rest: 0,
            next_rest: 1,
            observations: Vec::new(),
        };
        let polls: Vec<Value> = (0..3)
            .map(|_| {
                let mut observations = Vec::new();
                lock.read(&mut observations);
                observations[1].value.clone()
            })
            .collect();
        // The first two polls end with the first register's update; in the second one the other was seen to have moved.
        let expected =
            [Value::Counter { energy_uj: 0 }, Value::Counter { energy_uj: 1 }, Value::Updated { energy_uj: 3 }];
        assert_eq!(polls, expected);
    }

    #[test]
    fn the_gpus_of_what_is_polled_are_told() {
        let told = InTurn::default().gpu_hardware();
        assert_eq!(EdgeLock::around(Box::new(InTurn::default())).gpu_hardware(), told);
    }
}
