//! The daemon's command line. Roots are real options: containers, VMs and tests point them elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::access::Group;
use crate::journal::Part;
use crate::topology;
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
    /// After SIGTERM, how long clients have to stop and to fetch their recordings by themselves.
    #[arg(long, default_value = "6s", value_parser = parse_duration)]
    pub grace: Duration,
    #[command(flatten)]
    pub roots: RootOptions,
    /// Serve until this inherited file descriptor reaches its end, then finish every recording and leave.
    #[arg(long, value_name = "FD", allow_negative_numbers = true)]
    pub lifeline_fd: Option<i32>,
}

/// What clients may take.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Recordings that may run at once.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = parse_count)]
    pub most_recordings: usize,
    /// Recordings of one user that may run at once.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = parse_count)]
    pub most_per_user: usize,
    /// Recordings of one user that ended and wait to be fetched.
    #[arg(long, default_value_t = 512, value_name = "N")]
    pub most_kept: usize,
    /// MiB of memory for all traces that are being assembled at once; one gets half of it. Without it, half of what this
    /// machine or service has.
    #[arg(long, value_name = "MIB")]
    pub assembly_mib: Option<u64>,
    /// How long a recording that ended is kept for whoever has not fetched it.
    #[arg(long, default_value = "30d", value_parser = parse_duration)]
    pub keep: Duration,
}

#[derive(Debug, Clone, Args)]
pub struct RootOptions {
    /// Where the kernel's power capping tree is.
    #[arg(long, env = "SMARAGDINE_POWERCAP_ROOT", default_value = "/sys/class/powercap", value_name = "DIR")]
    pub powercap_root: PathBuf,
    /// Where hardware monitors are.
    #[arg(long, env = "SMARAGDINE_HWMON_ROOT", default_value = "/sys/class/hwmon", value_name = "DIR")]
    pub hwmon_root: PathBuf,
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

#[derive(Debug, Args)]
pub struct Assemble {
    /// The recording's state directory.
    pub dir: PathBuf,
    /// Where to write the trace; without it, to `trace` there, whatever that holds.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// How much of the journal.
    #[arg(long, default_value = "whole", value_parser = parse_part)]
    pub part: Part,
    /// What became of the attempt at more.
    #[arg(long)]
    pub lost: Option<String>,
    /// Until when the program is known to have run, in nanoseconds of trace time.
    #[arg(long)]
    pub program_end: Option<i64>,
    /// Bytes of memory beside the program's own.
    #[arg(long)]
    pub memory: u64,
    /// Seconds of processor time.
    #[arg(long)]
    pub cpu: u64,
    /// The process that waits for it: without that, nothing is done.
    #[arg(long)]
    pub parent: u32,
}

fn parse_part(text: &str) -> Result<Part, String> {
    Part::parse(text).ok_or_else(|| format!("unknown part; one of {}", Part::ALL.map(Part::name).join(", ")))
}

fn parse_policy(text: &str) -> Result<Policy, String> {
    Policy::parse(text).ok_or_else(|| format!("unknown policy; one of {}", Policy::ALL.map(Policy::name).join(", ")))
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is no number from 1 on"))
}

/// The sampling periods that make sense: registers refresh every millisecond at best, and wrap within minutes.
const PERIODS: std::ops::RangeInclusive<Duration> = Duration::from_micros(500)..=Duration::from_secs(10);

/// Parses `4ms`, `500us`, `1s`.
///
/// # Errors
/// In words, where the text is no duration or lies outside 500us … 10s.
pub fn parse_period(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text)?;
    validate_period(period)?;
    Ok(period)
}

const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

/// Parses `500us`, `4ms`, `10s`, `2h`, `30d`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let none = || format!("`{text}` is no duration; write 500us, 4ms, 1s, 2h or 30d");
    let split = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(none()),
    };
    let number: f64 = number.trim().parse().map_err(|_| none())?;
    let duration = Duration::try_from_secs_f64(number * scale).map_err(|problem| format!("`{text}`: {problem}"))?;
    // Beyond that, clocks that it is added to overflow.
    if duration > LONGEST {
        Err(format!("`{text}` is longer than anything runs; at most 36500d"))
    } else {
        Ok(duration)
    }
}

/// # Errors
/// In words, where the period lies outside 500us … 10s.
pub fn validate_period(period: Duration) -> Result<(), String> {
    if PERIODS.contains(&period) {
        Ok(())
    } else {
        Err(format!("a period of {period:?} is not useful; choose between 500us and 10s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_with_their_unit() {
        assert_eq!(parse_period("4ms"), Ok(Duration::from_millis(4)));
        assert_eq!(parse_period("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(parse_period("1.5s"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn days_and_hours_are_durations() {
        assert_eq!(parse_duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_duration("0.5h"), Ok(Duration::from_secs(1800)));
    }

    #[test]
    fn durations_and_counts_that_make_no_sense_are_refused_in_words() {
        for text in ["-1s", "1e18s", "36501d", "infs", "-0.1h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "99999999999999999999999", "many", ""] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        assert_eq!((parse_duration("0s"), parse_count("1")), (Ok(Duration::ZERO), Ok(1)));
    }

    #[test]
    fn a_period_without_unit_or_out_of_range_is_refused_in_words() {
        for text in ["4", "", "ms", "-4ms", "0ms", "1us", "1h", "1e300s", "NaNs"] {
            assert!(parse_period(text).is_err(), "{text}");
        }
    }
}
