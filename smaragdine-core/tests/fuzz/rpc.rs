//! Every call of the service, over a real socket, with messages that no client of ours sends.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use prost::Message as _;
use smaragdine_core::build::assembler::Assembler;
use smaragdine_core::registers::source::Roots;
use smaragdine_core::serve::access::Access;
use smaragdine_core::serve::daemon::{Daemon, Settings};
use smaragdine_core::serve::limits::Limits;
use smaragdine_core::serve::server::{Farewell, serve};
use smaragdine_core::store::state::StateDir;
use smaragdine_core::wire::v1;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::files::requests;
use crate::harness::{Random, inputs, listen_for_panics, say, stray_panics};
use crate::wire::{self, Value};

/// Messages as bytes, whatever is in them.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

struct Client {
    channel: Channel,
    /// Every recording that was started. The first one is for calls to name; at times it is ended by one of them.
    started: Vec<String>,
}

/// Long enough for what answers at all; a stream that lasts is left.
const PATIENCE: Duration = Duration::from_millis(300);

impl Client {
    async fn call(&self, name: &'static str, messages: Vec<Bytes>) -> Vec<Bytes> {
        let path = format!("/smaragdine.v1.Accountant/{name}").parse().unwrap();
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let request = Request::new(tokio_stream::iter(messages));
        let answer = grpc.streaming(request, path, Raw).await;
        let Ok(mut stream) = answer.map(tonic::Response::into_inner) else { return Vec::new() };
        let mut answers = Vec::new();
        // The power of a recording is told for as long as it runs: its first word will do.
        let most = if name == "Watch" { 1 } else { usize::MAX };
        while let Ok(Some(Ok(answer))) = timeout(PATIENCE, stream.next()).await {
            answers.push(answer);
            if answers.len() >= most {
                break;
            }
        }
        answers
    }

    /// Ends and forgets what was started, and starts one recording anew.
    async fn start_anew(&mut self) {
        for recording in std::mem::take(&mut self.started) {
            let stop = v1::StopRequest { recording: recording.clone() };
            self.call("Stop", vec![stop.encode_to_vec().into()]).await;
            let release = v1::ReleaseRequest { recording };
            self.call("Release", vec![release.encode_to_vec().into()]).await;
        }
        let request = v1::StartRequest { period_ns: 100_000_000, ..v1::StartRequest::default() };
        let answers = self.call("Start", vec![request.encode_to_vec().into()]).await;
        self.note_started(&answers);
        assert_eq!(self.started.len(), 1, "a recording starts");
    }

    fn note_started(&mut self, answers: &[Bytes]) {
        let started = answers.iter().filter_map(|answer| v1::StartResponse::decode(answer.clone()).ok());
        self.started.extend(started.map(|started| started.recording));
    }

    fn recording(&self) -> &str {
        self.started.first().map_or("", String::as_str)
    }

    /// Whether the recording still runs.
    async fn runs(&self) -> bool {
        let note = v1::RecordRequest { recording: self.recording().to_owned(), ..v1::RecordRequest::default() };
        let answers = self.call("Record", vec![note.encode_to_vec().into()]).await;
        let answer = answers.first().and_then(|answer| v1::RecordResponse::decode(answer.clone()).ok());
        answer.is_some_and(|answer| answer.problem.is_empty())
    }
}

/// A well-formed message of a call, about the recording.
fn plausible(name: &str, recording: &str, requests: &[wire::Message], random: &mut Random) -> wire::Message {
    let id = || Value::Bytes(recording.as_bytes().to_vec());
    match name {
        "Describe" => Vec::new(),
        "Start" => {
            let request = v1::StartRequest {
                name: "fuzz".to_owned(),
                period_ns: 100_000_000,
                labels: [("a".to_owned(), "b".to_owned())].into(),
                clock: Some(v1::ClockPair { realtime_ns: 1, monotonic_ns: smaragdine_core::clock::monotonic_ns() }),
                environment: [("CUDA_VISIBLE_DEVICES".to_owned(), "0,1".to_owned())].into(),
                ..v1::StartRequest::default()
            };
            wire::parse(&request.encode_to_vec()).unwrap()
        }
        "Record" => {
            let mut message = random.pick(requests).clone();
            message.insert(0, (1, id()));
            message
        }
        _ => vec![(1, id())],
    }
}

const CALLS: [&str; 7] = ["Describe", "Start", "Record", "Stop", "Fetch", "Release", "Watch"];
/// How often each call is made: starting and stopping take milliseconds.
const WEIGHTS: [usize; 7] = [4, 8, 60, 8, 8, 8, 8];

fn choose(random: &mut Random) -> &'static str {
    let mut at = random.below(WEIGHTS.iter().sum());
    for (call, weight) in CALLS.iter().zip(WEIGHTS) {
        if at < weight {
            return call;
        }
        at -= weight;
    }
    CALLS[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_makes_a_call_panic() {
    listen_for_panics();
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let socket = dir.path().join("s");
    let daemon = Daemon::new(Settings {
        roots: Roots {
            powercap: nowhere.clone(),
            hwmon: nowhere.clone(),
            drm: nowhere.clone(),
            cray: nowhere.clone(),
            perf: nowhere.clone(),
            nvml_library: Some(nowhere),
            ..Roots::default()
        },
        period: Duration::from_millis(100),
        edge_lock: false,
        state: StateDir::take(&dir.path().join("state")).unwrap(),
        socket: socket.clone(),
        access: Access::default(),
        limits: Limits {
            most_recordings: 8,
            most_per_user: 8,
            most_kept: 64,
            assembly_mib: None,
            keep: Duration::from_secs(3600),
        },
        assembler: Assembler::new(None, 1 << 30),
        roll: None,
    });
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (leave, told) = tokio::sync::oneshot::channel::<()>();
    let told = async {
        let _ = told.await;
        Farewell::Alone
    };
    let serving = tokio::spawn(serve(daemon.clone(), listener, told, Duration::ZERO));

    let channel = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap().connect().await.unwrap();
    let mut client = Client { channel, started: Vec::new() };
    client.start_anew().await;
    let requests = requests();
    let range = inputs(15);
    let (first, count, mut answered) = (range.start, range.end - range.start, 0);
    for input in range {
        let mut random = Random::seeded("rpc", input);
        let call = choose(&mut random);
        let messages = (0..=random.below(if call == "Record" { 4 } else { 1 }))
            .map(|_| {
                let mut message = plausible(call, client.recording(), &requests, &mut random);
                if !random.chance(4) {
                    wire::mutate(&mut message, &mut random);
                }
                let mut bytes = wire::encode(&message);
                if random.chance(8) {
                    crate::bytes::mutate(&mut bytes, &mut random);
                }
                Bytes::from(bytes)
            })
            .collect();
        let answers = client.call(call, messages).await;
        answered += u64::from(!answers.is_empty());
        let panics = stray_panics();
        assert!(
            panics.is_empty(),
            "{call} panics on input {input}, alone or with those before: {panics:?}\nSMARAGDINE_FUZZ_FROM={input} \
             SMARAGDINE_FUZZ_INPUTS=1"
        );
        if call == "Start" {
            client.note_started(&answers);
        }
        // Stopping and releasing may have hit it, and starting may have filled the daemon.
        let ends = matches!(call, "Stop" | "Release" | "Fetch");
        if client.started.len() > 4 || (ends && !client.runs().await) {
            client.start_anew().await;
        }
    }
    let _ = leave.send(());
    serving.await.unwrap().unwrap();
    say("rpc", first, count, answered);
}
