//! The pipe that a private daemon lives by: its other end closes when the client is gone, however it went.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use anyhow::bail;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};

/// Takes the descriptor that this process was started with. To be called before anything else opens one.
///
/// # Errors
/// In words, where the number is no descriptor, was not inherited, or cannot be read from.
pub fn take(number: i32) -> anyhow::Result<OwnedFd> {
    let hint = "hint: --lifeline-fd is for programs that start a daemon with a pipe of theirs; leave it out";
    if number < 0 {
        bail!("--lifeline-fd {number} is no file descriptor\n{hint}");
    }
    // SAFETY: only asked about, and not kept; a number that is not open is told by the kernel.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    match fcntl_getfd(borrowed) {
        Err(_) => bail!("--lifeline-fd {number} is not open\n{hint}"),
        // What is inherited survived an exec; what does not is this process's own.
        Ok(flags) if flags.contains(FdFlags::CLOEXEC) => bail!("--lifeline-fd {number} was not inherited\n{hint}"),
        Ok(_) => {}
    }
    if fcntl_getfl(borrowed).is_ok_and(|flags| flags & OFlags::ACCMODE == OFlags::WRONLY) {
        bail!("--lifeline-fd {number} cannot be read from\n{hint}");
    }
    // SAFETY: it is open, and was inherited for this purpose: nothing else in this process uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, IntoRawFd};

    use rustix::io::fcntl_setfd;

    use super::*;

    #[test]
    fn an_inherited_pipe_is_taken() {
        let (read, _write) = rustix::pipe::pipe().unwrap();
        fcntl_setfd(&read, FdFlags::empty()).unwrap();
        let number = read.into_raw_fd();
        assert_eq!(take(number).unwrap().as_raw_fd(), number);
    }

    #[test]
    fn what_is_no_descriptor_of_anybody_or_our_own_is_refused_in_words() {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let told = |number: i32| take(number).unwrap_err().to_string();
        for (number, why) in [(-1, "no file descriptor"), (i32::MIN, "no file descriptor"), (1 << 20, "not open")] {
            assert!(told(number).contains(why) && told(number).contains("hint:"), "{}", told(number));
        }
        assert!(told(read.as_raw_fd()).contains("not inherited"));
        fcntl_setfd(&write, FdFlags::empty()).unwrap();
        assert!(told(write.as_raw_fd()).contains("cannot be read from"));
    }
}
