//! `accuracy`: prints how far each policy is from the truth, as CSV. `run.py` and `live.py` beside it draw and explain.

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use accuracy::battery::{Case, battery, others, scores};
use accuracy::live::{Register, play};
use accuracy::score::Score;
use accuracy::table::{Span, Summary, write};
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
    /// The worlds in which intervals are to keep their promise, as CSV.
    Worlds {
        /// Trainings in each.
        #[arg(long, default_value_t = 40)]
        seeds: u64,
        /// The first of them.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Only worlds whose names hold this.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Print every type of every training instead: joules accounted, true, and the interval.
        #[arg(long)]
        each: bool,
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

fn worlds_with(text: &str) -> impl Iterator<Item = Case> {
    battery().into_iter().chain(others()).filter(move |case| case.name.contains(text))
}

fn scores_of(case: Case, seeds: Range<u64>) -> Vec<Score> {
    scores(&seeds.map(|seed| (case, seed)).collect::<Vec<_>>())
}

fn worlds(seeds: Range<u64>, only: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "world,{}", Summary::HEADER)?;
    for case in worlds_with(only) {
        writeln!(out, "\"{}\",{}", case.name, Summary::of(&scores_of(case, seeds.clone())).row())?;
        out.flush()?;
    }
    Ok(())
}

fn every_type(seeds: Range<u64>, only: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "world,seed,type,energy_j,truth_j,low_j,high_j,refusal")?;
    for case in worlds_with(only) {
        for (seed, score) in seeds.clone().zip(scores_of(case, seeds.clone())) {
            let refusal = score.refusal.unwrap_or_default().replace(',', ";");
            for (kind, each) in score.estimates.iter().enumerate() {
                let (low_j, high_j) = each.interval_j.unwrap_or((f64::NAN, f64::NAN));
                let (name, energy_j, truth_j) = (case.name, each.energy_j, each.truth_j);
                writeln!(out, "\"{name}\",{seed},{kind},{energy_j:.3},{truth_j:.3},{low_j:.3},{high_j:.3},{refusal}")?;
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let done = match Options::parse().command {
        Command::Table { small, op_us } => {
            let span = if small { Span::small() } else { Span::full() };
            write(&Span { op_ns: op_us.map_or(span.op_ns, |op_us| vec![op_us * 1e3]), ..span }, &mut out)
        }
        Command::Worlds { seeds, from, only, each } => {
            let only = only.as_deref().unwrap_or("");
            if each {
                every_type(from..from + seeds, only, &mut out)
            } else {
                worlds(from..from + seeds, only, &mut out)
            }
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
