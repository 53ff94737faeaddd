//! Whether a training can pause, is asked to, and stands still: its programs say what they can, its owner what they shall.

use tokio::sync::watch;

/// As it stands now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pausing {
    /// Programs of the recording that can pause.
    able: u32,
    /// Those of them that stand still.
    still: u32,
    asked: bool,
}

impl Pausing {
    #[must_use]
    pub fn is_possible(self) -> bool {
        self.able > 0
    }

    /// Whether it is asked to pause.
    #[must_use]
    pub fn is_asked(self) -> bool {
        self.asked
    }

    /// Whether all of it stands still.
    #[must_use]
    pub fn stands(self) -> bool {
        self.able > 0 && self.still == self.able
    }
}

/// What a recording knows of it.
#[derive(Debug, Default)]
pub(super) struct Pause(watch::Sender<Pausing>);

impl Pause {
    pub(super) fn now(&self) -> Pausing {
        *self.0.borrow()
    }

    /// Whether there was anybody to ask.
    pub(super) fn ask(&self, pause: bool) -> bool {
        let mut possible = false;
        self.0.send_if_modified(|now| {
            possible = now.is_possible();
            let asked = pause && possible;
            std::mem::replace(&mut now.asked, asked) != asked
        });
        possible
    }

    pub(super) fn enter(&self) -> Holder {
        self.0.send_modify(|now| now.able += 1);
        Holder { pausing: self.0.clone(), told: self.0.subscribe(), still: false }
    }
}

/// A program that can pause, for as long as this lives. One that goes was the last to be asked: nobody waits then.
#[derive(Debug)]
pub struct Holder {
    pausing: watch::Sender<Pausing>,
    told: watch::Receiver<Pausing>,
    still: bool,
}

impl Holder {
    /// It says whether it stands still.
    pub fn stands(&mut self, still: bool) {
        if std::mem::replace(&mut self.still, still) != still {
            self.pausing.send_modify(|now| now.still = if still { now.still + 1 } else { now.still - 1 });
        }
    }

    /// Whether it is to stand still.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.pausing.borrow().asked
    }

    /// Returns once something may have changed.
    pub async fn changed(&mut self) {
        // Its own sender is alive: this cannot fail.
        let _ = self.told.changed().await;
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.stands(false);
        self.pausing.send_modify(|now| {
            now.able -= 1;
            now.asked &= now.able > 0;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_who_did_not_say_that_it_can() {
        let pause = Pause::default();
        assert!(!pause.ask(true));
        assert_eq!(pause.now(), Pausing::default());
    }

    #[test]
    fn it_stands_once_each_of_its_programs_does() {
        let pause = Pause::default();
        let (mut one, mut other) = (pause.enter(), pause.enter());
        assert!(pause.ask(true) && one.is_asked() && other.is_asked());
        one.stands(true);
        one.stands(true);
        assert!(!pause.now().stands());
        other.stands(true);
        assert!(pause.now().stands());
        drop(one);
        assert!(pause.now().stands());
        assert!(pause.ask(false) && !other.is_asked());
    }

    #[test]
    fn what_was_asked_goes_with_the_last_who_was() {
        let pause = Pause::default();
        let mut one = pause.enter();
        one.stands(true);
        assert!(pause.ask(true));
        drop(one);
        assert_eq!(pause.now(), Pausing::default());
        assert!(!pause.enter().is_asked());
    }

    #[tokio::test]
    async fn who_holds_is_told() {
        let pause = Pause::default();
        let mut one = pause.enter();
        let _ = tokio::time::timeout(std::time::Duration::from_millis(1), one.changed()).await;
        assert!(pause.ask(true));
        one.changed().await;
        assert!(one.is_asked());
    }
}
