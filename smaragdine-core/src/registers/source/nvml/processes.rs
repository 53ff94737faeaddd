//! Who computes with a GPU.

use std::path::Path;

use nvml_wrapper::Device;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

/// `nvidia-cuda-mps-server`, as far as the kernel keeps names.
const MPS_SERVER: &str = "nvidia-cuda-mps";

/// The processes that compute with a GPU; or why whose its energy is cannot be told by them.
pub(crate) fn computing(device: &Device<'_>, mig: bool, proc_root: &Path) -> Result<Vec<ProcessInfo>, String> {
    if mig {
        return Err("its MIG instances have processes of their own, and its energy is that of all of them".into());
    }
    let processes =
        device.running_compute_processes().map_err(|error| format!("cannot list its processes: {error}"))?;
    // Through MPS it is the server that computes for all its clients at once, which are listed apart, if at all.
    let through_mps = !processes.is_empty()
        && (processes.iter().any(|process| is_server(proc_root, process.pid))
            || device.mps_running_compute_processes().is_ok_and(|clients| !clients.is_empty()));
    if through_mps {
        return Err("processes share it through MPS, and its energy is that of all of them".into());
    }
    Ok(processes)
}

fn is_server(proc_root: &Path, pid: u32) -> bool {
    std::fs::read_to_string(proc_root.join(pid.to_string()).join("comm")).is_ok_and(|name| name.starts_with(MPS_SERVER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_mps_is_known_by_its_name_as_the_kernel_cuts_it() {
        let proc_root = std::env::temp_dir().join(format!("smaragdine-mps-{}", std::process::id()));
        for (pid, name) in [(7, "nvidia-cuda-mps\n"), (8, "python3\n")] {
            std::fs::create_dir_all(proc_root.join(pid.to_string())).unwrap();
            std::fs::write(proc_root.join(pid.to_string()).join("comm"), name).unwrap();
        }
        assert_eq!([7, 8, 9].map(|pid| is_server(&proc_root, pid)), [true, false, false]);
        std::fs::remove_dir_all(proc_root).unwrap();
    }
}
