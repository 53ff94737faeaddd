//! The gRPC service: decode, call, encode. No arithmetic lives here.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::error::Error;
use crate::registers::host;
use crate::registers::source::nvml::CudaEnvironment;
use crate::registers::source::{Roots, discover};
use crate::serve::access::Caller;
use crate::serve::daemon::Daemon;
use crate::serve::recording::{Holder, Live, end_with_caller};
use crate::serve::room::{PATIENCE, Room};
use crate::trace::{Basis, Domain, Hardware, notice};
use crate::wire::PROTOCOL_VERSION;
use crate::wire::v1;
use crate::wire::v1::accountant_server::Accountant;

/// Files go out in pieces of this size, well under gRPC's default limit of 4 MiB a message.
const PIECE: usize = 1 << 20;
/// The longest that a watcher is left without news.
const LONGEST_WATCH: Duration = Duration::from_secs(10);

impl Daemon {
    /// Who is at the other end of the socket, if they may use this daemon.
    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| Status::unauthenticated("the socket tells no peer credentials"))?;
        self.settings().access.admit(caller)?;
        Ok(caller.clone())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = match error.hint() {
            Some(hint) => format!("{error}\nhint: {hint}"),
            None => error.to_string(),
        };
        match error {
            Error::CallerEnded | Error::Invalid(_) | Error::Told { .. } | Error::Undecodable { .. } => {
                Self::invalid_argument(message)
            }
            Error::NoSensor | Error::NothingCounted(_) => Self::failed_precondition(message),
            Error::NoSuchRecording(_) => Self::not_found(message),
            Error::NotAdmitted { .. } => Self::permission_denied(message),
            Error::TooMuch(_) | Error::OverQuota { .. } | Error::NoRoom { .. } => Self::resource_exhausted(message),
            Error::Leaving => Self::unavailable(message),
            Error::Io { .. }
            | Error::NotATrace { .. }
            | Error::UnknownLayout { .. }
            | Error::NotYourJournal(_)
            | Error::DamagedTrace { .. }
            | Error::ChangedTrace { .. } => Self::internal(message),
        }
    }
}

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Accountant for Daemon {
    async fn describe(&self, request: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        let caller = self.caller(&request)?;
        let (daemon, process) = (self.clone(), caller.process.clone());
        // One at a time: each opens every sensor.
        let (sources, hardware) = {
            let _turn = self.describing().lock().await;
            blocking(move || Ok(describe_machine(&daemon.settings().roots, &daemon.cuda_of(process.as_ref())))).await?
        };
        Ok(Response::new(v1::DescribeResponse {
            protocol_version: PROTOCOL_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sources,
            recordings: self.running((caller.uid != 0).then_some(caller.uid)) as u32,
            state_dir: self.state_dir().display().to_string(),
            cpu: hardware.cpu.unwrap_or_default(),
            gpus: hardware.gpus.into_iter().map(|gpu| gpu.name).collect(),
        }))
    }

    async fn start(&self, request: Request<v1::StartRequest>) -> Result<Response<v1::StartResponse>, Status> {
        let caller = self.caller(&request)?;
        let (daemon, request, starting) = (self.clone(), request.into_inner(), caller.clone());
        let recording = blocking(move || daemon.start_recording(request, &starting)).await?;
        end_with_caller(&recording, caller);
        let metadata = &recording.metadata;
        Ok(Response::new(v1::StartResponse {
            recording: recording.id.clone(),
            start_ns: metadata.start_ns,
            realtime_offset_ns: metadata.realtime_offset_ns,
            domains: metadata.domains.iter().map(domain).collect(),
            basis: name(recording.basis()).to_owned(),
            warning: notice(&metadata.domains).unwrap_or_default(),
            state_dir: metadata.state_dir.clone().unwrap_or_default(),
            trace_json: serde_json::to_string_pretty(metadata).map_err(|error| Status::internal(error.to_string()))?,
        }))
    }

    type RecordStream = Outgoing<v1::RecordResponse>;

    async fn record(
        &self,
        request: Request<Streaming<v1::RecordRequest>>,
    ) -> Result<Response<Self::RecordStream>, Status> {
        let caller = self.caller(&request)?;
        let mut incoming = request.into_inner();
        let (sender, responses) = mpsc::channel(16);
        let daemon = self.clone();
        tokio::spawn(async move {
            let mut open = None;
            while let Some(request) = incoming.next().await {
                let kept = request.and_then(|request| daemon.keep(request, &caller, &mut open).map_err(Status::from));
                match kept {
                    Ok((response, pause)) => {
                        if sender.send(Ok(response)).await.is_err() {
                            break;
                        }
                        tokio::time::sleep(pause).await;
                    }
                    // The client is gone or sent what cannot be; what it sent before is kept.
                    Err(status) => {
                        let _ = sender.send(Err(status)).await;
                        break;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }

    async fn stop(&self, request: Request<v1::StopRequest>) -> Result<Response<v1::StopResponse>, Status> {
        let caller = self.caller(&request)?;
        let recording = self.find(&request.get_ref().recording, &caller)?;
        let (daemon, _place) = (self.clone(), self.stopping(caller.uid)?);
        let summary = blocking(move || recording.stop(daemon.assembler())).await?;
        Ok(Response::new(v1::StopResponse {
            end_ns: summary.end_ns,
            readings: summary.readings,
            events: summary.events,
            warnings: summary.warnings,
        }))
    }

    type FetchStream = Outgoing<v1::FetchResponse>;

    async fn fetch(&self, request: Request<v1::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let caller = self.caller(&request)?;
        let v1::FetchRequest { recording, release } = request.into_inner();
        let recording = if release { self.find(&recording, &caller) } else { self.find_to_read(&recording, &caller) }?;
        let (daemon, place) = (self.clone(), self.stopping(caller.uid)?);
        let files = move || recording.files(daemon.assembler()).map(|files| (recording, files));
        let (recording, files) = blocking(files).await?;
        drop(place);
        // Whoever does not read holds no more than a piece on its way and one behind it.
        let held = self.room().clone().take(caller.uid, 3 * PIECE).await?;
        let (sender, responses) = mpsc::channel(1);
        let (daemon, sender) = (self.clone(), Sender { sender, room: self.room().clone(), uid: caller.uid });
        tokio::spawn(async move {
            let _held = held;
            for path in files {
                if let Err(status) = send_file(&path, &sender).await {
                    let _ = sender.sender.try_send(Err(status));
                    return;
                }
            }
            // Only what was sent whole may be forgotten here.
            if release && !sender.sender.is_closed() {
                daemon.forget(&recording);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Result<Response<v1::ReleaseResponse>, Status> {
        let recording = self.find(&request.get_ref().recording, &self.caller(&request)?)?;
        if recording.is_running() {
            return Err(Error::Invalid(format!("recording {} still runs; stop it first", recording.id)).into());
        }
        let daemon = self.clone();
        blocking(move || {
            daemon.forget(&recording);
            Ok(())
        })
        .await?;
        Ok(Response::new(v1::ReleaseResponse {}))
    }

    type WatchStream = Outgoing<v1::WatchResponse>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let recording = self.find_to_read(&request.get_ref().recording, &self.caller(&request)?)?;
        let period = Duration::from_nanos(request.get_ref().period_ns).min(LONGEST_WATCH);
        let metadata = &recording.metadata;
        let mut domains: Vec<_> = metadata.domains.iter().map(domain).collect();
        let mut realtime_offset_ns = metadata.realtime_offset_ns;
        let live = watched(recording.live(), period);
        let live = live.map(move |Live { end_ns, power_w, energy_j, settled }| {
            let pausing = recording.pausing();
            Ok(v1::WatchResponse {
                end_ns,
                power_w: power_w.into_iter().collect(),
                energy_j: energy_j.into_iter().collect(),
                settled_ns: settled.until_ns,
                settled_j: settled.by_domain(|whose| whose.energy_j).collect(),
                application_j: settled.by_domain(|whose| whose.application_j).collect(),
                unknown_j: settled.by_domain(|whose| whose.unknown_j).collect(),
                domains: std::mem::take(&mut domains),
                realtime_offset_ns: std::mem::take(&mut realtime_offset_ns),
                pausable: pausing.is_possible(),
                pausing: pausing.is_asked(),
                paused: pausing.stands(),
            })
        });
        Ok(Response::new(Box::pin(live)))
    }

    async fn pause(&self, request: Request<v1::PauseRequest>) -> Result<Response<v1::PauseResponse>, Status> {
        let recording = self.find(&request.get_ref().recording, &self.caller(&request)?)?;
        recording.ask_to_pause(request.get_ref().pause)?;
        Ok(Response::new(v1::PauseResponse {}))
    }

    type HoldStream = Outgoing<v1::HoldResponse>;

    async fn hold(&self, request: Request<Streaming<v1::HoldRequest>>) -> Result<Response<Self::HoldStream>, Status> {
        let caller = self.caller(&request)?;
        let mut incoming = request.into_inner();
        let (sender, responses) = mpsc::channel(1);
        let daemon = self.clone();
        tokio::spawn(async move {
            let Some(Ok(first)) = incoming.next().await else { return };
            match daemon.find(&first.recording, &caller).and_then(|recording| recording.hold()) {
                Ok(mut holder) => {
                    holder.stands(first.paused);
                    held(holder, incoming, &sender).await;
                }
                Err(error) => {
                    let _ = sender.send(Err(error.into())).await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}

/// Tells a training whether it is to pause, and hears whether it stands still, until it is gone.
async fn held(
    mut holder: Holder,
    mut incoming: Streaming<v1::HoldRequest>,
    sender: &mpsc::Sender<Result<v1::HoldResponse, Status>>,
) {
    let mut told = None;
    loop {
        let pause = holder.is_asked();
        if told.replace(pause) != Some(pause) && sender.send(Ok(v1::HoldResponse { pause })).await.is_err() {
            return;
        }
        tokio::select! {
            request = incoming.next() => match request {
                Some(Ok(request)) => holder.stands(request.paused),
                _ => return,
            },
            () = holder.changed() => {}
            () = sender.closed() => return,
        }
    }
}

/// What is told to whoever watches: the newest, at most once in `period`, and the last.
fn watched(mut live: tokio::sync::watch::Receiver<Live>, period: Duration) -> ReceiverStream<Live> {
    let (sender, responses) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let now = live.borrow_and_update().clone();
            if sender.send(now).await.is_err() {
                return;
            }
            let next = async {
                tokio::time::sleep(period).await;
                live.changed().await
            };
            let changed = tokio::select! {
                changed = next => changed,
                // Nothing is held for a client that is gone.
                () = sender.closed() => return,
            };
            if changed.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(responses)
}

/// Sends pieces of files to whoever fetches them, and gives up on whoever does not read them while others need the room.
struct Sender {
    sender: mpsc::Sender<Result<v1::FetchResponse, Status>>,
    room: Room,
    uid: u32,
}

impl Sender {
    async fn send(&self, piece: Result<v1::FetchResponse, Status>) -> Result<(), Status> {
        loop {
            match tokio::time::timeout(PATIENCE, self.sender.reserve()).await {
                Ok(Ok(place)) => {
                    place.send(piece);
                    return Ok(());
                }
                Ok(Err(_)) => return Err(Status::cancelled("the client is gone")),
                Err(_) if self.room.is_wanted_from(self.uid) => {
                    return Err(Status::cancelled("the client does not read what it fetches"));
                }
                Err(_) => {}
            }
        }
    }
}

async fn send_file(path: &Path, sender: &Sender) -> Result<(), Status> {
    let failed = |error: std::io::Error| Status::from(Error::io("read", path)(error));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    loop {
        let mut data = Vec::with_capacity(PIECE);
        (&mut file).take(PIECE as u64).read_to_end(&mut data).await.map_err(failed)?;
        let last = data.len() < PIECE;
        let piece = v1::FetchResponse { path: name.clone(), data: Bytes::from(data), last };
        sender.send(Ok(piece)).await?;
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

/// As a recording of a process with this environment would find it.
fn describe_machine(roots: &Roots, cuda: &CudaEnvironment) -> (Vec<v1::Source>, Hardware) {
    let mut hardware = host::hardware(&roots.proc, &roots.sys, &roots.topology());
    let sources = discover(roots, cuda).into_iter().map(|discovered| match discovered.source {
        Ok(source) => {
            hardware.gpus.extend(source.gpu_hardware());
            v1::Source {
                name: discovered.name.to_owned(),
                available: true,
                problem: source.problems().join("; "),
                hint: String::new(),
                domains: source.domains().iter().map(domain).collect(),
            }
        }
        Err(unavailable) => v1::Source {
            name: discovered.name.to_owned(),
            available: false,
            problem: unavailable.problem,
            hint: unavailable.hint,
            domains: Vec::new(),
        },
    });
    (sources.collect(), hardware)
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
