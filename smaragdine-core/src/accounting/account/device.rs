//! One device of a trace: its domains' readings and its events, brought to alignment.

use std::borrow::Borrow;

use rustc_hash::FxHashMap;

use crate::accounting::alignment::{Aligner, Alignment, MOST_DOMAINS};
use crate::accounting::attribution::split;
use crate::accounting::deconvolution::Problem;
use crate::span::Span;
use crate::trace::{Domain, Event, Kind, Op, Reading, Trace, readings_of_domain};

/// Events between two advances of the sweep: enough to sort at leisure, few enough to stay in the cache.
const CHUNK: usize = 1 << 14;

/// The application's energy over an interval, in joules: start, end, energy.
pub(super) type Piece = (i64, i64, f64);

pub(super) struct Device<'a> {
    pub(super) ops: usize,
    /// The counted domains with their readings, in order of time.
    pub(super) domains: Vec<(&'a Domain, &'a [Reading])>,
    /// In order of their start.
    pub(super) events: Vec<&'a Event>,
    pub(super) traced: &'a [Span],
    pub(super) profiling: &'a [Span],
}

/// The domains of a device, aligned with its events.
pub(super) struct Aligned {
    /// One for each [`MOST_DOMAINS`] of the domains.
    pub(super) alignments: Vec<Alignment>,
    /// By domain: whether any energy of the application is known.
    pub(super) known: Vec<bool>,
    /// By domain: energy whose interval has no length, or lies within another's.
    pub(super) misplaced_j: Vec<f64>,
}

impl Aligned {
    pub(super) fn alignment_of(&self, domain: usize) -> (&Alignment, usize) {
        (&self.alignments[domain / MOST_DOMAINS], domain % MOST_DOMAINS)
    }

    pub(super) fn alignment_of_mut(&mut self, domain: usize) -> (&mut Alignment, usize) {
        (&mut self.alignments[domain / MOST_DOMAINS], domain % MOST_DOMAINS)
    }

    pub(super) fn operations_j(&self, domain: usize) -> f64 {
        let (alignment, place) = self.alignment_of(domain);
        alignment.operations_j(place)
    }
}

impl<'a> Device<'a> {
    /// `traced` and `profiling` are spans in order of their start. The readings of `trace` are by domain and time.
    pub(super) fn of(trace: &'a Trace, name: &str, traced: &'a [Span], profiling: &'a [Span]) -> Self {
        let domains = (0..=u16::MAX).zip(&trace.metadata.domains);
        let domains = domains
            .filter(|(_, domain)| domain.counted && domain.device == name)
            .map(|(number, domain)| (domain, readings_of_domain(&trace.readings, number)));
        let number = trace.metadata.devices.iter().position(|device| device == name);
        let events = trace.events.iter().filter(|event| Some(usize::from(event.device)) == number);
        let mut events: Vec<&Event> = events.collect();
        events.sort_by_key(|event| event.start_ns);
        Self { ops: trace.ops.len(), domains: domains.collect(), events, traced, profiling }
    }

    /// What can be solved for a domain, whose register is `late_ns`. `stretches` are those in which every event is known.
    pub(super) fn problem<'p>(
        &'p self,
        domain: usize,
        late_ns: i64,
        ops: &'p [Op],
        stretches: &'p [Span],
    ) -> Problem<'p> {
        let (domain, readings) = self.domains[domain];
        Problem { domain, late_ns, ops, readings, events: &self.events, steps: self.traced, stretches }
    }

    /// The same of every domain, whose register is taken to be in time.
    pub(super) fn problems<'p>(&'p self, ops: &'p [Op], stretches: &'p [Span]) -> impl Iterator<Item = Problem<'p>> {
        (0..self.domains.len()).map(move |domain| self.problem(domain, 0, ops, stretches))
    }

    /// Sweeps over `events`, in order of their start, and the pieces of each domain: of its number, its readings and
    /// the number of one of them, `piece` makes the application's energy, or `None` where it is not known.
    pub(super) fn align<E: Borrow<Event>>(
        &self,
        events: &[E],
        piece: impl Fn(usize, &[Reading], usize) -> Option<Piece>,
    ) -> Aligned {
        let mut aligned = Aligned {
            alignments: Vec::new(),
            known: vec![false; self.domains.len()],
            misplaced_j: vec![0.0; self.domains.len()],
        };
        // Without a domain there still are counts and times.
        for first in (0..self.domains.len().max(1)).step_by(MOST_DOMAINS) {
            let domains = &self.domains[first..self.domains.len().min(first + MOST_DOMAINS)];
            let mut aligner = Aligner::new(domains.len(), self.ops);
            self.traced.iter().for_each(|span| aligner.push_traced(span.start_ns, span.end_ns));
            self.profiling.iter().for_each(|span| aligner.push_profiling(span.start_ns, span.end_ns));
            let mut next = vec![0; domains.len()];
            let mut energies = |aligner: &mut Aligner, until_ns: i64| {
                for (place, ((_, readings), next)) in domains.iter().zip(&mut next).enumerate() {
                    while *next < readings.len() {
                        if let Some((start_ns, end_ns, energy_j)) = piece(first + place, readings, *next) {
                            if start_ns >= until_ns {
                                break;
                            }
                            if aligner.push_energy(place, start_ns, end_ns, energy_j) {
                                aligned.known[first + place] = true;
                            } else {
                                aligned.misplaced_j[first + place] += energy_j;
                            }
                        }
                        *next += 1;
                    }
                }
            };
            for chunk in events.chunks(CHUNK) {
                let until_ns = chunk[0].borrow().start_ns;
                energies(&mut aligner, until_ns);
                aligner.advance(until_ns);
                for event in chunk {
                    aligner.push_event(event.borrow());
                }
            }
            energies(&mut aligner, i64::MAX);
            aligned.alignments.push(aligner.finish());
        }
        aligned
    }

    /// What recency divides by: for each operation the stretches in which it is active, however many times at once.
    pub(super) fn distinct(&self) -> Vec<Event> {
        let mut distinct: Vec<Event> = Vec::new();
        let mut latest: FxHashMap<(u32, Kind), usize> = FxHashMap::default();
        for event in &self.events {
            match latest.get(&(event.op, event.kind)) {
                Some(&place) if event.start_ns <= distinct[place].end_ns => {
                    distinct[place].end_ns = distinct[place].end_ns.max(event.end_ns);
                }
                _ => {
                    latest.insert((event.op, event.kind), distinct.len());
                    distinct.push(**event);
                }
            }
        }
        distinct
    }
}

/// Law 4: the energy of a reading belongs to the interval over which it was measured.
pub(super) fn measured(readings: &[Reading], number: usize) -> Option<Piece> {
    let reading = &readings[number];
    Some((reading.start_ns, reading.end_ns, split(reading).app?))
}

/// The paper's Algorithm 2: the power of a reading holds from its timestamp until the next reading's.
/// The last one holds for as long as it was measured.
pub(super) fn held_until_next(readings: &[Reading], number: usize) -> Option<Piece> {
    let (start_ns, end_ns, energy_j) = measured(readings, number)?;
    let length = end_ns.checked_sub(start_ns).filter(|length| *length > 0)?;
    let until_ns = readings.get(number + 1).map_or(end_ns.saturating_add(length), |next| next.end_ns);
    let held = until_ns.checked_sub(end_ns)?;
    Some((end_ns, until_ns, energy_j * (held as f64 / length as f64)))
}
