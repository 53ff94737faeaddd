//! What machine this is: the `host` and `hardware` parts of `trace.json`.

use std::fs;
use std::path::Path;

use crate::registers::container::{container, distribution};
use crate::registers::cpuinfo::Cpuinfo;
use crate::registers::topology::Topology;
use crate::trace::{Hardware, Host};

/// This process's number in `proc_root`. Not its pid where that shows another pid namespace, such as a host's `/proc` in
/// a container.
#[must_use]
pub fn own_pid(proc_root: &Path) -> i32 {
    let told = std::fs::read_link(proc_root.join("self")).ok();
    told.and_then(|told| told.to_str()?.parse().ok()).unwrap_or_else(|| std::process::id() as i32)
}

/// Host name, kernel and boot, and what the application runs in.
#[must_use]
pub fn host(proc_root: &Path, application: Option<i32>) -> Host {
    let pid = application.unwrap_or_else(|| own_pid(proc_root));
    let uname = rustix::system::uname();
    let text = |told: &std::ffi::CStr| Some(told.to_string_lossy().into_owned());
    let boot = fs::read_to_string(proc_root.join("sys/kernel/random/boot_id"));
    Host {
        boot_id: boot.ok().map(|boot| boot.trim().to_owned()),
        container: container(proc_root, pid),
        kernel: text(uname.release()),
        machine: text(uname.machine()),
        name: text(uname.nodename()),
        os: distribution(proc_root, pid),
    }
}

/// CPU model, sockets, logical CPUs and memory, as far as the kernel tells; GPUs are their source's to tell.
#[must_use]
pub fn hardware(proc_root: &Path, sys_root: &Path, topology: &Topology) -> Hardware {
    let cpuinfo = Cpuinfo::read(proc_root).ok();
    let meminfo = fs::read_to_string(proc_root.join("meminfo")).unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    let sockets = topology.sockets().len() as u64;
    let virtual_machine = cpuinfo.as_ref().filter(|cpuinfo| cpuinfo.has("hypervisor")).map(|_| true);
    Hardware {
        cpu: cpuinfo.as_ref().and_then(|cpuinfo| cpuinfo.model.clone()),
        gpus: Vec::new(),
        logical_cpus: cpuinfo.as_ref().map(|cpuinfo| cpuinfo.cpus.len() as u64),
        memory_bytes: kib.map(|kib| kib * 1024),
        sockets: (sockets > 0).then_some(sockets),
        hypervisor: virtual_machine.and_then(|_| hypervisor(sys_root)),
        virtual_machine,
    }
}

/// `Amazon EC2 m5.large`, `QEMU Standard PC`.
fn hypervisor(sys_root: &Path) -> Option<String> {
    let told = ["sys_vendor", "product_name"].map(|file| {
        let text = fs::read_to_string(sys_root.join("class/dmi/id").join(file)).unwrap_or_default();
        text.trim().chars().take(100).collect::<String>()
    });
    let told = told.join(" ").trim().to_owned();
    (!told.is_empty()).then_some(told)
}
