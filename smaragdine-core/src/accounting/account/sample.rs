//! As much of a recording as is solved at once: all of most, of a long one as much as tells as well.
//!
//! Of a long recording whole steps are taken, in blocks that are evenly spread over its traced steps, so that whatever
//! changes in its course is seen in proportion.

use super::device::Device;
use crate::error::{Error, Result};
use crate::span::{Span, joined};
use crate::trace::{Event, Reader, Reading, Recorded};

/// Events that are held.
const MOST_EVENTS: u64 = 1 << 19;
/// Readings of all domains that are held.
const MOST_READINGS: usize = 1 << 20;
/// A part so small is none: one step holds more than is held at once.
const LEAST_PART: f64 = 1e-6;
/// Blocks that are taken of a long recording.
const BLOCKS: u64 = 64;
/// Readings that reach so far beyond a stretch are of no use to it.
const MARGIN_NS: i64 = 5_000_000_000;

/// What is held.
pub(super) struct Sample {
    /// Traced steps, in order of their start.
    pub(super) steps: Vec<Span>,
    /// In which every event is known, in order and disjoint.
    pub(super) stretches: Vec<Span>,
    /// By device, in order of their start.
    events: Vec<Vec<Event>>,
    /// By device, then by its domains, in order of time.
    readings: Vec<Vec<Vec<Reading>>>,
}

/// One device's part of it.
pub(super) struct DeviceSample<'a> {
    pub(super) events: Vec<&'a Event>,
    /// By domain.
    pub(super) readings: &'a [Vec<Reading>],
}

impl Sample {
    /// `steps` are traced and in order of their start; `stretches` in order and disjoint.
    pub(super) fn of(recorded: &dyn Recorded, devices: &[Device], steps: &[Span], stretches: &[Span]) -> Result<Self> {
        let mut part = (MOST_EVENTS as f64 / recorded.events_count().max(1) as f64).min(1.0);
        loop {
            let (steps, stretches) =
                if part < 1.0 { blocks(steps, stretches, part) } else { (steps.to_vec(), stretches.to_vec()) };
            let within = (part < 1.0).then_some(&stretches[..]);
            if let Some((events, readings)) = held(recorded, devices, &stretches, within)? {
                return Ok(Self { steps, stretches, events, readings });
            }
            // Operations, or readings, come more often where it is traced.
            part /= 2.0;
            if part < LEAST_PART {
                let none = |device: &Device| vec![Vec::new(); device.domains.len()];
                let readings = devices.iter().map(none).collect();
                return Ok(Self {
                    steps: Vec::new(),
                    stretches: Vec::new(),
                    events: vec![Vec::new(); devices.len()],
                    readings,
                });
            }
        }
    }

    pub(super) fn of_device(&self, device: usize) -> DeviceSample<'_> {
        DeviceSample { events: self.events[device].iter().collect(), readings: &self.readings[device] }
    }
}

type Rows = (Vec<Vec<Event>>, Vec<Vec<Vec<Reading>>>);

/// `None`: there is too much of it.
fn held(
    recorded: &dyn Recorded,
    devices: &[Device],
    stretches: &[Span],
    within: Option<&[Span]>,
) -> Result<Option<Rows>> {
    let (mut readings, mut room) = (Vec::with_capacity(devices.len()), MOST_READINGS);
    for device in devices {
        let mut of_device = Vec::with_capacity(device.domains.len());
        for (domain, _) in &device.domains {
            let Some(held) = readings_near(recorded, *domain, stretches, room)? else { return Ok(None) };
            room -= held.len();
            of_device.push(held);
        }
        readings.push(of_device);
    }
    let mut holding = Holding { places: places(devices), events: vec![Vec::new(); devices.len()], within, held: 0 };
    match recorded.show(within, &mut [&mut holding]) {
        Ok(()) => Ok(Some((holding.events, readings))),
        Err(_) if holding.held > MOST_EVENTS => Ok(None),
        Err(error) => Err(error),
    }
}

/// `None`: they are more than there is room for.
fn readings_near(
    recorded: &dyn Recorded,
    domain: u16,
    stretches: &[Span],
    room: usize,
) -> Result<Option<Vec<Reading>>> {
    let mut held = Vec::new();
    for batch in recorded.readings(domain) {
        for reading in batch?.iter() {
            let from_ns = reading.start_ns.saturating_sub(MARGIN_NS);
            let first = stretches.partition_point(|stretch| stretch.end_ns <= from_ns);
            let until_ns = reading.end_ns.saturating_add(MARGIN_NS);
            if stretches.get(first).is_some_and(|stretch| stretch.start_ns < until_ns) {
                held.push(*reading);
            }
        }
        if held.len() > room {
            return Ok(None);
        }
    }
    Ok(Some(held))
}

/// By number of a device in the trace: its place among `devices`.
fn places(devices: &[Device]) -> Vec<Option<usize>> {
    let most = devices.iter().filter_map(|device| device.number).max().map_or(0, |most| usize::from(most) + 1);
    let mut places = vec![None; most];
    for (place, device) in devices.iter().enumerate() {
        if let Some(number) = device.number {
            places[usize::from(number)] = Some(place);
        }
    }
    places
}

struct Holding<'a> {
    places: Vec<Option<usize>>,
    events: Vec<Vec<Event>>,
    /// `None`: all are held.
    within: Option<&'a [Span]>,
    held: u64,
}

impl Reader for Holding<'_> {
    fn read(&mut self, events: &[Event]) -> Result<()> {
        let is_within = |event: &&Event| {
            self.within.is_none_or(|within| {
                let first = within.partition_point(|span| span.end_ns <= event.start_ns);
                within.get(first).is_some_and(|span| span.start_ns < event.end_ns)
            })
        };
        for event in events.iter().filter(is_within) {
            let Some(Some(place)) = self.places.get(usize::from(event.device)) else { continue };
            self.events[*place].push(*event);
            self.held += 1;
        }
        if self.held > MOST_EVENTS {
            return Err(Error::TooMuch("more events than are held at once".to_owned()));
        }
        Ok(())
    }
}

/// About this part of `steps`, and the stretches that consist of them.
fn blocks(steps: &[Span], stretches: &[Span], part: f64) -> (Vec<Span>, Vec<Span>) {
    let stretch_of = |step: &Span| {
        let place = stretches.partition_point(|stretch| stretch.end_ns < step.end_ns);
        stretches.get(place).is_some_and(|stretch| stretch.start_ns <= step.start_ns).then_some(place)
    };
    let whole_ns: i128 = steps.iter().map(|step| i128::from(step.length_ns())).sum();
    let slot_ns = (whole_ns as f64 / BLOCKS as f64).max(1.0);
    let (mut passed_ns, mut last) = (0_i128, None);
    let (mut taken, mut found): (Vec<Span>, Vec<Span>) = (Vec::new(), Vec::new());
    for step in steps {
        let middle_ns = passed_ns as f64 + step.length_ns() as f64 / 2.0;
        passed_ns += i128::from(step.length_ns());
        let stretch = stretch_of(step).filter(|_| (middle_ns / slot_ns).fract() < part);
        if stretch.is_some() {
            taken.push(*step);
            match found.last_mut() {
                // What lies between two steps that follow each other is known, too.
                Some(block) if last == stretch => block.end_ns = block.end_ns.max(step.end_ns),
                _ => found.push(*step),
            }
        }
        last = stretch;
    }
    (taken, joined(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_recording_whole_steps_are_taken_evenly_and_no_stretch_is_left() {
        let step = |n: i64| Span::new(n * 100, n * 100 + 90);
        let steps: Vec<Span> = (0..64_000).map(step).collect();
        let stretches: Vec<Span> = (0..64).map(|n| Span::new(n * 100_000, n * 100_000 + 99_990)).collect();
        let (taken, blocks) = blocks(&steps, &stretches, 0.1);
        assert!((6_300..=6_500).contains(&taken.len()), "{}", taken.len());
        assert!((64..=130).contains(&blocks.len()), "{}", blocks.len());
        for block in &blocks {
            assert!(stretches.iter().any(|all| all.start_ns <= block.start_ns && block.end_ns <= all.end_ns));
        }
        let within = |span: &Span| blocks.iter().any(|all| all.start_ns <= span.start_ns && span.end_ns <= all.end_ns);
        assert!(taken.iter().all(within));
        let halves = taken.iter().filter(|step| step.start_ns < 3_200_000).count();
        assert!(halves.abs_diff(taken.len() / 2) < 200);
    }
}
