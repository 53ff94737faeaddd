//! The daemon's Unix socket: live and stale ones told apart before binding, and removed by nobody but its owner.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::access::Group;

/// `sockaddr_un.sun_path` less its terminating zero (unix(7)).
pub const LONGEST_PATH: usize = 107;

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

/// Binds `path`, which its owner alone may use, or with `group` its members as well.
///
/// # Errors
/// Where the path is too long, is no socket, is served by a living daemon, cannot be bound, or cannot be the group's.
pub fn bind(path: &Path, group: Option<&Group>) -> anyhow::Result<Socket> {
    let length = path.as_os_str().len();
    if length > LONGEST_PATH {
        bail!(
            "the socket path {} has {length} bytes; the kernel takes {LONGEST_PATH}\nhint: choose a shorter --socket, for \
             instance under $XDG_RUNTIME_DIR",
            path.display()
        );
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    remove_stale(path)?;
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    let metadata = std::fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    let file = SocketFile { path: path.to_owned(), inode: (metadata.dev(), metadata.ino()) };
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    // Nothing to change where it is the daemon's own group, as under systemd, which lets no service change owners.
    if let Some(group) = group.filter(|group| group.gid != metadata.gid()) {
        std::os::unix::fs::chown(path, None, Some(group.gid)).with_context(|| {
            format!("cannot give {} to the group {}: the daemon's user is not in it", path.display(), group.name)
        })?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
    listener.set_nonblocking(true)?;
    Ok(Socket { listener, file })
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
        bind(&path, None).unwrap();
    }

    #[test]
    fn a_socket_is_its_owners_alone_unless_a_group_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let socket = bind(&path, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        drop(socket);
        let own = rustix::process::getegid().as_raw();
        let _socket = bind(&path, Some(&Group { gid: own, name: "own".to_owned() })).unwrap();
        assert_eq!((mode(&path), std::fs::metadata(&path).unwrap().gid()), (0o660, own));
    }

    #[test]
    fn a_socket_ends_with_its_daemon_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(bind(&path, None).unwrap());
        assert!(!path.exists());
        let first = bind(&path, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = bind(&path, None).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[test]
    fn a_live_socket_is_not_stolen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _alive = bind(&path, None).unwrap();
        let error = bind(&path, None).unwrap_err().to_string();
        assert!(error.contains("another daemon serves") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "precious").unwrap();
        assert!(bind(&path, None).unwrap_err().to_string().contains("is no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_that_the_kernel_cannot_take_is_refused_with_a_hint() {
        let error = bind(Path::new(&format!("/tmp/{}", "x".repeat(120))), None).unwrap_err().to_string();
        assert!(error.contains("107") && error.contains("hint:"), "{error}");
    }
}
