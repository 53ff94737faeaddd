//! What the application drew over each step.

use crate::accounting::attribution::split;
use crate::error::Result;
use crate::span::Span;
use crate::trace::{Domain, Recorded, Step};

/// Energies that are held at once.
const MOST: usize = 1 << 22;

/// The application's energy over some steps, in each counted domain of which some is known there.
#[derive(Default)]
pub struct StepEnergies {
    /// By domain, then by step.
    domains: Vec<(String, Vec<Option<f64>>)>,
}

impl StepEnergies {
    /// Over how many steps at once: readings are looked through once for them.
    #[must_use]
    pub fn at_once(domains: &[Domain]) -> usize {
        (MOST / domains.iter().filter(|domain| domain.counted).count().max(1)).max(1)
    }

    /// # Errors
    /// Where readings cannot be read.
    pub fn of(spans: &[Span], domains: &[Domain], recorded: &dyn Recorded) -> Result<Self> {
        let counted = (0..=u16::MAX).zip(domains).filter(|(_, domain)| domain.counted);
        let energies = counted.map(|(number, domain)| Ok((domain.name.clone(), energies(spans, number, recorded)?)));
        Ok(Self { domains: energies.collect::<Result<_>>()? })
    }

    /// Fills `energy_j` of `steps`, the first of which has the number `first` among those that this is of.
    pub fn fill(&self, steps: &mut [Step], first: usize) {
        for (number, step) in steps.iter_mut().enumerate() {
            let known = |(domain, energies): &(String, Vec<Option<f64>>)| {
                Some((domain.clone(), energies.get(first + number).copied().flatten()?))
            };
            step.energy_j = self.domains.iter().filter_map(known).collect();
        }
    }
}

/// By span: the application's joules in a domain; `None`: nothing is known.
fn energies(spans: &[Span], domain: u16, recorded: &dyn Recorded) -> Result<Vec<Option<f64>>> {
    let mut order: Vec<u32> = (0..spans.len() as u32).collect();
    if !spans.is_sorted_by_key(|span| span.start_ns) {
        order.sort_by_key(|number| spans[*number as usize].start_ns);
    }
    let mut energies = vec![None; spans.len()];
    // Spans before this one, in order, are over.
    let mut first = 0;
    for batch in recorded.readings(domain) {
        for reading in batch?.iter() {
            let Some(length) = reading.end_ns.checked_sub(reading.start_ns).filter(|length| *length > 0) else {
                continue;
            };
            while order.get(first).is_some_and(|number| spans[*number as usize].end_ns <= reading.start_ns) {
                first += 1;
            }
            for number in &order[first..] {
                let span = &spans[*number as usize];
                if span.start_ns >= reading.end_ns {
                    break;
                }
                let within = reading.end_ns.min(span.end_ns).checked_sub(reading.start_ns.max(span.start_ns));
                let (Some(within), Some(app_j)) = (within.filter(|within| *within > 0), split(reading).app) else {
                    continue;
                };
                let energy_j = app_j * (within as f64 / length as f64);
                let known: &mut Option<f64> = &mut energies[*number as usize];
                *known = Some(known.unwrap_or(0.0) + energy_j);
            }
        }
        if first == order.len() {
            break;
        }
    }
    Ok(energies)
}
