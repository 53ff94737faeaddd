//! A real daemon on a temporary socket, over a powercap tree that a thread keeps moving.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fake_powercap::moving::Registers;
use fake_powercap::{Layout, Waveform};
use smaragdine_core::clock::{monotonic_ns, realtime_ns};
use smaragdine_core::wire::v1;
use smaragdine_core::wire::v1::accountant_client::AccountantClient;
use tonic::transport::{Channel, Endpoint};

/// Package 0 at `watts`, its register moved every millisecond.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Tree {
    pub(crate) fn start(root: &Path, watts: f64, range_uj: u64) -> Self {
        let layout =
            Layout { package: vec![Waveform::Constant { watts }], dram: vec![], range_uj, ..Layout::default() };
        let tree = fake_powercap::Tree::create(root, &layout).unwrap();
        let root = tree.powercap_root();
        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let start = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    tree.write(start.elapsed().as_nanos() as i64).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        };
        Self { root, stop, writer: Some(writer) }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

pub(crate) struct Daemon {
    pub(crate) process: Child,
    pub(crate) socket: PathBuf,
    pub(crate) state_dir: PathBuf,
}

impl Daemon {
    pub(crate) fn start(dir: &Path, powercap_root: &Path) -> Self {
        let (socket, state_dir) = (dir.join("s"), dir.join("state"));
        Self::of(&mut Self::command(&socket, &state_dir, powercap_root), socket, state_dir)
    }

    pub(crate) fn of(command: &mut Command, socket: PathBuf, state_dir: PathBuf) -> Self {
        let process = command.spawn().unwrap();
        let daemon = Self { process, socket, state_dir };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(&daemon.socket).is_err() {
            assert!(Instant::now() < deadline, "the daemon does not serve");
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    pub(crate) fn command(socket: &Path, state_dir: &Path, powercap_root: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smaragdined"));
        command.arg("serve").arg("--socket").arg(socket).arg("--state-dir").arg(state_dir);
        command.arg("--powercap-root").arg(powercap_root).arg("--hwmon-root").arg("/nonexistent");
        command.arg("--nvml-library").arg("/nonexistent").env("RUST_LOG", "warn");
        command.args(["--grace", "200ms"]);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) async fn client(&self) -> AccountantClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", self.socket.display())).unwrap();
        AccountantClient::connect(endpoint).await.unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn clock() -> v1::ClockPair {
    v1::ClockPair { realtime_ns: realtime_ns(), monotonic_ns: monotonic_ns() }
}

/// Sends requests on one stream and waits until all are acknowledged.
pub(crate) async fn record(
    client: &mut AccountantClient<Channel>,
    recording: &str,
    payloads: Vec<v1::record_request::Payload>,
) -> Result<Vec<v1::RecordResponse>, tonic::Status> {
    let requests: Vec<_> = (1..)
        .zip(payloads)
        .map(|(sequence, payload)| v1::RecordRequest {
            recording: recording.to_owned(),
            sequence,
            clock: Some(clock()),
            payload: Some(payload),
        })
        .collect();
    let mut responses = client.record(tokio_stream::iter(requests)).await?.into_inner();
    let mut received = Vec::new();
    while let Some(response) = responses.message().await? {
        received.push(response);
    }
    Ok(received)
}

/// Fetches every file of a stopped recording into `dir`; returns their names in order of arrival.
pub(crate) async fn fetch(client: &mut AccountantClient<Channel>, recording: &str, dir: &Path) -> Vec<String> {
    use std::io::Write;
    let request = v1::FetchRequest { recording: recording.to_owned(), release: true };
    let mut pieces = client.fetch(request).await.unwrap().into_inner();
    let mut names = Vec::new();
    while let Some(piece) = pieces.message().await.unwrap() {
        let path = dir.join(&piece.path);
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(&piece.data).unwrap();
        if piece.last {
            names.push(piece.path);
        }
    }
    names
}
