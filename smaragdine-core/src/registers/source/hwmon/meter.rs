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
    /// Of a rail whose power is its volts by its amperes: where these are.
    amperes: Option<(File, PathBuf)>,
    power: Integral,
    /// Watts at the last read, if they could be.
    power_w: Option<f64>,
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
                amperes: channel.amperes.as_deref().map(open_file).transpose()?,
                power: Integral::within(limit),
                power_w: None,
                failed: false,
            };
            meter.power_uw().map(|_| meter)
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
        if self.failed {
            self.open_anew();
        }
        let read_start_ns = monotonic_ns();
        // Power may be below 0, which is a value, if none that can be.
        let shown = if self.is_power { self.power_uw().map(Shown::Power) } else { self.shows().map(Shown::Energy) };
        let read_end_ns = monotonic_ns();
        self.failed = shown.is_err();
        self.power_w = None;
        let (value, flags) = match shown {
            Ok(Shown::Energy(energy_uj)) => (Value::Counter { energy_uj }, Flags::NONE),
            Ok(Shown::Power(power_uw)) => {
                let power_w = power_uw / 1e6;
                self.power_w = Some(power_w).filter(|power_w| self.power.limit().allows(*power_w));
                self.power.add(read_start_ns + (read_end_ns - read_start_ns) / 2, power_w)?
            }
            Err(error) => {
                self.power.fail(read_end_ns);
                (Value::Failed { problem: format!("cannot read {}: {error}", self.path.display()) }, Flags::NONE)
            }
        };
        Some(Observation { domain, read_start_ns, read_end_ns, value, flags })
    }

    /// Watts that the last read showed, if they can be.
    pub(super) fn power_w(&self) -> Option<f64> {
        self.power_w
    }

    fn open_anew(&mut self) {
        if let Ok(file) = File::open(&self.path) {
            self.file = file;
        }
        if let Some((file, path)) = &mut self.amperes
            && let Ok(opened) = File::open(path)
        {
            *file = opened;
        }
    }

    /// Microwatts, or whatever its one file shows: millivolts by milliamperes are these.
    fn power_uw(&self) -> io::Result<f64> {
        let shown: f64 = self.shows()?;
        let Some((file, path)) = &self.amperes else { return Ok(shown) };
        let amperes: f64 =
            number(file).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(shown * amperes)
    }

    fn shows<N: FromStr>(&self) -> io::Result<N> {
        number(&self.file)
    }
}

fn open_file(path: &Path) -> io::Result<(File, PathBuf)> {
    Ok((File::open(path)?, path.to_owned()))
}

/// The number that a file shows now.
fn number<N: FromStr>(file: &File) -> io::Result<N> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0)?;
    let text = String::from_utf8_lossy(&text[..length]);
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no number")))
}

/// What a meter shows.
enum Shown {
    /// Microjoules.
    Energy(u64),
    /// Microwatts.
    Power(f64),
}
