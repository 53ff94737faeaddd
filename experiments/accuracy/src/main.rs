//! `accuracy`: prints how far each policy is from the truth, as CSV. `run.py` and `live.py` beside it draw and explain.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use accuracy::live::{Register, play};
use accuracy::table::{Span, write};
use accuracy::training::{Shape, Training};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Every policy against a truth known by construction")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The simulated table, as CSV.
    Table {
        /// One training for each case, and fewer cases.
        #[arg(long)]
        small: bool,
        /// Only operations of this mean length, in microseconds.
        #[arg(long)]
        op_us: Option<f64>,
    },
    /// Plays one training in real time on a register, and tells what it truly took.
    Play {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value_t = 150)]
        steps: usize,
        /// Mean length of an operation, in microseconds.
        #[arg(long, default_value_t = 500.0)]
        op_us: f64,
    },
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Lay a powercap tree out in this directory, and move its package.
    #[arg(long, value_name = "DIR")]
    powercap: Option<PathBuf>,
    /// Move the GPU that the fake NVML library reads from this file.
    #[arg(long, value_name = "FILE")]
    nvml: Option<PathBuf>,
}

impl Place {
    fn register(&self) -> io::Result<Register> {
        match self {
            Self { powercap: Some(root), .. } => Register::powercap(root),
            Self { nvml: Some(spec), .. } => Register::nvml(spec),
            Self { .. } => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither --powercap nor --nvml is given")),
        }
    }
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let done = match Options::parse().command {
        Command::Table { small, op_us } => {
            let span = if small { Span::small() } else { Span::full() };
            write(&Span { op_ns: op_us.map_or(span.op_ns, |op_us| vec![op_us * 1e3]), ..span }, &mut out)
        }
        Command::Play { place, steps, op_us } => place.register().and_then(|register| {
            let shape = Shape { op_ns: op_us * 1e3, lanes: 1, steps, locked: false, seed: 1 };
            play(&Training::new(shape), &register, &mut out)
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
