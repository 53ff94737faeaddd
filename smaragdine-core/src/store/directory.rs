//! A directory in which nobody else can put, move or remove anything, so that every name in it stays what it is.
//!
//! It is walked to from the root by descriptor, since whoever may change a directory above can change all below. Each on
//! the way has to be this user's or root's, and closed to the writing of others, or sticky, as `/tmp` is: there others
//! may add what they like, but move nothing of ours. The directory itself is this user's or root's, and no other's to
//! write at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FileType, Mode, OFlags, Stat, fchmod, fstat, mkdirat, open, openat, readlinkat};
use rustix::io::Errno;

/// As many links as the kernel follows in one path.
const MOST_LINKS: usize = 40;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Held open: its descriptor leads there whatever becomes of the path.
#[derive(Debug)]
pub struct Directory {
    pub descriptor: OwnedFd,
    pub status: Stat,
}

impl Directory {
    /// Opens `path`, for `what` is to lie in it; each directory that is missing is made, of this mode.
    ///
    /// # Errors
    /// Where others own one of the directories or may change what is in it, or it cannot be made or opened.
    pub fn open_or_make(path: &Path, mode: u32, what: &str) -> anyhow::Result<Self> {
        let shown = path.display();
        let doing = || format!("cannot open {shown} for {what}");
        let path = std::path::absolute(path).with_context(doing)?;
        let (mut here, mut trail) = (root().with_context(doing)?, PathBuf::from("/"));
        let mut status = fstat(&here).with_context(doing)?;
        let mut left = names(&path);
        let mut links = 0;
        while let Some(name) = left.pop() {
            refuse_others(&trail, &status, false, what)?;
            let (next, made) = enter(&here, &name, mode)
                .with_context(|| format!("cannot create {} for {what}", trail.join(&name).display()))?;
            let at = trail.join(&name);
            let found = fstat(&next).with_context(doing)?;
            match FileType::from_raw_mode(found.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > MOST_LINKS || !is_trusted(found.st_uid) {
                        bail!(
                            "{} is another user's link, on the way to {what}\nhint: name a directory without it",
                            at.display()
                        );
                    }
                    let target = readlinkat(&here, &name, Vec::new()).with_context(doing)?;
                    let target = PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(target.as_bytes()));
                    if target.is_absolute() {
                        (here, trail) = (root().with_context(doing)?, PathBuf::from("/"));
                        status = fstat(&here).with_context(doing)?;
                    }
                    left.extend(names(&target));
                    continue;
                }
                FileType::Directory => {}
                _ => bail!("{} is no directory, and {what} is to lie in it", at.display()),
            }
            if made {
                // Whatever the umask left of it.
                let writable = openat(&next, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
                fchmod(writable.with_context(doing)?, Mode::from_raw_mode(mode)).with_context(doing)?;
            }
            if name == ".." {
                trail.pop();
            } else {
                trail = at;
            }
            (here, status) = (next, fstat_again(found, made, mode));
        }
        refuse_others(&trail, &status, true, what)?;
        Ok(Self { descriptor: here, status })
    }

    /// A file in it that this user alone may write, made if absent; a link is no such file.
    ///
    /// # Errors
    /// Where it cannot be made, or is something else.
    pub fn append_to(&self, name: &str) -> rustix::io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.descriptor, name, flags, Mode::from_raw_mode(0o600)).map(File::from)
    }
}

fn fstat_again(mut status: Stat, made: bool, mode: u32) -> Stat {
    if made {
        status.st_mode = (status.st_mode & !0o7777) | mode;
    }
    status
}

fn root() -> rustix::io::Result<OwnedFd> {
    open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The names of a path, the first one last.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    names.map(|part| part.as_os_str().to_owned()).rev().collect()
}

/// What has this name, and whether it had to be made.
fn enter(here: &OwnedFd, name: &OsStr, mode: u32) -> rustix::io::Result<(OwnedFd, bool)> {
    let look = || openat(here, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    match look() {
        Err(Errno::NOENT) => match mkdirat(here, name, Mode::from_raw_mode(mode)) {
            Ok(()) => look().map(|made| (made, true)),
            // Another daemon of ours came first.
            Err(Errno::EXIST) => look().map(|found| (found, false)),
            Err(error) => Err(error),
        },
        found => found.map(|found| (found, false)),
    }
}

fn refuse_others(at: &Path, status: &Stat, itself: bool, what: &str) -> anyhow::Result<()> {
    let at = at.display();
    if !is_trusted(status.st_uid) {
        bail!(
            "{at} is user {}'s, who could put something else in the place of {what}\nhint: name a directory of your own, below \
             none of others",
            status.st_uid
        );
    }
    let others_write = status.st_mode & OTHERS_WRITE != 0;
    if others_write && (itself || status.st_mode & STICKY == 0) {
        bail!(
            "others may write in {at}, and put something else in the place of {what}\nhint: `chmod go-w {at}`, or name another \
             directory, which may be a new one"
        );
    }
    Ok(())
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw() || unmapped() == Some(uid)
}

/// Who root seems to be in a user namespace that has no name for it, as a container's.
fn unmapped() -> Option<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
    let all = map.split_whitespace().nth(2).is_some_and(|length| length == "4294967295");
    let overflow = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?;
    overflow.trim().parse().ok().filter(|_| !all)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn opened(path: &Path) -> Result<(), String> {
        Directory::open_or_make(path, 0o700, "its socket").map(drop).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_missing_is_made_of_the_mode_that_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open_or_make(&dir.path().join("a/b"), 0o711, "its socket").unwrap();
        assert_eq!((mode(&dir.path().join("a")), mode(&dir.path().join("a/b"))), (0o711, 0o711));
        assert_eq!(directory.status.st_mode & 0o7777, 0o711);
        opened(&dir.path().join("a/../a/./b")).unwrap();
    }

    #[test]
    fn one_that_others_may_write_is_refused_sticky_or_not() {
        let dir = tempfile::tempdir().unwrap();
        for wide in [0o777, 0o1777, 0o770, 0o707, 0o1770] {
            set(dir.path(), wide);
            let refused = opened(dir.path()).unwrap_err();
            assert!(refused.contains("others may write") && refused.contains("hint: `chmod go-w"), "{refused}");
        }
        set(dir.path(), 0o755);
        opened(dir.path()).unwrap();
    }

    #[test]
    fn above_it_others_may_write_only_where_they_can_move_nothing_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("wide/own");
        opened(&below).unwrap();
        for (wide, fine) in [(0o1777, true), (0o1770, true), (0o777, false), (0o770, false), (0o755, true)] {
            set(&dir.path().join("wide"), wide);
            assert_eq!(opened(&below).is_ok(), fine, "{wide:o}");
        }
    }

    #[test]
    fn links_are_followed_to_where_the_same_holds() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("there/own")).unwrap();
        set(&dir.path().join("there"), 0o755);
        symlink("there", dir.path().join("near")).unwrap();
        symlink(dir.path().join("near"), dir.path().join("far")).unwrap();
        symlink("round", dir.path().join("round")).unwrap();
        opened(&dir.path().join("far/own")).unwrap();
        opened(&dir.path().join("far/new")).unwrap();
        assert!(dir.path().join("there/new").is_dir());
        set(&dir.path().join("there"), 0o777);
        assert!(opened(&dir.path().join("far/own")).unwrap_err().contains("there"));
        assert!(opened(&dir.path().join("round")).is_err());
    }

    #[test]
    fn a_directory_or_link_of_another_user_is_refused_wherever_it_stands() {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("skipped: only root can give directories away");
        }
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        std::fs::create_dir_all(theirs.join("own")).unwrap();
        symlink("theirs", dir.path().join("link")).unwrap();
        std::os::unix::fs::lchown(dir.path().join("link"), Some(61_001), None).unwrap();
        assert!(opened(&dir.path().join("link/own")).unwrap_err().contains("another user's link"));
        std::os::unix::fs::chown(&theirs, Some(61_001), None).unwrap();
        for refused in [opened(&theirs), opened(&theirs.join("own")), opened(&theirs.join("new"))] {
            assert!(refused.as_ref().is_err_and(|told| told.contains("is user 61001's")), "{refused:?}");
        }
        assert!(!theirs.join("new").exists());
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("precious"), "").unwrap();
        symlink("precious", dir.path().join("lock")).unwrap();
        let directory = Directory::open_or_make(dir.path(), 0o700, "its state").unwrap();
        assert_eq!(directory.append_to("lock").unwrap_err(), Errno::LOOP);
        directory.append_to("other").unwrap();
        assert_eq!(mode(&dir.path().join("other")), 0o600);
    }
}
