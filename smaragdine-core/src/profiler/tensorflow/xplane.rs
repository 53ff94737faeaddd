//! What TensorFlow's profiler wrote (XSpace bytes) → leaf events.
//!
//! Times: `profile_start_time` of the plane `Task Environment` + the line's `timestamp_ns` + the event's `offset_ps`.
//! A thread's line mixes operations (`<node>:<type>`) with what the runtime does around them: executor loops, thread
//! pools, allocations, Python calls. Only operations are work; the rest is dropped by its name, once per name.
//!
//! ```text
//! planes → lines → spans (host: scopes, launches, pool; gpu) → leaves → divided among the operations of a kernel
//! ```

mod fields;
mod gpu;
mod hlo;
mod host;
mod kernels;
mod lanes;
mod launches;
mod lines;
mod notes;
mod plane;
mod pool;
mod scopes;
mod title;
mod tpu;

use std::ops::RangeInclusive;

use self::fields::{Fields, Malformed};
use self::gpu::Gpu;
pub use self::hlo::Programs;
use self::host::Host;
use self::kernels::Kernels;
use self::lanes::Lanes;
use self::launches::Launches;
use self::plane::Plane;
pub(crate) use self::title::contains_others;
use self::tpu::Tpu;
use crate::error::{Error, Result};
use crate::profiler::{Profile, RawOp};

impl From<Malformed> for Error {
    fn from(Malformed: Malformed) -> Self {
        Self::Undecodable { what: "the profile (XSpace)", problem: "it ends early, or is no XSpace".into() }
    }
}

/// Decodes the bytes of an XSpace.
///
/// # Errors
///
/// [`Error::Undecodable`] where the bytes are no XSpace or a part of one. Memory is bounded by some 100 times the
/// bytes' length, whatever they hold.
pub fn decode(bytes: &[u8]) -> Result<Profile> {
    decode_within(bytes, &(i64::MIN..=i64::MAX))
}

/// Decodes the bytes of an XSpace, of which nothing can have happened but `within` these instants of `CLOCK_REALTIME`.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_within(bytes: &[u8], within: &RangeInclusive<i64>) -> Result<Profile> {
    decode_knowing(bytes, within, &mut Programs::default())
}

/// As [`decode_within`], of a process that told `programs` before; what this profile tells of them is added.
///
/// What did is left out before anything is nested: a kernel with a broken end must not take what runs after it.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_knowing(bytes: &[u8], within: &RangeInclusive<i64>, programs: &mut Programs) -> Result<Profile> {
    let mut profile = Profile::default();
    let mut planes = Vec::new();
    let mut space = Fields::of(bytes);
    while let Some((number, value)) = space.next_field()? {
        match (number, value.bytes()) {
            (1, Some(plane)) => planes.push(Plane::scan(plane)?),
            // Errors and warnings.
            (2 | 3, Some(problem)) => profile.notes.push(notes::of_error(&String::from_utf8_lossy(problem))),
            _ => {}
        }
    }
    let started_ns = planes.iter().find_map(Plane::session_start_ns);
    if started_ns.is_none() && planes.iter().any(|plane| !plane.lines.is_empty()) {
        profile.notes.push("the profile does not say when it started; its times are taken as absolute".into());
    }
    let session_ns = started_ns.unwrap_or(0);
    // What the host launched names what a GPU executes.
    planes.sort_by_key(|plane| !plane.is_host());
    planes.iter().filter(|plane| plane.name == "/host:metadata").for_each(|plane| plane.programs(programs));
    let mut kernels = Kernels::of(std::mem::take(programs), bytes.len());
    let read = read_planes(&planes, &mut kernels, session_ns, within, &mut profile);
    profile.notes.extend(kernels.notes());
    profile.edges = kernels.edges();
    *programs = kernels.into_programs();
    read.map(|()| profile)
}

fn read_planes<'a>(
    planes: &'a [Plane<'a>],
    kernels: &mut Kernels<'a>,
    session_ns: i64,
    within: &RangeInclusive<i64>,
    profile: &mut Profile,
) -> Result<()> {
    let mut launches = Launches::default();
    let mut on_host = 0;
    for plane in planes {
        let Some(device) = plane.device() else { continue };
        let number = index_of(&mut profile.devices, device);
        let mut lanes = Lanes::of(number, within, &mut profile.events, &mut profile.impossible);
        if plane.is_host() {
            launches.extend(Host::new(plane, kernels, &mut profile.names).read(session_ns, &mut lanes)?);
            on_host = profile.events.len();
        } else if plane.is_tpu() {
            let tpu = Tpu::new(plane, kernels, &mut profile.names);
            tpu.read(session_ns, &mut lanes, number, &mut profile.drawn)?;
        } else {
            Gpu::new(plane, kernels, &mut profile.names, &launches).read(session_ns, &mut lanes)?;
        }
    }
    if profile.events.len() == on_host {
        let mut hosts = planes.iter().filter(|plane| plane.is_host());
        let note = hosts.find_map(|host| notes::missing_gpu(host, !launches.is_empty(), &profile.notes));
        profile.notes.extend(note);
    }
    Ok(())
}

/// Adds an operation; returns its number.
fn push(names: &mut Vec<RawOp>, op: RawOp) -> u32 {
    names.push(op);
    // A name takes more than one byte of a profile, and profiles are far below 4 GiB.
    u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
}

fn index_of(devices: &mut Vec<String>, device: String) -> u16 {
    let index = devices.iter().position(|known| *known == device).unwrap_or_else(|| {
        devices.push(device);
        devices.len() - 1
    });
    // `Plane::device` names at most 1,000 devices.
    u16::try_from(index).unwrap_or(u16::MAX)
}
