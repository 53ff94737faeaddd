//! What telling a site's monitoring costs: the thread that listens, scrapes, and OTLP to a receiver that takes all; and
//! how much more where it is told of fifty recordings that run, each with the energy of four registers.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod numbers;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use smaragdine_core::monitor::otlp::{Environment, Otlp};
use smaragdine_core::monitor::recordings::{Account, Roll};
use smaragdine_core::monitor::{Monitor, Told, endpoint};
use smaragdine_core::registers::source::Roots;
use smaragdine_core::registers::station::Station;
use smaragdine_core::trace::Entry;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use self::numbers::Number;
use self::tree::beside_a_moving_tree;

const LENGTH: Duration = Duration::from_secs(20);
const RECORDINGS: usize = 50;
const REGISTERS: [&str; 4] = ["package-0", "dram-0", "package-1", "dram-1"];

static TAKEN: AtomicU64 = AtomicU64::new(0);

struct Receiver;

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        _: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

/// Of a recording that draws from when it began, each entry a watt of each register.
#[derive(Debug)]
struct Steady(Instant);

impl Account for Steady {
    fn energy_j(&self) -> Vec<(String, Entry, f64)> {
        let energy_j = self.0.elapsed().as_secs_f64();
        let entries = [Entry::Application, Entry::Daemon, Entry::Other, Entry::Idle, Entry::Gap];
        REGISTERS.iter().flat_map(|domain| entries.map(|entry| ((*domain).to_owned(), entry, energy_j))).collect()
    }

    fn has_ended(&self) -> bool {
        false
    }
}

/// CPU time by the name of threads.
fn cpu_s() -> BTreeMap<String, f64> {
    let mut kinds = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").expect("this process").flatten() {
        let text = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let cpu_ns: f64 = text("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
        *kinds.entry(text("comm").trim().to_owned()).or_default() += cpu_ns * 1e-9;
    }
    kinds
}

/// A runtime whose thread is told from others by its name.
fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().expect("a runtime")
}

fn scrape(address: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n").expect("it takes the request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    answer.len()
}

fn told(roots: &Roots, recordings: usize) {
    let (scraping, sending, receiving) = (runtime("scrapes"), runtime("otlp"), runtime("receiver"));
    let listener = receiving.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    receiving.spawn(Server::builder().add_service(MetricsServiceServer::new(Receiver)).serve_with_incoming(incoming));
    let otlp = Otlp::new(&url, Duration::from_secs(1), &Environment::default()).expect("an address");
    let (telling, _sender) = sending.block_on(async { otlp.start() });
    let station = Station::default();
    let roll = Roll::default();
    for number in 0..recordings {
        let domains = REGISTERS.map(str::to_owned).to_vec();
        roll.enter(&format!("recording-{number}"), domains, Box::new(Steady(Instant::now())));
    }
    let to = Told { otlp: Some(telling), recordings: (recordings > 0).then_some(roll), ..Told::default() };
    let monitor = Monitor::start(&station, roots, to).expect("the fake tree is readable");
    let listener = scraping.block_on(endpoint::bind("127.0.0.1:0".parse().expect("an address"))).expect("a port");
    let address = listener.local_addr().expect("its address");
    scraping.spawn(endpoint::serve(listener, monitor.exposition()));
    // The first looks cost what none costs later.
    thread::sleep(Duration::from_secs(2));
    let (before, began, taken) = (cpu_s(), Instant::now(), TAKEN.load(Ordering::Relaxed));
    let (mut scrapes, mut bytes) = (0_u32, 0);
    while began.elapsed() < LENGTH {
        bytes = scrape(address);
        scrapes += 1;
        thread::sleep(Duration::from_secs(1));
    }
    let (after, elapsed_s) = (cpu_s(), began.elapsed().as_secs_f64());
    let exports = TAKEN.load(Ordering::Relaxed) - taken;
    println!(
        "{scrapes} scrapes of {bytes} bytes and {exports} exports in {elapsed_s:.1} s, four registers, {recordings} recordings"
    );
    for (name, what) in
        [("monitor", "counting"), ("read powercap", "reading"), ("scrapes", "scrapes"), ("otlp", "OTLP")]
    {
        let used_s = |kinds: &BTreeMap<String, f64>| {
            kinds.iter().filter(|(kind, _)| kind.starts_with(name)).map(|(_, cpu_s)| cpu_s).sum::<f64>()
        };
        let core = (used_s(&after) - used_s(&before)) / elapsed_s * 100.0;
        println!("{what:>10} {core:.4} % of a core");
        let of = if recordings > 0 { format!(" with {recordings} recordings") } else { String::new() };
        Number::new(format!("{what}{of}, once a second"), core, "% of a core").hand_over();
    }
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    beside_a_moving_tree(|roots| {
        for recordings in [0, RECORDINGS] {
            told(roots, recordings);
        }
    });
}
