//! Which registers a powercap tree holds, which of them count, and what reading them yields.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fake_powercap::moving::Registers;
use fake_powercap::{Fault, Kind, Layout, Tree, Waveform};
use smaragdine_core::registers::counter::{Counter, Difference};
use smaragdine_core::registers::source::powercap::Powercap;
use smaragdine_core::registers::source::{Observation, Source, Value};
use smaragdine_core::registers::topology::Topology;
use smaragdine_core::trace::{Basis, Domain, Flag, Limit};
use tempfile::TempDir;

fn tree(layout: &Layout) -> (TempDir, Tree) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::create(directory.path(), layout).expect("a tree");
    (directory, tree)
}

/// Zones that the fake does not lay out, in the flat layout.
fn zones(zones: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    for (id, name) in zones {
        let directory = root.path().join(id);
        fs::create_dir(&directory).expect("a zone");
        fs::write(directory.join("name"), format!("{name}\n")).expect("its name");
        fs::write(directory.join("energy_uj"), "1000\n").expect("its register");
    }
    root
}

/// `name < parent (scope): counted` or why not.
fn describe(root: &Path) -> Vec<String> {
    let describe = |domain: &Domain| {
        let parent = domain.parent.as_deref().unwrap_or("-");
        let counted = domain.not_counted_because.as_deref().unwrap_or("counted");
        assert_eq!(domain.counted, domain.not_counted_because.is_none(), "{}", domain.name);
        assert_eq!((domain.device.as_str(), domain.basis), ("CPU:0", Basis::Measured), "{}", domain.name);
        format!("{} < {parent} ({}): {counted}", domain.name, domain.scope)
    };
    Powercap::open(root).expect("a readable tree").domains().iter().map(describe).collect()
}

fn read(powercap: &mut Powercap) -> Vec<Observation> {
    let mut observations = Vec::new();
    powercap.read(&mut observations);
    observations
}

fn watts(watts: f64) -> Waveform {
    Waveform::Constant { watts }
}

#[test]
fn every_zone_is_found_once_in_the_flat_and_in_the_nested_layout() {
    let (directory, tree) = tree(&Layout { sockets: 2, psys: Some(watts(250.0)), mmio: true, ..Layout::default() });
    let flat = describe(&tree.powercap_root());
    let nested = describe(&directory.path().join("devices/virtual/powercap"));
    assert_eq!(flat.len(), tree.ids().count());
    assert_eq!(flat, nested);
}

#[test]
fn each_joule_is_counted_by_one_domain() {
    let layout = Layout {
        sockets: 2,
        core: vec![watts(60.0)],
        uncore: vec![watts(5.0)],
        psys: Some(watts(250.0)),
        mmio: true,
        ..Layout::default()
    };
    let (_directory, tree) = tree(&layout);
    assert_eq!(
        describe(&tree.powercap_root()),
        [
            "package-0 < psys (socket:0): counted",
            "core-0 < package-0 (socket:0): package-0 contains it",
            "uncore-0 < package-0 (socket:0): package-0 contains it",
            "dram-0 < psys (socket:0): counted",
            "package-1 < psys (socket:1): counted",
            "core-1 < package-1 (socket:1): package-1 contains it",
            "uncore-1 < package-1 (socket:1): package-1 contains it",
            "dram-1 < psys (socket:1): counted",
            "psys < - (socket:0): contains the packages and their memory, which are counted",
            "package-0-mmio < psys (socket:0): reads the same register as package-0, through MMIO",
            "package-1-mmio < psys (socket:1): reads the same register as package-1, through MMIO",
        ]
    );
}

#[test]
fn dies_are_packages_of_their_own_on_one_socket() {
    let (_directory, tree) = tree(&Layout { dies: 2, core: vec![watts(60.0)], ..Layout::default() });
    assert_eq!(
        describe(&tree.powercap_root()),
        [
            "package-0-die-0 < - (socket:0): counted",
            "core-0-die-0 < package-0-die-0 (socket:0): package-0-die-0 contains it",
            "dram-0-die-0 < - (socket:0): counted",
            "package-0-die-1 < - (socket:0): counted",
            "core-0-die-1 < package-0-die-1 (socket:0): package-0-die-1 contains it",
            "dram-0-die-1 < - (socket:0): counted",
        ]
    );
}

#[test]
fn memory_without_a_register_is_absent() {
    let (_directory, tree) = tree(&Layout { dram: vec![], ..Layout::default() });
    assert_eq!(describe(&tree.powercap_root()), ["package-0 < - (socket:0): counted"]);
}

#[test]
fn amd_has_packages_and_their_cores_and_any_count_of_sockets() {
    let layout = Layout { sockets: 3, dram: vec![], core: vec![watts(60.0)], ..Layout::default() };
    let (_directory, tree) = tree(&layout);
    let domains = describe(&tree.powercap_root());
    let expected = (0..3).flat_map(|n| {
        let package = format!("package-{n}");
        [
            format!("{package} < - (socket:{n}): counted"),
            format!("core-{n} < {package} (socket:{n}): {package} contains it"),
        ]
    });
    assert_eq!(domains, expected.collect::<Vec<_>>());
}

#[test]
fn registers_that_the_processor_blurs_are_told_and_every_reading_says_so() {
    let (directory, tree) = tree(&Layout::default());
    let proc = directory.path().join("proc");
    fs::create_dir(&proc).expect("a directory");
    for (flags, filtered) in [("fpu sgx_lc", false), ("fpu sgx sgx_lc", true)] {
        fs::write(proc.join("cpuinfo"), format!("processor\t: 0\nflags\t\t: {flags}\n")).expect("a file");
        let mut powercap = Powercap::open(&tree.powercap_root()).expect("a readable tree").on(&proc);
        assert!(read(&mut powercap).iter().all(|observation| observation.flags.has(Flag::Filtered) == filtered));
        assert_eq!(powercap.problems().iter().any(|problem| problem.contains("SGX")), filtered);
    }
}

#[test]
fn a_package_draws_at_most_twice_the_highest_of_its_constraints() {
    let root = zones(&[("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "dram"), ("intel-rapl:1", "package-1")]);
    let limits = || -> Vec<(Option<f64>, f64)> {
        let powercap = Powercap::open(root.path()).expect("a readable tree");
        powercap.domains().iter().map(|domain| (domain.limit_w, domain.limit().power_w)).collect()
    };
    assert_eq!(limits(), [(None, 2_000.0), (None, 1_000.0), (None, 2_000.0)]);
    // Firmware lifts what the processor's data say; what is 0 or no number tells nothing.
    for (file, text) in [
        ("intel-rapl:0/constraint_0_max_power_uw", "270000000"),
        ("intel-rapl:0/constraint_1_max_power_uw", "0"),
        ("intel-rapl:0/constraint_1_power_limit_uw", "350000000"),
        ("intel-rapl:0/constraint_2_power_limit_uw", "unlimited"),
        ("intel-rapl:0:0/constraint_0_max_power_uw", "41250000"),
        ("intel-rapl:1/constraint_0_max_power_uw", "125000000"),
    ] {
        fs::write(root.path().join(file), format!("{text}\n")).expect("a constraint");
    }
    assert_eq!(limits(), [(Some(350.0), 700.0), (None, 1_000.0), (Some(125.0), 500.0)]);
}

#[test]
fn psys_is_counted_where_no_package_is() {
    let root = zones(&[("intel-rapl:0", "psys"), ("intel-rapl:1", "psys-1")]);
    assert_eq!(describe(root.path()), ["psys < - (socket:0): counted", "psys-1 < - (socket:1): counted"]);
}

#[test]
fn of_several_sockets_none_has_the_platform_s_share() {
    let root = zones(&[("intel-rapl:0", "psys"), ("intel-rapl:1", "package-1")]);
    let scopes = |sockets: &[u32]| {
        let cpuinfo = (0..).zip(sockets).map(|(cpu, id)| format!("processor\t: {cpu}\nphysical id\t: {id}\n\n"));
        fs::write(root.path().join("cpuinfo"), cpuinfo.collect::<String>()).expect("a file");
        let topology = Topology::read(&root.path().join("sys"), root.path());
        let powercap = Powercap::open(root.path()).expect("a readable tree").across(&topology);
        powercap.domains().iter().map(|domain| domain.scope.clone()).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&[0, 1]), ["socket:?", "socket:1"]);
    assert_eq!(scopes(&[0, 0]), ["socket:0", "socket:1"]);
}

#[test]
fn the_mmio_register_is_counted_where_it_has_no_twin() {
    let root = zones(&[("intel-rapl-mmio:0", "package-0")]);
    assert_eq!(describe(root.path()), ["package-0 < - (socket:0): counted"]);
}

#[test]
fn zones_beyond_the_ninth_keep_their_order() {
    let ids: Vec<(String, String)> = (0..12).map(|n| (format!("intel-rapl:{n}"), format!("package-{n}"))).collect();
    let root = zones(&ids.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect::<Vec<_>>());
    let powercap = Powercap::open(root.path()).expect("a readable tree");
    let names: Vec<&str> = powercap.domains().iter().map(|domain| domain.name.as_str()).collect();
    assert_eq!(names, (0..12).map(|n| format!("package-{n}")).collect::<Vec<_>>());
}

#[test]
fn where_there_is_no_zone_a_hint_says_what_to_do() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let empty = Powercap::open(root.path()).expect_err("no zones");
    assert!(empty.problem.contains("holds no energy zone"), "{}", empty.problem);
    let missing = Powercap::open(&root.path().join("powercap")).expect_err("no directory");
    assert!(missing.problem.contains("No such file"), "{}", missing.problem);
    assert!(missing.hint.contains("modprobe intel_rapl_msr"), "{}", missing.hint);
}

#[test]
fn a_forbidden_register_names_its_path_and_what_to_ask_for() {
    without_privilege(|| {
        let (_directory, tree) = tree(&Layout { forbidden: true, ..Layout::default() });
        let denied = Powercap::open(&tree.powercap_root()).expect_err("nothing is readable");
        assert!(denied.problem.contains("intel-rapl:0/energy_uj: Permission denied"), "{}", denied.problem);
        assert!(denied.hint.contains("CVE-2020-8694") && denied.hint.contains("chgrp"), "{}", denied.hint);
    });
}

#[test]
fn what_is_counted_follows_from_what_may_be_read() {
    without_privilege(|| {
        let (directory, tree) = tree(&Layout { psys: Some(watts(150.0)), ..Layout::default() });
        let package = directory.path().join("devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj");
        fs::set_permissions(package, fs::Permissions::from_mode(0o000)).expect("permission to forbid");
        assert_eq!(
            describe(&tree.powercap_root()),
            ["dram-0 < psys (socket:0): psys contains it", "psys < - (socket:0): counted"]
        );
        let powercap = Powercap::open(&tree.powercap_root()).expect("two readable zones");
        assert_eq!(powercap.unreadable().len(), 1);
    });
}

/// Runs `test` without root's capability to read what is forbidden; capabilities belong to a thread.
fn without_privilege(test: impl FnOnce() + Send) {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut sets = capabilities(None).expect("its own capabilities");
            sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, sets).expect("fewer capabilities");
            test();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn a_failed_read_is_an_observation_and_the_others_go_on() {
    let faults = vec![Fault::new(Kind::Fail, "intel-rapl:0", 1.0, 1.0)];
    let (_directory, tree) = tree(&Layout { faults, ..Layout::default() });
    let mut powercap = Powercap::open(&tree.powercap_root()).expect("a readable tree");
    tree.write(1_500_000_000).expect("a write");
    let observations = read(&mut powercap);
    assert!(
        matches!(&observations[0].value, Value::Failed { problem } if problem.contains("intel-rapl:0/energy_uj")),
        "{observations:?}"
    );
    assert_eq!(observations[1].value, Value::Counter { energy_uj: 15_000_000 });
    tree.write(2_500_000_000).expect("a write");
    assert_eq!(read(&mut powercap)[0].value, Value::Counter { energy_uj: 250_000_000 });
}

#[test]
fn a_reloaded_driver_is_opened_again() {
    let root = zones(&[("intel-rapl:0", "package-0")]);
    let register = root.path().join("intel-rapl:0/energy_uj");
    let mut powercap = Powercap::open(root.path()).expect("a readable tree");
    assert_eq!(read(&mut powercap)[0].value, Value::Counter { energy_uj: 1000 });
    // The old descriptor yields nothing any more; a new file stands in its place.
    fs::File::options().write(true).open(&register).expect("the register").set_len(0).expect("an empty register");
    fs::remove_file(&register).expect("the driver goes");
    fs::write(&register, "2000\n").expect("the driver comes back");
    assert!(matches!(read(&mut powercap)[0].value, Value::Failed { .. }));
    assert_eq!(read(&mut powercap)[0].value, Value::Counter { energy_uj: 2000 });
}

#[test]
fn registers_sum_to_the_truth_through_wraps_and_failures() {
    let range_uj = 3_000_000;
    let layout = Layout {
        package: vec![Waveform::Sine { mean: 100.0, amplitude: 80.0, period_s: 0.03 }],
        range_uj,
        initial_uj: range_uj - 1,
        faults: vec![Fault::new(Kind::Fail, "intel-rapl:0", 0.05, 0.01)],
        ..Layout::default()
    };
    let (_directory, tree) = tree(&layout);
    let mut powercap = Powercap::open(&tree.powercap_root()).expect("a readable tree");
    // The tree's time is slowed until 180 W look like 9 W: with a limit of 10 W, a range this small is as roomy as
    // real ones are at real power.
    const SLOWER: i64 = 20;
    let mut counters: Vec<Counter> = powercap
        .domains()
        .iter()
        .map(|domain| Counter::new(domain.range_uj, Limit { power_w: 10.0, ..domain.limit() }))
        .collect();
    let mut sums_uj = vec![0; counters.len()];
    let (mut wraps, mut lengthened) = (0, 0);
    for (tick, elapsed_ns) in (0..=1_000_000_000_i64).step_by(1_000_000).enumerate() {
        tree.write(elapsed_ns).expect("a write");
        for mut observation in read(&mut powercap) {
            (observation.read_start_ns, observation.read_end_ns) = (SLOWER * elapsed_ns, SLOWER * elapsed_ns);
            let difference = counters[usize::from(observation.domain)].update(&observation);
            assert_eq!(difference == Difference::First, tick == 0, "{difference:?}");
            let Some(interval) = difference.interval() else { continue };
            assert!(!interval.flags.is_gap(), "{difference:?}");
            wraps += u32::from(interval.flags.has(Flag::Wrap));
            lengthened += u32::from(interval.flags.has(Flag::Failed));
            sums_uj[usize::from(observation.domain)] += (interval.energy_j * 1e6).round() as u64;
        }
    }
    assert_eq!(sums_uj, tree.energy_uj(1_000_000_000).collect::<Vec<_>>());
    assert!(wraps > 30, "{wraps} wraps");
    assert_eq!(lengthened, 1);
}

#[test]
fn a_repeated_name_is_kept_apart_and_not_counted() {
    let root = zones(&[("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-0"), ("intel-rapl:1:0", "core")]);
    assert_eq!(
        describe(root.path()),
        [
            "package-0 < - (socket:0): counted",
            "package-0-intel-rapl:1 < - (socket:0): intel-rapl:1 repeats package-0",
            "core-0 < package-0 (socket:0): package-0 contains it",
        ]
    );
}

#[test]
fn memory_keeps_its_socket_where_its_package_is_forbidden() {
    without_privilege(|| {
        let (directory, tree) = tree(&Layout { dies: 2, ..Layout::default() });
        let package = directory.path().join("devices/virtual/powercap/intel-rapl/intel-rapl:1/energy_uj");
        fs::set_permissions(package, fs::Permissions::from_mode(0o000)).expect("permission to forbid");
        assert_eq!(
            describe(&tree.powercap_root()),
            [
                "package-0-die-0 < - (socket:0): counted",
                "dram-0-die-0 < - (socket:0): counted",
                "dram-0-die-1 < - (socket:0): counted",
            ]
        );
    });
}
