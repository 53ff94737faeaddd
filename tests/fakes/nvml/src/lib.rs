//! A stand-in for `libnvidia-ml.so`, for machines without GPUs: `smaragdined serve --nvml-library libfake_nvml.so`.
//!
//! What it shows is written in a text file: the one that `FAKE_NVML_SPEC` names, or else the library's own path with
//! `.spec` appended. It is read anew at every call, so a test changes the hardware by writing the file. Without one
//! there is a single idle GPU. The kit's README, `tests/fakes/README.md`, has the table of its keys.
//!
//! Instant power is the mean of the last 25 ms, `nvmlDeviceGetPowerUsage` that of the last second, as on Hopper.

// Symbols keep the names and types that the driver's header gives them.
#![allow(non_snake_case)]

mod abi;
pub mod peers;
mod spec;
mod stamped;
#[path = "../../powercap/src/waveform.rs"]
pub mod waveform;

use std::ffi::{c_char, c_uint, c_ulonglong, c_void};

use abi::{
    INVALID_ARGUMENT, Memory, PciInfo, ProcessInfo, ProcessUtilisation, Return, SUCCESS, Utilisation, fill, put,
    put_all, put_text,
};
use spec::{Spec, now_s, realtime_us};
use stamped::{energy, mean_mw, updated_s, watts};

/// The number of the GPU plus one; the driver's are opaque, too.
type Device = *mut c_void;

const NOT_SUPPORTED: Return = 3;
const NOT_FOUND: Return = 6;
const GPU_IS_LOST: Return = 15;

/// # Safety
/// As all functions here: pointers are valid for what the driver's header says, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInit_v2() -> Return {
    spec::initialised();
    Spec::read().number("init", SUCCESS)
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> Return {
    // SAFETY: takes no pointers.
    unsafe { nvmlInit_v2() }
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlShutdown() -> Return {
    SUCCESS
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlErrorString(result: Return) -> *const c_char {
    match result {
        SUCCESS => c"Success",
        NOT_SUPPORTED => c"Not Supported",
        GPU_IS_LOST => c"GPU is lost",
        _ => c"Error",
    }
    .as_ptr()
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> Return {
    let driver = Spec::read().text("driver", "570.86.15");
    // SAFETY: the caller gives a buffer of `length`.
    unsafe { put_text(version, length, &driver) }
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) -> Return {
    // SAFETY: as above.
    unsafe { put_text(version, length, "12.570.86.15") }
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> Return {
    // SAFETY: as above.
    unsafe { put(count, Spec::read().number("gpus", 1)) }
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Device) -> Return {
    if index >= Spec::read().number("gpus", 1) {
        return INVALID_ARGUMENT;
    }
    // SAFETY: as above.
    unsafe { put(device, std::ptr::without_provenance_mut(index as usize + 1)) }
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: Device, name: *mut c_char, length: c_uint) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe { put_text(name, length, &spec.text("name", "NVIDIA Fake")) })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: Device, uuid: *mut c_char, length: c_uint) -> Return {
    with(device, |spec| {
        let fallback = format!("GPU-{:08x}-0000-0000-0000-000000000000", spec.gpu());
        // SAFETY: as above.
        unsafe { put_text(uuid, length, &spec.text("uuid", &fallback)) }
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Device, memory: *mut Memory) -> Return {
    with(device, |spec| match spec.number("memory_gib", 80) << 30 {
        0 => NOT_SUPPORTED,
        total => {
            let used = total.min(spec.number::<c_ulonglong>("memory_used_mib", 0) << 20);
            let version = size_of::<Memory>() as c_uint | 2 << 24;
            // SAFETY: as above.
            unsafe { put(memory, Memory { version, total, reserved: 0, free: total - used, used }) }
        }
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: Device, pci: *mut PciInfo) -> Return {
    with(device, |spec| {
        let bus_id = spec.text("bus", &format!("00000000:{:02x}:00.0", spec.gpu() + 1));
        let number = |part: usize| {
            let part = bus_id.split([':', '.']).nth(part).unwrap_or_default();
            c_uint::from_str_radix(part, 16).unwrap_or(0)
        };
        let mut info = PciInfo {
            bus_id_legacy: [0; 16],
            domain: number(0),
            bus: number(1),
            device: number(2),
            pci_device_id: 0x2335_10de,
            pci_subsystem_id: 0x18be_10de,
            bus_id: [0; 32],
        };
        fill(&mut info.bus_id, &bus_id);
        fill(&mut info.bus_id_legacy, bus_id.get(4..).unwrap_or(&bus_id));
        // SAFETY: as above.
        unsafe { put(pci, info) }
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetArchitecture(device: Device, architecture: *mut c_uint) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe { put(architecture, spec.number("architecture", 9)) })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(device: Device, current: *mut c_uint, pending: *mut c_uint) -> Return {
    with(device, |spec| {
        let mode = c_uint::from(spec.is("mig", false));
        // SAFETY: as above.
        unsafe { put(current, mode).max(put(pending, mode)) }
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: Device, energy_mj: *mut c_ulonglong) -> Return {
    with(device, |spec| match energy(spec, updated_s(spec)) {
        // SAFETY: as above.
        Some(energy) => unsafe { put(energy_mj, energy) },
        None => NOT_SUPPORTED,
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: Device, power_mw: *mut c_uint) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe { put(power_mw, mean_mw(watts(spec), now_s(), 1.0)) })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(
    device: Device,
    least_mw: *mut c_uint,
    most_mw: *mut c_uint,
) -> Return {
    with(device, |spec| match spec.number("limit_watts", 0.0) {
        // SAFETY: as above.
        limit_w if limit_w > 0.0 => unsafe { put(least_mw, 100_000).max(put(most_mw, (limit_w * 1000.0) as c_uint)) },
        _ => NOT_SUPPORTED,
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Device,
    count: *mut c_uint,
    processes: *mut ProcessInfo,
) -> Return {
    with(device, |spec| {
        // SAFETY: as above.
        unsafe { put_all(count, processes, infos(spec, "processes"), SUCCESS) }
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
    device: Device,
    count: *mut c_uint,
    processes: *mut ProcessInfo,
) -> Return {
    with(device, |spec| {
        // SAFETY: as above.
        unsafe { put_all(count, processes, infos(spec, "mps"), SUCCESS) }
    })
}

fn infos(spec: &Spec, key: &str) -> Vec<ProcessInfo> {
    let info = |pid: &str| ProcessInfo {
        pid: pid.parse().unwrap_or(0),
        used_gpu_memory: 1 << 30,
        gpu_instance: c_uint::MAX,
        compute_instance: c_uint::MAX,
    };
    spec.list(key).map(info).collect()
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: Device,
    samples: *mut ProcessUtilisation,
    count: *mut c_uint,
    _last_seen_us: c_ulonglong,
) -> Return {
    with(device, |spec| {
        let found = spec.list("utilisation").filter_map(|sample| {
            let (pid, percent) = sample.split_once(':')?;
            Some(ProcessUtilisation {
                pid: pid.parse().ok()?,
                timestamp_us: realtime_us().unsigned_abs(),
                sm: percent.parse().ok()?,
                memory: 0,
                encoder: 0,
                decoder: 0,
            })
        });
        // SAFETY: as above.
        unsafe { put_all(count, samples, found.collect(), NOT_FOUND) }
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: Device, utilisation: *mut Utilisation) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe {
        put(utilisation, Utilisation { gpu: spec.number("busy", 0), memory: spec.number("busy_memory", 0) })
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetClockInfo(device: Device, clock: c_uint, mhz: *mut c_uint) -> Return {
    const MEMORY: c_uint = 2;
    with(device, |spec| {
        let (key, fallback) = if clock == MEMORY { ("memory_clock_mhz", 3201) } else { ("clock_mhz", 1980) };
        match spec.number(key, fallback) {
            0 => NOT_SUPPORTED,
            // SAFETY: as above.
            told => unsafe { put(mhz, told) },
        }
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(device: Device, _sensor: c_uint, celsius: *mut c_uint) -> Return {
    with(device, |spec| match spec.number("temperature", 40) {
        0 => NOT_SUPPORTED,
        // SAFETY: as above.
        told => unsafe { put(celsius, told) },
    })
}

/// # Safety
/// See [`nvmlInit_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPerformanceState(device: Device, state: *mut c_uint) -> Return {
    // SAFETY: as above.
    with(device, |spec| unsafe { put(state, spec.number("pstate", 0)) })
}

/// Does something with a GPU's part of the specification, unless it is lost.
fn with(device: Device, act: impl FnOnce(&Spec) -> Return) -> Return {
    let spec = Spec::read();
    match c_uint::try_from(device.addr()) {
        Ok(number) if number > 0 && number <= spec.number("gpus", 1) => {
            let spec = spec.of(number - 1);
            std::thread::sleep(std::time::Duration::from_millis(spec.number("slow_ms", 0)));
            if spec.is_lost() { GPU_IS_LOST } else { act(&spec) }
        }
        _ => INVALID_ARGUMENT,
    }
}
