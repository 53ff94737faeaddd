//! The child's side: one journal, within limits that are set before it is opened.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::param::page_size;
use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setpriority_process, setrlimit,
};
use serde::{Deserialize, Serialize};

use crate::build::from_journal::trace_from_journal;
use crate::build::summary::Summary;
use crate::error::{Error, Result};
use crate::store::journal::Part;

/// Below everything that samples or trains.
const NICENESS: i32 = 15;

/// What a child that came to an end has to say, as one JSON object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done(Summary),
    /// Nothing is wrong with the journal's size: it is none, or its trace cannot be written.
    Refused {
        problem: String,
        hint: Option<String>,
    },
}

impl Outcome {
    pub(super) fn refused(error: &Error) -> Self {
        Self::Refused { problem: error.to_string(), hint: error.hint().map(Cow::into_owned) }
    }
}

/// What it is told.
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

fn parse_part(text: &str) -> std::result::Result<Part, String> {
    Part::parse(text).ok_or_else(|| format!("unknown part; one of {}", Part::ALL.map(Part::name).join(", ")))
}

/// Assembles, accounts and writes one trace.
#[must_use]
pub fn assemble(options: &Assemble) -> Outcome {
    limit(options.memory, options.cpu);
    // Who had died before was not heard of, and the daemon after it has the journal now.
    if getppid().is_none_or(|parent| parent.as_raw_pid().cast_unsigned() != options.parent) {
        return Outcome::refused(&Error::Leaving);
    }
    match written(options) {
        Ok(summary) => Outcome::Done(summary),
        Err(error) => Outcome::refused(&error),
    }
}

fn written(options: &Assemble) -> Result<Summary> {
    let (journal, own) = (options.dir.join("journal"), options.dir.join("trace"));
    if options.output.is_none() && own.exists() {
        // Half a trace of a child that was killed.
        std::fs::remove_dir_all(&own).map_err(Error::io("remove", &own))?;
    }
    let output = options.output.as_deref().unwrap_or(&own);
    let trace = trace_from_journal(&journal, output, options.part, options.lost.as_deref(), options.program_end)?;
    Ok(Summary::of_trace(&trace))
}

/// Limits that a sandbox does not let it set are told: its memory is then bounded by the service's alone.
fn limit(memory: u64, cpu_s: u64) {
    // With the daemon it ends, too.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = setpriority_process(None, NICENESS);
    let both = |most: u64, hard: u64| Rlimit { current: Some(most), maximum: Some(hard) };
    let limits = [
        // Its program is in memory already.
        (Resource::As, both(own_bytes() + memory, own_bytes() + memory)),
        (Resource::Cpu, both(cpu_s, cpu_s + 1)),
        (Resource::Core, both(0, 0)),
    ];
    for (resource, limit) in limits {
        if let Err(error) = setrlimit(resource, limit) {
            tracing::warn!("a journal is assembled without a limit of {resource:?}: {error}");
        }
    }
}

fn own_bytes() -> u64 {
    let pages = std::fs::read_to_string(Path::new("/proc/self/statm")).unwrap_or_default();
    let pages = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    pages.map_or(256 << 20, |pages| pages * page_size() as u64)
}
