//! Journals that are being assembled, and those that wait for it.

use std::collections::HashMap;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process_group};

#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) leaving: bool,
    pub(super) memory: u64,
    pub(super) by_dir: HashMap<PathBuf, Job>,
    /// Whose journals wait for their turn, and where each stands among those of its user.
    pub(super) waiting: Vec<(u32, Stand)>,
    pub(super) asked: u64,
}

/// The smallest first, then who asked first: the bytes that it may take, and a number. Whoever ends one recording waits
/// for one other of theirs at most, however many larger ones a program of theirs has sent.
pub(super) type Stand = (u64, u64);

#[derive(Debug)]
pub(super) struct Job {
    pub(super) owner: u32,
    pub(super) memory: u64,
    /// Its child, which leads a process group of its own.
    pub(super) child: Option<Pid>,
    pub(super) cancelled: bool,
}

impl Jobs {
    /// Whether one more may start: one of a user at a time, and large ones leave room for small ones.
    pub(super) fn have_room(&self, owner: u32, memory: u64, most: u64) -> bool {
        let left = most.saturating_sub(self.memory);
        let is_large = memory > most / 8;
        let room = if is_large { left / 2 } else { left };
        self.by_dir.is_empty() || (memory <= room && self.by_dir.values().all(|job| job.owner != owner))
    }

    pub(super) fn is_next(&self, owner: u32, stand: Stand) -> bool {
        self.waiting.iter().all(|(other, before)| *other != owner || stand <= *before)
    }
}

impl Job {
    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
        if let Some(child) = self.child {
            let _ = kill_process_group(child, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LEAST_MEMORY;
    use super::*;

    #[test]
    fn one_journal_of_a_user_is_assembled_at_a_time_and_large_ones_leave_room_for_small_ones() {
        let most = 512 << 20;
        let mut jobs = Jobs::default();
        let add = |jobs: &mut Jobs, owner: u32, memory: u64| {
            let has_room = jobs.have_room(owner, memory, most);
            if has_room {
                jobs.memory += memory;
                jobs.by_dir.insert(owner.to_string().into(), Job { owner, memory, child: None, cancelled: false });
            }
            has_room
        };
        assert!(add(&mut jobs, 1, 256 << 20));
        assert!(!add(&mut jobs, 1, LEAST_MEMORY), "one of a user");
        assert!(!add(&mut jobs, 2, 256 << 20) && add(&mut jobs, 2, 128 << 20), "half of what is left");
        assert!(add(&mut jobs, 3, LEAST_MEMORY) && add(&mut jobs, 4, LEAST_MEMORY));
        assert!(!add(&mut jobs, 5, LEAST_MEMORY));
    }
}
