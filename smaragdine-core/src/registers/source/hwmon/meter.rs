//! One open meter of energy or power.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::chip::Channel;
use crate::clock::monotonic_ns;
use crate::registers::source::power::Integral;
use crate::registers::source::{Observation, Value, identity};
use crate::trace::{Flags, Limit};

#[derive(Debug)]
pub(super) struct Meter {
    file: File,
    path: PathBuf,
    is_power: bool,
    power: Integral,
    /// The last read failed. A driver that was reloaded leaves old descriptors dead, so the next read opens anew.
    failed: bool,
}

impl Meter {
    /// Opens the first of a channel's files that holds a number.
    ///
    /// # Errors
    /// Where none does: the first one's path and what is wrong with it.
    pub(super) fn open(channel: &Channel, limit: Limit) -> Result<Self, (PathBuf, io::Error)> {
        let open = |path: &Path| {
            let meter = Self {
                file: File::open(path)?,
                path: path.to_owned(),
                is_power: channel.is_power,
                power: Integral::within(limit),
                failed: false,
            };
            meter.shows::<f64>().map(|_| meter)
        };
        let mut first = None;
        for path in &channel.files {
            match open(path) {
                Ok(meter) => return Ok(meter),
                Err(error) => first = first.or(Some((path.clone(), error))),
            }
        }
        Err(first.unwrap_or_else(|| (PathBuf::new(), io::ErrorKind::NotFound.into())))
    }

    /// Which meter it is, and what is taken for possible of it.
    pub(super) fn identity(&self) -> String {
        format!("{} {:?}", identity(&self.path, &self.file), self.power.limit())
    }

    /// Reads once. The first read of a power has no interval yet, so there is nothing to observe.
    pub(super) fn read(&mut self, domain: u16) -> Option<Observation> {
        if self.failed
            && let Ok(file) = File::open(&self.path)
        {
            self.file = file;
        }
        let read_start_ns = monotonic_ns();
        // Power may be below 0, which is a value, if none that can be.
        let shown = if self.is_power { self.shows().map(Shown::Power) } else { self.shows().map(Shown::Energy) };
        let read_end_ns = monotonic_ns();
        self.failed = shown.is_err();
        let (value, flags) = match shown {
            Ok(Shown::Energy(energy_uj)) => (Value::Counter { energy_uj }, Flags::NONE),
            Ok(Shown::Power(power_uw)) => {
                self.power.add(read_start_ns + (read_end_ns - read_start_ns) / 2, power_uw / 1e6)?
            }
            Err(error) => {
                self.power.fail(read_end_ns);
                (Value::Failed { problem: format!("cannot read {}: {error}", self.path.display()) }, Flags::NONE)
            }
        };
        Some(Observation { domain, read_start_ns, read_end_ns, value, flags })
    }

    fn shows<N: FromStr>(&self) -> io::Result<N> {
        let mut text = [0; 32];
        let length = self.file.read_at(&mut text, 0)?;
        let text = String::from_utf8_lossy(&text[..length]);
        text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no number")))
    }
}

/// What a meter shows.
enum Shown {
    /// Microjoules.
    Energy(u64),
    /// Microwatts.
    Power(f64),
}
