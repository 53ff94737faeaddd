//! The daemon's command line. Roots are real options: containers, VMs and tests point them elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::build::assembler::child::Assemble;
use crate::monitor::otlp;
use crate::registers::source::meter::named::Named;
use crate::registers::topology;
use crate::serve::access::Group;
use crate::serve::limits::{Limits, parse_duration, parse_period};
use crate::trace::Policy;

#[derive(Debug, Parser)]
#[command(name = "smaragdined", version, about = "Energy accountant of tensor programs: the daemon")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve recordings on a Unix socket until SIGTERM, SIGINT or the end of the lifeline.
    Serve(Box<Serve>),
    /// Account a trace directory anew, from its files alone.
    Account(Account),
    /// Rebuild a trace from the journal of a recording that did not end.
    Recover(Recover),
    /// Print the contract of a trace directory as JSON Schema: trace.json, its words, and the tables' columns.
    Schema(Schema),
    /// Assemble one recording within limits: what the daemon runs for each.
    #[command(hide = true)]
    Assemble(Assemble),
}

#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Unix socket to listen on (at most 107 bytes).
    #[arg(long, env = "SMARAGDINE_SOCKET", default_value = "/run/smaragdine/smaragdine.sock")]
    pub socket: PathBuf,
    /// Sampling period where a recording asks for none: 4ms, 500us, 1s.
    #[arg(long, default_value = "4ms", value_parser = parse_period)]
    pub period: Duration,
    /// Where journals and finished traces are kept until they are fetched; node-local, not a network file system.
    #[arg(long, env = "SMARAGDINE_STATE_DIR", default_value = "/var/lib/smaragdine")]
    pub state_dir: PathBuf,
    /// Poll RAPL closely around each update, so that power of operations shorter than a reading can be solved for;
    /// costs a few per cent of a core.
    #[arg(long, env = "SMARAGDINE_EDGE_LOCK", value_parser = clap::builder::FalseyValueParser::new())]
    pub edge_lock: bool,
    /// The group whose members may use the daemon, by name or number. They see the power of the whole machine, and with
    /// it something of what others compute. Without a group: the daemon's own user and root.
    #[arg(long, value_parser = Group::parse)]
    pub group: Option<Group>,
    /// The group whose members may also watch and fetch the recordings of others, as root may.
    #[arg(long, value_name = "GROUP", value_parser = Group::parse)]
    pub observers: Option<Group>,
    #[command(flatten)]
    pub limits: Limits,
    /// Tell Prometheus the energy of this machine, in OpenMetrics at http://ADDRESS/metrics, renewed once a second:
    /// 127.0.0.1:9464. Whoever reaches the address reads it.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Keep the same in a file, for the textfile collector of Prometheus' node_exporter:
    /// /var/lib/prometheus/node-exporter/smaragdine.prom.
    #[arg(long, value_name = "FILE", value_parser = parse_textfile)]
    pub metrics_file: Option<PathBuf>,
    /// Tell there of each recording, too, whose its energy is: who reads it learns when which of them computes, and how
    /// much.
    #[arg(long)]
    pub metrics_of_recordings: bool,
    /// Send the energy of this machine by OpenTelemetry's protocol (OTLP over gRPC) to a collector: http://localhost:4317. Without URL, to
    /// where OTEL_EXPORTER_OTLP_ENDPOINT says.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "", value_parser = otlp::parse_url)]
    pub otlp: Option<String>,
    /// How often it is sent; at least 1s, for finer power tells what others compute.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_export_period)]
    pub otlp_period: Duration,
    /// After SIGTERM, how long clients have to stop and to fetch their recordings by themselves.
    #[arg(long, default_value = "6s", value_parser = parse_duration)]
    pub grace: Duration,
    #[command(flatten)]
    pub roots: RootOptions,
    #[command(flatten)]
    pub meters: MeterOptions,
    /// Serve until this inherited file descriptor reaches its end, then finish every recording and leave.
    #[arg(long, value_name = "FD", allow_negative_numbers = true)]
    pub lifeline_fd: Option<i32>,
}

#[derive(Debug, Clone, Args)]
pub struct RootOptions {
    /// Where the kernel's power capping tree is.
    #[arg(long, env = "SMARAGDINE_POWERCAP_ROOT", default_value = "/sys/class/powercap", value_name = "DIR")]
    pub powercap_root: PathBuf,
    /// Where hardware monitors are.
    #[arg(long, env = "SMARAGDINE_HWMON_ROOT", default_value = "/sys/class/hwmon", value_name = "DIR")]
    pub hwmon_root: PathBuf,
    /// Where graphics cards are: those of AMD and Intel.
    #[arg(long, env = "SMARAGDINE_DRM_ROOT", default_value = "/sys/class/drm", value_name = "DIR")]
    pub drm_root: PathBuf,
    /// Where Cray's counters of this node are.
    #[arg(long, env = "SMARAGDINE_CRAY_ROOT", default_value = "/sys/cray/pm_counters", value_name = "DIR")]
    pub cray_root: PathBuf,
    /// Where perf's units are described: RAPL where powercap may not be read.
    #[arg(long, env = "SMARAGDINE_PERF_ROOT", default_value = "/sys/bus/event_source/devices", value_name = "DIR")]
    pub perf_root: PathBuf,
    /// Read perf's counters from files here, energy-pkg-0 for CPU 0, eight bytes each, instead of opening events: for
    /// machines that are recorded or made up.
    #[arg(long, env = "SMARAGDINE_PERF_COUNTERS", value_name = "DIR")]
    pub perf_counters: Option<PathBuf>,
    /// Where the kernel shows which CPU is in which socket (devices/system/cpu).
    #[arg(long, env = "SMARAGDINE_SYS_ROOT", default_value = topology::SYS, value_name = "DIR")]
    pub sys_root: PathBuf,
    /// Where processes are.
    #[arg(long, env = "SMARAGDINE_PROC_ROOT", default_value = "/proc", value_name = "DIR")]
    pub proc_root: PathBuf,
    /// NVIDIA's management library; without it, libnvidia-ml.so.1 is looked for.
    #[arg(long, env = "SMARAGDINE_NVML_LIBRARY", value_name = "PATH")]
    pub nvml_library: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct MeterOptions {
    /// A meter of all that comes through this machine's plug, to hold what is counted against: stream:PATH, stream:-,
    /// ipmi, ipmi:PROGRAM, or the address of a Redfish resource. Several have names: strip=stream:/run/strip.
    #[arg(long = "meter", env = "SMARAGDINE_METER", value_name = "[NAME=]PLACE", value_delimiter = ';')]
    pub named: Vec<Named>,
    /// A file that holds USER:PASSWORD for Redfish, and that nobody else may read.
    #[arg(long, env = "SMARAGDINE_METER_CREDENTIALS", value_name = "FILE")]
    pub meter_credentials: Option<PathBuf>,
    /// The certificates that a Redfish server's is checked against, in place of the system's.
    #[arg(long, env = "SMARAGDINE_METER_AUTHORITIES", value_name = "FILE")]
    pub meter_authorities: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Schema {}

#[derive(Debug, Args)]
pub struct Account {
    /// A trace directory.
    pub trace: PathBuf,
    /// How energy is split among operations that run at once.
    #[arg(long, default_value = "equal", value_parser = parse_policy)]
    pub policy: Policy,
    /// Add the events of these profiler files (`*.xplane.pb`) first.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub xspace: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Recover {
    /// The recording's state directory, which holds its journal.
    pub from: PathBuf,
    /// Where to write the trace.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Until when the program that was recorded is known to have run, in nanoseconds of trace time.
    #[arg(long, value_name = "NS")]
    pub program_end: Option<i64>,
}

/// No finer than whoever scrapes is told.
fn parse_export_period(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text)?;
    (period >= Duration::from_secs(1)).then_some(period).ok_or_else(|| format!("`{text}` is finer than 1s"))
}

/// The collector takes no other files, and no name that is none.
fn parse_textfile(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let named = path.extension().is_some_and(|extension| extension == "prom");
    named.then_some(path).ok_or_else(|| "node_exporter reads files that end in .prom, and no others".to_owned())
}

fn parse_policy(text: &str) -> Result<Policy, String> {
    Policy::parse(text).ok_or_else(|| format!("unknown policy; one of {}", Policy::ALL.map(Policy::name).join(", ")))
}
