//! What the driver tells with a stamp: its fields, and the buffer that it takes power into.

use std::ffi::{c_int, c_uint, c_ulonglong};

use crate::abi::{FieldValue, INVALID_ARGUMENT, Return, SUCCESS, Sample, put};
use crate::spec::{Spec, now_s, realtime_us, stamp_us};
use crate::waveform::Waveform;
use crate::{Device, NOT_FOUND, NOT_SUPPORTED, with};

const FIELD_TOTAL_ENERGY: c_uint = 83;
const FIELD_POWER_AVERAGE: c_uint = 185;
const FIELD_POWER_INSTANT: c_uint = 186;
const SCOPE_GPU: c_uint = 0;
const SCOPE_MODULE: c_uint = 1;
const SCOPE_MEMORY: c_uint = 2;
const TYPE_UNSIGNED_INT: c_uint = 1;
const TYPE_UNSIGNED_LONG_LONG: c_uint = 3;
const TOTAL_POWER_SAMPLES: c_uint = 0;

const HOUR_US: i64 = 3_600_000_000;
/// How many samples the driver keeps.
const KEPT: i64 = 120;

/// # Safety
/// See [`crate::nvmlInit_v2`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: Device,
    count: c_int,
    values: *mut FieldValue,
) -> Return {
    with(device, |spec| {
        let Ok(count) = usize::try_from(count) else { return INVALID_ARGUMENT };
        if values.is_null() {
            return INVALID_ARGUMENT;
        }
        // SAFETY: the caller gives `count` values.
        for value in unsafe { std::slice::from_raw_parts_mut(values, count) } {
            let (now_s, updated_s) = (now_s(), updated_s(spec));
            let (at_s, timestamp_us) = match &*spec.text("stamps", "call") {
                "update" => (updated_s, stamp_us(updated_s)),
                "none" => (now_s, 0),
                "future" => (now_s, realtime_us() + HOUR_US),
                _ => (now_s, realtime_us()),
            };
            (value.timestamp_us, value.latency_us) = (timestamp_us, 10);
            let instant = |watts| (TYPE_UNSIGNED_INT, mean_mw(watts, at_s, 0.025).into());
            let found = match (value.field, value.scope) {
                (FIELD_TOTAL_ENERGY, _) => energy(spec, updated_s).map(|energy| (TYPE_UNSIGNED_LONG_LONG, energy)),
                (FIELD_POWER_AVERAGE, SCOPE_GPU) => Some((TYPE_UNSIGNED_INT, mean_mw(watts(spec), at_s, 1.0).into())),
                (FIELD_POWER_INSTANT, SCOPE_GPU) => spec.is("instant", true).then(|| instant(watts(spec))),
                (FIELD_POWER_INSTANT, SCOPE_MEMORY | SCOPE_MODULE) => spec
                    .find(if value.scope == SCOPE_MEMORY { "memory_watts" } else { "module_watts" })
                    .and_then(|watts| watts.parse().ok())
                    .map(instant),
                _ => None,
            };
            value.result = if found.is_some() { SUCCESS } else { NOT_SUPPORTED };
            (value.value_type, value.value) = found.unwrap_or((TYPE_UNSIGNED_INT, 0));
        }
        SUCCESS
    })
}

/// # Safety
/// See [`crate::nvmlInit_v2`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn nvmlDeviceGetSamples(
    device: Device,
    kind: c_uint,
    last_seen_us: c_ulonglong,
    value_type: *mut c_uint,
    count: *mut c_uint,
    samples: *mut Sample,
) -> Return {
    with(device, |spec| {
        let every_s = spec.number("samples_ms", 0.0) / 1000.0;
        if kind != TOTAL_POWER_SAMPLES || every_s <= 0.0 {
            return NOT_SUPPORTED;
        }
        let newest = (now_s() / every_s).floor() as i64;
        let sample = |number: i64| {
            let at_s = number as f64 * every_s;
            let value = mean_mw(watts(spec), at_s, every_s).into();
            Sample { timestamp_us: stamp_us(at_s).unsigned_abs(), value }
        };
        let kept = (newest - KEPT + 1..=newest).map(sample);
        let newer: Vec<Sample> = kept.filter(|sample| sample.timestamp_us > last_seen_us).collect();
        if newer.is_empty() {
            return NOT_FOUND;
        }
        if count.is_null() {
            return INVALID_ARGUMENT;
        }
        // SAFETY: not null, and the caller vouches for it.
        let room = if samples.is_null() { newer.len() } else { newer.len().min(unsafe { count.read() } as usize) };
        if !samples.is_null() {
            for (place, sample) in newer.into_iter().take(room).enumerate() {
                // SAFETY: there is room for as many.
                unsafe { samples.add(place).write(sample) };
            }
        }
        // SAFETY: as above.
        unsafe { put(value_type, TYPE_UNSIGNED_INT).max(put(count, room as c_uint)) }
    })
}

pub(crate) fn watts(spec: &Spec) -> Waveform {
    spec.waveform("watts", "constant:50")
}

/// Millijoules of the energy counter that moved last at `updated_s`, where there is one.
pub(crate) fn energy(spec: &Spec, updated_s: f64) -> Option<c_ulonglong> {
    if !spec.is("energy", true) {
        return None;
    }
    let followed = || (watts(spec).energy_j(updated_s) * 1000.0) as c_ulonglong;
    let energy_mj = spec.find("energy_mj").and_then(|fixed| fixed.parse().ok()).unwrap_or_else(followed);
    Some(energy_mj.saturating_add_signed(spec.number("jump_mj", 0)))
}

/// When the energy counter moved last.
pub(crate) fn updated_s(spec: &Spec) -> f64 {
    let refresh_s = f64::from(spec.number("refresh_ms", 20).max(1)) / 1000.0;
    (now_s() / refresh_s).floor() * refresh_s
}

/// Milliwatts on average over the `window_s` before `at_s`.
pub(crate) fn mean_mw(waveform: Waveform, at_s: f64, window_s: f64) -> c_uint {
    ((waveform.energy_j(at_s) - waveform.energy_j(at_s - window_s)) / window_s * 1000.0).round() as c_uint
}
