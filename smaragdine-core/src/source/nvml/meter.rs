//! One register of one GPU.

use std::mem::zeroed;

use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library};
use nvml_wrapper_sys::bindings::{
    NVML_POWER_SCOPE_GPU, nvmlDevice_t, nvmlFieldValue_t, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
};

use crate::clock::monotonic_ns;
use crate::source::power::Integral;
use crate::source::{Observation, Value};
use crate::trace::Flags;

/// `NVML_FI_DEV_POWER_INSTANT`, milliwatts. Drivers know it from 530 on.
const FIELD_POWER_INSTANT: u32 = 186;

/// What is read of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Register {
    /// Energy since the driver was loaded (Volta and newer): the authority.
    Energy,
    /// Where there is no energy, it is integrated from power.
    Power(Power),
}

/// Power at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// Field 186, of the whole GPU, of its memory, or of its module.
    Instant { scope: u32 },
    /// `nvmlDeviceGetPowerUsage`, on Turing and older only: from Ampere on it is the mean of a whole second.
    Usage,
}

impl Register {
    /// The best register of a GPU that works.
    pub(crate) fn of(device: &Device<'_>, library: &Library) -> Result<Self, NvmlError> {
        let unsupported = match device.total_energy_consumption() {
            Ok(_) => return Ok(Self::Energy),
            Err(error) => error,
        };
        let instant = Power::Instant { scope: NVML_POWER_SCOPE_GPU };
        if instant.read_w(device, library).is_ok() {
            return Ok(Self::Power(instant));
        }
        use DeviceArchitecture::{Kepler, Maxwell, Pascal, Turing, Volta};
        match device.architecture() {
            Ok(Kepler | Maxwell | Pascal | Volta | Turing) if device.power_usage().is_ok() => {
                Ok(Self::Power(Power::Usage))
            }
            _ => Err(unsupported),
        }
    }

    /// The power of a part of the GPU, or of the module that holds it and its CPU, where the driver tells it.
    pub(crate) fn of_scope(scope: u32, device: &Device<'_>, library: &Library) -> Option<Self> {
        let power = Power::Instant { scope };
        power.read_w(device, library).is_ok().then_some(Self::Power(power))
    }
}

impl Power {
    fn read_w(self, device: &Device<'_>, library: &Library) -> Result<f64, NvmlError> {
        match self {
            // SAFETY: the handle belongs to this library.
            Self::Instant { scope } => unsafe { instant_power_w(library, device.handle(), scope) },
            Self::Usage => Ok(f64::from(device.power_usage()?) / 1000.0),
        }
    }
}

/// A raw call: the wrapper's own allocates twice and knows no scopes.
///
/// # Safety
/// `device` is a handle of `library`.
unsafe fn instant_power_w(library: &Library, device: nvmlDevice_t, scope: u32) -> Result<f64, NvmlError> {
    let Ok(call) = library.lib().nvmlDeviceGetFieldValues.as_ref() else { return Err(NvmlError::FunctionNotFound) };
    // SAFETY: a plain C structure, for which zeros are a value.
    let mut value: nvmlFieldValue_t = unsafe { zeroed() };
    (value.fieldId, value.scopeId) = (FIELD_POWER_INSTANT, scope);
    // SAFETY: one value is announced and one is given; the caller vouches for the handle.
    nvml_wrapper::error::nvml_try(unsafe { call(device, 1, &raw mut value) })?;
    nvml_wrapper::error::nvml_try(value.nvmlReturn)?;
    if value.valueType != nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT {
        return Err(NvmlError::UnexpectedVariant(value.valueType));
    }
    // SAFETY: the type says which member of the union is set.
    Ok(f64::from(unsafe { value.value.uiVal }) / 1000.0)
}

/// A register with what its last read left.
#[derive(Debug)]
pub(crate) struct Meter {
    device: Handle,
    register: Register,
    /// `gpu-0`, for messages.
    name: String,
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
    pub(crate) fn new(device: &Device<'_>, register: Register, name: &str) -> Self {
        Self { device: Handle::of(device), register, name: name.to_owned(), power: Integral::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads once. The first read of a power has no interval yet, so there is nothing to observe.
    pub(crate) fn read(&mut self, library: &Library) -> Option<Observation> {
        let device = self.device.device(library);
        let read_start_ns = monotonic_ns();
        let read = match self.register {
            Register::Energy => device.total_energy_consumption().map(Read::EnergyMj),
            Register::Power(power) => power.read_w(&device, library).map(Read::PowerW),
        };
        let read_end_ns = monotonic_ns();
        let (value, flags) = match read {
            Ok(Read::EnergyMj(energy_mj)) => {
                (Value::Counter { energy_uj: energy_mj.saturating_mul(1000) }, Flags::NONE)
            }
            Ok(Read::PowerW(power_w)) => self.power.add(read_start_ns + (read_end_ns - read_start_ns) / 2, power_w)?,
            Err(error) => {
                self.power.fail();
                (Value::Failed { problem: format!("cannot read {}: {error}", self.name) }, Flags::NONE)
            }
        };
        Some(Observation { domain: 0, read_start_ns, read_end_ns, value, flags })
    }
}

enum Read {
    EnergyMj(u64),
    PowerW(f64),
}
