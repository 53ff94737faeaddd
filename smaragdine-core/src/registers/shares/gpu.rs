//! Shares of GPUs (law 8).
//!
//! A GPU's energy is the application's while no other process holds the GPU, and idle while nobody does. While it is
//! shared, the processes' utilisation divides it, flagged; where the driver tells none, the share is unknown.
//! Through MPS, and where it is divided into MIG instances, the share is unknown.

use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library};

use super::machine::StatFile;
use super::members::Members;
use super::periodic::{Look, Periodic};
use super::{PERIOD_NS, ShareReport};
use crate::clock::{TraceClock, monotonic_ns, realtime_ns};
use crate::registers::source::Unavailable;
use crate::registers::source::nvml::{CudaEnvironment, Handle, computing, enumerate};
use crate::trace::{Flag, Flags, ShareSample};

/// Utilisation is sampled by the driver up to once a second.
const UTILISATION_WINDOW_US: i64 = 1_000_000;

/// Who holds a GPU at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holders {
    Nobody,
    Application,
    Others,
    /// Both. The fraction of the utilisation of late that is the application's, where the driver tells it.
    Both(Option<f64>),
    Unknown,
}

/// The application's and the idle fraction of a GPU's energy between two moments, and what is remarkable about them.
///
/// Where the holders changed between, who held it for how long is not known.
#[must_use]
pub fn gpu_shares(before: Holders, now: Holders) -> (Option<f64>, Option<f64>, Flags) {
    match (before, now) {
        (Holders::Nobody, Holders::Nobody) => (Some(0.0), Some(1.0), Flags::NONE),
        (Holders::Application, Holders::Application) => (Some(1.0), Some(0.0), Flags::NONE),
        (Holders::Others, Holders::Others) => (Some(0.0), Some(0.0), Flags::NONE),
        (Holders::Both(_), Holders::Both(Some(part))) => (Some(part), Some(0.0), Flags::NONE.with(Flag::Utilisation)),
        _ => (None, None, Flags::NONE),
    }
}

/// Samples who holds the GPUs, every 100 ms, on an OS thread of its own.
#[derive(Debug)]
pub struct GpuShareSampler(Periodic);

impl GpuShareSampler {
    /// Takes the first look and starts; each later look sends one sample per GPU, of scope `gpu:N`.
    ///
    /// `library` and `environment` are those that [`crate::registers::source::nvml::Nvml::open_for`] was given, so that both
    /// number GPUs alike.
    ///
    /// # Errors
    /// No driver or no GPU, or no thread.
    pub fn start(
        library: Option<&Path>,
        environment: &CudaEnvironment,
        application: i32,
        proc_root: &Path,
        clock: TraceClock,
        sink: SyncSender<Vec<ShareSample>>,
    ) -> Result<Self, Unavailable> {
        let mut looks = GpuLooks::new(library, environment, application, proc_root, clock)?;
        looks.look();
        Periodic::start("gpu shares", PERIOD_NS, sink, looks).map(Self).map_err(|error| Unavailable {
            problem: format!("cannot start a thread: {error}"),
            hint: "raise the limit of processes (ulimit -u)".into(),
        })
    }

    /// Takes a last look and joins the thread.
    #[must_use]
    pub fn stop(self) -> ShareReport {
        self.0.stop()
    }
}

struct GpuLooks {
    gpus: Vec<WatchedGpu>,
    proc_root: PathBuf,
    stat: StatFile,
    application: i32,
    members: Members,
    /// The application has been visible; when it ends, its descendants still are its own.
    seen: bool,
    clock: TraceClock,
    previous_ns: Option<i64>,
    problems: Vec<String>,
    library: Library,
}

struct WatchedGpu {
    device: Handle,
    number: usize,
    mig: bool,
    holders: Holders,
}

impl GpuLooks {
    fn new(
        library: Option<&Path>,
        environment: &CudaEnvironment,
        application: i32,
        proc_root: &Path,
        clock: TraceClock,
    ) -> Result<Self, Unavailable> {
        let (library, places) = enumerate(library, environment)?;
        // One that cannot be opened has no domain either, and its source tells.
        let gpus = places.gpus.iter().filter_map(|place| {
            let device = Handle::of(&library.device_by_index(place.gpu.index).ok()?);
            Some(WatchedGpu { device, number: place.number, mig: place.gpu.mig, holders: Holders::Unknown })
        });
        Ok(Self {
            gpus: gpus.collect(),
            proc_root: proc_root.to_owned(),
            stat: StatFile::below(proc_root),
            application,
            members: Members::new(proc_root, application, Vec::new()),
            seen: false,
            clock,
            previous_ns: None,
            problems: Vec::new(),
            library,
        })
    }
}

impl Look for GpuLooks {
    fn look(&mut self) -> Vec<ShareSample> {
        let forks = self.stat.read().ok().and_then(|machine| machine.forks);
        let mut note = |problem: String| {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        };
        if let Err(error) = self.members.discover(forks) {
            note(format!("cannot read {}: {error}", self.proc_root.display()));
        }
        self.seen |= self.members.is_application(self.application);
        let now_ns = monotonic_ns();
        let start_ns = self.previous_ns.replace(now_ns);
        let mut samples = Vec::with_capacity(self.gpus.len());
        for gpu in &mut self.gpus {
            let device = gpu.device.device(&self.library);
            let now = holders(&device, gpu.mig, self.seen, &self.members, &self.proc_root).unwrap_or_else(|problem| {
                note(format!("gpu-{}: {problem}", gpu.number));
                Holders::Unknown
            });
            let before = std::mem::replace(&mut gpu.holders, now);
            let Some(start_ns) = start_ns else { continue };
            let (app, idle, flags) = gpu_shares(before, now);
            samples.push(ShareSample {
                scope: format!("gpu:{}", gpu.number),
                start_ns: self.clock.from_monotonic(start_ns),
                end_ns: self.clock.from_monotonic(now_ns),
                app,
                // The daemon computes nothing on GPUs.
                daemon: Some(0.0),
                idle,
                flags,
            });
        }
        samples
    }

    fn report(self) -> ShareReport {
        ShareReport {
            source: "compute processes of each GPU, by NVML".into(),
            tick_ns: PERIOD_NS,
            problems: self.problems,
        }
    }
}

/// Who holds a GPU now, or why that is not known.
fn holders(device: &Device<'_>, mig: bool, seen: bool, members: &Members, proc_root: &Path) -> Result<Holders, String> {
    let processes = computing(device, mig, proc_root)?;
    if processes.is_empty() {
        // In a foreign pid namespace the list is empty, whoever computes.
        return match device.utilization_rates() {
            Ok(rates) if rates.gpu > 0 => Err("it is busy, but the driver shows no process to this namespace".into()),
            _ => Ok(Holders::Nobody),
        };
    }
    if !seen {
        return Err("the application's processes are not visible to the daemon".into());
    }
    let of_application = |pid: u32| i32::try_from(pid).is_ok_and(|pid| members.is_application(pid));
    let own = processes.iter().filter(|process| of_application(process.pid)).count();
    Ok(match own {
        0 => Holders::Others,
        own if own == processes.len() => Holders::Application,
        _ => Holders::Both(utilised(device, of_application)?),
    })
}

/// The application's part of all processes' utilisation over the last second.
fn utilised(device: &Device<'_>, of_application: impl Fn(u32) -> bool) -> Result<Option<f64>, String> {
    let since = u64::try_from(realtime_ns() / 1000 - UTILISATION_WINDOW_US).unwrap_or(0);
    let samples = match device.process_utilization_stats(since) {
        Ok(samples) => samples,
        Err(NvmlError::NotFound) => return Ok(None),
        Err(error) => return Err(format!("it is shared, and its processes' utilisation is not known: {error}")),
    };
    let total: u32 = samples.iter().map(|sample| sample.sm_util).sum();
    let own: u32 = samples.iter().filter(|sample| of_application(sample.pid)).map(|sample| sample.sm_util).sum();
    Ok((total > 0).then(|| f64::from(own) / f64::from(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Holders; 6] = [
        Holders::Nobody,
        Holders::Application,
        Holders::Others,
        Holders::Both(Some(0.25)),
        Holders::Both(None),
        Holders::Unknown,
    ];

    #[test]
    fn the_share_is_one_only_while_nobody_else_holds_the_gpu() {
        for before in ALL {
            for now in ALL {
                let (app, idle, _) = gpu_shares(before, now);
                let alone = before == Holders::Application && now == Holders::Application;
                assert_eq!(app == Some(1.0), alone, "{before:?} → {now:?}");
                assert!(app.unwrap_or(0.0) + idle.unwrap_or(0.0) <= 1.0);
                assert_eq!(app.is_some(), idle.is_some());
            }
        }
    }

    #[test]
    fn a_shared_gpu_is_divided_by_utilisation_and_flagged() {
        let (app, idle, flags) = gpu_shares(Holders::Both(None), Holders::Both(Some(0.25)));
        assert_eq!((app, idle), (Some(0.25), Some(0.0)));
        assert!(flags.has(Flag::Utilisation));
        assert_eq!(gpu_shares(Holders::Both(Some(0.25)), Holders::Both(None)).0, None);
    }

    #[test]
    fn a_gpu_that_nobody_holds_is_idle() {
        assert_eq!(gpu_shares(Holders::Nobody, Holders::Nobody), (Some(0.0), Some(1.0), Flags::NONE));
    }

    #[test]
    fn a_change_of_holders_leaves_the_share_unknown() {
        assert_eq!(gpu_shares(Holders::Nobody, Holders::Application).0, None);
        assert_eq!(gpu_shares(Holders::Application, Holders::Both(Some(0.5))).0, None);
    }
}
