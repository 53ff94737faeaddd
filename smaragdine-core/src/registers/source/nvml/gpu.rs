//! GPUs as NVML numbers them, and as the application does.

use std::io;
use std::path::Path;

/// A GPU that NVML shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// NVML's own number.
    pub index: u32,
    /// `GPU-8932f937-…`: the identity by which ranks of one job recognise the same GPU.
    pub uuid: String,
    /// `00000000:01:00.0`
    pub pci_bus_id: String,
    pub name: String,
    /// It is divided into instances, whose energy is not metered apart.
    pub mig: bool,
}

/// What decides which GPUs the application sees, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CudaEnvironment {
    /// `CUDA_VISIBLE_DEVICES`
    pub visible_devices: Option<String>,
    /// `CUDA_DEVICE_ORDER`
    pub device_order: Option<String>,
    /// `ROCR_VISIBLE_DEVICES` and `HIP_VISIBLE_DEVICES`: of AMD's
    pub rocr_visible_devices: Option<String>,
    pub hip_visible_devices: Option<String>,
    /// `ZE_AFFINITY_MASK`: of Intel's
    pub ze_affinity_mask: Option<String>,
}

impl CudaEnvironment {
    /// The environment that a process was started with.
    ///
    /// What a program sets for itself later (`os.environ[...]` before `import tensorflow`) is not visible here; a
    /// client that knows better fills in the fields itself.
    ///
    /// # Errors
    /// Where the process is gone or another user's.
    pub fn of(proc_root: &Path, pid: i32) -> io::Result<Self> {
        let environment = std::fs::read(proc_root.join(pid.to_string()).join("environ"))?;
        let value = |name: &str| {
            environment
                .split(|byte| *byte == 0)
                .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
                .map(|value| String::from_utf8_lossy(value).into_owned())
        };
        Ok(Self::told(value))
    }

    /// As its variables are told, by their names.
    #[must_use]
    pub fn told(value: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            visible_devices: value("CUDA_VISIBLE_DEVICES"),
            device_order: value("CUDA_DEVICE_ORDER"),
            rocr_visible_devices: value("ROCR_VISIBLE_DEVICES"),
            hip_visible_devices: value("HIP_VISIBLE_DEVICES"),
            ze_affinity_mask: value("ZE_AFFINITY_MASK"),
        }
    }

    /// The variables that choose among the GPUs of AMD and Intel, by their names, where they are set.
    pub(in crate::registers::source) fn graphics(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [
            ("ROCR_VISIBLE_DEVICES", &self.rocr_visible_devices),
            ("HIP_VISIBLE_DEVICES", &self.hip_visible_devices),
            ("CUDA_VISIBLE_DEVICES", &self.visible_devices),
            ("ZE_AFFINITY_MASK", &self.ze_affinity_mask),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Why a GPU that is not among those visible is not: its energy is then none of the application's.
    pub(super) fn hides(&self, gpu: &Gpu) -> String {
        let list = self.visible_devices.as_deref().unwrap_or_default();
        if gpu.mig && list.split(',').any(|entry| entry.trim().starts_with("MIG-")) {
            return format!(
                "the application was given MIG instances, which are not metered apart: CUDA_VISIBLE_DEVICES={list}"
            );
        }
        format!("the application does not see this GPU: CUDA_VISIBLE_DEVICES={list}")
    }

    /// Why the application's numbers may not be what they are taken for.
    ///
    /// Without `CUDA_DEVICE_ORDER=PCI_BUS_ID`, CUDA numbers GPUs from the fastest to the slowest by a rule of its own.
    /// Among equal ones that is the order of the bus, which is taken here; among different ones it cannot be known.
    #[must_use]
    pub fn doubt(&self, gpus: &[Gpu]) -> Option<String> {
        let equal = gpus.windows(2).all(|pair| pair[0].name == pair[1].name);
        let by_bus = self.device_order.as_deref() == Some("PCI_BUS_ID");
        (!equal && !by_bus).then(|| {
            "GPUs of different kinds are numbered in the order of the bus, but CUDA numbers the fastest first; \
             CUDA_DEVICE_ORDER=PCI_BUS_ID makes the numbers agree"
                .to_owned()
        })
    }
}

/// The GPUs that an application sees, in its own order: element `n` is the index into `gpus` of its `GPU:n`.
///
/// `cuda_visible_devices` is the variable's value, `None` where it is not set: then all are visible. It lists indexes
/// into `gpus`, which is ordered as CUDA orders it, or UUIDs, also abbreviated while unique. As CUDA does, the list is
/// read up to the first entry that names no GPU, or one named before. MIG instances name no whole GPU.
#[must_use]
pub fn visible_devices(cuda_visible_devices: Option<&str>, gpus: &[Gpu]) -> Vec<usize> {
    let Some(list) = cuda_visible_devices else { return (0..gpus.len()).collect() };
    let mut visible = Vec::new();
    for entry in list.split(',').map(str::trim) {
        let place = if entry.starts_with("GPU-") {
            let mut named = (0..gpus.len()).filter(|place| gpus[*place].uuid.starts_with(entry));
            named.next().filter(|_| named.next().is_none())
        } else {
            entry.parse().ok().filter(|place| *place < gpus.len())
        };
        match place {
            Some(place) if !visible.contains(&place) => visible.push(place),
            _ => break,
        }
    }
    visible
}

/// Each GPU's number in a trace: the application's own for those it sees; the others are numbered on behind them.
pub(crate) fn numbers(visible: &[usize], gpus: usize) -> Vec<usize> {
    let hidden = (0..gpus).filter(|place| !visible.contains(place));
    let mut numbers = vec![0; gpus];
    for (number, place) in visible.iter().copied().chain(hidden).enumerate() {
        numbers[place] = number;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gpus(uuids: &[&str]) -> Vec<Gpu> {
        let gpu = |(index, uuid): (u32, &&str)| Gpu {
            index,
            uuid: (*uuid).to_owned(),
            pci_bus_id: format!("00000000:{index:02x}:00.0"),
            name: "NVIDIA H200".into(),
            mig: false,
        };
        (0..).zip(uuids).map(gpu).collect()
    }

    #[test]
    fn the_list_of_visible_devices_is_read_as_cuda_reads_it() {
        let gpus = gpus(&["GPU-aa11", "GPU-aa22", "GPU-bb33", "GPU-cc44"]);
        let cases: [(Option<&str>, &[usize]); 12] = [
            (None, &[0, 1, 2, 3]),
            (Some(""), &[]),
            (Some("2"), &[2]),
            (Some("3,1"), &[3, 1]),
            (Some(" 1 , 0 "), &[1, 0]),
            (Some("1,-1,2"), &[1]),
            (Some("0,9,2"), &[0]),
            (Some("1,2,1,3"), &[1, 2]),
            (Some("GPU-bb33,GPU-aa11"), &[2, 0]),
            (Some("GPU-cc"), &[3]),
            (Some("GPU-aa,0"), &[]),
            (Some("MIG-GPU-aa11/1/0"), &[]),
        ];
        for (variable, expected) in cases {
            assert_eq!(visible_devices(variable, &gpus), expected, "{variable:?}");
        }
    }

    #[test]
    fn hidden_gpus_are_numbered_behind_the_visible_ones() {
        assert_eq!(numbers(&[2, 3], 4), [2, 3, 0, 1]);
        assert_eq!(numbers(&[], 2), [0, 1]);
    }

    #[test]
    fn different_gpus_are_in_doubt_unless_numbered_by_bus() {
        let mut gpus = gpus(&["GPU-aa", "GPU-bb"]);
        let by_speed = CudaEnvironment::default();
        let by_bus = CudaEnvironment { device_order: Some("PCI_BUS_ID".into()), ..CudaEnvironment::default() };
        assert_eq!(by_speed.doubt(&gpus), None);
        gpus[1].name = "NVIDIA T4".into();
        assert!(by_speed.doubt(&gpus).is_some());
        assert_eq!(by_bus.doubt(&gpus), None);
    }

    #[test]
    fn the_environment_is_the_one_the_process_was_started_with() {
        let proc = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(proc.path().join("7")).unwrap();
        let environ = b"A=B\0CUDA_VISIBLE_DEVICES_OLD=9\0CUDA_VISIBLE_DEVICES=1,0\0HOME=/\0";
        std::fs::write(proc.path().join("7/environ"), environ).unwrap();
        let environment = CudaEnvironment::of(proc.path(), 7).unwrap();
        assert_eq!(environment, CudaEnvironment { visible_devices: Some("1,0".into()), ..CudaEnvironment::default() });
        assert!(CudaEnvironment::of(proc.path(), 8).is_err());
    }

    proptest! {
        #[test]
        fn any_list_gives_distinct_gpus_and_numbers_every_gpu_once(list in "[0-9,GPU\\-a-c ]{0,20}") {
            let gpus = gpus(&["GPU-a", "GPU-b", "GPU-c"]);
            let visible = visible_devices(Some(&list), &gpus);
            prop_assert!(visible.iter().all(|place| *place < 3));
            let mut numbers = numbers(&visible, 3);
            for (number, place) in visible.iter().enumerate() {
                prop_assert_eq!(numbers[*place], number);
            }
            numbers.sort_unstable();
            prop_assert_eq!(numbers, [0, 1, 2]);
        }
    }
}
