//! What monitors are told of a recording: whose its energy was, and nothing of its operations.

use tokio::sync::watch::Receiver;

use super::Recording;
use super::collector::Live;
use crate::monitor::recordings::{Account, Roll};
use crate::trace::Entry;

#[derive(Debug)]
struct Told(Receiver<Live>);

impl Account for Told {
    fn energy_j(&self) -> Vec<(String, Entry, f64)> {
        let live = self.0.borrow();
        let of_domains = live.settled.domains.iter().flat_map(|(domain, whose)| {
            let entries = [
                (Entry::Application, whose.application_j),
                (Entry::Daemon, whose.daemon_j),
                (Entry::Other, whose.other_j),
                (Entry::Idle, whose.idle_j),
                (Entry::Gap, whose.unknown_j),
            ];
            entries.map(|(entry, energy_j)| (domain.clone(), entry, energy_j))
        });
        of_domains.collect()
    }

    fn has_ended(&self) -> bool {
        // The collector tells the last before it goes.
        self.0.has_changed().is_err()
    }
}

impl Recording {
    /// Has monitors told of it from now on.
    pub(crate) fn enter(&self, roll: &Roll) {
        let counted = self.metadata.domains.iter().filter(|domain| domain.counted);
        roll.enter(&self.id, counted.map(|domain| domain.name.clone()).collect(), Box::new(Told(self.live())));
    }
}
