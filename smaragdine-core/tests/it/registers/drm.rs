//! GPUs of AMD and Intel: which are found, how they are numbered, and what their meters are worth.

use std::path::Path;

use fake_powercap::moving::Registers;
use fake_sensors::{Amd, Intel, Layout, Tree};
use smaragdine_core::registers::source::drm::Drm;
use smaragdine_core::registers::source::nvml::CudaEnvironment;
use smaragdine_core::registers::source::{Source, Unavailable, Value};
use smaragdine_core::trace::Flag;
use tempfile::TempDir;

/// A tree that has moved for so long when it is opened, and moves while it is.
struct Moving {
    root: TempDir,
    layout: Layout,
}

fn cards(amd: &[&str], intel: &[&str]) -> Moving {
    let amd = amd.iter().map(|card| card.parse::<Amd>().unwrap()).collect();
    let intel = intel.iter().map(|card| card.parse::<Intel>().unwrap()).collect();
    Moving { root: tempfile::tempdir().unwrap(), layout: Layout { amd, intel, ..Layout::default() } }
}

fn environment(variables: &[(&str, &str)]) -> CudaEnvironment {
    CudaEnvironment::told(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

impl Moving {
    /// What is opened while its registers move.
    fn open_as(&self, environment: &CudaEnvironment) -> Result<Drm, Unavailable> {
        self.moving(|root| Drm::open(&root.join("class/drm"), environment))
    }

    fn open(&self) -> Result<Drm, Unavailable> {
        self.open_as(&CudaEnvironment::default())
    }

    fn moving<T>(&self, act: impl FnOnce(&Path) -> T) -> T {
        let tree = Tree::create(self.root.path(), &self.layout).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let start = std::time::Instant::now();
            let (tree, done) = (&tree, &done);
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    tree.write(start.elapsed().as_nanos() as i64).unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            });
            let result = act(self.root.path());
            done.store(true, std::sync::atomic::Ordering::Release);
            result
        })
    }
}

/// `name < parent (device): counted` or why not.
fn describe(drm: &Drm) -> Vec<String> {
    let describe = |domain: &smaragdine_core::trace::Domain| {
        let parent = domain.parent.as_deref().unwrap_or("-");
        let counted = domain.not_counted_because.as_deref().unwrap_or("counted");
        assert_eq!(domain.counted, domain.not_counted_because.is_none());
        assert_eq!(domain.scope, domain.device.to_lowercase());
        format!("{} < {parent} ({}): {counted}", domain.name, domain.device)
    };
    drm.domains().iter().map(describe).collect()
}

#[test]
fn cards_of_both_makers_are_numbered_by_the_bus_and_counted() {
    let drm = cards(&["constant:300", "constant:90@content=4"], &["constant:120", "constant:60@i915"]).open().unwrap();
    assert_eq!(
        describe(&drm),
        [
            "gpu-0 < - (GPU:0): counted",
            "gpu-1 < - (GPU:1): counted",
            "gpu-2 < - (GPU:2): counted",
            "gpu-2-package < gpu-2 (GPU:2): gpu-2 holds its energy",
            "gpu-3 < - (GPU:3): counted",
        ]
    );
    assert_eq!(drm.domains()[2].limit_w, Some(300.0));
    let told = drm.problems().join("\n");
    assert!(told.contains("numbered together"), "{told}");
    let hardware = drm.gpu_hardware();
    assert_eq!(hardware.iter().map(|gpu| gpu.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!((hardware[0].uuid.as_deref(), hardware[0].name.as_str()), (Some("GPU-00000000000000a0"), "AMD 0x740f"));
}

#[test]
fn an_application_s_numbers_are_its_own_and_what_it_does_not_see_is_not_counted() {
    let machine = cards(&["constant:300", "constant:200", "constant:100"], &[]);
    let numbers = |variables: &[(&str, &str)]| -> Vec<String> {
        let drm = machine.open_as(&environment(variables)).unwrap();
        drm.domains().iter().map(|domain| format!("{}{}", domain.name, if domain.counted { "" } else { "?" })).collect()
    };
    assert_eq!(numbers(&[]), ["gpu-0", "gpu-1", "gpu-2"]);
    assert_eq!(numbers(&[("HIP_VISIBLE_DEVICES", "2,0")]), ["gpu-1", "gpu-2?", "gpu-0"]);
    assert_eq!(numbers(&[("CUDA_VISIBLE_DEVICES", "1")]), ["gpu-1?", "gpu-0", "gpu-2?"]);
    // HIP's own variable goes before CUDA's, and both choose among what ROCR leaves.
    let both = [("ROCR_VISIBLE_DEVICES", "1,2"), ("HIP_VISIBLE_DEVICES", "1"), ("CUDA_VISIBLE_DEVICES", "0")];
    assert_eq!(numbers(&both), ["gpu-1?", "gpu-2?", "gpu-0"]);
    assert_eq!(numbers(&[("ROCR_VISIBLE_DEVICES", "GPU-00000000000000a2")]), ["gpu-1?", "gpu-2?", "gpu-0"]);
    let drm = machine.open_as(&environment(&both)).unwrap();
    assert!(describe(&drm)[0].contains("HIP_VISIBLE_DEVICES=1"), "{:?}", describe(&drm));
}

#[test]
fn a_mask_of_intel_s_names_cards_by_their_tiles_too() {
    let machine = cards(&[], &["constant:300@i915", "constant:200@i915"]);
    let names = |mask: &str| -> Vec<(String, bool)> {
        let drm = machine.open_as(&environment(&[("ZE_AFFINITY_MASK", mask)])).unwrap();
        drm.domains().iter().map(|domain| (domain.name.clone(), domain.counted)).collect()
    };
    let hidden = |name: &str| (name.to_owned(), false);
    let seen = |name: &str| (name.to_owned(), true);
    assert_eq!(names("1.0,1.1"), [hidden("gpu-1"), seen("gpu-0")]);
    assert_eq!(names("1,0"), [seen("gpu-1"), seen("gpu-0")]);
}

#[test]
fn an_accumulator_whose_unit_is_another_gives_way_to_power_which_is_flagged() {
    let machine = cards(&["constant:300@factor=0.01", "constant:200@factor=15.26", "constant:100@factor=0"], &[]);
    let (drm, observations) = machine.moving(|root| {
        let mut drm = Drm::open(&root.join("class/drm"), &CudaEnvironment::default()).unwrap();
        let mut observations = Vec::new();
        for _ in 0..3 {
            drm.read(&mut observations);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        (drm, observations)
    });
    let told = drm.problems().join("\n");
    assert!(told.contains("power is 300 W"), "{told}");
    assert_eq!((told.matches("documented").count(), told.matches("stands still").count()), (2, 1), "{told}");
    assert!(drm.domains().iter().all(|domain| domain.counted));
    // The first read of a power has no interval.
    assert_eq!(observations.len(), 6);
    for observation in observations {
        assert!(observation.flags.has(Flag::Integrated));
        let Value::Interval { start_ns, end_ns, energy_j } = observation.value else { panic!("{observation:?}") };
        let truth_w = [300.0, 200.0, 100.0][usize::from(observation.domain)];
        let watts = energy_j / (end_ns - start_ns) as f64 * 1e9;
        assert!((watts / truth_w - 1.0).abs() < 1e-6, "{watts} W instead of {truth_w} W");
    }
}

#[test]
fn one_that_cannot_be_checked_is_read_and_not_counted_and_a_silent_one_is_told() {
    let drm =
        cards(&["constant:300@silent", "constant:0", "constant:50@content=9", "constant:70"], &[]).open().unwrap();
    assert_eq!(
        describe(&drm),
        [
            "gpu-0 < - (GPU:0): it tells no power against which the unit of its energy could be checked",
            "gpu-3 < - (GPU:3): counted",
        ]
    );
    let told = drm.problems();
    assert!(told[0].starts_with("gpu-1 (AMD 0x740f, 0000:04:00.0): it tells neither energy nor power"), "{told:?}");
    assert!(told[1].contains("gpu-2") && told[1].contains("unknown form 1.9"), "{told:?}");
}

#[test]
fn a_processor_s_own_graphics_has_no_number_and_no_energy_of_its_own() {
    let drm = cards(&["constant:20@processor", "constant:300"], &[]).open().unwrap();
    assert_eq!(describe(&drm), ["gpu-0 < - (GPU:0): counted"]);
    assert!(drm.problems()[0].contains("card0 is a processor's own graphics"), "{:?}", drm.problems());
    let alone = cards(&["constant:20@processor"], &[]).open().unwrap_err();
    assert!(alone.problem.contains("card0 is a processor's own graphics"), "{}", alone.problem);
}

#[test]
fn where_only_the_package_has_a_counter_it_stands_for_the_card_and_says_so() {
    let drm = cards(&[], &["constant:120@package"]).open().unwrap();
    assert_eq!(describe(&drm), ["gpu-0 < - (GPU:0): counted"]);
    assert!(drm.problems()[0].contains("its package"), "{:?}", drm.problems());
}

#[test]
fn beside_gpus_of_nvidia_s_that_count_the_cards_are_numbered_on_and_not_counted() {
    let machine = cards(&["constant:300"], &["constant:120"]);
    let beside = |nvidia: usize, counted: bool| {
        let open =
            |root: &Path| Drm::open_beside(&root.join("class/drm"), &CudaEnvironment::default(), nvidia, counted);
        machine.moving(open).unwrap()
    };
    let both = beside(2, true);
    let because = "NVIDIA's GPUs are counted here, and the application is taken to use those";
    assert_eq!(
        describe(&both),
        [
            format!("gpu-2 < - (GPU:2): {because}"),
            format!("gpu-3 < - (GPU:3): {because}"),
            "gpu-3-package < gpu-3 (GPU:3): gpu-3 holds its energy".to_owned(),
        ]
    );
    // An application that is given none of NVIDIA's uses these.
    assert_eq!(describe(&beside(1, false))[0], "gpu-1 < - (GPU:1): counted");
}

#[test]
fn a_machine_without_cards_says_so() {
    let root = tempfile::tempdir().unwrap();
    let told = Drm::open(root.path(), &CudaEnvironment::default()).unwrap_err();
    assert!(told.problem.contains("no GPU of AMD or Intel") && told.hint.contains("--drm-root"));
}
