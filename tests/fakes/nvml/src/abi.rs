//! The driver's C structures, and how its functions hand out values.

use std::ffi::{c_char, c_longlong, c_uint, c_ulonglong};

pub(crate) type Return = c_uint;

pub(crate) const SUCCESS: Return = 0;
pub(crate) const INVALID_ARGUMENT: Return = 2;
pub(crate) const INSUFFICIENT_SIZE: Return = 7;

#[repr(C)]
pub struct PciInfo {
    pub(crate) bus_id_legacy: [c_char; 16],
    pub(crate) domain: c_uint,
    pub(crate) bus: c_uint,
    pub(crate) device: c_uint,
    pub(crate) pci_device_id: c_uint,
    pub(crate) pci_subsystem_id: c_uint,
    pub(crate) bus_id: [c_char; 32],
}

#[repr(C)]
pub struct ProcessInfo {
    pub(crate) pid: c_uint,
    pub(crate) used_gpu_memory: c_ulonglong,
    pub(crate) gpu_instance: c_uint,
    pub(crate) compute_instance: c_uint,
}

#[repr(C)]
pub struct ProcessUtilisation {
    pub(crate) pid: c_uint,
    pub(crate) timestamp_us: c_ulonglong,
    pub(crate) sm: c_uint,
    pub(crate) memory: c_uint,
    pub(crate) encoder: c_uint,
    pub(crate) decoder: c_uint,
}

#[repr(C)]
pub struct Utilisation {
    pub(crate) gpu: c_uint,
    pub(crate) memory: c_uint,
}

#[repr(C)]
pub(crate) struct FieldValue {
    pub(crate) field: c_uint,
    pub(crate) scope: c_uint,
    pub(crate) timestamp_us: c_longlong,
    pub(crate) latency_us: c_longlong,
    pub(crate) value_type: c_uint,
    pub(crate) result: Return,
    /// A union of up to 8 bytes; little-endian, so one write serves both types that are used.
    pub(crate) value: c_ulonglong,
}

#[repr(C)]
pub(crate) struct Sample {
    pub(crate) timestamp_us: c_ulonglong,
    /// As that of [`FieldValue`].
    pub(crate) value: c_ulonglong,
}

#[repr(C)]
pub struct Memory {
    pub(crate) version: c_uint,
    pub(crate) total: c_ulonglong,
    pub(crate) reserved: c_ulonglong,
    pub(crate) free: c_ulonglong,
    pub(crate) used: c_ulonglong,
}

/// # Safety
/// `to` is valid for a write, or null.
pub(crate) unsafe fn put<T>(to: *mut T, value: T) -> Return {
    if to.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: not null, and the caller vouches for it.
    unsafe { to.write(value) };
    SUCCESS
}

/// # Safety
/// `to` is valid for `length` characters, or null.
pub(crate) unsafe fn put_text(to: *mut c_char, length: c_uint, text: &str) -> Return {
    if to.is_null() {
        return INVALID_ARGUMENT;
    }
    if length as usize <= text.len() {
        return INSUFFICIENT_SIZE;
    }
    // SAFETY: not null, and the caller vouches for the length.
    fill(unsafe { std::slice::from_raw_parts_mut(to, length as usize) }, text);
    SUCCESS
}

/// # Safety
/// `count` is valid or null; `to` is valid for `count` values or null, which asks how many there are.
pub(crate) unsafe fn put_all<T>(count: *mut c_uint, to: *mut T, values: Vec<T>, if_none: Return) -> Return {
    if count.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: not null, and the caller vouches for it.
    let room = unsafe { count.replace(values.len() as c_uint) } as usize;
    if values.is_empty() {
        return if_none;
    }
    if to.is_null() || room < values.len() {
        return INSUFFICIENT_SIZE;
    }
    for (place, value) in values.into_iter().enumerate() {
        // SAFETY: there is room for as many.
        unsafe { to.add(place).write(value) };
    }
    SUCCESS
}

pub(crate) fn fill(buffer: &mut [c_char], text: &str) {
    let room = buffer.len().saturating_sub(1);
    buffer.fill(0);
    for (to, byte) in buffer.iter_mut().zip(text.bytes().take(room)) {
        *to = byte.cast_signed() as c_char;
    }
}
