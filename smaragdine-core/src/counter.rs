//! Differences of a cumulative energy register (law 7).
//!
//! Subtracting two reads is right only most of the time: registers wrap, stop, restart, fail to be read, and a sampler
//! that sleeps too long cannot know how often one wrapped meanwhile. [`Difference`] names each case, so that no caller
//! can take one for another.

mod cadence;

use self::cadence::{Bounds, Cadence};
use crate::source::{Observation, Value};
use crate::trace::{Domain, Flag, Flags};

/// No socket, memory or accelerator register of today stands for more; the largest parts draw half of it.
const PLAUSIBLE_W: f64 = 2_000.0;
/// A register of a whole platform may hold several sockets and accelerators.
const PLAUSIBLE_PLATFORM_W: f64 = 20_000.0;

/// How much older than its read a value of a wrapping register can be. RAPL refreshes about every millisecond; some
/// domains and filtered ones are slower. Kept tight: each millisecond lets more resets pass for wraps.
const WRAP_SLACK_NS: i64 = 20_000_000;
/// The same for any register, to tell a jump from a refresh: GPU counters refresh every 20–100 ms.
const JUMP_SLACK_NS: i64 = 1_000_000_000;

/// What one read of a register adds to the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Difference {
    /// The first value: there is nothing to subtract it from.
    First,
    /// The value of the last read again: the register has not refreshed, its interval stays open.
    NotRefreshed,
    /// The read failed: the interval stays open, the next success covers it.
    Failed,
    Counted(Interval),
    /// The register passed its range exactly once.
    Wrapped(Interval),
    /// The register fell without a plausible wrap, or rose by more than can have been drawn.
    Reset(Interval),
    /// The register can have wrapped once more than the difference shows.
    Ambiguous(Interval),
    /// The first value after failed reads: what was drawn while they failed is unknown.
    Lost(Interval),
}

/// Energy between two refreshes of the register. `CLOCK_MONOTONIC`.
///
/// A refresh is only seen at the read after it. Where the read before showed the old value still, it happened between
/// the two, and at the instant that the pace of earlier refreshes leaves possible: its best estimate is the middle of
/// that, and the uncertainty is known. Otherwise it is put at the read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub start_ns: i64,
    pub end_ns: i64,
    /// How far a refresh may be off its estimate, of the worse edge; `None`: up to one refresh before the read.
    pub edge_uncertainty_ns: Option<i64>,
    /// A lower bound where [`Flags::is_gap`].
    pub energy_j: f64,
    /// Of every read since the last interval: missed ticks and failed reads combine with each kind of difference.
    pub flags: Flags,
}

impl Difference {
    /// The interval that this read closes, if it closes one.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        match *self {
            Self::First | Self::NotRefreshed | Self::Failed => None,
            Self::Counted(interval)
            | Self::Wrapped(interval)
            | Self::Reset(interval)
            | Self::Ambiguous(interval)
            | Self::Lost(interval) => Some(interval),
        }
    }
}

/// The state of one register between reads.
#[derive(Debug, Clone)]
pub struct Counter {
    range_uj: Option<u64>,
    max_plausible_w: f64,
    last: Option<Last>,
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
}

#[derive(Debug, Clone, Copy)]
struct Last {
    energy_uj: u64,
    /// When the register took this value: where the open interval starts.
    since: Edge,
    /// When it was last seen to hold it. A wrap can only have been overlooked after that.
    seen_ns: i64,
    /// It was seen more than once.
    stood: bool,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    at_ns: i64,
    uncertainty_ns: Option<i64>,
}

impl Counter {
    /// `range_uj`: the value at which the register starts again at 0; `None` if it is not known.
    #[must_use]
    pub fn new(range_uj: Option<u64>, max_plausible_w: f64) -> Self {
        Self {
            range_uj: range_uj.filter(|range| *range > 0),
            max_plausible_w,
            last: None,
            cadence: Cadence::new(),
            flags: Flags::NONE,
            failing_since: None,
            covered: None,
            slept_ns: 0,
            stamped: None,
            stamps_updates: None,
        }
    }

    /// A counter that knows what `domain` can plausibly draw.
    #[must_use]
    pub fn of(domain: &Domain) -> Self {
        Self::new(domain.range_uj, plausible_w(domain))
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

    /// The interval that stays open at the end because the last reads failed.
    pub fn end(&mut self, now_ns: i64) -> Option<Interval> {
        let since = self.failing_since.take()?;
        let since = self.last.take().map_or(since, |last| last.since);
        Some(self.lost(since, Edge { at_ns: now_ns, uncertainty_ns: None }))
    }

    /// Takes the next read of the register; reads come in order of time.
    pub fn update(&mut self, observation: &Observation) -> Difference {
        self.flags = self.flags.union(observation.flags);
        match observation.value {
            Value::Failed { .. } => {
                self.flags = self.flags.with(Flag::Failed);
                let here = Edge { at_ns: midpoint(observation), uncertainty_ns: None };
                self.failing_since.get_or_insert(self.covered.unwrap_or(here));
                Difference::Failed
            }
            Value::Interval { start_ns, end_ns, energy_j } => {
                self.failing_since = None;
                self.covered = Some(Edge { at_ns: end_ns, uncertainty_ns: None });
                let flags = self.take_flags();
                Difference::Counted(Interval { start_ns, end_ns, edge_uncertainty_ns: None, energy_j, flags })
            }
            Value::Counter { energy_uj } => {
                let at_ns = midpoint(observation);
                self.count(energy_uj, at_ns, Edge { at_ns, uncertainty_ns: None })
            }
            Value::Updated { energy_uj } => {
                let (start_ns, end_ns) = (observation.read_start_ns, observation.read_end_ns);
                let seen = Edge { at_ns: midpoint(observation), uncertainty_ns: Some((end_ns - start_ns + 1) / 2) };
                self.count(energy_uj, end_ns, seen)
            }
            Value::Stamped { energy_uj, from_ns, to_ns } => {
                let at_ns = from_ns + (to_ns - from_ns) / 2;
                if let Some((stood_uj, since_ns)) = self.stamped.replace((energy_uj, from_ns))
                    && stood_uj == energy_uj
                {
                    self.stamps_updates = Some(since_ns == from_ns);
                }
                let of_update = self.stamps_updates.unwrap_or(to_ns < observation.read_start_ns);
                if !self.can_be_of(energy_uj, at_ns) {
                    let at_ns = midpoint(observation);
                    return self.count(energy_uj, at_ns, Edge { at_ns, uncertainty_ns: None });
                }
                let uncertainty_ns = of_update.then_some((to_ns - from_ns + 1) / 2);
                self.count(energy_uj, if of_update { to_ns } else { at_ns }, Edge { at_ns, uncertainty_ns })
            }
        }
    }

    /// Whether the register can have taken this value at `at_ns`: another than the last was taken later than that.
    fn can_be_of(&self, energy_uj: u64, at_ns: i64) -> bool {
        match self.last {
            Some(last) => energy_uj == last.energy_uj || last.since.at_ns < at_ns,
            None => self.failing_since.is_none_or(|since| since.at_ns < at_ns),
        }
    }

    /// Takes a value that was read at `now_ns`, and that the register has had since `here` as far as this read tells.
    fn count(&mut self, energy_uj: u64, now_ns: i64, here: Edge) -> Difference {
        let failing_since = self.failing_since.take();
        let slept_ns = std::mem::take(&mut self.slept_ns);
        let Some(last) = self.last else {
            self.last = Some(Last { energy_uj, since: here, seen_ns: now_ns, stood: false });
            if let Some(since) = failing_since {
                return Difference::Lost(self.lost(since, here));
            }
            // What was missed before the first value belongs to no interval.
            self.flags = Flags::NONE;
            return Difference::First;
        };
        // A stamp may be older than the read before.
        let now_ns = now_ns.max(last.seen_ns);
        let unseen_ns = now_ns - last.seen_ns + slept_ns;
        let (kind, counted_uj) =
            self.compare(last, energy_uj, now_ns - last.since.at_ns + slept_ns, unseen_ns, slept_ns > 0);
        if kind == Kind::Same {
            self.last = Some(Last { seen_ns: now_ns, stood: true, ..last });
            return Difference::NotRefreshed;
        }

        let edge = if last.stood && here.uncertainty_ns.is_none() {
            let known = self.cadence.learn(Bounds { from_ns: last.seen_ns, to_ns: now_ns });
            Edge { at_ns: known.middle_ns(), uncertainty_ns: Some(known.uncertainty_ns()) }
        } else {
            self.cadence.miss();
            here
        };
        self.last = Some(Last { energy_uj, since: edge, seen_ns: now_ns, stood: false });
        let flags = self.take_flags();
        let interval = |flags| Interval {
            start_ns: last.since.at_ns,
            end_ns: edge.at_ns,
            edge_uncertainty_ns: last.since.uncertainty_ns.zip(edge.uncertainty_ns).map(|(start, end)| start.max(end)),
            energy_j: counted_uj as f64 / 1e6,
            flags,
        };
        match kind {
            Kind::Same | Kind::Rise => Difference::Counted(interval(flags)),
            Kind::Wrap => Difference::Wrapped(interval(flags.with(Flag::Wrap))),
            Kind::Reset => Difference::Reset(interval(flags.with(Flag::Reset))),
            Kind::Ambiguous => Difference::Ambiguous(interval(flags.with(Flag::Ambiguous))),
        }
    }

    /// The kind of difference and the microjoules that are certain.
    fn compare(&self, last: Last, energy_uj: u64, open_ns: i64, unseen_ns: i64, slept: bool) -> (Kind, u64) {
        let possible_uj = |ns: i64| self.max_plausible_w * ns as f64 * 1e-3;
        // What the register counted if it restarted at 0; nothing is certain if that is more than can have been drawn.
        let since_restart = if energy_uj as f64 <= possible_uj(unseen_ns + WRAP_SLACK_NS) { energy_uj } else { 0 };

        let rise = energy_uj.checked_sub(last.energy_uj);
        let wrapped = self.range_uj.and_then(|range| range.checked_sub(last.energy_uj)?.checked_add(energy_uj));
        let counted = match (rise, wrapped) {
            (Some(rise), _) => rise,
            // Sleep powers registers down, so a fall is more likely a restart.
            (None, Some(wrapped)) if !slept && wrapped as f64 <= possible_uj(unseen_ns + WRAP_SLACK_NS) => wrapped,
            (None, _) => return (Kind::Reset, since_restart),
        };
        // Only what happened since the last successful read can have gone unseen: an idle register may stand for hours.
        let again = self.range_uj.map(|range| counted as f64 + range as f64);
        if again.is_some_and(|again| again <= possible_uj(unseen_ns)) {
            return (Kind::Ambiguous, counted);
        }
        match rise {
            Some(0) => (Kind::Same, 0),
            Some(rise) if rise as f64 > possible_uj(open_ns + JUMP_SLACK_NS) => (Kind::Reset, 0),
            Some(_) => (Kind::Rise, counted),
            None => (Kind::Wrap, counted),
        }
    }

    fn lost(&mut self, since: Edge, until: Edge) -> Interval {
        let (start_ns, end_ns, flags) = (since.at_ns, until.at_ns, self.take_flags().with(Flag::Lost));
        Interval { start_ns, end_ns, edge_uncertainty_ns: None, energy_j: 0.0, flags }
    }

    fn take_flags(&mut self) -> Flags {
        std::mem::take(&mut self.flags)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Same,
    Rise,
    Wrap,
    Reset,
    Ambiguous,
}

/// The most that `domain` can be taken to draw.
#[must_use]
pub(crate) fn plausible_w(domain: &Domain) -> f64 {
    let platform = domain.name.starts_with("psys") || domain.device.starts_with("MODULE");
    if platform { PLAUSIBLE_PLATFORM_W } else { PLAUSIBLE_W }
}

/// The best estimate of when the register was looked at.
fn midpoint(observation: &Observation) -> i64 {
    observation.read_start_ns + (observation.read_end_ns - observation.read_start_ns) / 2
}
