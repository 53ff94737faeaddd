//! Cray's counters: which are found, which count beside RAPL, and what tells that they started again.

use std::fs;
use std::path::Path;

use fake_powercap::Waveform;
use fake_powercap::moving::Registers;
use fake_sensors::{Cray as Counters, Layout, Tree};
use smaragdine_core::registers::source::cray::Cray;
use smaragdine_core::registers::source::{Observation, Source, Value};
use smaragdine_core::registers::topology::Topology;
use smaragdine_core::trace::{Domain, Flag};
use tempfile::TempDir;

fn tree(counters: Counters) -> (TempDir, Tree) {
    let directory = tempfile::tempdir().unwrap();
    let tree = Tree::create(directory.path(), &Layout { cray: Some(counters), ..Layout::default() }).unwrap();
    (directory, tree)
}

/// On a machine of so many sockets.
fn open(root: &Path, sockets: u32) -> Cray {
    let (sys, proc) = (root.join("sys"), root.join("proc"));
    fs::create_dir_all(&proc).unwrap();
    for socket in 0..sockets {
        let directory = sys.join(format!("devices/system/cpu/cpu{socket}/topology"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("physical_package_id"), format!("{socket}\n")).unwrap();
    }
    Cray::open(&root.join("cray/pm_counters"), &Topology::read(&sys, &proc)).unwrap()
}

/// `name < parent (scope): counted` or why not.
fn describe(cray: &Cray) -> Vec<String> {
    let describe = |domain: &Domain| {
        let parent = domain.parent.as_deref().unwrap_or("-");
        let counted = domain.not_counted_because.as_deref().unwrap_or("counted");
        format!("{} < {parent} ({}): {counted}", domain.name, domain.scope)
    };
    cray.domains().iter().map(describe).collect()
}

fn read(cray: &mut Cray) -> Vec<Observation> {
    let mut observations = Vec::new();
    cray.read(&mut observations);
    observations
}

#[test]
fn the_cpus_and_the_memory_count_and_the_node_holds_them() {
    let accelerators = vec![Waveform::Constant { watts: 300.0 }];
    let (directory, _tree) = tree(Counters { accelerators, ..Counters::default() });
    let cray = open(directory.path(), 1);
    assert_eq!(
        describe(&cray),
        [
            "accel0 < node (socket:0): which of the program's GPUs it is, and of how many, these counters do not \
             tell",
            "cpu < node (socket:0): counted",
            "node < - (socket:0): contains the parts that are counted, and checks their sum",
            "dram < node (socket:0): counted",
        ]
    );
    // Of several sockets the counter is the sum, and whose share applies is not known.
    assert_eq!(open(directory.path(), 2).domains()[1].scope, "socket:?");
}

#[test]
fn beside_rapl_only_what_it_lacks_counts() {
    let (directory, _tree) = tree(Counters::default());
    let counted = |rapl: &[&str]| -> Vec<String> {
        let rapl: Vec<Domain> = rapl.iter().map(|name| Domain::new(name, "CPU:0", "powercap", "socket:0")).collect();
        let cray = open(directory.path(), 1).beside(rapl.iter());
        cray.domains().iter().filter(|domain| domain.counted).map(|domain| domain.name.clone()).collect()
    };
    assert_eq!(counted(&[]), ["cpu", "dram"]);
    // AMD's processors meter no memory.
    assert_eq!(counted(&["package-0"]), ["dram"]);
    assert_eq!(counted(&["package-0", "dram-0"]), Vec::<String>::new());
    assert_eq!(counted(&["psys"]), Vec::<String>::new());
}

#[test]
fn a_value_has_the_moment_at_which_the_controller_took_it() {
    let (directory, tree) = tree(Counters::default());
    // On a busy machine it may be too old by the time that it is read.
    let stamped = (0..100).find_map(|_| {
        let mut cray = open(directory.path(), 1);
        tree.write(5_000_000_000).unwrap();
        let observation = read(&mut cray).remove(0);
        let Value::Stamped { energy_uj, from_ns, to_ns } = observation.value else { return None };
        // 1000 J at the start, and 100 W since.
        assert_eq!((energy_uj, from_ns), (1_500_000_000, to_ns));
        Some((to_ns, observation.read_start_ns))
    });
    let (at_ns, read_ns) = stamped.expect("a stamp");
    assert!(at_ns <= read_ns && read_ns - at_ns < 100_000_000);
    let (ahead, tree) = self::tree(Counters { stamps_off_us: 3_000_000, ..Counters::default() });
    tree.write(5_000_000_000).unwrap();
    let value = read(&mut open(ahead.path(), 1)).remove(0).value;
    assert_eq!(value, Value::Counter { energy_uj: 1_500_000_000 });
}

#[test]
fn counters_that_may_have_started_again_say_so_once_whatever_they_show() {
    let (directory, tree) = tree(Counters::default());
    let mut cray = open(directory.path(), 1);
    let is_reset = |cray: &mut Cray| read(cray).iter().filter(|observation| observation.flags.has(Flag::Reset)).count();
    assert_eq!(is_reset(&mut cray), 0);
    for (file, text) in [("generation", "8"), ("startup", "1700000000000000")] {
        tree.write(1_000_000_000).unwrap();
        fs::write(directory.path().join("cray/pm_counters").join(file), text).unwrap();
        assert_eq!((is_reset(&mut cray), is_reset(&mut cray)), (3, 0), "{file}");
    }
}

#[test]
fn counters_that_cannot_be_read_are_told_and_without_any_there_is_no_source() {
    let (directory, _tree) = tree(Counters::default());
    let counters = directory.path().join("cray/pm_counters");
    fs::write(counters.join("memory_energy"), "none\n").unwrap();
    let cray = open(directory.path(), 1);
    assert_eq!((cray.domains().len(), cray.problems().len()), (2, 1));
    assert!(cray.problems()[0].contains("memory_energy"), "{:?}", cray.problems());
    for file in ["energy", "cpu_energy"] {
        fs::write(counters.join(file), "12 W\n").unwrap();
    }
    let topology = Topology::read(directory.path(), directory.path());
    let told = Cray::open(&counters, &topology).unwrap_err();
    assert!(told.problem.contains("energy") && told.hint.contains("/sys/cray"), "{}", told.problem);
}
