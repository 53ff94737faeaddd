//! One of the driver's fields, with its stamp.

use std::mem::zeroed;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper_sys::bindings::{
    nvmlFieldValue_t, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT as UNSIGNED_INT,
    nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG as UNSIGNED_LONG_LONG,
};

use super::stamp::Stamp;

/// `NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION`, millijoules: what `nvmlDeviceGetTotalEnergyConsumption` tells, stamped.
pub(super) const TOTAL_ENERGY: u32 = 83;
/// `NVML_FI_DEV_POWER_INSTANT`, milliwatts. Drivers know it from 530 on.
pub(super) const POWER_INSTANT: u32 = 186;

#[derive(Debug)]
pub(super) struct Field {
    pub(super) value: u64,
    pub(super) stamp: Stamp,
}

impl Field {
    /// A raw call: the wrapper's own allocates twice, knows no scopes and drops the latency.
    pub(super) fn read(field: u32, scope: u32, device: &Device<'_>) -> Result<Self, NvmlError> {
        let Ok(call) = device.nvml().lib().nvmlDeviceGetFieldValues.as_ref() else {
            return Err(NvmlError::FunctionNotFound);
        };
        // SAFETY: a plain C structure, for which zeros are a value.
        let mut read: nvmlFieldValue_t = unsafe { zeroed() };
        (read.fieldId, read.scopeId) = (field, scope);
        // SAFETY: one value is announced and one is given; the handle is of this library.
        nvml_try(unsafe { call(device.handle(), 1, &raw mut read) })?;
        nvml_try(read.nvmlReturn)?;
        // SAFETY: the type says which member of the union is set.
        let value = unsafe {
            match read.valueType {
                UNSIGNED_INT => read.value.uiVal.into(),
                UNSIGNED_LONG_LONG => read.value.ullVal,
                other => return Err(NvmlError::UnexpectedVariant(other)),
            }
        };
        Ok(Self { value, stamp: Stamp { at_us: read.timestamp, latency_us: read.latencyUsec } })
    }
}
