//! What is mounted over single files of `/proc`.
//!
//! A container may be given a `/proc/stat` of its own, which shows its own CPU time and nothing of its neighbours':
//! lxcfs lays such files over the kernel's, one mount a file. A whole `/proc` that is mounted elsewhere is the kernel's
//! own.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What mounts this process sees; `/proc` may be another's elsewhere.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// The kind of file system that lies over the kernel's own `file`, such as `fuse.lxcfs`; `None`: nothing does.
///
/// A file that is no file of `/proc` at all, as in a tree that somebody laid out, has nothing over it either.
pub(crate) fn laid_over(file: &Path) -> Option<String> {
    let file = std::fs::canonicalize(file).ok()?;
    find(&std::fs::read(MOUNTINFO).ok()?, &file)
}

fn find(mountinfo: &[u8], file: &Path) -> Option<String> {
    let mounts = mountinfo.split(|byte| *byte == b'\n').filter_map(Mount::parse);
    // The deepest mount holds the file; of several at one place the last lies on top.
    let mount =
        mounts.filter(|mount| file.starts_with(&mount.place)).max_by_key(|mount| mount.place.as_os_str().len())?;
    let itself = mount.place == file;
    // The kernel's file, bound to its own name: what it shows is the same.
    let kernels = mount.kind == "proc" && mount.root.file_name() == file.file_name();
    ((itself && !kernels) || mount.kind.starts_with("fuse.lxcfs")).then_some(mount.kind)
}

/// One line of mountinfo: proc(5).
struct Mount {
    /// What of the file system is mounted.
    root: PathBuf,
    place: PathBuf,
    kind: String,
}

impl Mount {
    /// `36 35 98:0 ROOT PLACE OPTIONS TAGS… - KIND SOURCE OPTIONS`
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').skip(3);
        let (root, place) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        Some(Self { root, place, kind: String::from_utf8_lossy(kind).into_owned() })
    }
}

/// Blanks and backslashes of paths stand as `\040`.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let octal = after.first_chunk::<3>().filter(|digits| *byte == b'\\' && digits.iter().all(u8::is_ascii_digit));
        if let Some(digits) = octal {
            let value = digits.iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            path.push(value as u8);
            rest = &after[3..];
        } else {
            path.push(*byte);
            rest = after;
        }
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "22 27 0:21 / /proc rw,relatime - proc proc rw\n27 1 254:0 / / rw - ext4 /dev/vda rw\n";

    fn over(more: &str, file: &str) -> Option<String> {
        find(format!("{HOST}{more}").as_bytes(), Path::new(file))
    }

    #[test]
    fn the_kernel_s_own_files_have_nothing_over_them() {
        assert_eq!(over("", "/proc/stat"), None);
        let masked = "40 22 0:21 /sys /proc/sys ro - proc proc rw\n41 22 0:40 / /proc/acpi ro - tmpfs tmpfs ro\n";
        assert_eq!(over(masked, "/proc/stat"), None);
        assert_eq!(over("", "/home/ada/proc/stat"), None);
    }

    #[test]
    fn lxcfs_and_any_other_file_over_it_are_found() {
        let lxcfs = "50 22 0:44 /proc/stat /proc/stat rw shared:9 master:3 - fuse.lxcfs lxcfs rw,user_id=0\n";
        assert_eq!(over(lxcfs, "/proc/stat").as_deref(), Some("fuse.lxcfs"));
        assert_eq!(over(lxcfs, "/proc/cpuinfo"), None);
        let bound = "50 22 254:0 /tmp/stat /proc/stat rw - ext4 /dev/vda rw\n";
        assert_eq!(over(bound, "/proc/stat").as_deref(), Some("ext4"));
        // The last one lies on top.
        assert_eq!(over(&format!("{lxcfs}{bound}"), "/proc/stat").as_deref(), Some("ext4"));
    }

    #[test]
    fn a_whole_proc_from_elsewhere_is_the_kernel_s_and_so_is_a_file_bound_to_its_own_name() {
        assert_eq!(over("50 27 0:45 / /host/proc ro - proc proc rw\n", "/host/proc/stat"), None);
        assert_eq!(over("50 22 0:21 /stat /proc/stat ro - proc proc rw\n", "/proc/stat"), None);
        assert_eq!(over("50 22 0:21 /version /proc/stat ro - proc proc rw\n", "/proc/stat").as_deref(), Some("proc"));
    }

    #[test]
    fn lxcfs_s_own_tree_is_known_wherever_it_is_mounted() {
        let tree = "50 27 0:44 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw\n";
        assert_eq!(over(tree, "/var/lib/lxcfs/proc/stat").as_deref(), Some("fuse.lxcfs"));
    }

    #[test]
    fn places_with_blanks_are_read_as_they_are_and_damaged_lines_are_skipped() {
        let blank = "half a line\n50 22 0:44 / /a\\040b/proc rw - fuse.lxcfs lxcfs rw\n";
        assert_eq!(over(blank, "/a b/proc/stat").as_deref(), Some("fuse.lxcfs"));
    }
}
