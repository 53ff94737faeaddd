//! The specification file, and the clocks that it is played by.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, OsString, c_char, c_int, c_long, c_void};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::waveform::Waveform;

/// The specification as it stands now, seen by the machine or, after [`Spec::of`], by one GPU.
pub(crate) struct Spec {
    values: HashMap<String, String>,
    gpu: Option<u32>,
}

impl Spec {
    /// An unreadable file is one that says nothing.
    pub(crate) fn read() -> Self {
        let text = path().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let values = text.lines().filter_map(|line| {
            let (key, value) = line.split('#').next()?.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        });
        Self { values: values.collect(), gpu: None }
    }

    pub(crate) fn of(self, gpu: u32) -> Self {
        Self { gpu: Some(gpu), ..self }
    }

    pub(crate) fn gpu(&self) -> u32 {
        self.gpu.unwrap_or(0)
    }

    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        let keys = match self.gpu {
            Some(gpu) => [format!("gpu.{gpu}.{key}"), format!("gpu.{key}")],
            None => [key.to_owned(), String::new()],
        };
        keys.iter().find_map(|key| self.values.get(key)).map(String::as_str)
    }

    pub(crate) fn text(&self, key: &str, fallback: &str) -> String {
        self.find(key).unwrap_or(fallback).to_owned()
    }

    pub(crate) fn number<T: FromStr>(&self, key: &str, fallback: T) -> T {
        self.find(key).and_then(|value| value.parse().ok()).unwrap_or(fallback)
    }

    pub(crate) fn is(&self, key: &str, fallback: bool) -> bool {
        self.find(key).map_or(fallback, |value| value == "yes")
    }

    pub(crate) fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        self.find(key).unwrap_or_default().split_whitespace()
    }

    /// A waveform that cannot be read draws nothing.
    pub(crate) fn waveform(&self, key: &str, fallback: &str) -> Waveform {
        self.find(key).unwrap_or(fallback).parse().unwrap_or(Waveform::Constant { watts: 0.0 })
    }

    pub(crate) fn is_lost(&self) -> bool {
        let after_s = self.number("lost_after_s", f64::INFINITY);
        self.is("lost", false) || now_s() - STARTED_S.get().copied().unwrap_or(f64::INFINITY) >= after_s
    }
}

static STARTED_S: OnceLock<f64> = OnceLock::new();

/// Starts the clock of `lost_after_s`.
pub(crate) fn initialised() {
    STARTED_S.get_or_init(now_s);
}

/// Where the specification is; looked up once.
fn path() -> Option<&'static OsStr> {
    static PATH: OnceLock<Option<OsString>> = OnceLock::new();
    PATH.get_or_init(|| std::env::var_os("FAKE_NVML_SPEC").or_else(beside_the_library)).as_deref()
}

fn beside_the_library() -> Option<OsString> {
    let mut info =
        DlInfo { file: std::ptr::null(), base: std::ptr::null(), name: std::ptr::null(), symbol: std::ptr::null() };
    // SAFETY: the address is one of this library's; `info` has the layout of `Dl_info`.
    if unsafe { dladdr((beside_the_library as fn() -> Option<OsString>) as *const c_void, &raw mut info) } == 0
        || info.file.is_null()
    {
        return None;
    }
    // SAFETY: the loader's string lives as long as the library.
    let mut path = OsStr::from_bytes(unsafe { CStr::from_ptr(info.file) }.to_bytes()).to_owned();
    path.push(".spec");
    Some(path)
}

const REALTIME: c_int = 0;
const MONOTONIC: c_int = 1;

/// Seconds of `CLOCK_MONOTONIC`, which std shows only as differences.
pub(crate) fn now_s() -> f64 {
    nanoseconds(MONOTONIC) as f64 / 1e9
}

/// Microseconds of `CLOCK_REALTIME`.
pub(crate) fn realtime_us() -> i64 {
    nanoseconds(REALTIME) / 1000
}

/// Microseconds of `CLOCK_REALTIME` at a moment of `CLOCK_MONOTONIC`, the same ones at each call.
pub(crate) fn stamp_us(monotonic_s: f64) -> i64 {
    static OFFSET_NS: OnceLock<i64> = OnceLock::new();
    let offset_ns = *OFFSET_NS.get_or_init(|| {
        let brackets = (0..100).map(|_| {
            let (before, realtime, after) = (nanoseconds(MONOTONIC), nanoseconds(REALTIME), nanoseconds(MONOTONIC));
            (after - before, realtime - before - (after - before) / 2)
        });
        brackets.min().map_or(0, |(_, offset_ns)| offset_ns)
    });
    ((monotonic_s * 1e9).round() as i64 + offset_ns) / 1000
}

fn nanoseconds(clock: c_int) -> i64 {
    let mut now = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: `now` has the layout of `timespec` on 64-bit Linux; these clocks always exist.
    unsafe { clock_gettime(clock, &raw mut now) };
    now.seconds * 1_000_000_000 + now.nanoseconds
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

#[repr(C)]
struct DlInfo {
    file: *const c_char,
    base: *const c_void,
    name: *const c_char,
    symbol: *const c_void,
}

unsafe extern "C" {
    fn clock_gettime(clock: c_int, now: *mut Timespec) -> c_int;
    fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
}
