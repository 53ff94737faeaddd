//! Differences of a cumulative energy register (laws 7 and 10).
//!
//! Subtracting two reads is right only most of the time: registers wrap, stop, restart, jump, fail to be read, and a
//! sampler that sleeps too long cannot know how often one wrapped meanwhile. [`Difference`] names each case, so that no
//! caller can take one for another.

mod cadence;
mod difference;
mod doubt;
mod jumps;
mod step;

use self::cadence::{Bounds, Cadence};
pub use self::difference::{Difference, Interval};
use self::doubt::{Doubt, Turn, Why};
use self::jumps::Jumps;
use self::step::{Edge, Held, Step, Value};
use crate::registers::source::{self, Observation};
use crate::span::Span;
use crate::trace::{Domain, Flag, Flags, Limit};

/// A register is given so many times as long as it was ever seen to stand before it moved.
const SLOWER: i64 = 4;

/// The state of one register between reads.
#[derive(Debug, Clone)]
pub struct Counter {
    range_uj: Option<u64>,
    limit: Limit,
    last: Option<Held>,
    /// A value that may not follow the last.
    doubt: Option<Doubt>,
    /// What was held with it, once that is decided.
    rest: Option<Interval>,
    cadence: Cadence,
    flags: Flags,
    /// When reads began to fail, while they do.
    failing_since: Option<Edge>,
    /// Where the last interval of a source that knows its own ended.
    covered: Option<Edge>,
    /// How long the machine slept since the last value was seen.
    slept_ns: i64,
    /// The last value that had a stamp, and when that began.
    stamped: Option<(u64, i64)>,
    /// Stamps are of updates, which they are not where they move on while the value stands; `None`: not known yet.
    stamps_updates: Option<bool>,
    /// The longest that it was seen to stand and then to move; `None`: it has not moved yet.
    stood_ns: Option<i64>,
    jumps: Jumps,
}

impl Counter {
    /// `range_uj`: the value at which the register starts again at 0; `None` if it is not known.
    #[must_use]
    pub fn new(range_uj: Option<u64>, limit: Limit) -> Self {
        Self {
            range_uj: range_uj.filter(|range| *range > 0),
            limit,
            last: None,
            doubt: None,
            rest: None,
            cadence: Cadence::new(),
            flags: Flags::NONE,
            failing_since: None,
            covered: None,
            slept_ns: 0,
            stamped: None,
            stamps_updates: None,
            stood_ns: None,
            jumps: Jumps::new(),
        }
    }

    /// A counter that knows what the register of `domain` can do.
    #[must_use]
    pub fn of(domain: &Domain) -> Self {
        Self::new(domain.range_uj, domain.limit())
    }

    /// Tells that the machine was suspended for so long since the last read. `CLOCK_MONOTONIC` stood meanwhile, but
    /// the register may have counted on, wrapped or restarted.
    pub fn slept(&mut self, slept_ns: i64) {
        self.slept_ns = self.slept_ns.saturating_add(slept_ns);
        self.flags = self.flags.with(Flag::Suspended);
    }

    /// How far the register's updates are apart, where they were seen to come at a steady pace.
    #[must_use]
    pub fn update_ns(&self) -> Option<i64> {
        self.cadence.update_ns()
    }

    /// A further interval, after the one that [`Self::update`] or [`Self::end`] gave: what had been held with it.
    pub fn rest(&mut self) -> Option<Interval> {
        self.rest.take()
    }

    /// The interval that stays open at the end because the last reads failed, or showed what cannot be or always the
    /// same; to be called until there is none.
    pub fn end(&mut self, now_ns: i64) -> Option<Interval> {
        if self.rest.is_some() {
            return self.rest.take();
        }
        let here = Edge::at(now_ns, Span::new(now_ns, now_ns));
        if let Some(since) = self.failing_since.take() {
            let since = self.last.take().map_or(since, |last| last.since);
            if self.doubt.take().is_some() {
                self.flags = self.flags.with(Flag::Impossible);
            }
            return Some(self.lost(since, here));
        }
        let last = self.last.take()?;
        let Some(mut doubt) = self.doubt.take() else {
            return self.stands(&last).then(|| self.interval(last.since, here, 0.0, Some(Flag::Standing)));
        };
        if doubt.moved() || !doubt.is_about_the_impossible() {
            return self.decide(&last, doubt).interval();
        }
        // What was strange to the end is unknown to the end.
        doubt.first.since = here;
        let gap = self.decide(&last, doubt).interval();
        self.last = None;
        gap
    }

    /// Takes the next read of the register; reads come in order of time. [`Self::rest`] is to be asked afterwards.
    pub fn update(&mut self, observation: &Observation) -> Difference {
        self.flags = self.flags.union(observation.flags);
        let read = Span { start_ns: observation.read_start_ns, end_ns: observation.read_end_ns };
        let looked_ns = read.start_ns + (read.end_ns - read.start_ns) / 2;
        match observation.value {
            source::Value::Failed { .. } => {
                self.flags = self.flags.with(Flag::Failed);
                self.failing_since.get_or_insert(self.covered.unwrap_or(Edge::at(looked_ns, read)));
                Difference::Failed
            }
            source::Value::Interval { start_ns, end_ns, energy_j }
            | source::Value::Sampled { start_ns, end_ns, energy_j } => {
                self.failing_since = None;
                self.covered = Some(Edge::at(end_ns, read));
                let flags = self.take_flags();
                Difference::Counted(Interval { start_ns, end_ns, edge_uncertainty_ns: None, read, energy_j, flags })
            }
            source::Value::Counter { energy_uj } => self.count(energy_uj, looked_ns, Edge::at(looked_ns, read)),
            source::Value::Updated { energy_uj } => {
                let uncertainty_ns = (read.end_ns - read.start_ns + 1) / 2;
                self.count(energy_uj, read.end_ns, Edge::at(looked_ns, read).within(Some(uncertainty_ns)))
            }
            source::Value::Stamped { energy_uj, from_ns, to_ns } => {
                let at_ns = from_ns + (to_ns - from_ns) / 2;
                if let Some((stood_uj, since_ns)) = self.stamped.replace((energy_uj, from_ns))
                    && stood_uj == energy_uj
                {
                    self.stamps_updates = Some(since_ns == from_ns);
                }
                let of_update = self.stamps_updates.unwrap_or(to_ns < observation.read_start_ns);
                if !self.can_be_of(energy_uj, at_ns) {
                    return self.count(energy_uj, looked_ns, Edge::at(looked_ns, read));
                }
                let uncertainty_ns = of_update.then_some((to_ns - from_ns + 1) / 2);
                let now_ns = if of_update { to_ns } else { at_ns };
                self.count(energy_uj, now_ns, Edge::at(at_ns, read).within(uncertainty_ns))
            }
        }
    }

    /// Whether the register can have taken this value at `at_ns`: another than the last was taken later than that.
    fn can_be_of(&self, energy_uj: u64, at_ns: i64) -> bool {
        match self.doubt.map(|doubt| doubt.latest).or(self.last) {
            Some(last) => energy_uj == last.energy_uj || last.since.at_ns < at_ns,
            None => self.failing_since.is_none_or(|since| since.at_ns < at_ns),
        }
    }

    /// Takes a value that the register was seen to have at `now_ns`, and has had since `here` as far as this read tells.
    fn count(&mut self, energy_uj: u64, now_ns: i64, here: Edge) -> Difference {
        let failing_since = self.failing_since.take();
        let mut value = Value { energy_uj, now_ns, here, slept_ns: std::mem::take(&mut self.slept_ns) };
        let Some(last) = self.last else {
            self.last = Some(Held::new(&value, here, self.limit.energy_uj(self.limit.stale_ns)));
            if let Some(since) = failing_since {
                return Difference::Lost(self.lost(since, here));
            }
            // What was missed before the first value belongs to no interval.
            self.flags = Flags::NONE;
            return Difference::First;
        };
        // A stamp may be older than the read before.
        value.now_ns = now_ns.max(self.doubt.map_or(last.seen_ns, |doubt| doubt.latest.seen_ns));
        match self.doubt.take() {
            Some(doubt) => self.follow(&last, doubt, &value),
            None => self.take(last, &value),
        }
    }

    /// Takes a value after one that is beyond doubt.
    fn take(&mut self, mut last: Held, value: &Value) -> Difference {
        let step = last.step(value, self.range_uj, &self.limit);
        let why = match step {
            Step::Same => {
                last.seen_at(value);
                self.last = Some(last);
                return Difference::NotRefreshed;
            }
            Step::Rise(by) if self.stood_ns.is_none() && self.stands(&last) => {
                Why::Stood { by, for_ns: last.stood_ns() }
            }
            Step::Rise(_) | Step::Wrap(_) | Step::Ambiguous(_) => {
                let edge = self.edge(&last, value);
                return self.close(&last, value, step, edge);
            }
            Step::Late(by) => Why::Late { by },
            Step::Jump(_) | Step::Fall { .. } => Why::of(step),
        };
        self.cadence.miss();
        self.doubt = Some(Doubt::new(why, value));
        Difference::Doubted
    }

    /// Takes a value after one that is in doubt.
    fn follow(&mut self, last: &Held, mut doubt: Doubt, value: &Value) -> Difference {
        let before = last.step(value, self.range_uj, &self.limit);
        let step = doubt.latest.step(value, self.range_uj, &self.limit);
        let untold_uj = doubt.latest.untold_after(step.gained_uj(), value, &self.limit);
        match doubt.follow(value, before, step, Held::new(value, value.here, untold_uj)) {
            Turn::Undecided => {
                self.doubt = Some(doubt);
                Difference::Doubted
            }
            Turn::Returned => {
                match doubt.why {
                    Why::Stood { for_ns, .. } => self.stood_ns = Some(for_ns),
                    _ => self.flags = self.flags.with(Flag::Impossible),
                }
                if before == Step::Same { self.take(*last, value) } else { self.close(last, value, before, value.here) }
            }
            Turn::GoesOn => self.decide(last, doubt),
            Turn::Contradicted if matches!(doubt.why, Why::Stood { .. }) => {
                let difference = self.decide(last, doubt);
                // What contradicts it is in doubt now.
                self.take(doubt.latest, value);
                difference
            }
            Turn::Contradicted if doubt.is_old(value) => {
                let gap = self.decide(last, doubt.without_rest());
                self.doubt = Some(Doubt::new(Why::of(step), value));
                gap
            }
            Turn::Contradicted => {
                self.doubt = Some(doubt.about(Why::of(before), value));
                Difference::Doubted
            }
        }
    }

    /// Goes on from the value that was in doubt: how it followed the last is what `why` says, and what followed it is
    /// the rest.
    fn decide(&mut self, last: &Held, doubt: Doubt) -> Difference {
        let Doubt { why, first, latest, .. } = doubt;
        let flags = self.flags;
        let (from, to) = (last.since, first.since);
        let hidden_uj = self.limit.energy_uj(to.at_ns - from.at_ns) as u64;
        let difference = match why {
            Why::Late { by } => self.rise(from, to, by),
            Why::Stood { by, .. } => {
                self.stood_ns = Some(latest.shown_ns - first.shown_ns);
                self.jumps.count(by);
                Difference::Standing(self.interval(from, to, by as f64, Some(Flag::Standing)))
            }
            Why::Jumped { by } => {
                if self.jumps.certain_after_a_fall(by).is_none() {
                    self.jumps.rose(by, hidden_uj);
                }
                Difference::Impossible(self.interval(from, to, 0.0, Some(Flag::Impossible)))
            }
            Why::Fell { by, .. } if self.jumps.undoes_a_rise(by, hidden_uj) => {
                Difference::Impossible(self.interval(from, to, 0.0, Some(Flag::Impossible)))
            }
            Why::Fell { by, .. } if self.jumps.undoes_a_count(by, hidden_uj) => {
                Difference::Impossible(self.interval(from, to, -(by as f64), Some(Flag::Impossible)))
            }
            Why::Fell { by, restarted } => {
                self.jumps.fell(by, hidden_uj);
                match restarted {
                    Some(since_uj) => Difference::Reset(self.interval(from, to, since_uj as f64, Some(Flag::Reset))),
                    None => Difference::Impossible(self.interval(from, to, 0.0, Some(Flag::Impossible))),
                }
            }
        };
        if doubt.moved() {
            let followed_uj = latest.energy_uj.checked_sub(first.energy_uj);
            let followed_uj =
                followed_uj.unwrap_or_else(|| self.range_uj.unwrap_or(0) - first.energy_uj + latest.energy_uj);
            self.jumps.count(followed_uj);
            self.flags = flags.without(Flag::Impossible);
            self.rest = Some(self.interval(first.since, latest.since, followed_uj as f64, None));
        }
        self.last = Some(latest);
        difference
    }

    /// Closes an interval at a value that is beyond doubt.
    fn close(&mut self, last: &Held, value: &Value, step: Step, edge: Edge) -> Difference {
        let (gained_uj, stood) = (step.gained_uj(), self.stands(last));
        self.last = Some(Held::new(value, edge, last.untold_after(gained_uj, value, &self.limit)));
        if !stood {
            self.stood_ns = self.stood_ns.max(Some(last.stood_ns()));
        }
        let (from, energy_uj) = (last.since, gained_uj as f64);
        if let Step::Ambiguous(_) = step {
            self.jumps.count(gained_uj);
            Difference::Ambiguous(self.interval(from, edge, energy_uj, Some(Flag::Ambiguous)))
        } else if stood {
            self.jumps.count(gained_uj);
            Difference::Standing(self.interval(from, edge, energy_uj, Some(Flag::Standing)))
        } else if let Step::Wrap(_) = step {
            self.jumps.count(gained_uj);
            Difference::Wrapped(self.interval(from, edge, energy_uj, Some(Flag::Wrap)))
        } else {
            self.rise(from, edge, gained_uj)
        }
    }

    /// The interval of a rise, which may be what undoes a fall.
    fn rise(&mut self, from: Edge, to: Edge, gained_uj: u64) -> Difference {
        if let Some(certain_uj) = self.jumps.certain_after_a_fall(gained_uj) {
            return Difference::Impossible(self.interval(from, to, certain_uj as f64, Some(Flag::Impossible)));
        }
        self.jumps.count(gained_uj);
        let interval = self.interval(from, to, gained_uj as f64, None);
        if interval.flags.has(Flag::Impossible) {
            Difference::Impossible(interval)
        } else {
            Difference::Counted(interval)
        }
    }

    /// When a value was taken that follows the last one.
    fn edge(&mut self, last: &Held, value: &Value) -> Edge {
        if last.stood() && value.here.uncertainty_ns.is_none() {
            let known = self.cadence.learn(Bounds { from_ns: last.seen_ns, to_ns: value.now_ns });
            Edge::at(known.middle_ns(), value.here.read).within(Some(known.uncertainty_ns()))
        } else {
            self.cadence.miss();
            value.here
        }
    }

    /// Whether a register that works would have moved by now: one that was seen to move slowly has more time.
    fn stands(&self, last: &Held) -> bool {
        let slowly_ns = SLOWER * self.stood_ns.unwrap_or(0);
        self.limit.moves_within_ns.is_some_and(|within_ns| last.stood_ns() >= within_ns.max(slowly_ns))
    }

    fn interval(&mut self, from: Edge, to: Edge, energy_uj: f64, flag: Option<Flag>) -> Interval {
        let flags = flag.into_iter().fold(self.take_flags(), Flags::with);
        Interval {
            start_ns: from.at_ns,
            end_ns: to.at_ns,
            edge_uncertainty_ns: from.uncertainty_ns.zip(to.uncertainty_ns).map(|(start, end)| start.max(end)),
            read: to.read,
            energy_j: energy_uj / 1e6,
            flags,
        }
    }

    fn lost(&mut self, since: Edge, until: Edge) -> Interval {
        Interval { edge_uncertainty_ns: None, ..self.interval(since, until, 0.0, Some(Flag::Lost)) }
    }

    fn take_flags(&mut self) -> Flags {
        std::mem::take(&mut self.flags)
    }
}
