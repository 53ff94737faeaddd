//! One event of perf's `power` unit, as the kernel describes it, and as it is opened on a CPU.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::libc;

/// What an energy event is called here.
const KINDS: [(&str, &str); 5] = [
    ("energy-pkg", "package"),
    ("energy-ram", "dram"),
    ("energy-cores", "core"),
    ("energy-gpu", "uncore"),
    ("energy-psys", "psys"),
];
/// `PERF_ATTR_SIZE_VER0`: type, size and configuration are all that these events have.
const ATTRIBUTES: usize = 64;
const CLOSE_ON_EXEC: libc::c_ulong = 8;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// `energy-pkg`
    pub(super) name: String,
    /// `package`
    pub(super) kind: &'static str,
    unit: u32,
    config: u64,
    /// Microjoules of one count.
    scale_uj: f64,
}

/// A counter that is open.
#[derive(Debug)]
pub(super) enum Opened {
    Kernel { event: Event, cpu: u32, file: File, failed: bool },
    Recorded(PathBuf),
}

impl Event {
    /// The energy events of a unit, those that are counted first.
    pub(super) fn all(unit: &Path) -> io::Result<Vec<Self>> {
        let number = line(&unit.join("type"))?;
        let number = number.parse().map_err(|_| invalid(format!("its type is {number:?}")))?;
        let there = KINDS.into_iter().filter(|(name, _)| unit.join("events").join(name).exists());
        there.map(|(name, kind)| Self::described(unit, number, name, kind)).collect()
    }

    fn described(unit: &Path, number: u32, name: &str, kind: &'static str) -> io::Result<Self> {
        let file = |suffix: &str| line(&unit.join("events").join(format!("{name}{suffix}")));
        let (config, joules, scale) = (file("")?, file(".unit")?, file(".scale")?);
        let told = config.strip_prefix("event=0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let config = told.ok_or_else(|| invalid(format!("{name} is {config:?}, which is no event")))?;
        let scale_j = scale.parse().ok().filter(|scale: &f64| *scale > 0.0 && scale.is_finite() && joules == "Joules");
        let scale_j = scale_j.ok_or_else(|| invalid(format!("{name} counts {scale:?} {joules:?}, not joules")))?;
        Ok(Self { name: name.to_owned(), kind, unit: number, config, scale_uj: scale_j * 1e6 })
    }

    pub(super) fn energy_uj(&self, count: u64) -> u64 {
        (count as f64 * self.scale_uj) as u64
    }

    pub(super) fn open(&self, cpu: u32, recorded: Option<&Path>) -> io::Result<Opened> {
        if let Some(directory) = recorded {
            return Ok(Opened::Recorded(directory.join(format!("{}-{cpu}", self.name))));
        }
        let file = self.on(cpu)?;
        Ok(Opened::Kernel { event: self.clone(), cpu, file, failed: false })
    }

    /// The event of everything that runs through a CPU.
    fn on(&self, cpu: u32) -> io::Result<File> {
        let mut attributes = [0_u8; ATTRIBUTES];
        attributes[..4].copy_from_slice(&self.unit.to_ne_bytes());
        attributes[4..8].copy_from_slice(&(ATTRIBUTES as u32).to_ne_bytes());
        attributes[8..16].copy_from_slice(&self.config.to_ne_bytes());
        let (anyone, alone): (libc::pid_t, libc::c_int) = (-1, -1);
        // SAFETY: the kernel reads as many bytes as the attributes say they are long.
        let descriptor = unsafe {
            let (call, attributes, cpu) = (libc::SYS_perf_event_open, attributes.as_ptr(), cpu as libc::c_int);
            libc::syscall(call, attributes, anyone, cpu, alone, CLOSE_ON_EXEC)
        };
        let descriptor = libc::c_int::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0);
        // SAFETY: the kernel made it for this call, so nobody else owns it.
        descriptor
            .map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }.into())
            .ok_or_else(io::Error::last_os_error)
    }
}

impl Opened {
    /// How much was counted since it was opened, and whether that was just now: the kernel's event is opened anew after a
    /// read that failed, and counts from 0 then.
    pub(super) fn read(&mut self) -> io::Result<(u64, bool)> {
        let (mut count, mut anew) = ([0; 8], false);
        match self {
            Self::Kernel { event, cpu, file, failed } => {
                anew = std::mem::replace(failed, true);
                if anew {
                    *file = event.on(*cpu)?;
                }
                file.read_exact(&mut count)?;
                *failed = false;
            }
            Self::Recorded(path) => {
                let bytes = fs::read(path)?;
                count = bytes.try_into().map_err(|_| invalid("it holds no count".to_owned()))?;
            }
        }
        Ok((u64::from_ne_bytes(count), anew))
    }
}

/// The CPUs through which a unit's sockets are read: `0,18` or `0-3`
pub(super) fn cpus(unit: &Path) -> io::Result<Vec<u32>> {
    let mask = line(&unit.join("cpumask"))?;
    let wrong = || invalid(format!("its CPUs are {mask:?}"));
    let mut cpus = Vec::new();
    for part in mask.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse().ok().zip(last.parse().ok()).filter(|(first, last)| first <= last && *last < 1 << 16);
        let (first, last): (u32, u32) = range.ok_or_else(wrong)?;
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

fn line(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
