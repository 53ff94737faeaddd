//! Who may do what: callers as the kernel names them (`SO_PEERCRED`, `SO_PEERGROUPS`), never as they claim.
//!
//! Finely sampled energy tells what other programs compute (CVE-2020-8694). So using the daemon at all is a permission,
//! which a group can have, and reading the recordings of other users is another one.

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::libc;
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::serve::process::Process;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Caller {
    pub uid: u32,
    /// All of its groups.
    pub groups: Arc<[u32]>,
    /// `None`: it lives in a pid namespace that this daemon cannot see.
    pub process: Option<Process>,
    /// Its sender is dropped with the connection.
    pub connected: watch::Receiver<()>,
}

impl Caller {
    /// # Errors
    /// Where the kernel does not tell.
    pub fn of(stream: &UnixStream, connected: watch::Receiver<()>) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let mut groups = supplementary_groups(stream)?;
        groups.push(credentials.gid());
        // The kernel says 0 where a pid has no number in this namespace.
        let pid = credentials.pid().filter(|pid| *pid > 0);
        let process = pid.and_then(|pid| Process::of_peer(stream, pid));
        Ok(Self { uid: credentials.uid(), groups: groups.into(), process, connected })
    }

    fn is_in(&self, group: Option<&Group>) -> bool {
        group.is_some_and(|group| self.groups.contains(&group.gid))
    }
}

fn supplementary_groups(stream: &UnixStream) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut bytes = (groups.len() * size_of::<libc::gid_t>()) as libc::socklen_t;
        // SAFETY: the buffer has `bytes` bytes, and the kernel writes no more than that.
        let failed = unsafe {
            let (descriptor, buffer) = (stream.as_raw_fd(), groups.as_mut_ptr().cast());
            libc::getsockopt(descriptor, libc::SOL_SOCKET, libc::SO_PEERGROUPS, buffer, &raw mut bytes) != 0
        };
        let count = bytes as usize / size_of::<libc::gid_t>();
        if !failed {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // With ERANGE the kernel says how much room it needs.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub gid: u32,
    pub name: String,
}

impl Group {
    /// By name or by number.
    ///
    /// # Errors
    /// In words, where this machine knows no such group.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        if let Ok(gid) = text.parse() {
            return Ok(Self { gid, name: text.to_owned() });
        }
        match nix::unistd::Group::from_name(text) {
            Ok(Some(group)) => Ok(Self { gid: group.gid.as_raw(), name: text.to_owned() }),
            Ok(None) => Err(format!("there is no group `{text}`; `sudo groupadd --system {text}` makes it")),
            Err(error) => Err(format!("the group `{text}` cannot be looked up: {error}")),
        }
    }
}

/// The daemon's rules.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whose members may use the daemon, besides its own user and root.
    pub users: Option<Group>,
    /// Whose members may also read the recordings of others, besides root.
    pub observers: Option<Group>,
}

impl Access {
    /// # Errors
    /// [`Error::NotAdmitted`] where the caller may not use this daemon. The socket's mode says the same; this holds
    /// where that was changed.
    pub fn admit(&self, caller: &Caller) -> Result<()> {
        let own = rustix::process::geteuid().as_raw();
        if caller.uid == 0 || caller.uid == own || caller.is_in(self.users.as_ref()) || self.is_observer(caller) {
            return Ok(());
        }
        let group = self.users.as_ref().map(|group| group.name.clone());
        Err(Error::NotAdmitted { uid: caller.uid, group })
    }

    /// Whether the caller may feed, stop and take away what `owner` records.
    #[must_use]
    pub fn owns(&self, caller: &Caller, owner: u32) -> bool {
        caller.uid == 0 || caller.uid == owner
    }

    /// Whether the caller may read what `owner` records.
    #[must_use]
    pub fn reads(&self, caller: &Caller, owner: u32) -> bool {
        self.owns(caller, owner) || self.is_observer(caller)
    }

    fn is_observer(&self, caller: &Caller) -> bool {
        caller.is_in(self.observers.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(uid: u32, groups: &[u32]) -> Caller {
        Caller { uid, groups: groups.into(), process: None, connected: watch::channel(()).1 }
    }

    fn group(gid: u32) -> Option<Group> {
        Some(Group { gid, name: format!("group-{gid}") })
    }

    const STRANGER: u32 = 4_000_000;

    #[test]
    fn without_a_group_only_the_daemons_own_user_and_root_are_admitted() {
        let access = Access::default();
        assert!(access.admit(&caller(0, &[0])).is_ok());
        assert!(access.admit(&caller(rustix::process::geteuid().as_raw(), &[])).is_ok());
        let refused = access.admit(&caller(STRANGER, &[0])).unwrap_err();
        assert!(refused.hint().is_some(), "{refused}");
    }

    #[test]
    fn a_group_admits_its_members_to_what_is_their_own() {
        let access = Access { users: group(77), observers: group(88) };
        let member = caller(STRANGER, &[5, 77]);
        assert!(access.admit(&member).is_ok());
        assert!(access.owns(&member, STRANGER) && access.reads(&member, STRANGER));
        assert!(!access.owns(&member, 1) && !access.reads(&member, 1));
        assert!(access.admit(&caller(STRANGER, &[5, 78])).is_err());
    }

    #[test]
    fn observers_read_what_others_record_and_touch_nothing() {
        let access = Access { users: group(77), observers: group(88) };
        let observer = caller(STRANGER, &[88]);
        assert!(access.admit(&observer).is_ok());
        assert!(access.reads(&observer, 1) && !access.owns(&observer, 1));
        let root = caller(0, &[0]);
        assert!(access.reads(&root, 1) && access.owns(&root, 1));
    }

    #[test]
    fn groups_are_known_by_name_and_by_number() {
        assert_eq!(Group::parse("root"), Ok(Group { gid: 0, name: "root".to_owned() }));
        assert_eq!(Group::parse("4242").map(|group| group.gid), Ok(4242));
        assert!(Group::parse("no-such-group").unwrap_err().contains("groupadd"));
    }
}
