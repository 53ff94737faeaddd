//! NVIDIA GPUs, by the driver's library (law 8: one authority per GPU).
//!
//! A GPU's energy counter is read where there is one, and it alone: 1 mJ steps, refreshed every 20–100 ms. Where there
//! is none, power is integrated, and its readings are flagged: the driver's [samples], or instant power. The power that
//! `nvidia-smi` shows is never used on Ampere or newer: it is the mean of a whole second. When the driver took a value
//! its [stamp] tells, where it can be right.
//!
//! Domain `gpu-N` is device `GPU:N`, where `N` is the application's own number (see [`visible_devices`]). GPUs that the
//! application does not see are numbered on behind those that it does, read all the same, and not counted.

mod field;
mod gpu;
mod meter;
mod processes;
mod samples;
mod stamp;

use std::ffi::OsStr;
use std::path::Path;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library};
use nvml_wrapper_sys::bindings::{NVML_POWER_SCOPE_MEMORY, NVML_POWER_SCOPE_MODULE};

pub use gpu::{CudaEnvironment, Gpu, visible_devices};
pub(crate) use meter::Handle;
use meter::{Meter, Register};
pub(crate) use processes::computing;
use stamp::WallClock;

use super::{Observation, Source, Unavailable};
use crate::clock::ClockPair;
use crate::trace::{Domain, GpuHardware};

/// What the driver installs; the second name comes with its development files.
const LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

/// No register moves faster than every 20 ms; twice as often places its edges well enough for what a call costs. No part
/// of 20, 25 or 100 ms: reads then fall ever elsewhere between updates, which tells when these happen.
const SHORTEST_PERIOD_NS: i64 = 9_700_000;

/// Reads the GPUs of one machine.
#[derive(Debug)]
pub struct Nvml {
    // Before the library: handles in it end with the library.
    meters: Vec<Meter>,
    domains: Vec<Domain>,
    gpus: Vec<Gpu>,
    problems: Vec<String>,
    /// At the last read.
    wall: WallClock,
    /// Which library it is.
    driver: String,
    library: Library,
}

impl Nvml {
    /// Every GPU, numbered by its place on the bus. `library` names the driver's library; `None`: where the loader
    /// finds it.
    ///
    /// # Errors
    /// No driver, no GPU, or none that tells its energy or power.
    pub fn open(library: Option<&Path>) -> Result<Self, Unavailable> {
        Self::open_for(library, &CudaEnvironment::default())
    }

    /// Every GPU, numbered as an application with this environment numbers them.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_for(library: Option<&Path>, environment: &CudaEnvironment) -> Result<Self, Unavailable> {
        let driver = library.map_or_else(|| LIBRARIES[0].to_owned(), |library| library.display().to_string());
        let (library, places) = enumerate(library, environment)?;
        let (problems, wall) = (places.problems, WallClock::now());
        let mut nvml =
            Self { meters: Vec::new(), domains: Vec::new(), gpus: Vec::new(), problems, wall, driver, library };
        for NumberedGpu { gpu, number, visible } in places.gpus {
            let name = format!("gpu-{number}");
            match nvml.library.device_by_index(gpu.index).and_then(|device| {
                let register = Register::of(&device)?;
                let because = (!visible).then(|| environment.hides(&gpu));
                let of_scope = |scope| Register::of_scope(scope, &device);
                let [memory, module] = [NVML_POWER_SCOPE_MEMORY, NVML_POWER_SCOPE_MODULE].map(of_scope);
                let (child, whole) = (format!("{name}-memory"), format!("module-{number}"));
                let parent = module.map(|_| whole.clone());
                let limit_w = limit_w(&device);
                let mut found = vec![(register, Domain { limit_w, ..domain(&name, number, parent, because) })];
                if let Some(memory) = memory {
                    let domain = domain(&child, number, Some(name.clone()), Some(format!("{name} holds its energy")));
                    found.push((memory, Domain { limit_w, ..domain }));
                }
                if let Some(module) = module {
                    let domain = domain(&whole, number, None, Some(format!("it holds {name}, and a CPU")));
                    let (device, scope) = (format!("MODULE:{number}"), format!("module:{number}"));
                    found.push((module, Domain { device, scope, ..domain }));
                }
                let meter = |(register, domain)| (Meter::new(&device, &gpu.uuid, register, &domain), domain);
                Ok(found.into_iter().map(meter).collect::<Vec<_>>())
            }) {
                Ok(found) => {
                    for (meter, domain) in found {
                        nvml.meters.push(meter);
                        nvml.domains.push(domain);
                    }
                }
                Err(error) => {
                    let mig = if gpu.mig { ", which is divided into MIG instances," } else { "" };
                    nvml.problems.push(format!(
                        "{name} ({}, {}){mig} tells neither its energy nor its power: {error}",
                        gpu.name, gpu.uuid
                    ));
                }
            }
            nvml.gpus.push(gpu);
        }
        if nvml.domains.is_empty() {
            return Err(Unavailable {
                problem: nvml.problems.join("; "),
                hint: "energy counters need Volta or newer, and whole GPUs rather than MIG instances".into(),
            });
        }
        Ok(nvml)
    }

    /// The GPUs in the order of their numbers, with those that cannot be read.
    #[must_use]
    pub fn gpus(&self) -> &[Gpu] {
        &self.gpus
    }
}

impl Source for Nvml {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        self.meters.iter().map(|meter| format!("{} {}", self.driver, meter.identity())).collect()
    }

    /// What does not hold of every GPU here: unreadable ones, MIG, numbers in doubt.
    fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    fn gpu_hardware(&self) -> Vec<GpuHardware> {
        let memory_bytes = |gpu: &Gpu| Some(self.library.device_by_index(gpu.index).ok()?.memory_info().ok()?.total);
        let hardware = |(index, gpu): (u32, &Gpu)| GpuHardware {
            index,
            uuid: Some(gpu.uuid.clone()),
            name: gpu.name.clone(),
            memory_bytes: memory_bytes(gpu),
        };
        (0..).zip(&self.gpus).map(hardware).collect()
    }

    fn software(&self) -> Vec<(&'static str, String)> {
        let driver = self.library.sys_driver_version().ok().map(|version| ("nvidia-driver", version));
        // 12080 is 12.8.
        let cuda = |version: i32| ("cuda-driver", format!("{}.{}", version / 1000, version % 1000 / 10));
        driver.into_iter().chain(self.library.sys_cuda_driver_version().ok().map(cuda)).collect()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        self.wall = self.wall.next(ClockPair::now().offset_ns());
        for (domain, meter) in (0..).zip(&mut self.meters) {
            meter.read(&self.library, self.wall, domain, out);
        }
    }

    fn shortest_period_ns(&self) -> Option<i64> {
        Some(SHORTEST_PERIOD_NS)
    }
}

fn domain(name: &str, number: usize, parent: Option<String>, not_counted_because: Option<String>) -> Domain {
    let (device, scope) = (format!("GPU:{number}"), format!("gpu:{number}"));
    let counted = not_counted_because.is_none();
    Domain { parent, counted, not_counted_because, ..Domain::new(name, &device, "nvml", &scope) }
}

/// The highest limit that a GPU's power can be set to; no driver lets it draw more for long.
fn limit_w(device: &Device<'_>) -> Option<f64> {
    let limits = device.power_management_limit_constraints().ok()?;
    Some(f64::from(limits.max_limit) / 1000.0).filter(|limit_w| *limit_w > 0.0)
}

/// A GPU with its number in the trace.
#[derive(Debug)]
pub(crate) struct NumberedGpu {
    pub(crate) gpu: Gpu,
    pub(crate) number: usize,
    pub(crate) visible: bool,
}

#[derive(Debug)]
pub(crate) struct NumberedGpus {
    /// In order of `number`.
    pub(crate) gpus: Vec<NumberedGpu>,
    pub(crate) problems: Vec<String>,
}

/// Loads the library and numbers its GPUs for an application.
pub(crate) fn enumerate(
    library: Option<&Path>,
    environment: &CudaEnvironment,
) -> Result<(Library, NumberedGpus), Unavailable> {
    let library = load(library)?;
    let count = library.device_count().map_err(|error| unavailable("cannot count GPUs", &error))?;
    if count == 0 {
        return Err(Unavailable {
            problem: "the NVIDIA driver shows no GPU".into(),
            hint: "in a container, start it with GPUs (Docker: --gpus all)".into(),
        });
    }
    let mut problems = Vec::new();
    let mut gpus = Vec::new();
    for index in 0..count {
        match library.device_by_index(index).and_then(|device| describe(index, &device)) {
            Ok(gpu) => gpus.push(gpu),
            Err(error) => problems.push(format!("NVML cannot describe GPU {index}: {error}")),
        }
    }
    // NVML promises no order; CUDA's is that of the bus (see `CudaEnvironment::doubt`).
    gpus.sort_by(|one, other| one.pci_bus_id.cmp(&other.pci_bus_id));
    problems.extend(environment.doubt(&gpus));
    for gpu in gpus.iter().filter(|gpu| gpu.mig) {
        problems.push(format!("GPU {} is divided into MIG instances; its energy is that of all of them", gpu.uuid));
    }
    let visible = visible_devices(environment.visible_devices.as_deref(), &gpus);
    let numbers = gpu::numbers(&visible, gpus.len());
    let mut places: Vec<NumberedGpu> = gpus
        .into_iter()
        .zip(numbers)
        .map(|(gpu, number)| NumberedGpu { gpu, number, visible: number < visible.len() })
        .collect();
    places.sort_by_key(|place| place.number);
    Ok((library, NumberedGpus { gpus: places, problems }))
}

fn load(library: Option<&Path>) -> Result<Library, Unavailable> {
    let open = |name: &OsStr| {
        let error = match Library::builder().lib_path(name).init() {
            Ok(library) => return Ok(library),
            Err(error) => error,
        };
        Err(unavailable(&format!("cannot use {}", name.display()), &error))
    };
    let Some(library) = library else {
        let [first, second] = LIBRARIES.map(OsStr::new);
        // Of two failures the first tells more: the second file is mostly not installed.
        return open(first).or_else(|problem| open(second).map_err(|_| problem));
    };
    open(library.as_os_str())
}

fn describe(index: u32, device: &Device<'_>) -> Result<Gpu, NvmlError> {
    Ok(Gpu {
        index,
        uuid: device.uuid()?,
        pci_bus_id: device.pci_info()?.bus_id,
        name: device.name()?,
        // GPUs that cannot be divided answer that this is not supported.
        mig: device.mig_mode().is_ok_and(|mode| mode.current == 1),
    })
}

fn unavailable(doing: &str, error: &NvmlError) -> Unavailable {
    let hint = match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "with an NVIDIA GPU, install its driver, or name the driver's libnvidia-ml.so with --nvml-library; in a \
             container, start it with GPUs (Docker: --gpus all)"
        }
        NvmlError::DriverNotLoaded => "load the driver's kernel module: `nvidia-smi` as root does",
        NvmlError::LibRmVersionMismatch => {
            "the driver was updated under the running kernel module: restart the machine"
        }
        NvmlError::NoPermission => "ask the administrator for access to /dev/nvidiactl and /dev/nvidia*",
        _ => "`nvidia-smi` shows whether the driver works",
    };
    Unavailable { problem: format!("{doing}: {error}"), hint: hint.into() }
}
