//! The tables of a trace that may be larger than memory, in order, some of their rows at a time.

use std::borrow::Cow;
use std::iter::from_fn;
use std::ops::Range;
use std::path::Path;

use rustc_hash::FxHashMap;

use super::columns::{Checked, Columns};
use super::file::{Group, TableFile};
use super::read::{self, UnknownFlags};
use super::sharing::show_on_all_cores;
use super::sorted::{Fixed, Sorted, Sorting, Taking};
use crate::error::{Error, Result};
use crate::span::Span;
use crate::store::folder::Folder;
use crate::trace::{Batches, Event, Flags, Kind, Reader, Reading, Recorded, Step};

/// Rows of a sorted file that are read at once.
const BATCH: usize = 1 << 14;
/// What accounting reads of events.
const OF_EVENTS: &[&str] = &["op", "device", "kind", "start_ns", "end_ns"];
const OF_ORDER: &[&str] = &["start_ns"];
const OF_READINGS: &[&str] = &[
    "domain",
    "start_ns",
    "end_ns",
    "edge_uncertainty_ns",
    "read_start_ns",
    "read_end_ns",
    "energy_j",
    "app_share",
    "daemon_share",
    "idle_share",
    "flags",
];
const OF_STEPS: &[&str] = &["start_ns", "end_ns", "traced"];

/// Names and numbers that rows are checked against.
pub(super) struct Known {
    pub(super) ops: usize,
    pub(super) devices: FxHashMap<String, u16>,
    pub(super) domains: FxHashMap<String, u16>,
}

/// Events, readings and steps of a trace directory.
pub struct LargeTables {
    pub(super) known: Known,
    pub(super) events: TableFile,
    /// Where somebody left them in no order.
    sorted_events: Option<Sorted<Event>>,
    pub(super) readings: TableFile,
    sorted_readings: Option<Sorted<Reading>>,
    /// By domain: its rows of the readings, in order.
    of_domain: Vec<Range<usize>>,
    pub(super) steps: TableFile,
}

impl LargeTables {
    /// Looks at the order of all rows; what is in none is sorted in files that have no name, in `dir`.
    pub(super) fn of(
        dir: &Path,
        known: Known,
        [events, readings, steps]: [TableFile; 3],
        unknown: &mut UnknownFlags,
    ) -> Result<Self> {
        let mut tables = Self {
            of_domain: vec![0..0; known.domains.len()],
            known,
            events,
            sorted_events: None,
            readings,
            sorted_readings: None,
            steps,
        };
        if !tables.has_events_in_order()? {
            tables.sorted_events = Some(tables.sort_events(dir)?);
        }
        if !tables.has_readings_in_order(unknown)? {
            tables.sort_readings(dir)?;
        }
        Ok(tables)
    }

    fn has_events_in_order(&self) -> Result<bool> {
        let mut last_ns = i64::MIN;
        for batch in self.events.batches(&self.events.groups(), Some(OF_ORDER)) {
            let starts = batch?.required::<arrow_array::types::Int64Type>("start_ns");
            let starts = starts.map_err(|problem| self.events.damaged(problem))?;
            for start_ns in starts.values() {
                if *start_ns < last_ns {
                    return Ok(false);
                }
                last_ns = *start_ns;
            }
        }
        Ok(true)
    }

    fn sort_events(&self, dir: &Path) -> Result<Sorted<Event>> {
        let folder = Folder::open(dir)?;
        let mut sorting = Sorting::new(&folder);
        for batch in self.decoded_events(&self.events.groups()) {
            sorting.extend(batch?).map_err(Error::io("sort events in", dir))?;
        }
        sorting.finish(|_| {}).map_err(Error::io("sort events in", dir))
    }

    /// Also finds the rows of each domain, and what flags this version does not know.
    fn has_readings_in_order(&mut self, unknown: &mut UnknownFlags) -> Result<bool> {
        let (mut row, mut last, mut in_order) = (0, None, true);
        for batch in self.readings.batches(&self.readings.groups(), Some(OF_READINGS)) {
            let mut readings = Vec::new();
            let read = read::readings(&batch?, &self.known.domains, &mut readings, unknown);
            read.map_err(|problem| self.readings.damaged(problem))?;
            for reading in readings {
                let key = Fixed::key(&reading);
                // What follows is still looked at for what cannot be.
                in_order &= last.is_none_or(|last| last <= key);
                last = Some(key);
                if let Some(rows) = self.of_domain.get_mut(usize::from(reading.domain)) {
                    extend(rows, row);
                }
                row += 1;
            }
        }
        Ok(in_order)
    }

    fn sort_readings(&mut self, dir: &Path) -> Result<()> {
        let folder = Folder::open(dir)?;
        let mut sorting = Sorting::new(&folder);
        for batch in
            self.decoded_readings(self.readings.groups().into_iter().map(|group| (group, 0..group.rows)).collect())
        {
            sorting.extend(batch?).map_err(Error::io("sort readings in", dir))?;
        }
        let (mut row, mut of_domain) = (0, vec![0..0; self.of_domain.len()]);
        let sorted = sorting.finish(|reading: &Reading| {
            if let Some(rows) = of_domain.get_mut(usize::from(reading.domain)) {
                extend(rows, row);
            }
            row += 1;
        });
        self.sorted_readings = Some(sorted.map_err(Error::io("sort readings in", dir))?);
        self.of_domain = of_domain;
        Ok(())
    }

    fn decoded_events(&self, groups: &[Group]) -> impl Iterator<Item = Result<Vec<Event>>> + Send + '_ {
        let rows =
            |batch: &Columns, rows: &mut Vec<Event>| read::events(batch, &self.known.devices, self.known.ops, rows);
        decoded(&self.events, self.events.batches(groups, Some(OF_EVENTS)), rows)
    }

    fn decoded_readings(
        &self,
        groups: Vec<(Group, Range<usize>)>,
    ) -> impl Iterator<Item = Result<Vec<Reading>>> + Send + '_ {
        let rows = |batch: &Columns, rows: &mut Vec<Reading>| {
            read::readings(batch, &self.known.domains, rows, &mut UnknownFlags::new())
        };
        decoded(&self.readings, self.readings.batches_of(groups, Some(OF_READINGS)), rows)
    }

    /// All that is known of the steps, in the order of their rows.
    pub fn whole_steps(&self) -> impl Iterator<Item = Result<Vec<Step>>> + '_ {
        decoded(&self.steps, self.steps.batches(&self.steps.groups(), None), read::steps)
    }

    /// Those whose rows have something in common with `within`, as far as their statistics tell.
    fn groups_within(&self, within: Option<&[Span]>) -> Vec<Group> {
        let mut groups = self.events.groups();
        groups.retain(|group| {
            let (Some(within), Some((from_ns, _)), Some((_, to_ns))) =
                (within, self.events.range(*group, "start_ns"), self.events.range(*group, "end_ns"))
            else {
                return true;
            };
            let first = within.partition_point(|span| span.end_ns <= from_ns);
            within.get(first).is_some_and(|span| span.start_ns < to_ns)
        });
        groups
    }
}

/// By one row.
fn extend(rows: &mut Range<usize>, row: usize) {
    *rows = if rows.start == rows.end { row..row + 1 } else { rows.start..row + 1 };
}

fn decoded<'a, T: Send + 'a>(
    table: &'a TableFile,
    batches: impl Iterator<Item = Result<Columns>> + Send + 'a,
    rows: impl Fn(&Columns, &mut Vec<T>) -> Checked<()> + Send + 'a,
) -> impl Iterator<Item = Result<Vec<T>>> + Send + 'a {
    batches.map(move |batch| {
        let mut decoded = Vec::new();
        rows(&batch?, &mut decoded).map_err(|problem| table.damaged(problem))?;
        Ok(decoded)
    })
}

fn in_batches<T: Fixed + Clone + Send>(sorted: &Sorted<T>, rows: Range<usize>) -> Batches<'_, T> {
    let mut left = rows;
    Box::new(from_fn(move || {
        let until = left.end.min(left.start + BATCH);
        let rows = left.start..until;
        left.start = until;
        let read = || sorted.read(rows.clone()).map(Cow::Owned);
        (!rows.is_empty()).then(|| read().map_err(Error::io("read", "a sorted table")))
    }))
}

impl Recorded for LargeTables {
    fn events_count(&self) -> u64 {
        self.events.groups().iter().map(|group| group.rows as u64).sum()
    }

    fn events<'a>(&'a self, within: Option<&'a [Span]>) -> Batches<'a, Event> {
        match &self.sorted_events {
            Some(sorted) => in_batches(sorted, 0..sorted.rows),
            None => Box::new(self.decoded_events(&self.groups_within(within)).map(|batch| batch.map(Cow::Owned))),
        }
    }

    fn show(&self, within: Option<&[Span]>, readers: &mut [&mut dyn Reader]) -> Result<()> {
        show_on_all_cores(self, within, readers)
    }

    fn readings(&self, domain: u16) -> Batches<'_, Reading> {
        let rows = self.of_domain.get(usize::from(domain)).cloned().unwrap_or(0..0);
        if let Some(sorted) = &self.sorted_readings {
            return in_batches(sorted, rows);
        }
        let mut first = 0;
        let of_domain = self.readings.groups().into_iter().filter_map(|group| {
            let (from, to) = (rows.start.max(first), rows.end.min(first + group.rows));
            let within = (from < to).then(|| (group, from - first..to - first));
            first += group.rows;
            within
        });
        Box::new(self.decoded_readings(of_domain.collect()).map(|batch| batch.map(Cow::Owned)))
    }

    fn steps(&self) -> Batches<'_, (Span, bool)> {
        let rows = |batch: &Columns, rows: &mut Vec<(Span, bool)>| read::step_spans(batch, rows);
        let batches = self.steps.batches(&self.steps.groups(), Some(OF_STEPS));
        Box::new(decoded(&self.steps, batches, rows).map(|batch| batch.map(Cow::Owned)))
    }
}

impl Fixed for Event {
    const BYTES: usize = 23;
    type Key = i64;

    fn key(&self) -> i64 {
        self.start_ns
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.op.to_le_bytes());
        bytes.extend_from_slice(&self.device.to_le_bytes());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.start_ns.to_le_bytes());
        bytes.extend_from_slice(&self.end_ns.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Self {
        let mut bytes = Taking(bytes);
        Self {
            op: u32::from_le_bytes(bytes.next()),
            device: u16::from_le_bytes(bytes.next()),
            kind: Kind::ALL.get(usize::from(bytes.next::<1>()[0])).copied().unwrap_or(Kind::Wait),
            start_ns: i64::from_le_bytes(bytes.next()),
            end_ns: i64::from_le_bytes(bytes.next()),
            // Accounting asks for none of these.
            lane: 0,
            step: None,
            correlation: None,
        }
    }
}

impl Fixed for Reading {
    const BYTES: usize = 77;
    type Key = (u16, i64);

    fn key(&self) -> (u16, i64) {
        (self.domain, self.start_ns)
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        let shares = [self.app_share, self.daemon_share, self.idle_share];
        let known =
            shares.iter().zip(0..).fold(u8::from(self.edge_uncertainty_ns.is_some()) << 3, |known, (share, bit)| {
                known | u8::from(share.is_some()) << bit
            });
        bytes.extend_from_slice(&self.domain.to_le_bytes());
        bytes.extend_from_slice(&self.flags.bits().to_le_bytes());
        bytes.push(known);
        for ns in [self.start_ns, self.end_ns, self.read_start_ns, self.read_end_ns] {
            bytes.extend_from_slice(&ns.to_le_bytes());
        }
        bytes.extend_from_slice(&self.edge_uncertainty_ns.unwrap_or_default().to_le_bytes());
        for value in [self.energy_j].into_iter().chain(shares.map(Option::unwrap_or_default)) {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn take(bytes: &[u8]) -> Self {
        let mut bytes = Taking(bytes);
        let domain = u16::from_le_bytes(bytes.next());
        let flags = Flags::from_bits(u16::from_le_bytes(bytes.next()));
        let [known] = bytes.next();
        let [start_ns, end_ns, read_start_ns, read_end_ns, edge_ns] =
            [(); 5].map(|()| i64::from_le_bytes(bytes.next()));
        let [energy_j, app, daemon, idle] = [(); 4].map(|()| f64::from_le_bytes(bytes.next()));
        let share = |bit: u8, share: f64| (known >> bit & 1 == 1).then_some(share);
        Self {
            domain,
            start_ns,
            end_ns,
            edge_uncertainty_ns: (known >> 3 & 1 == 1).then_some(edge_ns),
            read_start_ns,
            read_end_ns,
            energy_j,
            app_share: share(0, app),
            daemon_share: share(1, daemon),
            idle_share: share(2, idle),
            flags,
        }
    }
}
