//! The deconvolved policy: each reading's energy split by what the solved powers expect of all that ran within it.
//!
//! In one reading every expected joule receives the same k = energy ÷ expected energy, so its parts sum to it. An
//! event's energy is its power times ∫ k dt; what is drawn once while anything runs is divided as equal share divides.
//! Of time in which nobody looked nothing is expected: where a reading reaches into it, k is that of the readings
//! around, and what is then left is that time's.

use super::aligning::{Aligned, Aligning};
use super::device::{Device, Piece, made, measured};
use super::sample::{DeviceSample, Sample};
use super::split::Split;
use super::times::{Times, Watched};
use crate::accounting::deconvolution::{Problem, Refusal, Solution, deconvolve};
use crate::accounting::response::Response;
use crate::error::Result;
use crate::trace::{Event, Op, Reader, Recorded};

/// What can be solved for a domain, whose register is `late_ns`.
pub(super) fn problem<'p>(
    device: &'p Device,
    domain: usize,
    late_ns: i64,
    ops: &'p [Op],
    sample: &'p Sample,
    of_device: &'p DeviceSample,
) -> Problem<'p> {
    Problem {
        domain: &device.domains[domain].1,
        late_ns,
        ops,
        readings: &of_device.readings[domain],
        events: &of_device.events,
        steps: &sample.steps,
        stretches: &sample.stretches,
    }
}

/// By domain, what is solved for a device.
pub(super) fn solutions(
    device: &Device,
    ops: &[Op],
    sample: &Sample,
    of_device: &DeviceSample,
    responses: &[Option<Response>],
) -> Vec<std::result::Result<Solution, Refusal>> {
    let solve = |(domain, response): (usize, &Option<Response>)| {
        if let Some(look_ns) = response.and_then(|response| response.look_ns) {
            return Err(Refusal::Looks(look_ns));
        }
        let late_ns = response.map_or(0, |response| response.late_ns());
        solved(|late_ns| problem(device, domain, late_ns, ops, sample, of_device), late_ns)
    };
    responses.iter().enumerate().map(solve).collect()
}

/// The domains of one device that are solved, split anew in two passes over its events.
pub(super) struct Splitting<'a> {
    device: &'a Device,
    ops: usize,
    /// By domain; `None`: it stays as it is.
    splits: Vec<Option<Split<'a>>>,
    times: Times,
    scaled: bool,
}

impl<'a> Splitting<'a> {
    pub(super) fn of(
        device: &'a Device,
        ops: usize,
        watched: &Watched,
        recorded: &dyn Recorded,
        solutions: &'a [std::result::Result<Solution, Refusal>],
    ) -> Result<Self> {
        let split = |(domain, solution): (usize, &'a std::result::Result<Solution, Refusal>)| match solution {
            Err(_) => Ok(None),
            Ok(solution) => Split::of(device, domain, ops, recorded, solution).map(Some),
        };
        Ok(Self {
            device,
            ops,
            splits: solutions.iter().enumerate().map(split).collect::<Result<_>>()?,
            times: Times::of(watched),
            scaled: false,
        })
    }

    /// After the first pass: what is expected is known of every reading.
    pub(super) fn expect(&mut self) {
        self.times.finish(&mut self.splits);
        self.splits.iter_mut().flatten().for_each(Split::expect);
        self.scaled = true;
    }

    /// Aligns in the second pass what is drawn once while anything runs, and the domains that are not solved.
    pub(super) fn aligning<'r>(
        floors: &'r [Option<Vec<Piece>>],
        device: &Device,
        ops: usize,
        watched: &Watched<'r>,
        recorded: &'r dyn Recorded,
    ) -> Aligning<'r> {
        let pieces = floors.iter().zip(&device.domains).map(|(floor, (number, _))| match floor {
            Some(floor) => made(floor),
            None => measured(recorded, *number),
        });
        Aligning::new(device, ops, pieces.collect(), watched.traced, watched.profiling)
    }

    /// By domain, the stretches that readings are put at, and what is drawn over their length once while anything runs.
    pub(super) fn floors(&self) -> Vec<Option<Vec<Piece>>> {
        self.splits.iter().map(|split| split.as_ref().map(Split::floor)).collect()
    }

    /// After the second pass: what was aligned, and what operations draw of their own. `equal` is by equal share.
    pub(super) fn finish(self, mut aligned: Aligned, equal: Aligned) -> Aligned {
        for (domain, split) in self.splits.iter().enumerate() {
            let Some(split) = split else { continue };
            let (alignment, place) = aligned.alignment_of_mut(domain);
            for (op, own_j) in split.operations_j.iter().enumerate() {
                let energy_j = alignment.energy_j(op, place) + own_j;
                alignment.set_energy_j(op, place, energy_j);
            }
            let outside = split.outside();
            alignment.traced_j[place] = outside.traced_j;
            alignment.profiling_j[place] = outside.profiling_j;
            alignment.untraced_j[place] = outside.untraced_j;
        }
        (aligned.known, aligned.misplaced_j, aligned.others) = (equal.known, equal.misplaced_j, equal.others);
        aligned
    }
}

impl Reader for Splitting<'_> {
    fn read(&mut self, events: &[Event]) -> Result<()> {
        let own = events.iter().filter(|event| Some(event.device) == self.device.number && event.draws());
        for event in own {
            for split in self.splits.iter_mut().flatten() {
                if self.scaled { split.enter(event) } else { split.see(event) }
            }
            if !self.scaled {
                self.times.see(event, &mut self.splits);
            }
        }
        debug_assert!(self.splits.iter().flatten().all(|split| split.operations_j.len() == self.ops));
        Ok(())
    }
}

/// Solves with the register as late as it seems to be, and as if it were in time: what explains its readings better.
fn solved<'p>(problem: impl Fn(i64) -> Problem<'p>, late_ns: i64) -> std::result::Result<Solution, Refusal> {
    let in_time = deconvolve(&problem(0));
    if late_ns == 0 {
        return in_time;
    }
    match (in_time, deconvolve(&problem(late_ns))) {
        (Ok(in_time), Ok(late)) if late.residual_j < in_time.residual_j => Ok(late),
        (Err(_), late) => late,
        (in_time, _) => in_time,
    }
}
