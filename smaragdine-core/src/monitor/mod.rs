//! What a site's monitoring reads of the machine: counters of energy, whoever records. They are renewed once a second
//! and never more often, for finer power tells others' secrets (PLATYPUS, CVE-2020-8694).

pub mod endpoint;
pub mod otlp;
pub mod recordings;
mod textfile;
mod totals;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use self::otlp::{Teller, Telling};
use self::recordings::{Recordings, Roll};
use self::textfile::Textfile;
use self::totals::Totals;
use crate::clock::TraceClock;
use crate::registers::source::Roots;
use crate::registers::source::choice::choose;
use crate::registers::source::nvml::CudaEnvironment;
use crate::registers::station::{Listener, Station, Subscription, Wish};
use crate::trace::Domain;

/// The shortest that anybody who scrapes is told.
const PERIOD: Duration = Duration::from_secs(1);
const THREAD: &str = "cannot start a thread for metrics";

/// What scrapers get: OpenMetrics, as it was at the last full second.
#[derive(Debug, Clone, Default)]
pub struct Exposition(Arc<RwLock<Arc<str>>>);

impl Exposition {
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, text: String) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = text.into();
    }
}

/// To whom is told, beside whoever asks for the exposition.
#[derive(Debug, Default)]
pub struct Told {
    /// For the textfile collector of Prometheus' `node_exporter`.
    pub file: Option<PathBuf>,
    pub otlp: Option<Telling>,
    /// Whose recordings are told, too, by those who ask and in the file.
    pub recordings: Option<Roll>,
}

/// Listens to every sensor for as long as it lives.
#[derive(Debug)]
pub struct Monitor {
    exposition: Exposition,
    /// `None` once it has ended.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Starts to listen.
    ///
    /// # Errors
    /// Where no sensor can be read, or a thread cannot be started.
    pub fn start(station: &Station, roots: &Roots, told: Told) -> anyhow::Result<Self> {
        let sources = choose(roots, &CudaEnvironment::default(), false)?;
        let domains: Vec<Domain> = sources.iter().flat_map(|source| source.domains().to_vec()).collect();
        let (clock, mut first_domain, mut heard) = (TraceClock::start(), 0, Vec::new());
        for source in sources {
            let wish = Wish { period_ns: PERIOD.as_nanos() as i64, first_domain, clock };
            first_domain += source.domains().len() as u16;
            heard.push(station.subscribe(source, wish).context(THREAD)?);
        }
        let mut registry = registry();
        let totals = Totals::new(&domains, &mut registry);
        let teller = told.otlp.map(|telling| Teller::new(telling, &domains));
        if let Some(teller) = &teller {
            let help = "Exports by OTLP that no receiver took";
            registry.register("otlp_dropped", help, teller.dropped());
        }
        let recordings = told.recordings.map(|roll| Recordings::new(roll, &mut registry));
        let (exposition, (end, ended)) = (Exposition::default(), channel());
        let file = told.file.map(Textfile::new);
        let mut monitoring =
            Monitoring { heard, registry, totals, recordings, exposition: exposition.clone(), file, teller };
        monitoring.look();
        let watch = move || {
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                monitoring.look();
            }
            monitoring.end();
        };
        let thread = thread::Builder::new().name("monitor".to_owned()).spawn(watch).context(THREAD)?;
        Ok(Self { exposition, end: Some(end), thread: Some(thread) })
    }

    #[must_use]
    pub fn exposition(&self) -> Exposition {
        self.exposition.clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.end.take();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("metrics ended early");
        }
    }
}

/// What its thread owns.
struct Monitoring {
    heard: Vec<(Subscription, Listener)>,
    registry: Registry,
    totals: Totals,
    recordings: Option<Recordings>,
    exposition: Exposition,
    file: Option<Textfile>,
    teller: Option<Teller>,
}

impl Monitoring {
    fn look(&mut self) {
        let mut readings = Vec::new();
        self.heard.iter_mut().for_each(|(_, listener)| listener.take(&mut readings));
        self.totals.add(&readings);
        if let Some(recordings) = &mut self.recordings {
            recordings.look(Instant::now());
        }
        let text = text(&self.registry);
        if let Some(file) = &mut self.file {
            file.offer(&text);
        }
        if let Some(teller) = &mut self.teller {
            teller.offer(&self.totals);
        }
        self.exposition.set(text);
    }

    /// Nothing that was drawn until now is missing from the file, or from what is sent.
    fn end(mut self) {
        let mut readings = Vec::new();
        for (subscription, listener) in self.heard.drain(..) {
            subscription.leave();
            // How it was sampled is nobody's question here.
            let _ = listener.finish(&mut readings);
        }
        self.totals.add(&readings);
        if let Some(recordings) = &mut self.recordings {
            recordings.look(Instant::now());
        }
        if let Some(file) = &mut self.file {
            file.keep(&text(&self.registry));
        }
        if let Some(teller) = &mut self.teller {
            teller.tell(&self.totals);
        }
    }
}

/// A reading below 0 takes back what was counted before. Counters do not, so they wait until it is true.
fn raise(counter: &Counter<f64, AtomicU64>, energy_j: f64) {
    counter.inc_by((energy_j - counter.get()).max(0.0));
}

fn registry() -> Registry {
    Registry::with_prefix("smaragdine")
}

/// OpenMetrics.
fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing into a text does not fail.
    let _ = encode(&mut text, registry);
    text
}
