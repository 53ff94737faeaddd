//! The daemon's Unix socket: live and stale ones told apart before binding.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context, bail};

/// `sockaddr_un.sun_path` less its terminating zero (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// Binds `path`, which only its owner and group may use.
///
/// # Errors
/// Where the path is too long, is no socket, is served by a living daemon, or cannot be bound.
pub fn bind(path: &Path) -> anyhow::Result<UnixListener> {
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
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
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
        drop(bind(&path).unwrap());
        assert!(path.exists());
        bind(&path).unwrap();
    }

    #[test]
    fn a_live_socket_is_not_stolen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _alive = bind(&path).unwrap();
        let error = bind(&path).unwrap_err().to_string();
        assert!(error.contains("another daemon serves") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "precious").unwrap();
        assert!(bind(&path).unwrap_err().to_string().contains("is no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_that_the_kernel_cannot_take_is_refused_with_a_hint() {
        let error = bind(Path::new(&format!("/tmp/{}", "x".repeat(120)))).unwrap_err().to_string();
        assert!(error.contains("107") && error.contains("hint:"), "{error}");
    }
}
