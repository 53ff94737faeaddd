//! `hot-loops LOOP` runs one of the core's hot loops once, on input that is always the same, and prints of how many
//! things it was; `hot-loops` alone lists them, and what it was compiled for. `instructions.py` beside it counts the
//! instructions between the begin and the end of [`smaragdine_counted`] and holds them to those that are committed.

#![allow(clippy::print_stdout, reason = "what it prints is read by instructions.py")]

#[path = "../../../smaragdine-core/benches/lanes/mod.rs"]
mod lanes;
mod loops;

use std::hint::black_box;
use std::process::ExitCode;

/// One loop, ready to run.
pub(crate) struct Ready {
    /// How many things it is of, and what they are.
    pub(crate) count: usize,
    pub(crate) unit: &'static str,
    /// What comes out is of no use, but has to be made.
    pub(crate) run: Box<dyn FnMut() -> usize>,
}

/// Found by its name, and called once.
#[unsafe(no_mangle)]
#[inline(never)]
fn smaragdine_counted(run: &mut dyn FnMut() -> usize) -> usize {
    run()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name] = arguments.as_slice() else {
        println!("baseline {}", !cfg!(any(target_feature = "sse3", target_feature = "avx")));
        loops::ALL.iter().for_each(|(name, _)| println!("loop {name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, prepare)) = loops::ALL.iter().find(|(known, _)| known == name) else {
        eprintln!("error: there is no loop {name}\nhint: without arguments it lists them");
        return ExitCode::FAILURE;
    };
    let mut ready = prepare();
    black_box(smaragdine_counted(&mut ready.run));
    println!("{} {}", ready.count, ready.unit);
    ExitCode::SUCCESS
}
