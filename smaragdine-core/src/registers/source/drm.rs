//! GPUs of AMD and Intel, by what Linux' graphics drivers show to everyone: no library of a maker is needed.
//!
//! An AMD card has an energy accumulator in its [table] of metrics, with the driver's own stamp. Its unit is documented
//! and not everywhere right, so it is [checked](unit) against power before it is believed. An Intel card has counters
//! among its hardware monitors. Domain `gpu-N` is device `GPU:N`, in the order of the bus among the cards that the
//! application sees (see [`card::visible`]).

mod amd;
mod card;
mod intel;
mod table;
mod unit;

use std::path::Path;

use amd::Accumulator;
use card::{Card, Vendor};
use intel::Counter;

use super::nvml::CudaEnvironment;
use super::{Observation, Source, Unavailable};
use crate::trace::{Domain, GpuHardware};

/// The tables of AMD's firmware are updated about every millisecond, and fetching one takes as long.
const SHORTEST_PERIOD_NS: i64 = 9_700_000;
const NVIDIA_COUNTS: &str = "NVIDIA's GPUs are counted here, and the application is taken to use those";

/// Reads the cards of one machine.
#[derive(Debug)]
pub struct Drm {
    domains: Vec<Domain>,
    meters: Vec<Meter>,
    hardware: Vec<GpuHardware>,
    problems: Vec<String>,
}

#[derive(Debug)]
enum Meter {
    Amd(Accumulator),
    Intel(Counter),
}

impl Drm {
    /// Opens every card of AMD and Intel below `root` (`/sys/class/drm`) that has a meter of its own, numbered as an
    /// application with this environment numbers them. With a card of AMD's it takes a quarter of a second.
    ///
    /// # Errors
    /// No such card, or none that tells its energy or power.
    pub fn open(root: &Path, environment: &CudaEnvironment) -> Result<Self, Unavailable> {
        Self::open_beside(root, environment, 0, false)
    }

    /// Beside so many of NVIDIA's GPUs the cards are numbered on behind them; where one of those is `counted`, the
    /// application's GPUs are taken to be NVIDIA's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_beside(
        root: &Path,
        environment: &CudaEnvironment,
        nvidia: usize,
        counted: bool,
    ) -> Result<Self, Unavailable> {
        let cards = card::cards(root).map_err(|error| none(&format!("cannot list {}: {error}", root.display())))?;
        if cards.is_empty() {
            return Err(none(&format!("no GPU of AMD or Intel below {}", root.display())));
        }
        let (own, cards): (Vec<Card>, Vec<Card>) = cards.into_iter().partition(Card::is_of_processor);
        let mut drm = Self { domains: Vec::new(), meters: Vec::new(), hardware: Vec::new(), problems: Vec::new() };
        let numbers = card::numbers(&cards, environment);
        let accumulators = amd::open(&cards);
        for ((card, mut number), amd) in cards.iter().zip(numbers).zip(accumulators) {
            number.number += nvidia;
            number.hidden = number.hidden.or_else(|| counted.then(|| NVIDIA_COUNTS.to_owned()));
            drm.hardware.push(card.hardware(number.number));
            let found = match card.vendor {
                Vendor::Amd => amd.map(|found| found.into_iter().collect()),
                Vendor::Intel => intel::open(card),
            };
            drm.add(card, &number, found);
        }
        drm.hardware.sort_by_key(|gpu| gpu.index);
        drm.problems.extend(card::doubt(&cards, &own));
        if drm.domains.is_empty() {
            let own = own.iter().map(|card| format!("{} is a processor's own graphics", card.name));
            let problem = drm.problems.iter().cloned().chain(own).collect::<Vec<_>>().join("; ");
            let hint = "its energy is the processor's, which powercap meters".to_owned();
            return Err(Unavailable { problem, hint });
        }
        Ok(drm)
    }

    fn add(&mut self, card: &Card, number: &card::Number, found: Result<Vec<Found>, String>) {
        let (name, device) = (format!("gpu-{}", number.number), format!("GPU:{}", number.number));
        let told = format!("{name} ({}, {})", card.gpu.name, card.gpu.pci_bus_id);
        let found = found.unwrap_or_else(|problem| {
            self.problems.push(format!("{told}: {problem}"));
            Vec::new()
        });
        for Found { meter, part, because, problem, range_uj } in found {
            let own = part.map_or(name.clone(), |part| format!("{name}-{part}"));
            let domain = Domain::new(&own, &device, "drm", &format!("gpu:{}", number.number));
            let held = part.map(|_| format!("{name} holds its energy"));
            let because = held.or_else(|| number.hidden.clone()).or(because);
            self.problems.extend(problem.map(|problem| format!("{told}: {problem}")));
            let domain = Domain {
                parent: part.map(|_| name.clone()),
                counted: because.is_none(),
                not_counted_because: because,
                limit_w: card.limit_w(),
                range_uj,
                ..domain
            };
            self.meters.push(match meter {
                Meter::Amd(accumulator) => Meter::Amd(accumulator.within(domain.limit())),
                intel @ Meter::Intel(_) => intel,
            });
            self.domains.push(domain);
        }
    }
}

/// A register that was found on a card.
struct Found {
    meter: Meter,
    /// Of the card, if it is not the whole.
    part: Option<&'static str>,
    /// Why it is not counted.
    because: Option<String>,
    /// What is to be known of it.
    problem: Option<String>,
    range_uj: Option<u64>,
}

impl Source for Drm {
    fn name(&self) -> &'static str {
        "drm"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        let identity = |meter: &Meter| match meter {
            Meter::Amd(accumulator) => accumulator.identity(),
            Meter::Intel(counter) => counter.identity(),
        };
        self.meters.iter().map(identity).collect()
    }

    /// Cards that cannot be metered, meters that are not what they should be, numbers in doubt.
    fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    fn gpu_hardware(&self) -> Vec<GpuHardware> {
        self.hardware.clone()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        for (domain, meter) in (0..).zip(&mut self.meters) {
            match meter {
                Meter::Amd(accumulator) => out.extend(accumulator.read(domain)),
                Meter::Intel(counter) => out.push(counter.read(domain)),
            }
        }
    }

    fn shortest_period_ns(&self) -> Option<i64> {
        Some(SHORTEST_PERIOD_NS)
    }
}

fn none(problem: &str) -> Unavailable {
    Unavailable {
        problem: problem.to_owned(),
        hint: "in a container with a GPU of AMD or Intel, mount the host's /sys read-only, or name it with --drm-root"
            .to_owned(),
    }
}
