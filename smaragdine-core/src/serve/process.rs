//! A process at the other end of a connection, known by more than its number: that is another's once it has ended.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::libc;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use crate::registers::shares::started;

/// Linux 6.5 and later; `asm-generic/socket.h`. Where it has another number, the kernel does not know this one.
const SO_PEERPIDFD: libc::c_int = 77;

/// One process, and no other that gets its number.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    hold: Arc<Hold>,
}

#[derive(Debug)]
enum Hold {
    /// It becomes readable when the process ends (pidfd_open(2)).
    Descriptor(OwnedFd),
    /// When it started, in ticks since boot: where the kernel gives no descriptor.
    Start(u64),
    Ended,
}

impl Process {
    /// The peer that connected, whose number in this pid namespace is `pid`. `None`: nothing tells it from another.
    pub(crate) fn of_peer(stream: &UnixStream, pid: i32) -> Option<Self> {
        let hold = match peer_descriptor(stream) {
            Ok(descriptor) => Some(Hold::Descriptor(descriptor)),
            // It has ended and was waited for.
            Err(Errno::SRCH | Errno::INVAL) => Some(Hold::Ended),
            // An older kernel, one that is told to refuse, or no descriptor is left: who has the number now, right after
            // it connected.
            Err(_) => Hold::of(pid),
        };
        hold.map(|hold| Self { pid, hold: Arc::new(hold) })
    }

    /// The process that has this number now.
    #[cfg(test)]
    pub(crate) fn living(pid: i32) -> Option<Self> {
        Hold::of(pid).map(|hold| Self { pid, hold: Arc::new(hold) })
    }

    /// Whether it has ended. If not, what was read of its number before was read of it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &*self.hold {
            Hold::Descriptor(descriptor) => {
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                retry_on_intr(|| poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&now))).is_ok_and(|n| n > 0)
            }
            Hold::Start(start) => started(Path::new("/proc"), self.pid) != Some(*start),
            Hold::Ended => true,
        }
    }

    /// Whether its end can be waited for.
    #[must_use]
    pub(crate) fn can_be_waited_for(&self) -> bool {
        !matches!(*self.hold, Hold::Start(_))
    }

    /// Returns once it has ended.
    ///
    /// # Errors
    /// Where its end cannot be waited for.
    pub(crate) async fn end(&self) -> io::Result<()> {
        match &*self.hold {
            Hold::Descriptor(descriptor) => {
                let own = descriptor.try_clone()?;
                // SAFETY: what watches the descriptor owns it, so that it stays open for as long.
                let watched = unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) }?;
                watched.readable().await.map(drop)
            }
            Hold::Start(_) => Err(io::ErrorKind::Unsupported.into()),
            Hold::Ended => Ok(()),
        }
    }
}

impl Hold {
    fn of(pid: i32) -> Option<Self> {
        match pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()) {
            Ok(descriptor) => Some(Self::Descriptor(descriptor)),
            Err(Errno::SRCH) => Some(Self::Ended),
            Err(_) => started(Path::new("/proc"), pid).map(Self::Start),
        }
    }
}

fn peer_descriptor(stream: &UnixStream) -> Result<OwnedFd, Errno> {
    let mut descriptor: libc::c_int = -1;
    let mut bytes = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes no more than `bytes` bytes, which is the size of `descriptor`.
    let failed = unsafe {
        let value = (&raw mut descriptor).cast();
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, SO_PEERPIDFD, value, &raw mut bytes) != 0
    };
    if failed {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOPROTOOPT));
    }
    if descriptor < 0 || bytes as usize != size_of::<libc::c_int>() {
        return Err(Errno::NOPROTOOPT);
    }
    // SAFETY: the kernel made it for this call, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        (child, pid)
    }

    #[tokio::test]
    async fn a_process_has_ended_from_the_moment_it_ends_whoever_has_its_number_then() {
        let (mut child, pid) = sleeper();
        let process = Process::living(pid).unwrap();
        assert!(!process.has_ended() && process.can_be_waited_for());
        child.kill().unwrap();
        process.end().await.unwrap();
        assert!(process.has_ended(), "not yet waited for by its parent");
        child.wait().unwrap();
        assert!(process.has_ended());
        assert!(Process::living(pid).unwrap().has_ended());
    }

    #[tokio::test]
    async fn without_a_descriptor_its_start_tells_it_from_the_next_of_its_number() {
        let (mut child, pid) = sleeper();
        let start = started(Path::new("/proc"), pid).unwrap();
        let held = |start| Process { pid, hold: Arc::new(Hold::Start(start)) };
        assert!(!held(start).has_ended());
        assert!(held(start + 1).has_ended() && held(start - 1).has_ended());
        assert!(held(start).end().await.is_err(), "it would have to be asked again and again");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(held(start).has_ended());
    }

    #[tokio::test]
    async fn the_peer_of_a_connection_is_held_as_the_kernel_tells() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let process = Process::of_peer(&ours, own).unwrap();
        assert_eq!(process.pid, own);
        assert!(!process.has_ended());
    }
}
