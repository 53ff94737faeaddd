//! OpenTelemetry's protocol, over gRPC: the same counters, sent to whoever receives them. Nothing is sent unasked.

mod endpoint;
mod message;
mod outbox;
mod resource;
mod sender;

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tonic::transport::Endpoint;

pub use self::endpoint::{parse_url, url};
use self::message::Messages;
pub use self::outbox::Outbox;
pub use self::resource::Environment;
pub use self::sender::Sender;
use super::totals::Totals;
use crate::trace::Domain;

/// Where, how often, and about whom is told.
#[derive(Debug, Clone)]
pub struct Otlp {
    endpoint: Endpoint,
    period: Duration,
    resource: Vec<(String, String)>,
}

impl Otlp {
    /// # Errors
    /// In words, where `url` is none of a receiver over plain gRPC, or the environment is not as OpenTelemetry wants it.
    pub fn new(url: &str, period: Duration, environment: &Environment) -> Result<Self, String> {
        Ok(Self { endpoint: endpoint::endpoint(url)?, period, resource: environment.attributes()? })
    }

    /// Starts to send, from the runtime that it is called in; the other end is given to a [`super::Monitor`].
    #[must_use]
    pub fn start(self) -> (Telling, Sender) {
        let outbox = Outbox::default();
        let sender = Sender::start(self.endpoint, outbox.clone());
        (Telling { outbox, period: self.period, resource: self.resource }, sender)
    }
}

/// What a monitor needs to tell by OTLP.
#[derive(Debug, Clone)]
pub struct Telling {
    outbox: Outbox,
    period: Duration,
    resource: Vec<(String, String)>,
}

/// Makes messages of what is counted, and posts them.
#[derive(Debug)]
pub(super) struct Teller {
    messages: Messages,
    outbox: Outbox,
    period: Duration,
    due: Instant,
}

impl Teller {
    pub(super) fn new(telling: Telling, domains: &[Domain]) -> Self {
        let Telling { outbox, period, resource } = telling;
        Self { messages: Messages::new(domains, resource), outbox, period, due: Instant::now() }
    }

    /// Messages that no receiver took, so far.
    pub(super) fn dropped(&self) -> Counter {
        self.outbox.dropped()
    }

    /// Tells what is true now, where it is time to; never waits.
    pub(super) fn offer(&mut self, totals: &Totals) {
        let now = Instant::now();
        if now >= self.due {
            // From the grid, as far as that is kept: looks are a second apart and a little more.
            self.due = (self.due + self.period).max(now + self.period / 2);
            self.tell(totals);
        }
    }

    pub(super) fn tell(&mut self, totals: &Totals) {
        if let Some(message) = self.messages.next(totals, self.outbox.dropped().get()) {
            self.outbox.post(message);
        }
    }
}
