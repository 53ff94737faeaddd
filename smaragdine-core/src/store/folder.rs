//! The one way in which files are written: whole or not at all, and through no link that somebody planted.
//!
//! A new random name is opened exclusively, in a directory that is held by descriptor; once all of it is on the disk, it
//! is renamed to its own name. Whatever was there, a link as well, is replaced, never followed. Journals, locks and
//! sockets, which live in the daemon's own state directory, are all else that is opened for writing.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, statat, unlinkat};

use crate::error::{Error, Result};

/// A directory that is written into.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    directory: OwnedFd,
}

impl Folder {
    /// Opens the directory at `path`, made if absent.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made or opened.
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, OFlags::RDONLY | flags, Mode::empty())
            // One may write in it, and not list it.
            .or_else(|_| openat(CWD, path, OFlags::PATH | flags, Mode::empty()))
            .map_err(|problem| Error::io("open", path)(problem.into()))?;
        Ok(Self { path: path.to_owned(), directory })
    }

    /// Puts a file that `fill` writes in place of what is at `name`. Where that fails, all is as it was.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written, and what `fill` says; it gets the file's path for that.
    pub fn replace(&self, name: &str, fill: impl FnOnce(&mut BufWriter<File>, &Path) -> Result<()>) -> Result<()> {
        let path = self.path.join(name);
        let partial = random("partial");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, &partial, flags, Mode::from_raw_mode(0o666))
            .map_err(|problem| Error::io("create", &path)(problem.into()))?;
        let written = (|| {
            self.keep_private(name, &file).map_err(Error::io("write", &path))?;
            let mut file = BufWriter::new(File::from(file));
            fill(&mut file, &path)?;
            let file = file.into_inner().map_err(|problem| Error::io("write", &path)(problem.into_error()))?;
            // Renaming before the content is on the disk could leave an empty file behind a power failure.
            file.sync_all().map_err(Error::io("write", &path))?;
            self.put(&partial, name).map_err(Error::io("replace", &path))
        })();
        if written.is_err() {
            // What is reported is why writing failed; a leftover that cannot be removed adds nothing.
            let _ = unlinkat(&self.directory, &partial, AtFlags::empty());
        }
        written
    }

    /// A file that nobody else sees, to be written and read: it has no name any more, and goes when it is closed.
    ///
    /// # Errors
    /// Where none can be made here.
    pub fn scratch(&self) -> io::Result<File> {
        let name = random("scratch");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, &name, flags, Mode::from_raw_mode(0o600))?;
        unlinkat(&self.directory, &name, AtFlags::empty())?;
        Ok(file.into())
    }

    /// Who may not open what is replaced may not open what replaces it.
    fn keep_private(&self, name: &str, file: &OwnedFd) -> io::Result<()> {
        if let Ok(before) = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)
            && FileType::from_raw_mode(before.st_mode).is_file()
        {
            fchmod(file, Mode::from_raw_mode(fstat(file)?.st_mode & before.st_mode & 0o666))?;
        }
        Ok(())
    }

    fn put(&self, partial: &str, name: &str) -> io::Result<()> {
        let there = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        if !there.is_ok_and(|there| FileType::from_raw_mode(there.st_mode).is_dir()) {
            renameat(&self.directory, partial, &self.directory, name)?;
        } else {
            // A table that Spark wrote is a folder, which no file is renamed over.
            let aside = random("aside");
            renameat(&self.directory, name, &self.directory, &aside)?;
            renameat(&self.directory, partial, &self.directory, name)?;
            // By way of the descriptor; what links in it lead to stays.
            let held = format!("/proc/self/fd/{}", self.directory.as_raw_fd());
            std::fs::remove_dir_all(Path::new(&held).join(aside))?;
        }
        // Not every file system syncs directories.
        let _ = rustix::fs::fsync(&self.directory);
        Ok(())
    }
}

/// A name that nobody can have foreseen: the keys of a hash are the kernel's random numbers.
fn random(kind: &str) -> String {
    let number = || RandomState::new().hash_one(std::process::id());
    format!(".{:016x}{:016x}.{kind}", number(), number())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(folder: &Folder, name: &str, text: &str) -> Result<()> {
        folder.replace(name, |file, path| file.write_all(text.as_bytes()).map_err(Error::io("write", path)))
    }

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("out")).unwrap();
        let precious = dir.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        for (name, target) in [("to-a-file", "../precious"), ("to-nothing", "../absent"), ("to-itself", "to-itself")] {
            symlink(target, dir.path().join("out").join(name)).unwrap();
            write(&folder, name, "new").unwrap();
            let path = dir.path().join("out").join(name);
            assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{name}");
            assert_eq!(fs::read_to_string(path).unwrap(), "new");
        }
        assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
        assert!(!dir.path().join("absent").exists());
    }

    #[test]
    fn a_second_name_of_another_file_is_replaced_and_the_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), "mine").unwrap();
        fs::hard_link(dir.path().join("precious"), dir.path().join("name")).unwrap();
        write(&Folder::open(dir.path()).unwrap(), "name", "new").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("precious")).unwrap(), "mine");
    }

    #[test]
    fn a_folder_is_replaced_and_what_links_in_it_lead_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("home/deep")).unwrap();
        fs::create_dir(dir.path().join("name")).unwrap();
        symlink("../home", dir.path().join("name/part")).unwrap();
        write(&Folder::open(dir.path()).unwrap(), "name", "new").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("name")).unwrap(), "new");
        assert!(dir.path().join("home/deep").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_was_private_stays_so_and_nothing_becomes_executable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        let folder = Folder::open(dir.path()).unwrap();
        for (before, after) in [(0o600, 0o600), (0o4777, 0o666), (0o640, 0o640)] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
            write(&folder, "name", "new").unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode & !after, 0, "{mode:o} after {before:o}");
        }
    }

    #[test]
    fn where_writing_fails_all_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("name"), "old").unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let failed = folder.replace("name", |file, _| {
            file.write_all(b"half").unwrap();
            Err(Error::Invalid("no more".to_owned()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(dir.path().join("name")).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
