//! Energy of recordings, where a site wants it told: of those that run, and for a while of those that ended.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use crate::monitor::raise;
use crate::trace::Entry;

/// Recordings that are told at once.
const MOST: usize = 256;
/// How long the last of one that ended is told: longer than anybody takes from one scrape to the next.
const KEPT: Duration = Duration::from_secs(300);
/// Those of the ledger's entries that are known while a recording runs. Here `application` is all of the application's.
const ENTRIES: [Entry; 5] = [Entry::Application, Entry::Daemon, Entry::Other, Entry::Idle, Entry::Gap];

/// What is known of one recording's energy.
pub trait Account: Debug + Send {
    /// Joules so far, of any domain and entry; what is not named has none.
    fn energy_j(&self) -> Vec<(String, Entry, f64)>;
    /// Whether the last is known.
    fn has_ended(&self) -> bool;
}

/// Where recordings are entered when they begin. A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Roll(Arc<Mutex<VecDeque<Entered>>>);

#[derive(Debug)]
struct Entered {
    recording: String,
    domains: Vec<String>,
    account: Box<dyn Account>,
}

impl Roll {
    /// `domains`: those that count.
    pub fn enter(&self, recording: &str, domains: Vec<String>, account: Box<dyn Account>) {
        self.entered().push_back(Entered { recording: recording.to_owned(), domains, account });
    }

    fn entered(&self) -> MutexGuard<'_, VecDeque<Entered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    recording: String,
    domain: String,
    entry: &'static str,
}

/// The counters.
#[derive(Debug)]
pub(super) struct Recordings {
    roll: Roll,
    energies: Family<Labels, Counter<f64, AtomicU64>>,
    /// In the order in which they began.
    told: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    account: Box<dyn Account>,
    series: Vec<(Labels, Counter<f64, AtomicU64>)>,
    ended: Option<Instant>,
}

impl Recordings {
    pub(super) fn new(roll: Roll, registry: &mut Registry) -> Self {
        let energies = Family::default();
        let help = "Energy of a recording that runs, by whose it is, up to two seconds ago";
        registry.register_with_unit("recording_energy", help, Unit::Joules, Family::clone(&energies));
        Self { roll, energies, told: Vec::new() }
    }

    pub(super) fn look(&mut self, now: Instant) {
        let kept = |ended: Instant| now.duration_since(ended) < KEPT;
        self.forget(|told| told.ended.is_none_or(kept));
        let roll = self.roll.clone();
        let mut entered = roll.entered();
        let excess = (self.told.len() + entered.len()).saturating_sub(MOST);
        self.make_room(excess);
        let room = MOST - self.told.len();
        let count = entered.len().min(room);
        let begun: Vec<Told> = entered.drain(..count).map(|entered| self.begin(entered)).collect();
        self.told.extend(begun);
        // Those wait that run.
        entered.retain(|entered| !entered.account.has_ended());
        drop(entered);
        self.told.iter_mut().for_each(|told| told.look(now));
    }

    /// All begin at 0, so that what is drawn before the first scrape is seen to be added.
    fn begin(&self, entered: Entered) -> Told {
        let Entered { recording, domains, account } = entered;
        let labels = domains.iter().flat_map(|domain| {
            let recording = recording.clone();
            ENTRIES.map(|entry| Labels { recording: recording.clone(), domain: domain.clone(), entry: entry.name() })
        });
        let series = labels.map(|labels| (labels.clone(), self.energies.get_or_create(&labels).clone())).collect();
        Told { account, series, ended: None }
    }

    /// Those go before their time that ended first.
    fn make_room(&mut self, count: usize) {
        let mut ends: Vec<Instant> = self.told.iter().filter_map(|told| told.ended).collect();
        ends.sort_unstable();
        if let Some(last) = ends.get(count.min(ends.len()).wrapping_sub(1)).copied() {
            self.forget(|told| told.ended.is_none_or(|ended| ended > last));
        }
    }

    fn forget(&mut self, stays: impl Fn(&Told) -> bool) {
        let (staying, gone) = std::mem::take(&mut self.told).into_iter().partition(stays);
        self.told = staying;
        let gone: Vec<Told> = gone;
        gone.iter().flat_map(|told| &told.series).for_each(|(labels, _)| {
            self.energies.remove(labels);
        });
    }
}

impl Told {
    fn look(&mut self, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        // Asked for first, so that what is read after it is the last.
        self.ended = self.account.has_ended().then_some(now);
        for (domain, entry, energy_j) in self.account.energy_j() {
            let found = self.series.iter().find(|(labels, _)| labels.domain == domain && labels.entry == entry.name());
            if let Some((_, counter)) = found {
                raise(counter, energy_j);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{registry, text};

    #[derive(Debug, Clone, Default)]
    struct Known(Arc<Mutex<(f64, bool)>>);

    impl Known {
        fn set(&self, energy_j: f64, has_ended: bool) {
            *self.0.lock().unwrap() = (energy_j, has_ended);
        }
    }

    impl Account for Known {
        fn energy_j(&self) -> Vec<(String, Entry, f64)> {
            vec![("package-0".to_owned(), Entry::Application, self.0.lock().unwrap().0)]
        }

        fn has_ended(&self) -> bool {
            self.0.lock().unwrap().1
        }
    }

    fn recordings() -> (Roll, Registry, Recordings) {
        let (roll, mut registry) = (Roll::default(), registry());
        let recordings = Recordings::new(roll.clone(), &mut registry);
        (roll, registry, recordings)
    }

    fn enter(roll: &Roll, name: &str) -> Known {
        let known = Known::default();
        roll.enter(name, vec!["package-0".to_owned()], Box::new(known.clone()));
        known
    }

    /// Of the application; `None`: not told.
    fn application_j(registry: &Registry, recording: &str) -> Option<f64> {
        let start = format!(
            "smaragdine_recording_energy_joules_total{{recording=\"{recording}\",domain=\"package-0\",\
             entry=\"application\"}} "
        );
        text(registry).lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    }

    #[test]
    fn a_recording_is_told_by_the_entries_of_the_ledger_that_are_known_while_it_runs() {
        let (roll, registry, mut recordings) = recordings();
        enter(&roll, "a-1").set(2.5, false);
        recordings.look(Instant::now());
        let mut lines: Vec<String> = text(&registry).lines().map(str::to_owned).collect();
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn what_is_told_never_goes_backwards() {
        let (roll, registry, mut recordings) = recordings();
        let known = enter(&roll, "a-1");
        let seen = [5.0, 4.0, 6.0].map(|energy_j| {
            known.set(energy_j, false);
            recordings.look(Instant::now());
            application_j(&registry, "a-1")
        });
        assert_eq!(seen, [Some(5.0), Some(5.0), Some(6.0)]);
    }

    #[test]
    fn the_last_of_a_recording_is_told_for_five_minutes_and_then_nothing() {
        let (roll, registry, mut recordings) = recordings();
        let began = Instant::now();
        // However short it was.
        enter(&roll, "a-1").set(3.0, true);
        recordings.look(began);
        recordings.look(began + KEPT - Duration::from_secs(1));
        assert_eq!(application_j(&registry, "a-1"), Some(3.0));
        recordings.look(began + KEPT);
        assert!(!text(&registry).contains("a-1"));
    }

    #[test]
    fn there_are_no_more_series_than_so_many_and_who_runs_comes_first() {
        let (roll, registry, mut recordings) = recordings();
        let began = Instant::now();
        let ended = enter(&roll, "ended");
        ended.set(1.0, true);
        let running: Vec<Known> = (1..MOST).map(|number| enter(&roll, &format!("r-{number}"))).collect();
        recordings.look(began);
        enter(&roll, "later").set(2.0, false);
        enter(&roll, "too-late");
        recordings.look(began + Duration::from_secs(1));
        assert_eq!(application_j(&registry, "ended"), None);
        assert_eq!((application_j(&registry, "later"), application_j(&registry, "too-late")), (Some(2.0), None));
        assert_eq!(recordings.told.len(), MOST);
        // It waits for a place.
        running[0].set(0.0, true);
        recordings.look(began + Duration::from_secs(2));
        recordings.look(began + Duration::from_secs(3));
        assert_eq!(application_j(&registry, "too-late"), Some(0.0));
    }
}
