//! RAPL through perf's events: what is found, which of it counts beside powercap, and the system call itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fake_powercap::moving::Registers;
use fake_powercap::{Fault, Kind, Layout as Zones, Tree as Powercaps, Waveform};
use fake_sensors::{Layout, Perf as Events, Tree};
use smaragdine_core::registers::source::perf::Perf;
use smaragdine_core::registers::source::powercap::Powercap;
use smaragdine_core::registers::source::{Observation, Source, Unavailable, Value};
use smaragdine_core::registers::topology::Topology;
use tempfile::TempDir;

fn watts(watts: f64) -> Waveform {
    Waveform::Constant { watts }
}

fn tree(perf: Events, faults: Vec<Fault>) -> (TempDir, Tree) {
    let directory = tempfile::tempdir().unwrap();
    let tree = Tree::create(directory.path(), &Layout { perf: Some(perf), faults, ..Layout::default() }).unwrap();
    (directory, tree)
}

/// A machine whose CPU `n` is in the `n`th of these sockets.
fn topology(root: &Path, sockets: &[u32]) -> Topology {
    let (sys, proc) = (root.join("sys"), root.join("proc"));
    fs::create_dir_all(&proc).unwrap();
    for (cpu, socket) in sockets.iter().enumerate() {
        let directory = sys.join(format!("devices/system/cpu/cpu{cpu}/topology"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("physical_package_id"), format!("{socket}\n")).unwrap();
    }
    Topology::read(&sys, &proc)
}

fn open(root: &Path, sockets: &[u32]) -> Result<Perf, Unavailable> {
    let topology = topology(root, sockets);
    Perf::open(&root.join("bus/event_source/devices"), Some(&root.join("counters")), &topology)
}

/// `name < parent (scope): counted` or why not.
fn describe(perf: &Perf) -> Vec<String> {
    let describe = |domain: &smaragdine_core::trace::Domain| {
        let parent = domain.parent.as_deref().unwrap_or("-");
        let counted = domain.not_counted_because.as_deref().unwrap_or("counted");
        assert_eq!(domain.counted, domain.not_counted_because.is_none(), "{}", domain.name);
        format!("{} < {parent} ({}): {counted}", domain.name, domain.scope)
    };
    perf.domains().iter().map(describe).collect()
}

fn read(perf: &mut Perf) -> Vec<Observation> {
    let mut observations = Vec::new();
    perf.read(&mut observations);
    observations
}

fn counted_uj(observation: &Observation) -> u64 {
    match observation.value {
        Value::Counter { energy_uj } => energy_uj,
        _ => panic!("{observation:?}"),
    }
}

#[test]
fn every_socket_has_its_package_and_its_memory_and_the_platform_holds_them() {
    let events = Events { psys: Some(watts(300.0)), cpus: vec![0, 2], ..Events::default() };
    let (directory, _tree) = tree(events, Vec::new());
    let perf = open(directory.path(), &[0, 0, 1, 1]).unwrap();
    let holds = "contains the packages and their memory, which are counted";
    assert_eq!(
        describe(&perf),
        [
            "package-0 < psys (socket:0): counted".to_owned(),
            "package-1 < psys (socket:1): counted".to_owned(),
            "dram-0 < psys (socket:0): counted".to_owned(),
            "dram-1 < psys (socket:1): counted".to_owned(),
            format!("psys < - (socket:?): {holds}"),
            format!("psys-1 < - (socket:?): {holds}"),
        ]
    );
    assert_eq!(perf.shortest_period_ns(), None);
}

#[test]
fn several_cpus_of_one_socket_are_its_dies_and_sockets_have_the_kernel_s_numbers() {
    let events = Events { ram: None, cpus: vec![0, 1, 2], ..Events::default() };
    let (directory, _tree) = tree(events, Vec::new());
    let perf = open(directory.path(), &[36, 36, 2364]).unwrap();
    assert_eq!(
        describe(&perf),
        [
            "package-36-die-0 < - (socket:36): counted",
            "package-36-die-1 < - (socket:36): counted",
            "package-2364 < - (socket:2364): counted",
        ]
    );
}

#[test]
fn a_count_is_energy_to_the_last_microjoule_whatever_the_kernel_s_unit() {
    let (directory, tree) = tree(Events::default(), Vec::new());
    let mut perf = open(directory.path(), &[0]).unwrap();
    let before = read(&mut perf);
    tree.write(3_600_000_000_000).unwrap();
    let after = read(&mut perf);
    // An hour at 100 and 10 W.
    for (place, joules) in [(0, 360_000), (1, 36_000)] {
        let gained_uj = counted_uj(&after[place]) - counted_uj(&before[place]);
        assert!(gained_uj.abs_diff(joules * 1_000_000) <= 1, "{gained_uj}");
    }
    let scale = directory.path().join("bus/event_source/devices/power/events/energy-pkg.scale");
    fs::write(scale, "4.656612873077392578125e-10\n").unwrap();
    let twice = counted_uj(&read(&mut open(directory.path(), &[0]).unwrap())[0]);
    assert!(twice.abs_diff(2 * counted_uj(&after[0])) <= 2, "{twice}");
}

#[test]
fn beside_powercap_one_of_the_two_counts_and_what_powercap_lacks_counts_here() {
    let (directory, _tree) = tree(Events::default(), Vec::new());
    let zones = tempfile::tempdir().unwrap();
    let both = |layout: &Zones| {
        let tree = Powercaps::create(zones.path(), layout).unwrap();
        let powercap = Powercap::open(&tree.powercap_root()).unwrap();
        open(directory.path(), &[0]).unwrap().beside(powercap.domains())
    };
    let perf = both(&Zones::default());
    assert_eq!(
        describe(&perf),
        [
            "package-0-perf < - (socket:0): reads the same register as package-0, through perf",
            "dram-0-perf < - (socket:0): reads the same register as dram-0, through perf",
        ]
    );
    // Only compared in the end, so that reading them costs next to nothing.
    assert_eq!((perf.shortest_period_ns(), perf.update_ns()), (Some(1_000_000_000), None));
    drop(perf);
    fs::remove_dir_all(zones.path()).unwrap();
    let perf = both(&Zones { dram: Vec::new(), ..Zones::default() });
    assert_eq!(
        describe(&perf),
        [
            "package-0-perf < - (socket:0): reads the same register as package-0, through perf",
            "dram-0 < - (socket:0): counted",
        ]
    );
    assert_eq!(perf.shortest_period_ns(), None);
}

#[test]
fn events_that_cannot_be_opened_are_told_and_the_others_count() {
    let faults = vec![Fault::new(Kind::Fail, "energy-ram-0", 0.0, 9.0)];
    let (directory, _tree) = tree(Events::default(), faults);
    let perf = open(directory.path(), &[0]).unwrap();
    assert_eq!(describe(&perf), ["package-0 < - (socket:0): counted"]);
    assert!(perf.problems()[0].starts_with("cannot open power/energy-ram/ on CPU 0: "), "{:?}", perf.problems());
    fs::remove_dir_all(directory.path().join("counters")).unwrap();
    assert!(open(directory.path(), &[0]).unwrap_err().problem.contains("power/energy-pkg/ on CPU 0"));
}

#[test]
fn what_is_no_unit_of_energy_is_refused_with_what_is_wrong() {
    let unit = "bus/event_source/devices/power";
    for (file, text, said) in [
        ("type", "x", "its type is \"x\""),
        ("cpumask", "0-", "its CPUs are \"0-\""),
        ("cpumask", "5-1", "its CPUs are"),
        ("events/energy-pkg", "umask=0x2", "which is no event"),
        ("events/energy-pkg.unit", "Watts", "not joules"),
        ("events/energy-pkg.scale", "-1", "not joules"),
    ] {
        let (directory, _tree) = tree(Events::default(), Vec::new());
        fs::write(directory.path().join(unit).join(file), text).unwrap();
        let told = open(directory.path(), &[0]).unwrap_err();
        assert!(told.problem.contains(said) && !told.hint.is_empty(), "{file}: {}", told.problem);
    }
}

/// The kernel's own clock of a CPU is an event, too: one of 0.1 µJ a nanosecond is a register of 100 W.
#[test]
fn a_real_event_is_opened_and_read() {
    let (directory, _tree) = tree(Events { ram: None, ..Events::default() }, Vec::new());
    let unit = directory.path().join("bus/event_source/devices");
    for (file, text) in [("type", "1"), ("events/energy-pkg", "event=0x00"), ("events/energy-pkg.scale", "1e-7")] {
        fs::write(unit.join("power").join(file), text).unwrap();
    }
    let mut perf = match Perf::open(&unit, None, &topology(directory.path(), &[0])) {
        Ok(perf) => perf,
        Err(told) => return eprintln!("skipped: {}; {}", told.problem, told.hint),
    };
    let before = read(&mut perf).remove(0);
    std::thread::sleep(Duration::from_millis(100));
    let after = read(&mut perf).remove(0);
    let gained_ns = 10 * (counted_uj(&after) - counted_uj(&before)) as i64;
    let (least_ns, most_ns) = (after.read_start_ns - before.read_end_ns, after.read_end_ns - before.read_start_ns);
    // The two clocks may be slewed against each other.
    let slewed = |ns: i64| ns / 100;
    assert!((least_ns - slewed(least_ns)..=most_ns + slewed(most_ns)).contains(&gained_ns), "{gained_ns} ns");
}
