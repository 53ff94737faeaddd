//! Calls that other tools make and Smaragdine does not.

use std::ffi::{c_int, c_uint, c_ulonglong};

use crate::abi::{ProcessInfo, Return, SUCCESS, put, put_all};
use crate::spec::Spec;
use crate::{Device, NOT_SUPPORTED, with};

/// Memory as the first version of the call has it.
#[repr(C)]
pub struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// # Safety
/// See [`nvmlInit_v2`](crate::nvmlInit_v2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: Device, memory: *mut Memory) -> Return {
    with(device, |spec| match spec.number::<c_ulonglong>("memory_gib", 80) << 30 {
        0 => NOT_SUPPORTED,
        total => {
            let used = total.min(spec.number::<c_ulonglong>("memory_used_mib", 0) << 20);
            // SAFETY: as above.
            unsafe { put(memory, Memory { total, free: total - used, used }) }
        }
    })
}

/// # Safety
/// See [`nvmlInit_v2`](crate::nvmlInit_v2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetIndex(device: Device, index: *mut c_uint) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe { put(index, spec.gpu()) })
}

/// # Safety
/// See [`nvmlInit_v2`](crate::nvmlInit_v2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    device: Device,
    major: *mut c_int,
    minor: *mut c_int,
) -> Return {
    with(device, |spec| match spec.number("architecture", 9) {
        // SAFETY: as above.
        6 => unsafe { put(major, 7).max(put(minor, 5)) },
        // SAFETY: as above.
        7 => unsafe { put(major, 8).max(put(minor, 0)) },
        // SAFETY: as above.
        9 => unsafe { put(major, 9).max(put(minor, 0)) },
        _ => NOT_SUPPORTED,
    })
}

/// # Safety
/// See [`nvmlInit_v2`](crate::nvmlInit_v2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetEnforcedPowerLimit(device: Device, limit_mw: *mut c_uint) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe { limit(spec, limit_mw) })
}

/// # Safety
/// See [`nvmlInit_v2`](crate::nvmlInit_v2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerManagementLimit(device: Device, limit_mw: *mut c_uint) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe { limit(spec, limit_mw) })
}

/// Any process may compute with it.
///
/// # Safety
/// See [`nvmlInit_v2`](crate::nvmlInit_v2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeMode(device: Device, mode: *mut c_uint) -> Return {
    // SAFETY: as above.
    with(device, |_| unsafe { put(mode, 0) })
}

/// None draws.
///
/// # Safety
/// See [`nvmlInit_v2`](crate::nvmlInit_v2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: Device,
    count: *mut c_uint,
    processes: *mut ProcessInfo,
) -> Return {
    // SAFETY: as above.
    with(device, |_| unsafe { put_all(count, processes, Vec::new(), SUCCESS) })
}

/// It is set to the highest that it can be set to.
///
/// # Safety
/// As [`put`].
unsafe fn limit(spec: &Spec, limit_mw: *mut c_uint) -> Return {
    match spec.number("limit_watts", 0.0) {
        // SAFETY: the caller vouches for it.
        limit_w if limit_w > 0.0 => unsafe { put(limit_mw, (limit_w * 1000.0) as c_uint) },
        _ => NOT_SUPPORTED,
    }
}
