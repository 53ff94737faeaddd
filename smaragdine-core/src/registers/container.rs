//! What an application runs in: its distribution, and a container where something shows one.

use std::fs;
use std::path::{Path, PathBuf};

/// What control groups are called by, the outermost manager first.
const GROUPS: [(&str, &str); 8] = [
    ("kubepods", "kubernetes"),
    ("libpod", "podman"),
    ("docker", "docker"),
    ("crio", "cri-o"),
    ("containerd", "containerd"),
    ("lxc", "lxc"),
    ("machine.slice", "systemd-nspawn"),
    ("garden", "garden"),
];

/// Files that only a container has.
const MARKS: [(&str, &str); 3] =
    [("run/.containerenv", "podman"), (".dockerenv", "docker"), (".singularity.d", "apptainer")];

/// The kind of container that a process is in; `None`: nothing shows one.
#[must_use]
pub fn container(proc_root: &Path, pid: i32) -> Option<String> {
    let groups = fs::read(proc_root.join(pid.to_string()).join("cgroup")).unwrap_or_default();
    let groups = String::from_utf8_lossy(&groups).into_owned();
    let by_group = GROUPS.iter().find(|(part, _)| groups.contains(part));
    let by_mark = || MARKS.iter().find(|(mark, _)| root(proc_root, pid).join(mark).exists());
    by_group.or_else(by_mark).map(|(_, kind)| (*kind).to_owned())
}

/// What the distribution that a process sees calls itself, `Debian GNU/Linux 12 (bookworm)`.
#[must_use]
pub fn distribution(proc_root: &Path, pid: i32) -> Option<String> {
    let root = root(proc_root, pid);
    let text = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|file| fs::read(root.join(file)).ok())?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim().trim_matches(['"', '\'']).chars().take(200).collect())
}

/// What a process sees as `/`: our own, where its is not to be seen.
fn root(proc_root: &Path, pid: i32) -> PathBuf {
    let root = proc_root.join(pid.to_string()).join("root");
    if root.join("etc").exists() { root } else { "/".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(cgroup: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        let root = proc.path().join("7/root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(proc.path().join("7/cgroup"), cgroup).unwrap();
        for (file, text) in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), text).unwrap();
        }
        proc
    }

    #[test]
    fn a_container_shows_by_its_control_group_or_by_a_file_of_its_own() {
        let pod = "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-1f.scope\n";
        let cases = [
            (tree(pod, &[]), Some("kubernetes")),
            (tree("0::/system.slice/docker-1f.scope\n", &[]), Some("docker")),
            (tree("0::/\n", &[(".dockerenv", "")]), Some("docker")),
            (tree("0::/\n", &[("run/.containerenv", "")]), Some("podman")),
            (tree("0::/user.slice/user-1000.slice\n", &[]), None),
        ];
        for (proc, expected) in cases {
            assert_eq!(container(proc.path(), 7).as_deref(), expected);
        }
    }

    #[test]
    fn the_distribution_is_the_one_that_the_application_sees() {
        let proc = tree("", &[("etc/os-release", "ID=x\nPRETTY_NAME=\"Tiny Linux 3\"\n")]);
        assert_eq!(distribution(proc.path(), 7).as_deref(), Some("Tiny Linux 3"));
        let nameless = tree("", &[("etc/os-release", "\u{0}\u{7}")]);
        assert_eq!(distribution(nameless.path(), 7), None);
    }
}
