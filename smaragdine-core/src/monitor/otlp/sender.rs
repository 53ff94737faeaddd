//! Takes messages to their receiver, one after the other. It holds nobody up: neither who samples nor who leaves.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::outbox::Outbox;

/// Between two tries: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What is left when the daemon leaves gets so long.
const LEAVING: Duration = Duration::from_secs(2);
/// An answer is a number and a sentence.
const LARGEST_ANSWER: usize = 64 << 10;

/// The task that sends.
#[derive(Debug)]
pub struct Sender {
    leave: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Sender {
    pub(super) fn start(endpoint: Endpoint, outbox: Outbox) -> Self {
        tracing::info!("metrics by OTLP to {}", endpoint.uri());
        let (leave, leaving) = oneshot::channel();
        let client = MetricsServiceClient::new(endpoint.connect_lazy()).max_decoding_message_size(LARGEST_ANSWER);
        let sending = Sending { client, outbox, failing: false };
        Self { leave, task: tokio::spawn(sending.until(leaving)) }
    }

    /// Sends what is left, as far as that is done in a moment.
    pub async fn finish(self) {
        let Self { leave, mut task } = self;
        let _ = leave.send(());
        if timeout(LEAVING, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Sending {
    client: MetricsServiceClient<Channel>,
    outbox: Outbox,
    /// It was told that nobody takes them.
    failing: bool,
}

impl Sending {
    async fn until(mut self, mut leaving: oneshot::Receiver<()>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let message = tokio::select! {
                message = self.outbox.next() => message,
                _ = &mut leaving => break,
            };
            match self.export(&message).await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(status) if is_passing(status.code()) => {
                    self.outbox.put_back(message);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = &mut leaving => break,
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                // It would be refused again.
                Err(_) => self.outbox.drop_one(),
            }
        }
        while let Some(message) = self.outbox.take() {
            if self.export(&message).await.is_err() {
                return;
            }
        }
    }

    async fn export(&mut self, message: &ExportMetricsServiceRequest) -> Result<(), Status> {
        let answer = self.client.export(message.clone()).await;
        let failed = std::mem::replace(&mut self.failing, answer.is_err());
        match answer {
            Err(status) => {
                if !failed {
                    tracing::warn!(
                        "metrics do not arrive by OTLP, and wait: {:?}: {}",
                        status.code(),
                        status.message()
                    );
                }
                Err(status)
            }
            Ok(answer) => {
                if failed {
                    tracing::info!("metrics arrive by OTLP again; {} were dropped so far", self.outbox.dropped().get());
                }
                self.outbox.delivered();
                let refused = answer.into_inner().partial_success.filter(|part| part.rejected_data_points > 0);
                if let Some(refused) = refused {
                    tracing::debug!("{} points were refused: {}", refused.rejected_data_points, refused.error_message);
                    self.outbox.drop_one();
                }
                Ok(())
            }
        }
    }
}

/// Whether the same may be taken later: as the specification of OTLP lists the codes, and a channel that broke.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unknown
    )
}
