//! One device of a trace, and what its domains' readings say of the application.

use std::iter::Peekable;

use crate::accounting::attribution::{Parts, split};
use crate::error::Result;
use crate::trace::{Domain, Metadata, Reading, Recorded};

/// The application's energy over an interval, in joules: start, end, energy.
pub(super) type Piece = (i64, i64, f64);

pub(super) struct Device {
    pub(super) name: String,
    /// Of those on which there are events; `None`: it was only metered.
    pub(super) number: Option<u16>,
    /// The counted domains with their numbers.
    pub(super) domains: Vec<(u16, Domain)>,
}

/// Every device that executed something or was metered, in order of their names.
pub(super) fn devices(metadata: &Metadata) -> Vec<Device> {
    let metered = metadata.domains.iter().map(|domain| &domain.device);
    let mut names: Vec<&String> = metadata.devices.iter().chain(metered).collect();
    names.sort_unstable();
    names.dedup();
    let device = |name: &String| {
        let domains = (0..=u16::MAX).zip(&metadata.domains);
        let domains = domains.filter(|(_, domain)| domain.counted && domain.device == *name);
        let number = metadata.devices.iter().position(|device| device == name);
        Device {
            name: name.clone(),
            number: number.and_then(|number| u16::try_from(number).ok()),
            domains: domains.map(|(number, domain)| (number, domain.clone())).collect(),
        }
    };
    names.into_iter().map(device).collect()
}

/// What one reading gives.
pub(super) struct Given {
    /// `None`: no energy of the application is known.
    pub(super) piece: Option<Piece>,
    /// The others' parts.
    pub(super) parts: Parts,
}

/// What the readings of a domain give, in order of time.
pub(super) type Pieces<'a> = Peekable<Box<dyn Iterator<Item = Result<Given>> + Send + 'a>>;

fn each_reading(recorded: &dyn Recorded, domain: u16) -> impl Iterator<Item = Result<Reading>> + Send {
    recorded.readings(domain).flat_map(|batch| match batch {
        Ok(batch) => batch.into_owned().into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    })
}

/// Law 4: the energy of a reading belongs to the interval over which it was measured.
pub(super) fn measured(recorded: &dyn Recorded, domain: u16) -> Pieces<'_> {
    let given = |reading: Result<Reading>| {
        let reading = reading?;
        let parts = split(&reading);
        Ok(Given { piece: parts.app.map(|app| (reading.start_ns, reading.end_ns, app)), parts })
    };
    (Box::new(each_reading(recorded, domain).map(given)) as Box<dyn Iterator<Item = _> + Send>).peekable()
}

/// The paper's Algorithm 2: the power of a reading holds from its timestamp until the next reading's.
/// The last one holds for as long as it was measured.
pub(super) fn held_until_next(recorded: &dyn Recorded, domain: u16) -> Pieces<'_> {
    let mut readings = each_reading(recorded, domain).peekable();
    let given = std::iter::from_fn(move || {
        let reading = match readings.next()? {
            Ok(reading) => reading,
            Err(error) => return Some(Err(error)),
        };
        let next_ns = readings.peek().and_then(|next| next.as_ref().ok()).map(|next| next.end_ns);
        Some(Ok(Given { piece: held(&reading, next_ns), parts: Parts::default() }))
    });
    (Box::new(given) as Box<dyn Iterator<Item = _> + Send>).peekable()
}

fn held(reading: &Reading, next_ns: Option<i64>) -> Option<Piece> {
    let (start_ns, end_ns, energy_j) = (reading.start_ns, reading.end_ns, split(reading).app?);
    let length = end_ns.checked_sub(start_ns).filter(|length| *length > 0)?;
    let until_ns = next_ns.unwrap_or(end_ns.saturating_add(length));
    let held = until_ns.checked_sub(end_ns)?;
    Some((end_ns, until_ns, energy_j * (held as f64 / length as f64)))
}

/// Pieces that were made before.
pub(super) fn made(pieces: &[Piece]) -> Pieces<'_> {
    let given = pieces.iter().map(|piece| Ok(Given { piece: Some(*piece), parts: Parts::default() }));
    (Box::new(given) as Box<dyn Iterator<Item = _> + Send>).peekable()
}
