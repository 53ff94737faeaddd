//! Graphics cards as Linux shows them, and as the application numbers them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::table::Table;
use crate::registers::source::nvml::{CudaEnvironment, Gpu, visible_devices};
use crate::trace::GpuHardware;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Amd,
    Intel,
}

/// One card with a device on the bus.
#[derive(Debug)]
pub(super) struct Card {
    /// `card0`
    pub(super) name: String,
    /// Its device's directory.
    pub(super) device: PathBuf,
    pub(super) vendor: Vendor,
    pub(super) gpu: Gpu,
}

/// A card's number in a trace, and why the application does not see it.
pub(super) struct Number {
    pub(super) number: usize,
    pub(super) hidden: Option<String>,
}

/// Every card of AMD and Intel below `root` that can have a meter, in the order of the bus.
pub(super) fn cards(root: &Path) -> io::Result<Vec<Card>> {
    let mut seen = HashSet::new();
    let mut cards: Vec<Card> = fs::read_dir(root)?
        .flatten()
        .filter_map(|entry| Card::at(&entry.path()))
        .filter(|card| card.vendor == Vendor::Amd || card.monitor().is_some())
        .filter(|card| seen.insert(card.device.clone()))
        .collect();
    cards.sort_by(|one, other| one.gpu.pci_bus_id.cmp(&other.gpu.pci_bus_id));
    (0..).zip(&mut cards).for_each(|(index, card)| card.gpu.index = index);
    Ok(cards)
}

impl Card {
    fn at(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        // `card0-DP-1` is a connector.
        name.strip_prefix("card")?.parse::<u32>().ok()?;
        let device = fs::canonicalize(path.join("device")).ok()?;
        let vendor = match text(&device.join("vendor"))?.as_str() {
            "0x1002" => Vendor::Amd,
            "0x8086" => Vendor::Intel,
            _ => return None,
        };
        let maker = if vendor == Vendor::Amd { "AMD" } else { "Intel" };
        let model = text(&device.join("product_name"))
            .unwrap_or_else(|| format!("{maker} {}", text(&device.join("device")).unwrap_or_default()));
        let pci_bus_id = device.file_name()?.to_string_lossy().into_owned();
        let uuid = text(&device.join("unique_id")).map_or_else(|| pci_bus_id.clone(), |id| format!("GPU-{id}"));
        let gpu = Gpu { index: 0, uuid, pci_bus_id, name: model, mig: false };
        Some(Self { name, device, vendor, gpu })
    }

    /// Graphics within a processor: its table has another form, and its energy is the processor's.
    pub(super) fn is_of_processor(&self) -> bool {
        let table = fs::read(self.device.join("gpu_metrics"));
        self.vendor == Vendor::Amd && table.is_ok_and(|table| Table::is_of_processor(&table))
    }

    /// Where its driver keeps its meters.
    pub(super) fn monitor(&self) -> Option<PathBuf> {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(self.device.join("hwmon")).ok()?.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        folders.into_iter().find(|folder| {
            text(&folder.join("name")).is_some_and(|name| ["amdgpu", "xe", "i915"].contains(&name.as_str()))
        })
    }

    /// The most that its driver lets it be set to draw.
    pub(super) fn limit_w(&self) -> Option<f64> {
        let monitor = self.monitor()?;
        let files = ["power1_cap_max", "power1_rated_max", "power1_max"];
        let told_uw = files.iter().filter_map(|file| text(&monitor.join(file))?.parse::<u64>().ok()).max()?;
        (told_uw > 0).then_some(told_uw as f64 / 1e6)
    }

    pub(super) fn hardware(&self, number: usize) -> GpuHardware {
        GpuHardware {
            index: number as u32,
            uuid: Some(self.gpu.uuid.clone()),
            name: self.gpu.name.clone(),
            memory_bytes: text(&self.device.join("mem_info_vram_total")).and_then(|bytes| bytes.parse().ok()),
        }
    }
}

/// A number for each card: those that the application sees come first, as it orders them.
pub(super) fn numbers(cards: &[Card], environment: &CudaEnvironment) -> Vec<Number> {
    let seen = visible(cards, environment);
    let hidden = (0..cards.len()).filter(|place| !seen.contains(place));
    let order: Vec<usize> = seen.iter().copied().chain(hidden).collect();
    let number = |place: usize| {
        let number = order.iter().position(|other| *other == place).unwrap_or(place);
        let told = environment.graphics().map(|(name, list)| format!("{name}={list}")).collect::<Vec<_>>().join(", ");
        let because = || format!("the application does not see this GPU: {told}");
        Number { number, hidden: (number >= seen.len()).then(because) }
    };
    (0..cards.len()).map(number).collect()
}

/// The places of the cards that the application sees, in its own order: ROCm numbers by the bus what
/// `ROCR_VISIBLE_DEVICES` leaves, and of these what `HIP_VISIBLE_DEVICES`, or else `CUDA_VISIBLE_DEVICES`, leaves. Of
/// Intel's, `ZE_AFFINITY_MASK` tells; a tile stands for its card.
fn visible(cards: &[Card], environment: &CudaEnvironment) -> Vec<usize> {
    let of = |vendor: Vendor| (0..cards.len()).filter(|place| cards[*place].vendor == vendor).collect::<Vec<_>>();
    let left = |list: Option<&str>, places: Vec<usize>| {
        let gpus: Vec<Gpu> = places.iter().map(|place| cards[*place].gpu.clone()).collect();
        visible_devices(list, &gpus).into_iter().map(|place| places[place]).collect::<Vec<_>>()
    };
    let by_rocm = left(environment.rocr_visible_devices.as_deref(), of(Vendor::Amd));
    let hip = environment.hip_visible_devices.as_deref().or(environment.visible_devices.as_deref());
    let amd = left(hip, by_rocm);
    let intel = match environment.ze_affinity_mask.as_deref() {
        Some(mask) => {
            let mut named: Vec<&str> = mask.split(',').map(|entry| entry.split('.').next().unwrap_or(entry)).collect();
            named.dedup();
            left(Some(&named.join(",")), of(Vendor::Intel))
        }
        None => of(Vendor::Intel),
    };
    if amd.is_empty() || intel.is_empty() {
        return amd.into_iter().chain(intel).collect();
    }
    (0..cards.len()).filter(|place| amd.contains(place) || intel.contains(place)).collect()
}

/// Why the application's numbers may not be what they are taken for; `own` are left out of them.
pub(super) fn doubt(cards: &[Card], own: &[Card]) -> Option<String> {
    let first = cards.first()?;
    if cards.iter().any(|card| card.vendor != first.vendor) {
        return Some(
            "GPUs of AMD and Intel are numbered together, in the order of the bus; programs see one maker's".into(),
        );
    }
    own.first().map(|own| {
        format!(
            "{} is a processor's own graphics and has no number here; where the program sees it, its numbers are others: \
             HIP_VISIBLE_DEVICES hides it",
            own.name
        )
    })
}

/// A file's text, trimmed, unless it is empty.
pub(super) fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
