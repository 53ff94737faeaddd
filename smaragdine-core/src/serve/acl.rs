//! A second group on a file: Linux's access control list (acl(5)), as its extended attribute holds it.

use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::fs::{XattrFlags, setxattr};
use rustix::io::Errno;

/// `linux/posix_acl_xattr.h`
const NAME: &str = "system.posix_acl_access";
const VERSION: u32 = 2;
const NOBODY_NAMED: u32 = u32::MAX;
const READ_WRITE: u16 = 6;
const NOTHING: u16 = 0;

/// `linux/posix_acl.h`, in the order that the kernel wants.
#[repr(u16)]
enum Tag {
    Owner = 0x01,
    OwningGroup = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Others = 0x20,
}

/// Lets the owner and the members of `group` read and write a file, with `its_group` those of its own group as well, and
/// nobody else. Only its owner may say so, who needs not be in the group.
///
/// # Errors
/// `OPNOTSUPP` where the file system keeps no such lists.
pub(crate) fn share_with(file: &File, group: u32, its_group: bool) -> rustix::io::Result<()> {
    let entries = [
        (Tag::Owner, READ_WRITE, NOBODY_NAMED),
        (Tag::OwningGroup, if its_group { READ_WRITE } else { NOTHING }, NOBODY_NAMED),
        (Tag::Group, READ_WRITE, group),
        (Tag::Mask, READ_WRITE, NOBODY_NAMED),
        (Tag::Others, NOTHING, NOBODY_NAMED),
    ];
    let mut list = VERSION.to_le_bytes().to_vec();
    for (tag, may, whom) in entries {
        list.extend_from_slice(&(tag as u16).to_le_bytes());
        list.extend_from_slice(&may.to_le_bytes());
        list.extend_from_slice(&whom.to_le_bytes());
    }
    // A descriptor that only names a file (O_PATH) takes no attributes; its name in /proc does.
    match setxattr(format!("/proc/self/fd/{}", file.as_raw_fd()), NAME, &list, XattrFlags::empty()) {
        Err(Errno::NOENT) => Err(Errno::OPNOTSUPP),
        done => done,
    }
}
