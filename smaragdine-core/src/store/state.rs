//! The state directory: one daemon's alone, on this machine, and what an earlier daemon left in it.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock, fstatfs};

use crate::store::directory::Directory;

/// A state directory, held until dropped.
#[derive(Debug)]
pub struct StateDir {
    pub path: PathBuf,
    _lock: File,
}

/// File systems that other machines serve (statfs(2)). A journal there would stall and break with the network, and
/// locks and `rename` do not hold everywhere.
const NETWORK: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB2"),
    (0xFF53_4D42, "CIFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "kAFS"),
    (0xAAD7_AAEA, "PanFS"),
];

impl StateDir {
    /// Takes `path`, made if absent, for this daemon alone.
    ///
    /// # Errors
    /// Where it cannot be made or written, lies on a network file system, others own it or may change what is in it, or
    /// it is another daemon's.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let directory = Directory::open_or_make(path, 0o700, "the daemon's state")?;
        if let Some(kind) = fstatfs(&directory.descriptor).ok().and_then(|status| network(status.f_type as u64)) {
            bail!("the state directory {shown} lies on {kind}, a network file system\nhint: name a local --state-dir");
        }
        let lock = directory.append_to("lock").with_context(|| {
            format!("cannot write in the state directory {shown}\nhint: name a --state-dir that this user may write")
        })?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another daemon keeps its state in {shown}\nhint: stop it, or name another --state-dir");
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The recordings that an earlier daemon left here, in order of their names.
    #[must_use]
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let own = rustix::process::geteuid().as_raw();
        // What lay here before others were kept out may be anybody's.
        let is_own = |dir: &PathBuf| {
            std::fs::symlink_metadata(dir).is_ok_and(|status| status.is_dir() && status.uid() == own)
                && std::fs::symlink_metadata(dir.join("journal"))
                    .is_ok_and(|status| status.is_file() && status.uid() == own)
        };
        let mut left: Vec<_> = entries.map(|entry| entry.path()).filter(is_own).collect();
        left.sort_unstable();
        left
    }
}

fn network(magic: u64) -> Option<&'static str> {
    // Some architectures keep the number in a signed word.
    NETWORK.iter().find(|(known, _)| *known == magic & 0xFFFF_FFFF).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_state_directory_has_one_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::take(dir.path()).unwrap();
        let refused = StateDir::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("another daemon") && refused.contains("hint:"), "{refused}");
        drop(first);
        StateDir::take(dir.path()).unwrap();
    }

    #[test]
    fn a_new_state_directory_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::take(&dir.path().join("a/b")).unwrap();
        assert_eq!(std::fs::metadata(&state.path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_state_directory_that_others_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = StateDir::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("others may write") && refused.contains("hint:"), "{refused}");
    }

    #[test]
    fn what_a_link_leads_to_is_nobody_s_recording() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let state = StateDir::take(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join("own")).unwrap();
        for journal in [dir.path().join("own/journal"), elsewhere.path().join("journal")] {
            std::fs::write(journal, "").unwrap();
        }
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("linked")).unwrap();
        assert_eq!(state.left_behind(), [dir.path().join("own")]);
    }

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        // ext4, tmpfs, xfs, btrfs, overlayfs
        for local in [0xEF53, 0x0102_1994, 0x5846_5342, 0x9123_683E, 0x794C_7630] {
            assert_eq!(network(local), None);
        }
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xFFFF_FFFF_FF53_4D42), Some("CIFS"), "signed, as 32-bit words are");
    }
}
