//! What machine this is: the `host` and `hardware` parts of `trace.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cpuinfo::Cpuinfo;
use crate::topology::Topology;

/// This process's number in `proc_root`. Not its pid where that shows another pid namespace, such as a host's `/proc` in
/// a container.
#[must_use]
pub fn own_pid(proc_root: &Path) -> i32 {
    let told = std::fs::read_link(proc_root.join("self")).ok();
    told.and_then(|told| told.to_str()?.parse().ok()).unwrap_or_else(|| std::process::id() as i32)
}

/// Host name, kernel and boot.
#[must_use]
pub fn host(proc_root: &Path) -> BTreeMap<String, String> {
    let uname = rustix::system::uname();
    let mut host = BTreeMap::from([
        ("name".to_owned(), uname.nodename().to_string_lossy().into_owned()),
        ("kernel".to_owned(), uname.release().to_string_lossy().into_owned()),
        ("machine".to_owned(), uname.machine().to_string_lossy().into_owned()),
    ]);
    if let Ok(boot) = fs::read_to_string(proc_root.join("sys/kernel/random/boot_id")) {
        host.insert("boot_id".to_owned(), boot.trim().to_owned());
    }
    host
}

/// CPU model, sockets, logical CPUs and memory, as far as the kernel tells.
#[must_use]
pub fn hardware(proc_root: &Path, topology: &Topology) -> BTreeMap<String, Value> {
    let mut hardware = BTreeMap::new();
    if let Ok(cpuinfo) = Cpuinfo::read(proc_root) {
        hardware.extend(cpuinfo.model.as_ref().map(|model| ("cpu".to_owned(), json!(model))));
        hardware.insert("logical_cpus".to_owned(), json!(cpuinfo.cpus.len()));
        if cpuinfo.has("hypervisor") {
            hardware.insert("virtual_machine".to_owned(), json!(true));
        }
    }
    if !topology.sockets().is_empty() {
        hardware.insert("sockets".to_owned(), json!(topology.sockets().len()));
    }
    if let Ok(text) = fs::read_to_string(proc_root.join("meminfo")) {
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        if let Some(kib) = total.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok()) {
            hardware.insert("memory_bytes".to_owned(), json!(kib * 1024));
        }
    }
    hardware
}
