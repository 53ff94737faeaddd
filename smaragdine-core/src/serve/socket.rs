//! The daemon's Unix socket: live and stale ones told apart before binding, and removed by nobody but its owner.

use std::fs::{File, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, chownat, fchmod, openat};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use crate::serve::access::Group;
use crate::serve::acl;
use crate::store::directory::Directory;

/// `sockaddr_un.sun_path` less its terminating zero (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A socket that this daemon listens on.
#[derive(Debug)]
pub struct Socket {
    pub listener: UnixListener,
    pub file: SocketFile,
}

/// The socket's file, removed when dropped. Whatever takes its place meanwhile is another daemon's.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds `path`, which its owner alone may use, or with `group` and `observers` their members as well.
///
/// # Errors
/// Where the path is too long, is no socket, is served by a living daemon, cannot be bound, cannot be the groups', or lies
/// in a directory that others own or may change.
pub fn bind(path: &Path, group: Option<&Group>, observers: Option<&Group>) -> anyhow::Result<Socket> {
    let shown = path.display();
    let length = path.as_os_str().len();
    if length > LONGEST_PATH {
        bail!(
            "the socket path {shown} has {length} bytes; the kernel takes {LONGEST_PATH}\nhint: choose a shorter --socket, for \
             instance under $XDG_RUNTIME_DIR"
        );
    }
    let Some(name) = path.file_name() else { bail!("the socket path {shown} names no file") };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Members have to reach the socket; what else there is they cannot list.
    let enterable = group.is_some() || observers.is_some();
    let directory = Directory::open_or_make(parent, if enterable { 0o711 } else { 0o700 }, "its socket")?;
    for group in group.into_iter().chain(observers).filter(|group| !may_enter(&directory, group)) {
        tracing::warn!(
            "members of the group {} may not enter {}, so they cannot connect: `chmod a+x` lets them",
            group.name,
            parent.display()
        );
    }
    remove_stale(path)?;
    let listening = || format!("cannot listen on {shown}");
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).with_context(listening)?;
    // The file gets the socket's mode, so that it is never anybody else's, whatever the umask.
    fchmod(&socket, Mode::from_raw_mode(0o600)).with_context(listening)?;
    net::bind(&socket, &SocketAddrUnix::new(path).with_context(listening)?).with_context(listening)?;
    let entry = openat(&directory.descriptor, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let entry = File::from(entry.with_context(listening)?);
    let metadata = entry.metadata().with_context(listening)?;
    let file = SocketFile { path: path.to_owned(), inode: (metadata.dev(), metadata.ino()) };
    share(&entry, &metadata, path, group, observers)?;
    // Until now nobody could connect.
    net::listen(&socket, BACKLOG).with_context(listening)?;
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(Socket { listener, file })
}

/// Lets members of the groups connect. `entry` names the socket's file, whatever is at `path`.
fn share(
    entry: &File,
    metadata: &Metadata,
    path: &Path,
    group: Option<&Group>,
    observers: Option<&Group>,
) -> anyhow::Result<()> {
    let shown = path.display();
    let own = |group: &Group| {
        // Nothing to change where it is the daemon's own group, as under systemd, which lets no service change owners.
        if group.gid == metadata.gid() {
            return Ok(());
        }
        chownat(entry, "", None, Some(Gid::from_raw(group.gid)), AtFlags::EMPTY_PATH)
            .with_context(|| format!("cannot give {shown} to the group {}: the daemon's user is not in it", group.name))
    };
    let Some(only) = group.or(observers) else { return Ok(()) };
    if let Some(group) = group {
        own(group)?;
    }
    if let Some(observers) = observers.filter(|observers| group.is_none_or(|group| group.gid != observers.gid)) {
        match acl::share_with(entry, observers.gid, group.is_some()) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) if group.is_none() => own(only)?,
            Err(Errno::OPNOTSUPP) => bail!(
                "{shown} can be two groups' only where its file system keeps access control lists\nhint: put the socket below \
                 /run, or make the members of {} members of {} as well, and leave out --observers",
                observers.name,
                only.name
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot share {shown} with {}", observers.name)),
        }
    }
    // By the descriptor's name: one that only names a file takes no mode itself.
    std::fs::set_permissions(format!("/proc/self/fd/{}", entry.as_raw_fd()), Permissions::from_mode(0o660))
        .with_context(|| format!("cannot set the permissions of {shown}"))
}

/// Whether members of the group get to what is in the directory.
fn may_enter(directory: &Directory, group: &Group) -> bool {
    let (mode, gid) = (directory.status.st_mode, directory.status.st_gid);
    mode & if gid == group.gid { 0o010 } else { 0o001 } != 0
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {}", path.display())),
    };
    if !kind.is_socket() {
        bail!("{} exists and is no socket\nhint: choose another --socket, or remove that file", path.display());
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another daemon serves {}\nhint: use it, stop it, or choose another --socket", path.display()),
        // Nobody listens: its daemon died without removing it.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).with_context(|| format!("cannot remove the stale socket {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot tell whether {} is in use", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        bind(&path, None, None).unwrap();
    }

    #[test]
    fn a_socket_is_its_owners_alone_unless_a_group_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let socket = bind(&path, None, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        drop(socket);
        let own = rustix::process::getegid().as_raw();
        let _socket = bind(&path, Some(&Group { gid: own, name: "own".to_owned() }), None).unwrap();
        assert_eq!((mode(&path), std::fs::metadata(&path).unwrap().gid()), (0o660, own));
    }

    #[test]
    fn a_socket_ends_with_its_daemon_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(bind(&path, None, None).unwrap());
        assert!(!path.exists());
        let first = bind(&path, None, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = bind(&path, None, None).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[test]
    fn a_live_socket_is_not_stolen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _alive = bind(&path, None, None).unwrap();
        let error = bind(&path, None, None).unwrap_err().to_string();
        assert!(error.contains("another daemon serves") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "precious").unwrap();
        assert!(bind(&path, None, None).unwrap_err().to_string().contains("is no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_that_the_kernel_cannot_take_is_refused_with_a_hint() {
        let error = bind(Path::new(&format!("/tmp/{}", "x".repeat(120))), None, None).unwrap_err().to_string();
        assert!(error.contains("107") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn a_socket_in_a_directory_that_others_may_write_is_refused_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o1777, 0o775] {
            std::fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let refused = bind(&dir.path().join("s"), None, None).unwrap_err().to_string();
            assert!(refused.contains("others may write in") && refused.contains("hint:"), "{refused}");
            assert!(!dir.path().join("s").exists());
        }
    }

    #[test]
    fn observers_may_connect_beside_the_group_or_without_one() {
        let dir = tempfile::tempdir().unwrap();
        let (own, observers) = (rustix::process::getegid().as_raw(), 62_002);
        let group = |gid| Group { gid, name: gid.to_string() };
        for (name, users) in [("both", Some(group(own))), ("observers", None)] {
            let path = dir.path().join("made").join(name);
            let _socket = bind(&path, users.as_ref(), Some(&group(observers))).unwrap();
            let mut list = vec![0; 256];
            let bytes = rustix::fs::getxattr(&path, "system.posix_acl_access", &mut list[..]).unwrap();
            // A version, then five entries: the fourth half-word from the third entry on says who it is.
            assert_eq!(bytes, 4 + 5 * 8);
            assert_eq!(list[20..28], [8, 0, 6, 0, 0x32, 0xF2, 0, 0], "group 62002, read and write");
            assert_eq!(list[14], if users.is_some() { 6 } else { 0 }, "the owning group");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
            assert_eq!(std::fs::metadata(dir.path().join("made")).unwrap().permissions().mode() & 0o777, 0o711);
        }
    }
}
