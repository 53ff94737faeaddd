//! Room in memory for what is on its way from and to clients, shared so that no user can take that of others.
//!
//! There is no fixed share for each: a user may hold a third of what is left for others. One alone gets a quarter of the
//! room, ten that take all they can leave a twentieth of it, and whoever comes later finds some.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::error::Error;

/// Bytes of all users at once.
const MOST: usize = 192 << 20;
/// What is left for others is so many times what one user holds.
const LEFT: usize = 3;
/// Calls under way, of all users and of one; root is only held to the first. Each takes some ten KiB beside what it sends.
const MOST_CALLS: usize = 2048;
const MOST_CALLS_OF_ONE: usize = 512;
/// Whatever is being received or sent takes as much at least.
const LEAST: usize = 4 << 10;

/// How long room may be held, or waited for, without anything coming of it while somebody else needs it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is held by whom.
#[derive(Debug, Clone, Default)]
pub struct Room {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    users: HashMap<u32, Own>,
    bytes: usize,
    calls: usize,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Own {
    bytes: usize,
    calls: usize,
    waiting: usize,
}

impl Room {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call's place.
    ///
    /// # Errors
    /// [`Error::OverQuota`] where the user has too many.
    pub(crate) fn call(&self, uid: u32) -> Result<Call, Error> {
        let mut taken = self.taken();
        let own = taken.users.get(&uid).map_or(0, |own| own.calls);
        let told = if taken.calls >= MOST_CALLS {
            format!("{MOST_CALLS} calls are under way, which is the most that this daemon takes")
        } else if uid != 0 && own >= MOST_CALLS_OF_ONE {
            format!("{own} calls of yours are under way, which is the most for one user")
        } else {
            taken.calls += 1;
            taken.users.entry(uid).or_default().calls += 1;
            return Ok(Call { room: self.clone(), uid });
        };
        Err(Error::OverQuota { told, hint: "end some of your programs, or calls of theirs, first" })
    }

    /// Room for `bytes`, if there is so much now.
    pub(crate) fn try_take(&self, uid: u32, bytes: usize) -> Option<Held> {
        let bytes = bytes.max(LEAST);
        let mut taken = self.taken();
        let own = taken.users.get(&uid).map_or(0, |own| own.bytes);
        if (own + bytes).saturating_mul(LEFT) > (MOST - taken.bytes).saturating_sub(bytes) {
            return None;
        }
        taken.bytes += bytes;
        taken.users.entry(uid).or_default().bytes += bytes;
        Some(Held { room: self.clone(), uid, bytes })
    }

    /// Room for `bytes`, as soon as there is so much.
    ///
    /// # Errors
    /// [`Error::OverQuota`] where there is not for too long.
    pub(crate) async fn take(self, uid: u32, bytes: usize) -> Result<Held, Error> {
        let _waiting = Waiting::new(self.clone(), uid);
        let taking = async {
            loop {
                let freed = self.shared.freed.notified();
                tokio::pin!(freed);
                // What is freed from here on is heard of.
                freed.as_mut().enable();
                if let Some(held) = self.try_take(uid, bytes) {
                    return held;
                }
                freed.await;
            }
        };
        tokio::time::timeout(PATIENCE, taking).await.map_err(|_| {
            let own = self.taken().users.get(&uid).map_or(0, |own| own.bytes) >> 20;
            Error::OverQuota {
                told: format!(
                    "{own} MiB of yours are on their way to or from this daemon, and there is no room for more"
                ),
                hint: "let what is on its way arrive first",
            }
        })
    }

    /// Whether somebody waits for what this user could give: another of its own calls, or a user that holds less.
    pub(crate) fn is_wanted_from(&self, uid: u32) -> bool {
        let taken = self.taken();
        let Some(own) = taken.users.get(&uid) else { return false };
        own.waiting > 0 || taken.waiting > 0 && taken.users.values().all(|other| other.bytes <= own.bytes)
    }

    fn free(&self, uid: u32, change: impl FnOnce(&mut Taken, u32)) {
        let mut taken = self.taken();
        change(&mut taken, uid);
        if taken.users.get(&uid).is_some_and(|own| own.bytes == 0 && own.calls == 0 && own.waiting == 0) {
            taken.users.remove(&uid);
        }
        if taken.waiting > 0 {
            self.shared.freed.notify_waiters();
        }
    }
}

/// Some room, free again when dropped.
#[derive(Debug)]
pub struct Held {
    room: Room,
    uid: u32,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.free(self.uid, |taken, uid| {
            taken.bytes -= self.bytes;
            taken.users.entry(uid).or_default().bytes -= self.bytes;
        });
    }
}

/// One call's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Call {
    room: Room,
    uid: u32,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.room.free(self.uid, |taken, uid| {
            taken.calls -= 1;
            taken.users.entry(uid).or_default().calls -= 1;
        });
    }
}

/// Somebody waits for room until this is dropped.
struct Waiting {
    room: Room,
    uid: u32,
}

impl Waiting {
    fn new(room: Room, uid: u32) -> Self {
        let mut taken = room.taken();
        taken.waiting += 1;
        taken.users.entry(uid).or_default().waiting += 1;
        drop(taken);
        Self { room, uid }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.room.free(self.uid, |taken, uid| {
            taken.waiting -= 1;
            taken.users.entry(uid).or_default().waiting -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn fill(room: &Room, uid: u32) -> Vec<Held> {
        std::iter::from_fn(|| room.try_take(uid, MIB)).collect()
    }

    #[test]
    fn one_user_gets_a_quarter_and_whoever_comes_later_finds_room() {
        let room = Room::default();
        let first = fill(&room, 1);
        assert_eq!(first.len(), MOST / MIB / 4);
        let greedy: Vec<_> = (2..11).map(|uid| fill(&room, uid)).collect();
        assert!(room.try_take(99, 2 * MIB).is_some(), "ten that take all they can leave some");
        let more: Vec<_> = (11..1000).map(|uid| fill(&room, uid)).collect();
        assert!(room.try_take(9999, LEAST).is_some(), "and so do a thousand");
        drop((greedy, more, first));
        assert_eq!(room.taken().bytes, 0);
        assert!(room.taken().users.is_empty(), "nothing is kept of users that left");
    }

    #[test]
    fn calls_have_a_limit_for_each_user_and_in_words() {
        let room = Room::default();
        let held: Vec<_> = (0..MOST_CALLS_OF_ONE).map(|_| room.call(7).unwrap()).collect();
        let refused = room.call(7).unwrap_err();
        assert!(refused.to_string().contains("512 calls of yours") && refused.hint().is_some(), "{refused}");
        assert!(room.call(8).is_ok());
        drop(held);
        assert!(room.call(7).is_ok());
    }

    #[tokio::test]
    async fn whoever_waits_gets_what_is_freed_and_it_is_wanted_from_whoever_holds_most() {
        let room = Room::default();
        let (most, little) = (fill(&room, 1), room.try_take(2, MIB).unwrap());
        let waiting = tokio::spawn(room.clone().take(3, 40 * MIB));
        while !room.is_wanted_from(1) {
            tokio::task::yield_now().await;
        }
        assert!(!room.is_wanted_from(2));
        drop(most);
        let held = waiting.await.unwrap().unwrap();
        assert_eq!(held.bytes, 40 * MIB);
        drop(little);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let room = Room::default();
        let _held = fill(&room, 1);
        let refused = room.clone().take(1, 4 * MIB).await.unwrap_err();
        assert!(refused.to_string().contains("48 MiB of yours"), "{refused}");
    }
}
