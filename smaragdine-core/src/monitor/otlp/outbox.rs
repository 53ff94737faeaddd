//! Messages that wait for their receiver: so many, and of more the oldest goes. Sums are since the daemon began, so that a
//! message which is lost costs resolution and no joule.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Notify;

/// Ten minutes at the default period.
const MOST: usize = 60;

/// A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    posted: Notify,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<ExportMetricsServiceRequest>,
    /// It was told that messages are dropped.
    is_told: bool,
}

impl Outbox {
    /// Never waits for anybody.
    pub(super) fn post(&self, message: ExportMetricsServiceRequest) {
        self.waiting().messages.push_back(message);
        self.trim();
        self.0.posted.notify_one();
    }

    /// The oldest, once there is one.
    pub(super) async fn next(&self) -> ExportMetricsServiceRequest {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            self.0.posted.notified().await;
        }
    }

    pub(super) fn take(&self) -> Option<ExportMetricsServiceRequest> {
        self.waiting().messages.pop_front()
    }

    /// Puts the oldest back, which nobody took.
    pub(super) fn put_back(&self, message: ExportMetricsServiceRequest) {
        self.waiting().messages.push_front(message);
        self.trim();
    }

    /// One that nobody will ever take is gone.
    pub(super) fn drop_one(&self) {
        self.0.dropped.inc();
    }

    /// There is room again.
    pub(super) fn delivered(&self) {
        self.waiting().is_told = false;
    }

    pub(super) fn dropped(&self) -> Counter {
        self.0.dropped.clone()
    }

    fn trim(&self) {
        let mut waiting = self.waiting();
        while waiting.messages.len() > MOST {
            waiting.messages.pop_front();
            self.0.dropped.inc();
            if !std::mem::replace(&mut waiting.is_told, true) {
                tracing::warn!("{MOST} exports by OTLP wait, and older ones are dropped; sums lose nothing by it");
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;

    use super::*;

    fn message(number: usize) -> ExportMetricsServiceRequest {
        let resource = ResourceMetrics { schema_url: number.to_string(), ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }
    }

    #[test]
    fn the_oldest_is_dropped_and_counted() {
        let outbox = Outbox::default();
        (0..MOST + 3).for_each(|number| outbox.post(message(number)));
        assert_eq!(outbox.dropped().get(), 3);
        assert_eq!(outbox.take(), Some(message(3)));
        // What was under way is still the oldest.
        outbox.post(message(MOST + 3));
        outbox.put_back(message(3));
        assert_eq!((outbox.dropped().get(), outbox.take()), (4, Some(message(4))));
    }
}
