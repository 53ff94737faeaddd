//! How much memory this machine, or this process's part of it, has.

use std::path::Path;

/// Bytes that may be used here at most: those of the machine, or of the innermost cgroup that limits them.
#[must_use]
pub fn available(proc: &Path, cgroups: &Path) -> u64 {
    let group = std::fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let group = cgroups.join(group);
    let limits = group.ancestors().take_while(|dir| dir.starts_with(cgroups)).filter_map(|dir| {
        let limit = std::fs::read_to_string(dir.join("memory.max")).ok()?;
        limit.trim().parse::<u64>().ok()
    });
    let machine = std::fs::read_to_string(proc.join("meminfo")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
    });
    // Where nothing tells, as much as the smallest machine has that anybody trains on.
    limits.chain(machine).min().unwrap_or(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_the_machine_s_memory_and_all_groups_limits_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (proc, cgroups) = (dir.path().join("proc"), dir.path().join("cgroup"));
        std::fs::create_dir_all(proc.join("self")).unwrap();
        std::fs::create_dir_all(cgroups.join("system.slice/smaragdined.service")).unwrap();
        assert_eq!(available(&proc, &cgroups), 1 << 30);
        std::fs::write(proc.join("meminfo"), "MemTotal:       16777216 kB\nMemFree: 1 kB\n").unwrap();
        assert_eq!(available(&proc, &cgroups), 16 << 30);
        std::fs::write(proc.join("self/cgroup"), "0::/system.slice/smaragdined.service\n").unwrap();
        std::fs::write(cgroups.join("system.slice/smaragdined.service/memory.max"), "max\n").unwrap();
        std::fs::write(cgroups.join("system.slice/memory.max"), "2147483648\n").unwrap();
        assert_eq!(available(&proc, &cgroups), 2 << 30);
    }
}
