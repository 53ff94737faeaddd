//! One error type for the library: what failed, and a hint that says what to do.

use std::borrow::Cow;
use std::path::PathBuf;

/// What went wrong, in words a user can act on; [`Error::hint`] says how.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not a trace: {problem}", path.display())]
    NotATrace { path: PathBuf, problem: String },
    /// Of a version of the layout that is not known here.
    #[error("the trace {} has a layout of version {version}, and this version of smaragdine knows {known}", path.display())]
    UnknownLayout { path: PathBuf, version: u64, known: u32 },
    #[error("the trace {} is damaged: {problem}", path.display())]
    DamagedTrace { path: PathBuf, problem: String },
    /// It can be read, and is not as it was sealed.
    #[error("the trace {} is damaged: {problem}", path.display())]
    ChangedTrace { path: PathBuf, problem: String },
    #[error("no energy sensor is readable here")]
    NoSensor,
    /// Sensors are, with why each of them cannot be counted.
    #[error("{0}")]
    NothingCounted(String),
    #[error("there is no recording {0}")]
    NoSuchRecording(String),
    #[error("user {uid} may not use this daemon")]
    NotAdmitted { uid: u32, group: Option<String> },
    #[error("{0}")]
    TooMuch(String),
    /// A user's share of the daemon is used up: what of, how much, and what to do.
    #[error("{told}")]
    OverQuota { told: String, hint: &'static str },
    #[error("the service that recorded does not answer, and keeps the journal {} for itself", .0.display())]
    NotYourJournal(PathBuf),
    #[error("no room is left in {}", path.display())]
    NoRoom { path: PathBuf },
    #[error("the process that connected has ended, and another one asks for it: there is nobody to record")]
    CallerEnded,
    #[error("this daemon is leaving and starts no more recordings")]
    Leaving,
    #[error("{what} cannot be decoded: {problem}")]
    Undecodable { what: &'static str, problem: String },
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// An I/O error with what was being done and to which path.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        if let Self::NotAdmitted { group: Some(group), .. } = self {
            return Some(format!("ask an administrator for `sudo usermod --append --groups {group} USER`").into());
        }
        self.fixed_hint().map(Cow::Borrowed)
    }

    fn fixed_hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("`smaragdine doctor` tells which permission is missing and who can grant it")
            }
            Self::NotATrace { .. } => Some("name the directory that a recording wrote; it holds trace.json"),
            Self::UnknownLayout { .. } => Some(
                "a newer version wrote it: `pip install --upgrade smaragdine`, or open it with the version that did",
            ),
            Self::DamagedTrace { .. } => Some("`smaragdine recover OUTPUT` rebuilds a trace that a crash cut"),
            Self::ChangedTrace { .. } => {
                Some("copy it anew; if you changed it on purpose, `smaragdine account` takes it as it is and seals it")
            }
            Self::NoSensor | Self::NothingCounted(_) => {
                Some("`smaragdine doctor` tells how to measure; without --require-measured power is modelled")
            }
            Self::NotAdmitted { .. } => Some("unset SMARAGDINE_SOCKET to have a daemon of your own"),
            Self::NotYourJournal(_) => {
                Some("once it runs again (`sudo systemctl start smaragdined`), call `smaragdine recover` again")
            }
            Self::CallerEnded => Some("connect from the process that is to be recorded"),
            Self::NoRoom { .. } => Some("free some space there"),
            Self::OverQuota { hint, .. } => Some(hint),
            _ => None,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
