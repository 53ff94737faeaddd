//! Which processes are the application's and which the daemon's.

use std::io;
use std::path::{Path, PathBuf};

use rustc_hash::{FxHashMap, FxHashSet};

use super::process_stat::ProcessStat;
use super::started;

/// Whose energy a process's CPU time stands for. Everyone else is other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Application,
    Daemon,
}

/// A process of one of the groups; a pid alone may be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) pid: i32,
    pub(crate) start: u64,
    pub(crate) group: Group,
}

/// The application with its descendants, and the excluded processes with theirs.
///
/// A process stays what it was when first seen: a child whose parent dies is re-parented, not lost. A child whose
/// parent was born and died between two looks cannot be told from a stranger; its time is others'.
#[derive(Debug)]
pub(crate) struct Members {
    proc_root: PathBuf,
    application: i32,
    /// When it started; `None`: it cannot be seen, so nobody of its number is it.
    start: Option<u64>,
    excluded: Vec<i32>,
    known: FxHashMap<i32, Member>,
    /// Strangers, so that a look reads only what is new. A pid cannot come round between two looks.
    others: FxHashSet<i32>,
    forks: Option<u64>,
}

impl Members {
    pub(crate) fn new(proc_root: &Path, application: i32, excluded: Vec<i32>) -> Self {
        Self {
            proc_root: proc_root.to_owned(),
            application,
            start: started(proc_root, application),
            excluded,
            known: FxHashMap::default(),
            others: FxHashSet::default(),
            forks: None,
        }
    }

    /// Forgets everyone; the next look starts anew.
    pub(crate) fn reset(&mut self) {
        self.known.clear();
        self.others.clear();
        self.forks = None;
    }

    pub(crate) fn directory(&self, pid: i32) -> PathBuf {
        self.proc_root.join(pid.to_string())
    }

    /// Members that were not known yet, parents before their children.
    ///
    /// `forks` is the machine's count of processes made ([`super::machine::MachineStat::forks`]), read before:
    /// while it stands still nothing is looked at.
    pub(crate) fn discover(&mut self, forks: Option<u64>) -> io::Result<Vec<Member>> {
        if forks.is_some() && forks == self.forks {
            return Ok(Vec::new());
        }
        let mut listed = FxHashSet::default();
        let mut unplaced = Vec::new();
        for entry in std::fs::read_dir(&self.proc_root)? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            listed.insert(pid);
            if self.others.contains(&pid) {
                continue;
            }
            // One that cannot be read is gone, or another user's under hidepid: no descendant that we may account.
            if let Ok(stat) = ProcessStat::read(&self.directory(pid)) {
                if self.known.get(&pid).is_some_and(|member| member.start == stat.start) {
                    continue;
                }
                // Whoever has a member's number now is neither that member nor the parent of its children.
                self.known.remove(&pid);
                unplaced.push((pid, stat));
            }
        }
        self.others.retain(|pid| listed.contains(pid));
        self.known.retain(|pid, _| listed.contains(pid));
        let mut found = Vec::new();
        loop {
            let before = unplaced.len();
            unplaced.retain(|(pid, stat)| {
                let Some(group) = self.place(*pid, stat) else { return true };
                let member = Member { pid: *pid, start: stat.start, group };
                self.known.insert(*pid, member);
                found.push(member);
                false
            });
            if unplaced.len() == before {
                break;
            }
        }
        self.others.extend(unplaced.iter().map(|(pid, _)| *pid));
        self.forks = forks;
        Ok(found)
    }

    fn place(&self, pid: i32, stat: &ProcessStat) -> Option<Group> {
        if self.excluded.contains(&pid) {
            Some(Group::Daemon)
        } else if pid == self.application && self.start == Some(stat.start) {
            Some(Group::Application)
        } else {
            self.known.get(&stat.parent).map(|member| member.group)
        }
    }

    /// Forgets a process that has ended; whoever gets its pid next is looked at anew.
    pub(crate) fn forget(&mut self, ended: &Member) {
        if self.known.get(&ended.pid) == Some(ended) {
            self.known.remove(&ended.pid);
        }
        self.forks = None;
    }

    /// Whether a pid is, right now, a process of the application.
    pub(crate) fn is_application(&self, pid: i32) -> bool {
        self.known.get(&pid).is_some_and(|member| {
            member.group == Group::Application
                && ProcessStat::read(&self.directory(pid)).is_ok_and(|stat| stat.start == member.start)
        })
    }
}
