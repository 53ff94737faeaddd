//! The domains of a device brought to alignment with its events, as these pass by.

use rustc_hash::FxHashMap;

use super::device::{Device, Given, Pieces};
use super::ledger::Ledger;
use crate::accounting::alignment::{Aligner, Alignment, MOST_DOMAINS};
use crate::error::Result;
use crate::span::Span;
use crate::trace::{Entry, Event, Kind, Reader};

/// Events between two advances of the sweep: enough to sort at leisure, few enough to stay in the cache.
const CHUNK: usize = 1 << 14;

/// The domains of a device, aligned with its events.
pub(super) struct Aligned {
    /// One for each [`MOST_DOMAINS`] of the domains.
    pub(super) alignments: Vec<Alignment>,
    /// By domain: whether any energy of the application is known.
    pub(super) known: Vec<bool>,
    /// By domain: energy whose interval has no length, or lies within another's.
    pub(super) misplaced_j: Vec<f64>,
    /// By domain: what readings gave to others than the application; `None`: there was no reading.
    pub(super) others: Vec<Option<Ledger>>,
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

    /// Where the energy of a domain went that is the device's by this number; `None`: it has no reading.
    pub(super) fn ledger(&self, device: &Device, domain: usize) -> Option<Ledger> {
        let mut ledger = self.others[domain].clone()?;
        let (alignment, place) = self.alignment_of(domain);
        ledger.add(Entry::Operations, alignment.operations_j(place));
        // What a GPU draws in a traced step without executing anything, it draws idle; a CPU may work for the
        // application without that being an operation.
        let gpu = device.domains[domain].1.is_of_gpu();
        ledger.add(if gpu { Entry::Idle } else { Entry::Application }, alignment.traced_j[place]);
        ledger.add(Entry::Profiling, alignment.profiling_j[place]);
        ledger.add(Entry::Untraced, alignment.untraced_j[place]);
        ledger.add(Entry::Gap, self.misplaced_j[domain]);
        Some(ledger)
    }
}

/// Aligns the events of one device. What it finds does not depend on the batches in which they come.
pub(super) struct Aligning<'a> {
    device: Option<u16>,
    /// One for each [`MOST_DOMAINS`] of the domains; without a domain there still are counts and times.
    aligners: Vec<Aligner>,
    pieces: Vec<Pieces<'a>>,
    traced: std::slice::Iter<'a, Span>,
    profiling: std::slice::Iter<'a, Span>,
    /// Operations that draw at once count once (recency), and until when each was seen to do so.
    distinct: Option<FxHashMap<(u32, Kind), i64>>,
    chunk: Vec<Event>,
    known: Vec<bool>,
    misplaced_j: Vec<f64>,
    others: Vec<Option<Ledger>>,
}

impl<'a> Aligning<'a> {
    /// `pieces` are by domain; `traced` and `profiling` in order of their start.
    pub(super) fn new(
        device: &Device,
        ops: usize,
        pieces: Vec<Pieces<'a>>,
        traced: &'a [Span],
        profiling: &'a [Span],
    ) -> Self {
        let count = pieces.len();
        let firsts = (0..count.max(1)).step_by(MOST_DOMAINS);
        Self {
            device: device.number,
            aligners: firsts.map(|first| Aligner::new((count - first).min(MOST_DOMAINS), ops)).collect(),
            pieces,
            traced: traced.iter(),
            profiling: profiling.iter(),
            distinct: None,
            chunk: Vec::with_capacity(CHUNK),
            known: vec![false; count],
            misplaced_j: vec![0.0; count],
            others: vec![None; count],
        }
    }

    /// The same of what recency divides by: for each operation the stretches in which it is active, however many times at
    /// once. Their times and counts are none of the operation's.
    pub(super) fn distinct(self) -> Self {
        Self { distinct: Some(FxHashMap::default()), ..self }
    }

    fn sweep(&mut self) -> Result<()> {
        let Some(first) = self.chunk.first() else { return Ok(()) };
        let until_ns = first.start_ns;
        self.enter(Some(until_ns))?;
        for aligner in &mut self.aligners {
            aligner.advance(until_ns);
            for event in &self.chunk {
                aligner.push_event(event);
            }
        }
        self.chunk.clear();
        Ok(())
    }

    /// Enters what starts before an instant; `None`: all that is left.
    fn enter(&mut self, until_ns: Option<i64>) -> Result<()> {
        let is_before = |start_ns: i64| until_ns.is_none_or(|until_ns| start_ns < until_ns);
        let starts = |span: Option<&Span>| span.is_some_and(|span| is_before(span.start_ns));
        while starts(self.traced.as_slice().first()) {
            let Some(span) = self.traced.next() else { break };
            self.aligners.iter_mut().for_each(|aligner| aligner.push_traced(span.start_ns, span.end_ns));
        }
        while starts(self.profiling.as_slice().first()) {
            let Some(span) = self.profiling.next() else { break };
            self.aligners.iter_mut().for_each(|aligner| aligner.push_profiling(span.start_ns, span.end_ns));
        }
        let is_later = |given: &Given| given.piece.is_some_and(|(start_ns, _, _)| !is_before(start_ns));
        for (domain, pieces) in self.pieces.iter_mut().enumerate() {
            while let Some(given) = pieces.next_if(|given| !given.as_ref().is_ok_and(is_later)) {
                let given = given?;
                self.others[domain].get_or_insert_default().add_others(&given.parts);
                let Some((start_ns, end_ns, energy_j)) = given.piece else { continue };
                let (aligner, place) = (&mut self.aligners[domain / MOST_DOMAINS], domain % MOST_DOMAINS);
                if aligner.push_energy(place, start_ns, end_ns, energy_j) {
                    self.known[domain] = true;
                } else {
                    self.misplaced_j[domain] += energy_j;
                }
            }
        }
        Ok(())
    }

    /// Aligns what remains.
    pub(super) fn finish(mut self) -> Result<Aligned> {
        self.sweep()?;
        self.enter(None)?;
        Ok(Aligned {
            alignments: self.aligners.into_iter().map(Aligner::finish).collect(),
            known: self.known,
            misplaced_j: self.misplaced_j,
            others: self.others,
        })
    }
}

impl Reader for Aligning<'_> {
    fn read(&mut self, events: &[Event]) -> Result<()> {
        let device = self.device;
        for event in events.iter().filter(|event| Some(event.device) == device) {
            let event = match &mut self.distinct {
                None => *event,
                Some(until_ns) => match only_new(until_ns, event) {
                    Some(event) => event,
                    None => continue,
                },
            };
            self.chunk.push(event);
            if self.chunk.len() == CHUNK {
                self.sweep()?;
            }
        }
        Ok(())
    }
}

/// What of an event its operation was not seen to be active in before.
fn only_new(until_ns: &mut FxHashMap<(u32, Kind), i64>, event: &Event) -> Option<Event> {
    let latest_ns = until_ns.entry((event.op, event.kind)).or_insert(i64::MIN);
    let start_ns = event.start_ns.max(*latest_ns);
    if *latest_ns > i64::MIN && event.end_ns <= *latest_ns && event.start_ns <= *latest_ns {
        return None;
    }
    *latest_ns = event.end_ns;
    Some(Event { start_ns, ..*event })
}
