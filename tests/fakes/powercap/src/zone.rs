//! One zone: its files, its register, and what goes wrong with them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::fault::Kind;
use crate::register::Register;

const DIGITS: usize = 15;
/// The largest range that fifteen digits hold.
pub const LARGEST_RANGE_UJ: u64 = 999_999_999_999_999;

#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) counted: Register,
    pub(crate) max_power_uw: Option<u64>,
    pub(crate) mode: u32,
    pub(crate) directory: PathBuf,
    /// `class/powercap/ID`, and what it leads to.
    pub(crate) link: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) class: PathBuf,
    /// The open register while the zone is there.
    pub(crate) register: Mutex<Option<File>>,
}

impl Zone {
    /// Microjoules drawn in the first `seconds`.
    pub(crate) fn energy_uj(&self, seconds: f64) -> u64 {
        self.counted.energy_uj(seconds)
    }

    /// Moves the register to where it stands after `seconds`.
    pub(crate) fn write(&self, seconds: f64) -> io::Result<()> {
        let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = self.counted.suffers(seconds);
        if kind == Some(Kind::Vanish) {
            return register.take().map_or(Ok(()), |register| self.vanish(&register));
        }
        let register = match &mut *register {
            Some(register) => register,
            gone => gone.insert(self.appear()?),
        };
        if kind == Some(Kind::Deny) {
            register.set_permissions(fs::Permissions::from_mode(0o000))?;
            return register.set_len(0);
        }
        if self.counted.faults.iter().any(|fault| fault.kind == Kind::Deny) {
            register.set_permissions(fs::Permissions::from_mode(self.mode))?;
        }
        let text = match kind {
            // An empty file is a read without a value, also on a descriptor that is open already.
            Some(Kind::Fail) => return register.set_len(0),
            Some(Kind::Garbage) => "no number here!\n".to_owned(),
            _ => format!("{:0DIGITS$}\n", self.counted.shows_uj(seconds)),
        };
        register.write_all_at(text.as_bytes(), 0)
    }

    fn appear(&self) -> io::Result<File> {
        fs::create_dir_all(&self.directory)?;
        fs::write(self.directory.join("name"), format!("{}\n", self.name))?;
        fs::write(self.directory.join("max_energy_range_uj"), format!("{}\n", self.counted.range_uj))?;
        fs::write(self.directory.join("enabled"), "0\n")?;
        if let Some(most_uw) = self.max_power_uw {
            fs::write(self.directory.join("constraint_0_name"), "long_term\n")?;
            fs::write(self.directory.join("constraint_0_max_power_uw"), format!("{most_uw}\n"))?;
        }
        let register = File::options().write(true).create(true).truncate(true).open(self.register_path())?;
        register.set_permissions(fs::Permissions::from_mode(self.mode))?;
        link(&self.class, &self.directory.join("subsystem"))?;
        link(&self.target, &self.link)?;
        Ok(register)
    }

    fn vanish(&self, register: &File) -> io::Result<()> {
        register.set_len(0)?;
        fs::remove_file(&self.link)?;
        // Zones are written those within others first, so nothing is left in it.
        fs::remove_dir_all(&self.directory)
    }

    fn register_path(&self) -> PathBuf {
        self.directory.join("energy_uj")
    }
}

/// Relative as in sysfs, so that the tree can be moved or mounted elsewhere.
pub(crate) fn link(target: &Path, link: &Path) -> io::Result<()> {
    match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => symlink(target, link),
    }
}
