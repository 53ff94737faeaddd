//! The sweep over boundaries: virtual time.
//!
//! W(t) = ∫ P/n dt is what a lane that is active all along receives; an event's energy is W(end) − W(start), whatever
//! overlaps it. There is one W for `compute`, and one for `copy` that stands still while anything computes.

use super::ends::Ends;
use super::timeline::Timeline;

/// How long W may grow before it starts from 0 again.
const REBASE_NS: u64 = 1_000_000_000;

/// One execution that draws energy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) op: u32,
    pub(super) copy: bool,
}

/// The classes of instants without operations, by which energy is entered then.
pub(super) const PROFILING: usize = 0;
pub(super) const TRACED: usize = 1;
pub(super) const UNTRACED: usize = 2;

/// A sweep, whatever the number of domains it carries.
pub(super) trait Sweeping: Send {
    fn grow(&mut self, ops: usize);
    /// See [`Timeline::push`].
    fn energy(&mut self, domain: usize, start_ns: i64, end_ns: i64, energy_j: f64) -> bool;
    /// A span of the class [`PROFILING`] or [`TRACED`].
    fn span(&mut self, class: usize, start_ns: i64, end_ns: i64);
    /// Sweeps up to `until_ns` over `starts`, which are in order of their start and all before it.
    fn run(&mut self, starts: &[Interval], until_ns: i64);
    fn energy_j(&self, op: usize, domain: usize) -> f64;
    fn outside_j(&self, class: usize, domain: usize) -> f64;
}

/// A sum that keeps what rounding drops: a day of millijoules adds up as exactly as its first second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let high = self.high + value;
        let taken = high - self.high;
        self.low += (self.high - (high - taken)) + (value - taken);
        self.high = high;
    }

    #[inline]
    fn since(self, earlier: Self) -> f64 {
        (self.high - earlier.high) + (self.low - earlier.low)
    }

    pub(crate) fn value(self) -> f64 {
        self.high + self.low
    }
}

#[derive(Clone, Copy)]
struct Active<const K: usize> {
    op: u32,
    /// Index into [`Sweep::w`].
    kind: usize,
    w: [Sum; K],
}

/// Virtual time of up to `K` domains of one device.
pub(super) struct Sweep<const K: usize> {
    now_ns: i64,
    /// Joules per nanosecond now.
    power: [f64; K],
    powers: [Timeline; K],
    /// [`PROFILING`] and [`TRACED`].
    spans: [Timeline; 2],
    /// When the first of the timelines changes.
    change_ns: i64,
    /// Of computing lanes, and of copying ones.
    w: [[Sum; K]; 2],
    lanes: [u32; 2],
    rebased_ns: i64,
    ends: Ends,
    active: Vec<Active<K>>,
    vacant: Vec<u32>,
    energy: Vec<[Sum; K]>,
    outside: [[Sum; K]; 3],
    /// Time without any operation since the last change of a timeline.
    quiet_ns: u64,
}

impl<const K: usize> Sweep<K> {
    pub(super) fn new(ops: usize) -> Self {
        Self {
            now_ns: i64::MIN,
            power: [0.0; K],
            powers: std::array::from_fn(|_| Timeline::default()),
            spans: Default::default(),
            change_ns: i64::MAX,
            w: [[Sum::default(); K]; 2],
            lanes: [0; 2],
            rebased_ns: i64::MIN,
            ends: Ends::default(),
            active: Vec::new(),
            vacant: Vec::new(),
            energy: vec![[Sum::default(); K]; ops],
            outside: [[Sum::default(); K]; 3],
            quiet_ns: 0,
        }
    }

    /// Moves to `to_ns`, over which nothing changes.
    #[inline]
    fn advance(&mut self, to_ns: i64) {
        // Instants may lie further apart than an i64 counts, yet never further than a u64.
        let elapsed = to_ns.wrapping_sub(self.now_ns) as u64;
        self.now_ns = to_ns;
        let kind = match self.lanes {
            [0, 0] => {
                self.quiet_ns = self.quiet_ns.saturating_add(elapsed);
                return;
            }
            [0, _] => 1,
            _ => 0,
        };
        let each = elapsed as i64 as f64 / f64::from(self.lanes[kind]);
        for domain in 0..K {
            self.w[kind][domain].add(self.power[domain] * each);
        }
        if to_ns.wrapping_sub(self.rebased_ns) as u64 >= REBASE_NS {
            self.rebase();
        }
    }

    /// Credits what is active with its energy so far, and lets W start from 0.
    #[cold]
    fn rebase(&mut self) {
        for slot in self.ends.slots() {
            let active = &mut self.active[slot as usize];
            for domain in 0..K {
                let energy = self.w[active.kind][domain].since(active.w[domain]);
                self.energy[active.op as usize][domain].add(energy);
            }
            active.w = [Sum::default(); K];
        }
        self.w = [[Sum::default(); K]; 2];
        self.rebased_ns = self.now_ns;
    }

    #[inline]
    fn start(&mut self, interval: &Interval) {
        let kind = usize::from(interval.copy);
        let active = Active { op: interval.op, kind, w: self.w[kind] };
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.active[slot as usize] = active;
                slot
            }
            None => {
                self.active.push(active);
                (self.active.len() - 1) as u32
            }
        };
        self.lanes[kind] += 1;
        self.ends.push((interval.end_ns, slot));
    }

    #[inline]
    fn end(&mut self) {
        let Some((_, slot)) = self.ends.pop() else { return };
        let active = &self.active[slot as usize];
        let energy = &mut self.energy[active.op as usize];
        for ((energy, w), start) in energy.iter_mut().zip(&self.w[active.kind]).zip(&active.w) {
            energy.add(w.since(*start));
        }
        self.lanes[active.kind] -= 1;
        self.vacant.push(slot);
        if self.lanes == [0; 2] {
            self.w = [[Sum::default(); K]; 2];
            self.rebased_ns = self.now_ns;
        }
    }

    #[cold]
    fn change(&mut self) {
        let class = self.class();
        let quiet = std::mem::take(&mut self.quiet_ns) as f64;
        for domain in 0..K {
            self.outside[class][domain].add(self.power[domain] * quiet);
        }
        for (power, timeline) in self.power.iter_mut().zip(&mut self.powers) {
            timeline.turn(self.now_ns);
            *power = timeline.value();
        }
        for span in &mut self.spans {
            span.turn(self.now_ns);
        }
        self.next_change();
    }

    fn class(&self) -> usize {
        self.spans.iter().position(|span| span.value() > 0.0).unwrap_or(UNTRACED)
    }

    fn next_change(&mut self) {
        let timelines = self.powers.iter().chain(&self.spans);
        self.change_ns = timelines.map(Timeline::change_ns).min().unwrap_or(i64::MAX);
    }
}

impl<const K: usize> Sweeping for Sweep<K> {
    fn grow(&mut self, ops: usize) {
        if ops > self.energy.len() {
            self.energy.resize(ops, [Sum::default(); K]);
        }
    }

    fn energy(&mut self, domain: usize, start_ns: i64, end_ns: i64, energy_j: f64) -> bool {
        let now_ns = self.now_ns;
        let Some(timeline) = self.powers.get_mut(domain) else { return false };
        let pushed = timeline.push(now_ns, start_ns, end_ns, |length| energy_j / length);
        self.change_ns = self.change_ns.min(timeline.change_ns());
        pushed
    }

    fn span(&mut self, class: usize, start_ns: i64, end_ns: i64) {
        let now_ns = self.now_ns;
        self.spans[class].push(now_ns, start_ns, end_ns, |_| 1.0);
        self.change_ns = self.change_ns.min(self.spans[class].change_ns());
    }

    fn run(&mut self, starts: &[Interval], until_ns: i64) {
        let mut starts = starts.iter();
        let mut next = starts.next();
        loop {
            let start_ns = next.map_or(i64::MAX, |interval| interval.start_ns.max(self.now_ns));
            let end_ns = self.ends.soonest_ns();
            let to_ns = start_ns.min(end_ns);
            if self.change_ns <= to_ns {
                if self.change_ns >= until_ns {
                    return;
                }
                self.advance(self.change_ns.max(self.now_ns));
                self.change();
            } else if to_ns >= until_ns {
                return;
            } else if end_ns <= start_ns {
                self.advance(end_ns);
                self.end();
            } else if let Some(interval) = next {
                self.advance(start_ns);
                // What comes too late may be over by now: it keeps its time and gets no energy.
                if interval.end_ns > start_ns {
                    self.start(interval);
                }
                next = starts.next();
            }
        }
    }

    fn energy_j(&self, op: usize, domain: usize) -> f64 {
        self.energy.get(op).map_or(0.0, |energy| energy[domain].value())
    }

    fn outside_j(&self, class: usize, domain: usize) -> f64 {
        let mut outside = self.outside[class][domain];
        if self.class() == class {
            outside.add(self.power[domain] * self.quiet_ns as f64);
        }
        outside.value()
    }
}
