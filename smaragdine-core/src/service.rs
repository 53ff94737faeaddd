//! The gRPC service: decode, call, encode. No arithmetic lives here.

use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Response, Status, Streaming};

use crate::daemon::{Caller, Daemon, stop_with_caller};
use crate::error::Error;
use crate::source::nvml::CudaEnvironment;
use crate::source::{Roots, discover};
use crate::trace::{Basis, Domain};
use crate::wire::PROTOCOL_VERSION;
use crate::wire::v1;
use crate::wire::v1::accountant_server::Accountant;

/// Files go out in pieces of this size, well under gRPC's default limit of 4 MiB a message.
const PIECE: usize = 1 << 20;

/// What every view of a modelled trace opens with (design, "Exit codes and honesty").
pub const MODELLED: &str = "no energy sensor was readable; power is modelled from CPU use, so shares follow time and \
                            watts per operation mean nothing; `smaragdine doctor` tells how to measure.";

/// Who is at the other end of the socket, as the kernel says (`SO_PEERCRED`).
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let credentials = request.extensions().get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
    let credentials = credentials.ok_or_else(|| Status::unauthenticated("the socket tells no peer credentials"))?;
    let pid = credentials.pid().filter(|pid| *pid > 0);
    let pid =
        pid.ok_or_else(|| Status::unauthenticated("the caller lives in a pid namespace that this daemon cannot see"))?;
    Ok(Caller { uid: credentials.uid(), pid })
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = match error.hint() {
            Some(hint) => format!("{error}\nhint: {hint}"),
            None => error.to_string(),
        };
        match error {
            Error::NoSensor => Self::failed_precondition(message),
            Error::NoSuchRecording(_) => Self::not_found(message),
            Error::NotYours(_) => Self::permission_denied(message),
            Error::Invalid(_) | Error::Undecodable { .. } => Self::invalid_argument(message),
            Error::Io { .. } | Error::NotATrace { .. } | Error::DamagedTrace { .. } => Self::internal(message),
        }
    }
}

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Accountant for Daemon {
    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        let daemon = self.clone();
        let sources = blocking(move || Ok(describe_sources(daemon.roots()))).await?;
        Ok(Response::new(v1::DescribeResponse {
            protocol_version: PROTOCOL_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sources,
            recordings: self.running(),
            state_dir: self.state_dir().display().to_string(),
        }))
    }

    async fn start(&self, request: Request<v1::StartRequest>) -> Result<Response<v1::StartResponse>, Status> {
        let caller = caller(&request)?;
        let daemon = self.clone();
        let request = request.into_inner();
        let recording = blocking(move || daemon.start_recording(request, caller)).await?;
        stop_with_caller(&recording, caller.pid);
        let metadata = &recording.metadata;
        let basis = recording.basis();
        Ok(Response::new(v1::StartResponse {
            recording: recording.id.clone(),
            start_ns: metadata.start_ns,
            realtime_offset_ns: metadata.realtime_offset_ns,
            domains: metadata.domains.iter().map(domain).collect(),
            basis: name(basis).to_owned(),
            warning: if basis == Basis::Modelled { MODELLED.to_owned() } else { String::new() },
            state_dir: metadata.state_dir.clone().unwrap_or_default(),
            trace_json: serde_json::to_string_pretty(metadata).map_err(|error| Status::internal(error.to_string()))?,
        }))
    }

    type RecordStream = Outgoing<v1::RecordResponse>;

    async fn record(
        &self,
        request: Request<Streaming<v1::RecordRequest>>,
    ) -> Result<Response<Self::RecordStream>, Status> {
        let caller = caller(&request)?;
        let mut incoming = request.into_inner();
        let (sender, responses) = mpsc::channel(16);
        let daemon = self.clone();
        tokio::spawn(async move {
            let mut open = None;
            while let Some(request) = incoming.next().await {
                // The client is gone or sent what cannot be decoded; what it sent before is kept.
                let Ok(request) = request else { break };
                let response = daemon.keep(request, caller, &mut open).map_err(Status::from);
                let failed = response.is_err();
                if sender.send(response).await.is_err() || failed {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }

    async fn stop(&self, request: Request<v1::StopRequest>) -> Result<Response<v1::StopResponse>, Status> {
        let recording = self.find(&request.get_ref().recording, caller(&request)?)?;
        let summary = blocking(move || recording.stop()).await?;
        Ok(Response::new(v1::StopResponse {
            end_ns: summary.end_ns,
            readings: summary.readings,
            events: summary.events,
            warnings: summary.warnings,
        }))
    }

    type FetchStream = Outgoing<v1::FetchResponse>;

    async fn fetch(&self, request: Request<v1::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let recording = self.find(&request.get_ref().recording, caller(&request)?)?;
        let release = request.get_ref().release;
        let (recording, files) = blocking(move || recording.files().map(|files| (recording, files))).await?;
        let (sender, responses) = mpsc::channel(4);
        let daemon = self.clone();
        tokio::spawn(async move {
            for path in files {
                if let Err(status) = send_file(&path, &sender).await {
                    let _ = sender.send(Err(status)).await;
                    return;
                }
            }
            // Only what arrived whole may be forgotten here.
            if release && !sender.is_closed() {
                daemon.release(&recording);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }

    type WatchStream = Outgoing<v1::WatchResponse>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let recording = self.find(&request.get_ref().recording, caller(&request)?)?;
        let live = tokio_stream::wrappers::WatchStream::new(recording.live());
        let live = live.map(|live| {
            Ok(v1::WatchResponse {
                end_ns: live.end_ns,
                power_w: live.power_w.into_iter().collect(),
                energy_j: live.energy_j.into_iter().collect(),
            })
        });
        Ok(Response::new(Box::pin(live)))
    }
}

async fn send_file(path: &Path, sender: &mpsc::Sender<Result<v1::FetchResponse, Status>>) -> Result<(), Status> {
    let failed = |error: std::io::Error| Status::from(Error::io("read", path)(error));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    loop {
        let mut data = Vec::with_capacity(PIECE);
        (&mut file).take(PIECE as u64).read_to_end(&mut data).await.map_err(failed)?;
        let last = data.len() < PIECE;
        let piece = v1::FetchResponse { path: name.clone(), data: Bytes::from(data), last };
        if sender.send(Ok(piece)).await.is_err() {
            return Err(Status::cancelled("the client is gone"));
        }
        if last {
            return Ok(());
        }
    }
}

async fn blocking<T: Send + 'static>(call: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Status> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(Status::from),
        Err(error) => Err(Status::internal(format!("the daemon failed within: {error}"))),
    }
}

fn describe_sources(roots: &Roots) -> Vec<v1::Source> {
    discover(roots, &CudaEnvironment::default())
        .into_iter()
        .map(|discovered| match discovered.source {
            Ok(source) => v1::Source {
                name: discovered.name.to_owned(),
                available: true,
                problem: source.problems().join("; "),
                hint: String::new(),
                domains: source.domains().iter().map(domain).collect(),
            },
            Err(unavailable) => v1::Source {
                name: discovered.name.to_owned(),
                available: false,
                problem: unavailable.problem,
                hint: unavailable.hint,
                domains: Vec::new(),
            },
        })
        .collect()
}

fn domain(domain: &Domain) -> v1::Domain {
    v1::Domain {
        name: domain.name.clone(),
        device: domain.device.clone(),
        parent: domain.parent.clone().unwrap_or_default(),
        counted: domain.counted,
        basis: name(domain.basis).to_owned(),
        source: domain.source.clone(),
        range_uj: domain.range_uj.unwrap_or(0),
        not_counted_because: domain.not_counted_because.clone().unwrap_or_default(),
    }
}

fn name(basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => "measured",
        Basis::Modelled => "modelled",
    }
}
