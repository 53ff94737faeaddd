//! Chips as drivers lay them out, on machines of one socket and of several.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::registers::source::Value;
use crate::registers::topology::Topology;
use crate::trace::Flag;

pub(super) fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    root
}

/// Chips of one driver, each with a meter `key` of a label.
fn chips(driver: &str, key: &str, labels: &[&str]) -> TempDir {
    let files: Vec<[(String, &str); 3]> = (0..)
        .zip(labels)
        .map(|(n, label)| {
            let kind = if key.starts_with("power") { "average" } else { "input" };
            [("name", driver), (&*format!("{key}_label"), label), (&*format!("{key}_{kind}"), "90000000")]
                .map(|(file, text)| (format!("hwmon{n}/{file}"), text))
        })
        .collect();
    tree(&files.as_flattened().iter().map(|(path, text)| (&**path, *text)).collect::<Vec<_>>())
}

/// A machine whose CPUs, from 0 on, are in these sockets; of NUMA nodes, `nodes` tells the first CPU.
fn machine(packages: &[u32], nodes: &[u32]) -> Topology {
    let package = |(cpu, id): (usize, &u32)| {
        (format!("sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"), id.to_string())
    };
    let node = |(node, cpu): (usize, &u32)| (format!("sys/devices/system/node/node{node}/cpulist"), cpu.to_string());
    let files: Vec<(String, String)> =
        packages.iter().enumerate().map(package).chain(nodes.iter().enumerate().map(node)).collect();
    let root = tree(&files.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>());
    Topology::read(&root.path().join("sys"), &root.path().join("proc"))
}

fn open(root: &TempDir) -> Hwmon {
    Hwmon::open(root.path()).unwrap()
}

/// The last words of names, with scopes and whether counted.
fn told(hwmon: &Hwmon) -> Vec<(&str, &str, bool)> {
    let last = |domain: &Domain| domain.name.rfind('-').map_or(0, |hyphen| hyphen + 1);
    hwmon.domains.iter().map(|domain| (&domain.name[last(domain)..], &*domain.scope, domain.counted)).collect()
}

fn counted(hwmon: &Hwmon) -> Vec<&str> {
    hwmon.domains.iter().filter(|domain| domain.counted).map(|domain| &*domain.name).collect()
}

fn because<'a>(hwmon: &'a Hwmon, name: &str) -> &'a str {
    let domain = hwmon.domains.iter().find(|domain| domain.name == name).unwrap();
    domain.not_counted_because.as_deref().unwrap()
}

fn read(hwmon: &mut Hwmon) -> Vec<Observation> {
    let mut out = Vec::new();
    hwmon.read(&mut out);
    out
}

#[test]
fn sockets_of_amd_s_drivers_are_counted_and_their_cores_are_not_added_again() {
    for driver in ["amd_energy", "zenergy"] {
        let root = tree(&[
            ("hwmon0/name", driver),
            ("hwmon0/energy1_label", "Ecore000"),
            ("hwmon0/energy1_input", "100"),
            ("hwmon0/energy10_label", "Esocket1"),
            ("hwmon0/energy10_input", "987654321012"),
            ("hwmon1/name", "nvme"),
            ("hwmon1/temp1_input", "40000"),
        ]);
        let mut hwmon = open(&root).on(&machine(&[0, 1], &[0, 1]));
        assert_eq!(told(&hwmon), [("ecore000", "socket:?", false), ("esocket1", "socket:1", true)]);
        let socket = format!("hwmon-{driver}-esocket1");
        assert_eq!(because(&hwmon, &format!("hwmon-{driver}-ecore000")), format!("{socket} holds its energy"));
        assert_eq!(hwmon.domains[0].parent, Some(socket));
        assert_eq!(read(&mut hwmon)[1].value, Value::Counter { energy_uj: 987_654_321_012 });
    }
}

#[test]
fn a_socket_that_a_driver_shows_once_for_each_numa_node_is_counted_once() {
    let root = chips("zenergy", "energy1", &["Esocket0", "Esocket1", "Esocket2", "Esocket3"]);
    let hwmon = open(&root).on(&machine(&[0, 0, 1, 1], &[0, 1, 2, 3]));
    let expected = [
        ("esocket0", "socket:0", true),
        ("esocket1", "socket:0", false),
        ("esocket2", "socket:1", true),
        ("esocket3", "socket:1", false),
    ];
    assert_eq!(told(&hwmon), expected);
    assert!(because(&hwmon, "hwmon-zenergy-esocket3").contains("hwmon-zenergy-esocket2 again"));
    // Where nodes are not shown, a number is taken for a socket's.
    let hwmon = open(&root).on(&machine(&[0, 1, 2, 3], &[]));
    assert_eq!(counted(&hwmon).len(), 4);
}

#[test]
fn of_two_drivers_of_the_same_sockets_the_counter_is_counted() {
    let root = tree(&[
        ("hwmon0/name", "amd_hsmp_hwmon"),
        ("hwmon0/power1_input", "55000000"),
        ("hwmon1/name", "zenergy"),
        ("hwmon1/energy1_label", "Esocket0"),
        ("hwmon1/energy1_input", "5"),
        ("hwmon2/name", "amd_energy"),
        ("hwmon2/energy1_label", "Esocket0"),
        ("hwmon2/energy1_input", "5"),
    ]);
    assert_eq!(counted(&open(&root)), ["hwmon-amd_energy-esocket0"]);
    assert!(because(&open(&root), "hwmon-amd_hsmp_hwmon-power1").contains("another driver"));
    fs::remove_dir_all(root.path().join("hwmon2")).unwrap();
    assert_eq!(counted(&open(&root)), ["hwmon-zenergy-esocket0"]);
    fs::remove_dir_all(root.path().join("hwmon1")).unwrap();
    assert_eq!(counted(&open(&root)), ["hwmon-amd_hsmp_hwmon-power1"]);
}

#[test]
fn chips_without_a_number_are_the_sockets_in_order_if_there_are_as_many() {
    let root = chips("apm_xgene", "power1", &["CPU power", "CPU power"]);
    let scopes = |hwmon: Hwmon| hwmon.domains.into_iter().map(|domain| domain.scope).collect::<Vec<_>>();
    assert_eq!(scopes(open(&root).on(&machine(&[36, 2364], &[]))), ["socket:36", "socket:2364"]);
    assert_eq!(scopes(open(&root).on(&machine(&[36, 36], &[]))), ["socket:?", "socket:?"]);
    let hwmon = open(&chips("amd_hsmp_hwmon", "power1", &["power1"])).on(&machine(&[0, 1], &[]));
    assert_eq!((&*hwmon.domains[0].scope, hwmon.domains[0].counted), ("socket:?", true));
}

#[test]
fn power_is_integrated_flagged_and_taken_from_the_average_where_there_is_one() {
    let root = tree(&[
        ("hwmon0/name", "power_meter"),
        ("hwmon0/power1_label", "Module Power Socket 0"),
        ("hwmon0/power1_average", "250000000"),
        ("hwmon0/power1_input", "1"),
        ("hwmon0/power1_average_interval", "50"),
        ("hwmon0/power2_input", "7000000"),
    ]);
    let mut hwmon = open(&root);
    let devices: Vec<_> =
        hwmon.domains().iter().map(|domain| (&*domain.name, &*domain.device, domain.counted)).collect();
    let expected =
        [("hwmon-power_meter-module-power-socket-0", "MODULE:0", true), ("hwmon-power_meter-power2", "CPU:0", false)];
    assert_eq!(devices, expected);
    assert!(read(&mut hwmon).is_empty());
    let observations = read(&mut hwmon);
    let Value::Interval { start_ns, end_ns, energy_j } = observations[0].value else { panic!("an interval") };
    assert!((energy_j - 250.0 * (end_ns - start_ns) as f64 / 1e9).abs() < 1e-9);
    assert!(observations[0].flags.has(Flag::Integrated));
}

#[test]
fn a_superchip_is_counted_once() {
    let labels = ["Module Power Socket 0", "Grace Power Socket 0", "CPU Power Socket 0", "SysIO Power Socket 0"];
    let open = |labels: &[&str]| open(&chips("power_meter", "power1", labels));
    let (grace, module) = ("hwmon-power_meter-grace-power-socket-0", "hwmon-power_meter-module-power-socket-0");
    let all = open(&labels);
    assert_eq!(counted(&all), [grace]);
    assert_eq!(because(&all, "hwmon-power_meter-sysio-power-socket-0"), format!("{grace} holds its energy"));
    assert_eq!(all.domains[1].parent.as_deref(), Some(module));
    let without_grace = open(&[labels[0], labels[2]]);
    assert_eq!(counted(&without_grace), [module]);
    assert_eq!(because(&without_grace, "hwmon-power_meter-cpu-power-socket-0"), format!("{module} holds its energy"));
    assert!(because(&open(&labels[2..]), "hwmon-power_meter-cpu-power-socket-0").contains("not metered as a whole"));
    assert!(counted(&open(&labels[..1]).beside(false, true, false)).is_empty());
    assert!(counted(&open(&labels).beside(true, false, false)).is_empty());
}

#[test]
fn of_two_meters_with_one_number_the_first_is_counted() {
    let labels = ["Grace Power Socket 0", "Grace Power Socket 1", "Grace Power Socket 0"];
    let hwmon = open(&chips("power_meter", "power1", &labels));
    let first = "hwmon-power_meter-grace-power-socket-0";
    assert_eq!(counted(&hwmon), [first, "hwmon-power_meter-grace-power-socket-1"]);
    assert_eq!(because(&hwmon, &format!("{first}-2")), format!("repeats {first}"));
}

#[test]
fn meters_are_found_and_counted_wherever_the_driver_keeps_its_files() {
    let root = tree(&[
        ("hwmon0/name", "power_meter"),
        ("hwmon0/device/power1_average", "120000000"),
        ("hwmon0/device/power1_oem_info", "Grace Power Socket 1"),
        ("hwmon1/device/name", "power_meter"),
        ("hwmon1/device/power1_average", "90000000"),
        ("hwmon1/power1_oem_info", "Grace Power Socket 0"),
    ]);
    // A second chip on the first one's device shows its files again.
    std::os::unix::fs::symlink("../hwmon0/device", root.path().join("hwmon1/device/up")).unwrap();
    fs::create_dir(root.path().join("hwmon2")).unwrap();
    std::os::unix::fs::symlink("../hwmon0/device", root.path().join("hwmon2/device")).unwrap();
    fs::write(root.path().join("hwmon2/name"), "coretemp\n").unwrap();
    let hwmon = open(&root).on(&machine(&[36, 2364], &[]));
    let scopes: Vec<_> = hwmon.domains().iter().map(|domain| (&*domain.name, &*domain.scope, domain.counted)).collect();
    let expected = [
        ("hwmon-power_meter-grace-power-socket-1", "socket:2364", true),
        ("hwmon-power_meter-grace-power-socket-0", "socket:36", true),
    ];
    assert_eq!(scopes, expected);
}

#[test]
fn a_graphics_card_s_meter_is_kept_with_its_reason() {
    let root = tree(&[
        ("hwmon0/name", "xe"),
        ("hwmon0/energy1_label", "card"),
        ("hwmon0/energy1_input", "5"),
        ("hwmon1/name", "amdgpu"),
        ("hwmon1/power1_average", "not now"),
        ("hwmon1/power1_input", "5"),
    ]);
    let mut hwmon = open(&root);
    assert!(counted(&hwmon).is_empty());
    assert!(because(&hwmon, "hwmon-xe-card").contains("graphics card"));
    // The average cannot be read there, so the other file is.
    read(&mut hwmon);
    assert_eq!(read(&mut hwmon).len(), 2);
}

#[test]
fn a_socket_s_meter_that_cannot_be_read_or_is_not_there_is_told() {
    let root = tree(&[
        ("hwmon0/name", "zenergy"),
        ("hwmon0/energy1_label", "Esocket0"),
        ("hwmon0/energy1_input", "5"),
        ("hwmon0/energy2_label", "Esocket1"),
        ("hwmon0/energy2_input", "busy"),
        ("hwmon1/name", "ina226"),
        ("hwmon1/power1_input", "busy"),
    ]);
    let hwmon = open(&root).on(&machine(&[0, 1], &[0, 1]));
    let problems = hwmon.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("energy2_input") && problems[1].contains("meters socket 1"), "{problems:?}");
    assert!(hwmon.beside(true, false, false).problems().is_empty(), "powercap meters the sockets");
}

#[test]
fn chips_that_repeat_their_labels_are_told_apart() {
    let root = tree(&[
        ("hwmon0/name", "ina226"),
        ("hwmon0/power1_input", "1"),
        ("hwmon1/name", "ina226"),
        ("hwmon1/power1_input", "1"),
    ]);
    let hwmon = open(&root);
    let names: Vec<_> = hwmon.domains().iter().map(|domain| &*domain.name).collect();
    assert_eq!(names, ["hwmon-ina226-power1", "hwmon-ina226-power1-2"]);
    assert!(hwmon.domains().iter().all(|domain| !domain.counted && domain.not_counted_because.is_some()));
}

#[test]
fn a_meter_that_stops_answering_fails_keeps_its_reason_and_is_opened_anew() {
    let root = tree(&[("hwmon0/name", "amd_energy"), ("hwmon0/energy1_input", "5")]);
    let mut hwmon = open(&root);
    let (file, new) = (root.path().join("hwmon0/energy1_input"), root.path().join("new"));
    fs::write(&file, "").unwrap();
    let Value::Failed { problem } = &read(&mut hwmon)[0].value else { panic!("a failure") };
    assert!(problem.contains("energy1_input"), "{problem}");
    // The driver was loaded anew: another file is at its place.
    fs::write(&new, "7\n").unwrap();
    fs::rename(&new, &file).unwrap();
    assert_eq!(read(&mut hwmon)[0].value, Value::Counter { energy_uj: 7 });
}

#[test]
fn without_a_meter_it_is_unavailable_with_a_hint() {
    let root = tree(&[("hwmon0/name", "coretemp"), ("hwmon0/temp1_input", "40000")]);
    let unavailable = Hwmon::open(root.path()).unwrap_err();
    assert!(unavailable.problem.contains("meters energy or power") && !unavailable.hint.is_empty());
    let missing = Hwmon::open(&root.path().join("nowhere")).unwrap_err();
    assert!(missing.problem.contains("nowhere"));
}

#[test]
fn power_that_a_socket_cannot_draw_is_a_failed_read_and_a_rail_may_draw_nothing() {
    let root = tree(&[
        ("hwmon0/name", "power_meter"),
        ("hwmon0/power1_label", "Grace Power Socket 0"),
        ("hwmon0/power1_average", "90000000"),
        ("hwmon1/name", "ina226"),
        ("hwmon1/power1_input", "0"),
    ]);
    let mut hwmon = Hwmon::open(root.path()).unwrap();
    assert!(read(&mut hwmon).is_empty());
    let kinds = |hwmon: &mut Hwmon| read(hwmon).into_iter().map(|one| (one.domain, one.value, one.flags));
    for impossible in ["4294967295000", "4900000000", "0", "-90000000"] {
        fs::write(root.path().join("hwmon0/power1_average"), impossible).unwrap();
        let [(0, Value::Failed { problem }, flags), (1, Value::Interval { energy_j: 0.0, .. }, _)] =
            &kinds(&mut hwmon).collect::<Vec<_>>()[..]
        else {
            panic!("{impossible} is no power of a socket")
        };
        assert!(flags.has(Flag::Impossible) && problem.contains(" W are not"), "{problem}");
        fs::write(root.path().join("hwmon0/power1_average"), "90000000").unwrap();
        let [(0, Value::Interval { energy_j: 0.0, .. }, flags), _] = &kinds(&mut hwmon).collect::<Vec<_>>()[..] else {
            panic!("no gap after {impossible}")
        };
        assert!(flags.has(Flag::Lost));
    }
}
