//! One register of one GPU.

use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library};
use nvml_wrapper_sys::bindings::{NVML_POWER_SCOPE_GPU, nvmlDevice_t};

use super::field::{Field, POWER_INSTANT, TOTAL_ENERGY};
use super::samples::{self, Buffer, Sample};
use super::stamp::{Bracket, Stamp, Stamps, WallClock};
use crate::clock::monotonic_ns;
use crate::registers::source::power::Integral;
use crate::registers::source::{Observation, Value};
use crate::trace::{Domain, Flags};

/// Fields and functions tell of one counter if they differ by no more than a GPU draws within a second.
const SAME_COUNTER_MJ: u64 = 2_000_000;

/// What is read of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    /// Energy since the driver was loaded (Volta and newer): the authority.
    Energy,
    /// The same counter, by the field that stamps it.
    StampedEnergy,
    /// Where there is no energy, it is integrated from power.
    Power(Power),
}

/// Power at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// The driver's buffer, on Turing and older only, as [`Self::Usage`]: from Ampere on it may hold means of a second,
    /// too.
    Samples,
    /// Field 186, of the whole GPU, of its memory, or of its module.
    Instant { scope: u32 },
    /// `nvmlDeviceGetPowerUsage`, on Turing and older only: from Ampere on it is the mean of a whole second.
    Usage,
}

impl Register {
    /// The best register of a GPU that works.
    pub(super) fn of(device: &Device<'_>) -> Result<Self, NvmlError> {
        let unsupported = match device.total_energy_consumption() {
            Ok(energy_mj) => {
                let field = Field::read(TOTAL_ENERGY, 0, device);
                let stamped = field.is_ok_and(|field| field.value.abs_diff(energy_mj) <= SAME_COUNTER_MJ);
                return Ok(if stamped { Self::StampedEnergy } else { Self::Energy });
            }
            Err(error) => error,
        };
        use DeviceArchitecture::{Kepler, Maxwell, Pascal, Turing, Volta};
        let tells_power_now = matches!(device.architecture(), Ok(Kepler | Maxwell | Pascal | Volta | Turing));
        let instant = Self::of_scope(NVML_POWER_SCOPE_GPU, device);
        match instant {
            _ if tells_power_now && Buffer::works(device) => Ok(Self::Power(Power::Samples)),
            Some(instant) => Ok(instant),
            None if tells_power_now && device.power_usage().is_ok() => Ok(Self::Power(Power::Usage)),
            None => Err(unsupported),
        }
    }

    /// The power of the GPU, of a part of it, or of the module that holds it and its CPU, where the driver tells it.
    pub(super) fn of_scope(scope: u32, device: &Device<'_>) -> Option<Self> {
        Field::read(POWER_INSTANT, scope, device).is_ok().then_some(Self::Power(Power::Instant { scope }))
    }

    fn read(self, device: &Device<'_>, buffer: &Buffer) -> Result<Read, NvmlError> {
        Ok(match self {
            Self::Energy => Read::Energy { energy_mj: device.total_energy_consumption()?, stamp: None },
            Self::StampedEnergy => {
                let Field { value, stamp } = Field::read(TOTAL_ENERGY, 0, device)?;
                Read::Energy { energy_mj: value, stamp: Some(stamp) }
            }
            Self::Power(Power::Samples) => Read::Samples(buffer.fetch(device)?),
            Self::Power(Power::Instant { scope }) => {
                let Field { value, stamp } = Field::read(POWER_INSTANT, scope, device)?;
                Read::Power { power_w: value as f64 / 1000.0, stamp: Some(stamp) }
            }
            Self::Power(Power::Usage) => {
                Read::Power { power_w: f64::from(device.power_usage()?) / 1000.0, stamp: None }
            }
        })
    }
}

/// What one call brought.
enum Read {
    Energy { energy_mj: u64, stamp: Option<Stamp> },
    Power { power_w: f64, stamp: Option<Stamp> },
    Samples(Vec<Sample>),
}

/// A register with what its last read left.
#[derive(Debug)]
pub(crate) struct Meter {
    device: Handle,
    register: Register,
    uuid: String,
    /// `gpu-0`, for messages.
    name: String,
    stamps: Stamps,
    buffer: Buffer,
    power: Integral,
}

/// NVML's handles are global to the process and may be used by any thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handle(nvmlDevice_t);

// SAFETY: the handle is an opaque number to us; NVML documents all calls as thread-safe.
unsafe impl Send for Handle {}

impl Handle {
    pub(crate) fn of(device: &Device<'_>) -> Self {
        // SAFETY: it is only used with the library that gave it, which whoever holds the handle keeps.
        Self(unsafe { device.handle() })
    }

    pub(crate) fn device(self, library: &Library) -> Device<'_> {
        // SAFETY: the handle came from this library.
        unsafe { Device::new(self.0, library) }
    }
}

impl Meter {
    pub(super) fn new(device: &Device<'_>, uuid: &str, register: Register, domain: &Domain) -> Self {
        // A whole GPU can do the same, whichever application sees it.
        let counted = domain.counted || domain.name.strip_prefix("gpu-").is_some_and(|rest| !rest.contains('-'));
        let power = Integral::within(Domain { counted, ..domain.clone() }.limit());
        let power = match register {
            Register::Power(Power::Samples) => power.with_gaps_beyond(samples::LONGEST_NS),
            _ => power,
        };
        let (stamps, buffer) = (Stamps::default(), Buffer::default());
        let (device, uuid, name) = (Handle::of(device), uuid.to_owned(), domain.name.clone());
        Self { device, register, uuid, name, stamps, buffer, power }
    }

    /// Which register of which GPU it is, whatever number an application gives that.
    pub(super) fn identity(&self) -> String {
        format!("{} {:?}", self.uuid, self.register)
    }

    /// Reads once. The first read of a power has no interval yet, so there is nothing to observe; what the driver
    /// sampled since the last read may be several observations.
    pub(super) fn read(&mut self, library: &Library, wall: WallClock, domain: u16, out: &mut Vec<Observation>) {
        let device = self.device.device(library);
        let read_start_ns = monotonic_ns();
        let read = self.register.read(&device, &self.buffer);
        let read_end_ns = monotonic_ns();
        let call = Bracket { from_ns: read_start_ns, to_ns: read_end_ns };
        let mut observe = |(value, flags)| out.push(Observation { domain, read_start_ns, read_end_ns, value, flags });
        let mut place = |stamp: Option<Stamp>| stamp.and_then(|stamp| self.stamps.place(stamp, call, wall));
        let failed = |problem: String| Value::Failed { problem: format!("cannot read {}: {problem}", self.name) };
        match read {
            Ok(Read::Energy { energy_mj, stamp }) => {
                let energy_uj = energy_mj.saturating_mul(1000);
                let value = match place(stamp) {
                    Some(Bracket { from_ns, to_ns }) => Value::Stamped { energy_uj, from_ns, to_ns },
                    None => Value::Counter { energy_uj },
                };
                observe((value, Flags::NONE));
            }
            Ok(Read::Power { power_w, stamp }) => {
                let at_ns = place(stamp).unwrap_or(call).middle_ns();
                self.power.add(at_ns, power_w).into_iter().for_each(observe);
            }
            Ok(Read::Samples(samples)) => {
                for (at_ns, power_w) in self.buffer.unseen(samples, call, wall) {
                    let sampled = self.power.add(at_ns, power_w);
                    sampled.map(|(value, flags)| (value.sampled(), flags)).into_iter().for_each(&mut observe);
                }
                if self.buffer.stands(call, wall) {
                    observe((failed("the driver samples its power no longer".to_owned()), Flags::NONE));
                }
            }
            Err(error) => {
                // Samples that the buffer still holds are read later.
                if self.register != Register::Power(Power::Samples) {
                    self.power.fail(call.to_ns);
                }
                observe((failed(error.to_string()), Flags::NONE));
            }
        }
    }
}
