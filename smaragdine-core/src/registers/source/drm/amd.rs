//! One AMD card: its energy accumulator, or its power where that accumulator cannot be believed.

use std::io;
use std::thread;
use std::time::Duration;

use super::card::{Card, Vendor};
use super::table::{LONGEST, Table};
use super::unit::{Check, Verdict};
use super::{Found, Meter};
use crate::clock::{boottime_ns, monotonic_ns};
use crate::registers::source::power::Integral;
use crate::registers::source::register::Register;
use crate::registers::source::{Observation, Value};
use crate::trace::{Flags, Limit};

/// How long accumulators are watched before they are believed, and how often meanwhile.
const CHECKED_NS: i64 = 250_000_000;
const LOOKS: i64 = 10;
/// A stamp is of the driver's call, or of the table that it kept from a call before.
const OLDEST_NS: i64 = 1_000_000_000;
/// What two clocks say of one moment is this far apart at most: they cannot be read at once.
const APART_NS: i64 = 10_000;

#[derive(Debug)]
pub(super) struct Accumulator {
    register: Register,
    /// Its power is integrated: the accumulator is not believed.
    is_power: bool,
    power: Option<Integral>,
    /// The stamp of the last value, monotonic.
    stamped_ns: i64,
}

/// What there is of each of AMD's cards, in their order; `Err`: why it cannot be metered. Nothing of others.
pub(super) fn open(cards: &[Card]) -> Vec<Result<Option<Found>, String>> {
    let mut opened: Vec<Option<Result<(Register, Check), String>>> =
        cards.iter().map(|card| (card.vendor == Vendor::Amd).then(|| watched(card))).collect();
    for look in 0..=LOOKS {
        let mut watched = opened.iter_mut().flatten().flatten().peekable();
        if look > 0 && watched.peek().is_some() {
            thread::sleep(Duration::from_nanos((CHECKED_NS / LOOKS).unsigned_abs()));
        }
        for (register, check) in watched {
            let before_ns = monotonic_ns();
            match read(register) {
                Ok((table, _)) => check.see(before_ns + (monotonic_ns() - before_ns) / 2, &table),
                Err(error) => check.fail(register.problem(&error)),
            }
        }
    }
    opened.into_iter().map(|opened| opened.map_or(Ok(None), |opened| opened.and_then(found).map(Some))).collect()
}

fn watched(card: &Card) -> Result<(Register, Check), String> {
    let path = card.device.join("gpu_metrics");
    let register = Register::open(&path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    Ok((register, Check::default()))
}

fn found((mut register, check): (Register, Check)) -> Result<Found, String> {
    let range_uj = read(&mut register).ok().and_then(|(_, range_uj)| range_uj);
    let (is_power, because, problem) = match check.verdict() {
        Verdict::Right => (false, None, None),
        Verdict::Power(problem) => (true, None, Some(problem)),
        Verdict::Unchecked => {
            (false, Some("it tells no power against which the unit of its energy could be checked".to_owned()), None)
        }
        Verdict::Silent(problem) => return Err(problem),
    };
    let meter = Meter::Amd(Accumulator { register, is_power, power: None, stamped_ns: i64::MIN });
    Ok(Found { meter, part: None, because, problem, range_uj: range_uj.filter(|_| !is_power) })
}

/// A table and the range of its accumulator.
fn read(register: &mut Register) -> io::Result<(Table, Option<u64>)> {
    let mut bytes = [0; LONGEST];
    let length = register.read_bytes(&mut bytes)?;
    let table = Table::parse(&bytes[..length]);
    if table.is_err() {
        register.doubt();
    }
    table.map(|table| (table, Table::range_uj(&bytes[..length])))
}

impl Accumulator {
    /// Of a card that can draw no more than `limit` says.
    pub(super) fn within(self, limit: Limit) -> Self {
        Self { power: self.is_power.then(|| Integral::within(limit)), ..self }
    }

    /// Its power integrated, within its limit, is another register than its energy.
    pub(super) fn identity(&self) -> String {
        let power = self.power.as_ref().map_or(String::new(), |power| format!(" power {:?}", power.limit()));
        self.register.identity() + &power
    }

    /// Reads once. The first read of a power has no interval yet, so there is nothing to observe.
    pub(super) fn read(&mut self, domain: u16) -> Option<Observation> {
        let read_start_ns = monotonic_ns();
        let table = read(&mut self.register);
        let read_end_ns = monotonic_ns();
        let failed = |problem: String| (Value::Failed { problem }, Flags::NONE);
        let (value, flags) = match (table, &mut self.power) {
            (Ok((Table { power_w: Some(power_w), .. }, _)), Some(power)) => {
                power.add(read_start_ns + (read_end_ns - read_start_ns) / 2, power_w)?
            }
            (Ok((table, _)), None) => match table.energy_uj() {
                Some(energy_uj) => (self.counted(energy_uj, table.at_ns, read_start_ns, read_end_ns), Flags::NONE),
                None => failed("the card tells no energy any more".to_owned()),
            },
            (table, power) => {
                power.iter_mut().for_each(|power| power.fail(read_end_ns));
                failed(match table {
                    Ok(_) => "the card tells no power any more".to_owned(),
                    Err(error) => self.register.problem(&error),
                })
            }
        };
        Some(Observation { domain, read_start_ns, read_end_ns, value, flags })
    }

    /// A value of the accumulator with the driver's stamp, where that can be right: not after the call, not long before
    /// it, and not before the last. Stamps go on while the machine is suspended, and the trace's clock does not.
    fn counted(&mut self, energy_uj: u64, at_ns: Option<i64>, read_start_ns: i64, read_end_ns: i64) -> Value {
        let slept_ns = boottime_ns() - monotonic_ns();
        let at_ns = at_ns.map(|at_ns| at_ns.saturating_sub(slept_ns)).filter(|at_ns| {
            (read_start_ns - OLDEST_NS..=read_end_ns + APART_NS).contains(at_ns) && *at_ns >= self.stamped_ns
        });
        let Some(at_ns) = at_ns else { return Value::Counter { energy_uj } };
        self.stamped_ns = at_ns;
        let at_ns = at_ns.min(read_end_ns);
        Value::Stamped { energy_uj, from_ns: at_ns, to_ns: at_ns }
    }
}
