//! Topologies of laid-out machines.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A machine's `/sys` and `/proc`.
struct Laid(TempDir);

impl Laid {
    /// CPUs in `/proc/stat`, in order.
    fn out(cpus: u32) -> Self {
        let laid = Self(TempDir::new().unwrap());
        let stat = (0..cpus).fold("cpu  1 2 3 4\n".to_owned(), |text, cpu| format!("{text}cpu{cpu} 1 2 3 4\n"));
        laid.write("proc/stat", &stat);
        laid.write("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 2000\n\nprocessor\t: 1\n");
        laid
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Packages of CPUs from 0 on; `None` is offline.
    fn packages(self, ids: &[Option<i64>]) -> Self {
        for (cpu, id) in ids.iter().enumerate() {
            match id {
                Some(id) => {
                    self.write(
                        &format!("sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"),
                        &format!("{id}\n"),
                    );
                }
                None => self.write(&format!("sys/devices/system/cpu/cpu{cpu}/online"), "0\n"),
            }
        }
        self.write("sys/devices/system/cpu/cpufreq/boost", "1\n");
        self
    }

    fn cpuinfo(self, ids: &[u32]) -> Self {
        let text = ids.iter().enumerate().fold(String::new(), |text, (cpu, id)| {
            format!(
                "{text}processor\t: {cpu}\nphysical id\t: {id}\nsiblings\t: 4\ncpu cores\t: 2\nflags\t: hypervisor\n\n"
            )
        });
        self.write("proc/cpuinfo", &text);
        self
    }

    fn read(&self) -> Topology {
        Topology::read(&self.0.path().join("sys"), &self.0.path().join("proc"))
    }
}

fn sockets(topology: &Topology, cpus: u32) -> Vec<Option<u32>> {
    (0..cpus).map(|cpu| topology.socket(cpu).map(|index| topology.sockets()[index])).collect()
}

#[test]
fn sockets_have_the_kernel_s_numbers_however_odd() {
    let topology = Laid::out(4).packages(&[Some(36), Some(36), Some(2364), Some(2364)]).read();
    assert_eq!(topology.sockets(), [36, 2364]);
    assert_eq!(sockets(&topology, 4), [Some(36), Some(36), Some(2364), Some(2364)]);
    assert!(topology.source().contains("topology") && topology.problem().is_none());
}

#[test]
fn cpuinfo_tells_where_the_kernel_shows_no_topology() {
    let laid = Laid::out(3).cpuinfo(&[3, 1, 3]);
    let topology = laid.read();
    assert_eq!(topology.sockets(), [1, 3]);
    assert_eq!(sockets(&topology, 3), [Some(3), Some(1), Some(3)]);
    assert!(topology.source().ends_with("proc/cpuinfo"));
    assert_eq!(topology.caveats, ["SMT neighbours share cores", "virtual machine"]);
}

#[test]
fn where_neither_tells_sockets_are_unknown_and_one_is_not_assumed() {
    for laid in [Laid::out(2), Laid::out(2).packages(&[Some(-1), Some(-1)])] {
        let topology = laid.read();
        assert_eq!((topology.sockets().len(), topology.socket(0)), (0, None));
        let problem = topology.problem().unwrap();
        assert!(problem.contains("which socket") && problem.contains("cpuinfo"), "{problem}");
        // Power that is computed from the use of all CPUs needs no socket.
        assert_eq!(sockets(&topology.or_one_socket(), 2), [Some(0), Some(0)]);
    }
}

#[test]
fn a_machine_of_one_cpu_has_one_socket() {
    let laid = Laid::out(1);
    laid.write("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 2000\n");
    assert_eq!(sockets(&laid.read(), 1), [Some(0)]);
}

#[test]
fn a_cpu_that_comes_online_is_in_the_socket_that_the_kernel_then_shows() {
    let laid = Laid::out(2).packages(&[Some(0), Some(0), None]);
    let mut topology = laid.read();
    assert_eq!(sockets(&topology, 3), [Some(0), Some(0), None]);
    assert!(!topology.learn(2));
    laid.write("sys/devices/system/cpu/cpu2/topology/physical_package_id", "1\n");
    assert!(topology.learn(2));
    assert_eq!(sockets(&topology, 3), [Some(0), Some(0), Some(1)]);
}

#[test]
fn a_container_that_is_shown_some_cpus_only_knows_no_sockets() {
    // Their time is that of all CPUs of the host.
    let topology = Laid::out(4).packages(&[Some(0), Some(0)]).read();
    assert_eq!(sockets(&topology, 4), [None; 4]);
    assert!(topology.problem().unwrap().contains("topology of every CPU"));
}

#[test]
fn of_two_machines_roots_the_one_that_was_pointed_to_is_meant() {
    // This machine's own CPU 0 is in some socket, but not in that one.
    let laid = Laid::out(1).cpuinfo(&[77]);
    assert_eq!(Topology::read(Path::new(SYS), &laid.0.path().join("proc")).sockets(), [77]);
    assert_eq!(laid.packages(&[Some(5)]).read().sockets(), [5]);
}

#[test]
fn meters_are_numbered_by_index_where_ids_are_odd() {
    let topology = Laid::out(2).packages(&[Some(36), Some(2364)]).read();
    assert_eq!([0, 1].map(|number| topology.numbered(number, &[0, 1])), [Some(36), Some(2364)]);
    // One of them cannot be read.
    assert_eq!(topology.numbered(1, &[1]), Some(2364));
    assert_eq!([36, 2364].map(|number| topology.numbered(number, &[36, 2364])), [Some(36), Some(2364)]);
    assert_eq!(topology.numbered(2, &[0, 1, 2]), None);
    assert_eq!(Laid::out(2).packages(&[Some(0), Some(0)]).read().numbered(1, &[0, 1]), None);
}

#[test]
fn with_a_socket_offline_an_index_is_nobody_s_unless_it_can_be_no_other() {
    let odd = Laid::out(1).packages(&[Some(2364), None]).read();
    assert_eq!([0, 1].map(|number| odd.numbered(number, &[0, 1])), [None, None]);
    assert_eq!([36, 2364].map(|number| odd.numbered(number, &[36, 2364])), [None, Some(2364)]);
    let plain = Laid::out(1).packages(&[Some(0), None]).read();
    assert_eq!([0, 1].map(|number| plain.numbered(number, &[0, 1])), [Some(0), None]);
}

#[test]
fn ids_that_run_against_the_cpus_are_no_index() {
    let topology = Laid::out(2).packages(&[Some(2364), Some(36)]).read();
    assert_eq!(topology.numbered(0, &[0, 1]), None);
    let topology = Laid::out(2).packages(&[Some(1), Some(0)]).read();
    assert_eq!([0, 1].map(|number| topology.numbered(number, &[0, 1])), [Some(0), Some(1)]);
}

#[test]
fn a_numa_node_is_in_the_socket_of_its_cpus() {
    let laid = Laid::out(4).packages(&[Some(0), Some(0), Some(1), Some(1)]);
    for (node, list) in [(0, "0"), (1, "1"), (2, "2-3"), (8, "")] {
        laid.write(&format!("sys/devices/system/node/node{node}/cpulist"), &format!("{list}\n"));
    }
    let topology = laid.read();
    assert_eq!([0, 1, 2, 8].map(|node| topology.of_node(node)), [Some(0), Some(0), Some(1), None]);
}
