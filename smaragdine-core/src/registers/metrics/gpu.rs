//! What GPUs do, and what of it is the application's, as the driver's library tells.

use std::path::{Path, PathBuf};

use nvml_wrapper::enum_wrappers::device::{Clock, PerformanceState, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library};

use super::thread::Looks;
use super::{Absent, Metric, Values};
use crate::clock::realtime_ns;
use crate::registers::shares::{Members, StatFile};
use crate::registers::source::nvml::{CudaEnvironment, Handle, computing, enumerate};

pub(super) const METRICS: &[Metric<GpuLooks>] = &[
    Metric {
        name: "gpu_utilisation",
        unit: "1",
        scopes: "GPU:n, application/GPU:n",
        source: "NVML's utilisation: the part of the driver's last sampling period in which a kernel ran; of a GPU that \
                 others hold as well, the application's processes'",
        check: |looks| looks.any(|device| device.utilization_rates().map(|_| ())),
        read: |looks, values| {
            let whole = looks.each(values, |device| Ok(f64::from(device.utilization_rates()?.gpu) / 100.0));
            looks.each_own(values, |gpu, device| gpu.utilisation(device)).and(whole)
        },
    },
    Metric {
        name: "gpu_memory_utilisation",
        unit: "1",
        scopes: "GPU:n",
        source: "NVML's utilisation of memory: the part of that period in which it was read or written",
        check: |looks| looks.any(|device| device.utilization_rates().map(|_| ())),
        read: |looks, values| looks.each(values, |device| Ok(f64::from(device.utilization_rates()?.memory) / 100.0)),
    },
    Metric {
        name: "gpu_memory_used",
        unit: "bytes",
        scopes: "GPU:n, application/GPU:n",
        source: "NVML: memory in use, and what the application's processes hold of it",
        check: |looks| looks.any(|device| device.memory_info().map(|_| ())),
        read: |looks, values| {
            let whole = looks.each(values, |device| Ok(device.memory_info()?.used as f64));
            looks.each_own(values, |gpu, _| Ok(gpu.own_memory())).and(whole)
        },
    },
    Metric {
        name: "gpu_held",
        unit: "1",
        scopes: "application/GPU:n",
        source: "NVML: 1 while a process of the application computes with the GPU or holds memory of it, else 0",
        check: |_| Ok(()),
        read: |looks, values| looks.each_own(values, |gpu, _| Ok(gpu.held())),
    },
    Metric {
        name: "gpu_clock",
        unit: "Hz",
        scopes: "GPU:n",
        source: "NVML: of its multiprocessors",
        check: |looks| looks.any(|device| device.clock_info(Clock::SM).map(|_| ())),
        read: |looks, values| looks.each(values, |device| Ok(1e6 * f64::from(device.clock_info(Clock::SM)?))),
    },
    Metric {
        name: "gpu_memory_clock",
        unit: "Hz",
        scopes: "GPU:n",
        source: "NVML: of its memory",
        check: |looks| looks.any(|device| device.clock_info(Clock::Memory).map(|_| ())),
        read: |looks, values| looks.each(values, |device| Ok(1e6 * f64::from(device.clock_info(Clock::Memory)?))),
    },
    Metric {
        name: "gpu_temperature",
        unit: "°C",
        scopes: "GPU:n",
        source: "NVML: of the chip",
        check: |looks| looks.any(|device| device.temperature(TemperatureSensor::Gpu).map(|_| ())),
        read: |looks, values| looks.each(values, |device| Ok(f64::from(device.temperature(TemperatureSensor::Gpu)?))),
    },
    Metric {
        name: "gpu_performance_state",
        unit: "1",
        scopes: "GPU:n",
        source: "NVML: P-state, 0 the fastest, 15 the slowest",
        check: |looks| looks.any(|device| device.performance_state().map(|_| ())),
        read: |looks, values| {
            looks.each(values, |device| match device.performance_state()? {
                PerformanceState::Unknown => Err(NvmlError::NotSupported),
                state => Ok(f64::from(state.as_c())),
            })
        },
    },
];

/// Utilisation is sampled by the driver up to once a second.
const UTILISATION_WINDOW_US: i64 = 1_000_000;

/// Successive looks at the GPUs.
pub(super) struct GpuLooks {
    gpus: Vec<WatchedGpu>,
    stat: StatFile,
    application: i32,
    members: Members,
    proc_root: PathBuf,
    /// The application has been visible; when it ends, its descendants still are its own.
    seen: bool,
    library: Library,
}

struct WatchedGpu {
    handle: Handle,
    scope: String,
    own_scope: String,
    mig: bool,
    holders: Result<Holders, String>,
}

/// Who computes with a GPU at one moment.
#[derive(Default)]
struct Holders {
    own: Vec<u32>,
    /// `None`: the driver does not tell it of one of them.
    own_bytes: Option<f64>,
    others: usize,
}

impl GpuLooks {
    /// # Errors
    /// Where there is no driver, or no GPU.
    pub(super) fn new(
        library: Option<PathBuf>,
        cuda: CudaEnvironment,
        application: i32,
        proc_root: &Path,
    ) -> Result<Self, String> {
        let (library, places) = enumerate(library.as_deref(), &cuda).map_err(|unavailable| unavailable.problem)?;
        let gpus = places.gpus.iter().filter_map(|place| {
            Some(WatchedGpu {
                handle: Handle::of(&library.device_by_index(place.gpu.index).ok()?),
                scope: format!("GPU:{}", place.number),
                own_scope: format!("application/GPU:{}", place.number),
                mig: place.gpu.mig,
                holders: Ok(Holders::default()),
            })
        });
        Ok(Self {
            gpus: gpus.collect(),
            stat: StatFile::below(proc_root),
            application,
            members: Members::new(proc_root, application, Vec::new()),
            proc_root: proc_root.to_owned(),
            seen: false,
            library,
        })
    }

    /// Whether one of the GPUs answers.
    fn any(&self, ask: impl Fn(&Device<'_>) -> Result<(), NvmlError>) -> Result<(), Absent> {
        let mut answers = self.gpus.iter().map(|gpu| ask(&gpu.handle.device(&self.library)));
        match answers.try_fold(None, |_, answer| answer.map_or_else(|error| Ok(Some(error)), Err)) {
            Err(()) => Ok(()),
            Ok(Some(error)) => Err(Absent::NotHere(format!("no GPU tells it: {error}"))),
            Ok(None) => Err(Absent::NotHere("no GPU can be opened".into())),
        }
    }

    /// A value of each GPU that tells one. One that does not is told with its name; the others are read all the same.
    fn each(
        &self,
        values: &mut Values<'_>,
        read: impl Fn(&Device<'_>) -> Result<f64, NvmlError>,
    ) -> Result<(), String> {
        let mut problem = Ok(());
        for gpu in &self.gpus {
            match read(&gpu.handle.device(&self.library)) {
                Ok(value) => values.add(&gpu.scope, value),
                // One of several kinds of GPUs may not have it.
                Err(NvmlError::NotSupported) => {}
                Err(error) => problem = Err(format!("{}: {error}", gpu.scope)),
            }
        }
        problem
    }

    /// A value of the application's part of each GPU, where it is known.
    fn each_own(
        &self,
        values: &mut Values<'_>,
        read: impl Fn(&Holders, &Device<'_>) -> Result<Option<f64>, NvmlError>,
    ) -> Result<(), String> {
        let mut problem = Ok(());
        for gpu in &self.gpus {
            let told = match &gpu.holders {
                Ok(holders) => read(holders, &gpu.handle.device(&self.library)).map_err(|error| error.to_string()),
                Err(problem) => Err(problem.clone()),
            };
            match told {
                Ok(Some(value)) => values.add(&gpu.own_scope, value),
                Ok(None) => {}
                Err(why) => problem = Err(format!("{}: {why}", gpu.own_scope)),
            }
        }
        problem
    }
}

impl Looks for GpuLooks {
    fn metrics() -> impl Iterator<Item = &'static Metric<Self>> {
        METRICS.iter()
    }

    fn begin(&mut self, _now_ns: i64) {
        let forks = self.stat.read().ok().and_then(|machine| machine.forks);
        // Where that fails nobody new is found, and who was known is looked at again.
        let _ = self.members.discover(forks);
        self.seen |= self.members.is_application(self.application);
        for gpu in &mut self.gpus {
            gpu.holders =
                holders(&gpu.handle.device(&self.library), gpu.mig, self.seen, &self.members, &self.proc_root);
        }
    }
}

fn holders(device: &Device<'_>, mig: bool, seen: bool, members: &Members, proc_root: &Path) -> Result<Holders, String> {
    if !seen {
        return Err("the application's processes are not visible to the daemon".into());
    }
    let processes = computing(device, mig, proc_root)?;
    let mut holders = Holders { own_bytes: Some(0.0), ..Holders::default() };
    for process in processes {
        if !i32::try_from(process.pid).is_ok_and(|pid| members.is_application(pid)) {
            holders.others += 1;
            continue;
        }
        holders.own.push(process.pid);
        holders.own_bytes = match (holders.own_bytes, process.used_gpu_memory) {
            (Some(bytes), UsedGpuMemory::Used(more)) => Some(bytes + more as f64),
            _ => None,
        };
    }
    Ok(holders)
}

impl Holders {
    fn held(&self) -> Option<f64> {
        Some(if self.own.is_empty() { 0.0 } else { 1.0 })
    }

    fn own_memory(&self) -> Option<f64> {
        self.own_bytes
    }

    /// All of it while nobody else holds the GPU; else what the driver sampled of the application's processes.
    fn utilisation(&self, device: &Device<'_>) -> Result<Option<f64>, NvmlError> {
        if self.own.is_empty() {
            return Ok(Some(0.0));
        }
        if self.others == 0 {
            return match device.utilization_rates() {
                Ok(rates) => Ok(Some(f64::from(rates.gpu) / 100.0)),
                Err(NvmlError::NotSupported) => Ok(None),
                Err(error) => Err(error),
            };
        }
        let since = u64::try_from(realtime_ns() / 1000 - UTILISATION_WINDOW_US).unwrap_or(0);
        let samples = match device.process_utilization_stats(since) {
            Ok(samples) => samples,
            Err(NvmlError::NotFound | NvmlError::NotSupported) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Of each process the mean of its samples.
        let mean = |pid: &u32| {
            let own = samples.iter().filter(|sample| sample.pid == *pid).map(|sample| f64::from(sample.sm_util));
            let (sum, count) = own.fold((0.0, 0.0), |(sum, count), percent| (sum + percent, count + 1.0));
            if count > 0.0 { sum / count } else { 0.0 }
        };
        Ok((!samples.is_empty()).then(|| self.own.iter().map(mean).sum::<f64>() / 100.0))
    }
}
