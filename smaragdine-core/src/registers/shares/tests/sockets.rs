//! Machines whose sockets are not all known, or not all seen.

use super::*;

#[test]
fn two_sockets_that_nothing_tells_apart_have_no_shares_and_say_why() {
    let proc = Proc::new();
    fs::write(proc.0.path().join("cpuinfo"), "processor\t: 0\n\nprocessor\t: 1\n\nprocessor\t: 2\n").unwrap();
    let mut looks = proc.looks();
    proc.runs(APPLICATION, 4200, 100);
    proc.active(0, 1000);
    assert!(looks.look().is_empty());
    let report = looks.report();
    assert!(report.problems[0].contains("which CPU is in which socket is not known"), "{report:?}");
    let counted = [Domain::new("package-0", "CPU:0", "hwmon", "socket:0")];
    assert_eq!(Machine::measured(proc.topology(), proc.0.path()).unshared(&counted), None, "it is said once");
}

#[test]
fn modelled_power_needs_no_sockets() {
    let proc = Proc::new();
    fs::write(proc.0.path().join("cpuinfo"), "processor\t: 0\n\nprocessor\t: 1\n").unwrap();
    let mut looks = proc.looks_at(Machine::modelled(proc.topology(), proc.0.path()));
    proc.runs(APPLICATION, 4200, 100);
    proc.active(0, 500);
    proc.active(3, 500);
    assert_eq!(shares(&looks.look()), [(Some(0.1), Some(0.0))]);
}

#[test]
fn what_meters_a_socket_without_cpus_is_named() {
    let proc = Proc::new();
    let machine = Machine::measured(proc.topology(), proc.0.path());
    let domain = |name: &str, scope: &str| Domain::new(name, "CPU:0", "hwmon", scope);
    let uncounted = Domain { counted: false, ..domain("psu", "socket:?") };
    let known = [domain("package-0", "socket:0"), domain("package-1", "socket:1"), domain("gpu-0", "gpu:0"), uncounted];
    assert_eq!(machine.unshared(&known), None);
    let told = machine.unshared(&[domain("package-2", "socket:2"), domain("grace", "socket:?")]).unwrap();
    assert!(told.starts_with("the share of package-2, grace is unknown") && told.contains("sockets 0, 1"), "{told}");
}

#[test]
fn a_socket_whose_first_cpu_comes_online_is_shared_from_the_next_look_on() {
    let proc = Proc::new();
    let one = |cpus: [u32; 2]| cpus.map(|cpu| format!("processor\t: {cpu}\nphysical id\t: 0\n\n")).concat();
    let all = fs::read_to_string(proc.0.path().join("cpuinfo")).unwrap();
    let stat = fs::read_to_string(proc.0.path().join("stat")).unwrap();
    fs::write(proc.0.path().join("cpuinfo"), one([0, 2])).unwrap();
    let offline = |line: &&str| !line.starts_with("cpu1") && !line.starts_with("cpu3");
    fs::write(proc.0.path().join("stat"), stat.lines().filter(offline).collect::<Vec<_>>().join("\n")).unwrap();
    let mut looks = proc.looks();
    assert_eq!(looks.look().len(), 1);
    // Both come online, and are not shown in their socket yet.
    fs::write(proc.0.path().join("stat"), &stat).unwrap();
    assert_eq!(looks.look()[0].idle, None);
    fs::write(proc.0.path().join("cpuinfo"), all).unwrap();
    let samples = looks.look();
    assert_eq!([samples[0].idle, samples[1].idle], [None, None]);
    proc.runs(APPLICATION, 4201, 100);
    proc.active(0, 1000);
    proc.active(1, 400);
    assert_eq!(shares(&looks.look()), [(Some(0.0), Some(0.0)), (Some(0.25), Some(0.0))]);
    assert!(looks.report().problems[0].contains("CPU 1 is in no known socket"));
}
