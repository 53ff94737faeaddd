//! What was recorded, to be read in order and in batches: it may be larger than memory.

use std::borrow::Cow;

use super::{Event, Reading, Step};
use crate::error::Result;
use crate::span::Span;

/// Rows in their order, some at a time.
pub type Batches<'a, T> = Box<dyn Iterator<Item = Result<Cow<'a, [T]>>> + Send + 'a>;

/// Rows that are held at once, where they come from memory anyway.
const BATCH: usize = 1 << 16;

/// Looks at events as they pass by.
pub trait Reader: Send {
    /// The next events, in order of their start.
    ///
    /// # Errors
    /// Where what it needs besides cannot be read.
    fn read(&mut self, events: &[Event]) -> Result<()>;
}

/// The recorded tables of a trace. Each can be read as often as need be, by several at once.
pub trait Recorded: Sync {
    /// How many events there are.
    fn events_count(&self) -> u64;

    /// Events in order of their start. `within`: only those that have something in common with these spans, which are in
    /// order and disjoint, have to come.
    fn events<'a>(&'a self, within: Option<&'a [Span]>) -> Batches<'a, Event>;

    /// Shows these events to all of `readers`; each sees them all in their order, whatever the others do.
    ///
    /// # Errors
    /// Where events cannot be read, or a reader fails.
    fn show(&self, within: Option<&[Span]>, readers: &mut [&mut dyn Reader]) -> Result<()> {
        for batch in self.events(within) {
            let batch = batch?;
            readers.iter_mut().try_for_each(|reader| reader.read(&batch))?;
        }
        Ok(())
    }

    /// Readings of one domain in order of their start.
    fn readings(&self, domain: u16) -> Batches<'_, Reading>;

    /// Steps in the order in which they stand, and whether each is traced.
    fn steps(&self) -> Batches<'_, (Span, bool)>;
}

/// Recorded tables in memory.
pub struct Held<'a> {
    events: Cow<'a, [Event]>,
    /// By domain and time.
    readings: &'a [Reading],
    steps: &'a [Step],
}

impl<'a> Held<'a> {
    /// `readings` are by domain and time; the others in any order.
    #[must_use]
    pub fn new(events: &'a [Event], readings: &'a [Reading], steps: &'a [Step]) -> Self {
        let mut events = Cow::Borrowed(events);
        if !events.is_sorted_by_key(|event| event.start_ns) {
            events.to_mut().sort_by_key(|event| event.start_ns);
        }
        Self { events, readings, steps }
    }
}

impl Recorded for Held<'_> {
    fn events_count(&self) -> u64 {
        self.events.len() as u64
    }

    fn events<'a>(&'a self, _: Option<&'a [Span]>) -> Batches<'a, Event> {
        Box::new(self.events.chunks(BATCH).map(|batch| Ok(Cow::Borrowed(batch))))
    }

    fn readings(&self, domain: u16) -> Batches<'_, Reading> {
        let readings = super::readings_of_domain(self.readings, domain);
        Box::new(readings.chunks(BATCH).map(|batch| Ok(Cow::Borrowed(batch))))
    }

    fn steps(&self) -> Batches<'_, (Span, bool)> {
        let marks = |steps: &[Step]| steps.iter().map(|step| (step.span(), step.traced)).collect();
        Box::new(self.steps.chunks(BATCH).map(move |batch| Ok(Cow::Owned(marks(batch)))))
    }
}
