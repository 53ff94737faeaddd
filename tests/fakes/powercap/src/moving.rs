//! A tree that moves in real time with its truth beside it: what the commands of fakes have in common.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Registers that can be moved.
pub trait Registers {
    /// Moves every register to where it stands `elapsed_ns` after the start.
    ///
    /// # Errors
    /// Where one cannot be written.
    fn write(&self, elapsed_ns: i64) -> io::Result<()>;

    /// The truth: microjoules that each drew in the first `elapsed_ns`, by its name.
    fn truth_uj(&self, elapsed_ns: i64) -> Vec<(&str, u64)>;
}

/// Where a tree lies, how often it moves, and for how long.
#[derive(Debug)]
pub struct Moving {
    root: Option<PathBuf>,
    truth: Option<PathBuf>,
    duration_s: Option<f64>,
    until_stdin_closes: bool,
    period_ns: i64,
}

impl Default for Moving {
    fn default() -> Self {
        Self { root: None, truth: None, duration_s: None, until_stdin_closes: false, period_ns: 1_000_000 }
    }
}

impl Moving {
    /// Takes the option `name` where it is one of these; false where it is another.
    ///
    /// # Errors
    /// Where `value`, which gives what follows the option, has none, or one that it does not take.
    pub fn takes(&mut self, name: &str, value: &mut dyn FnMut() -> Result<String, String>) -> Result<bool, String> {
        match name {
            "--root" => self.root = Some(value()?.into()),
            "--truth" => self.truth = Some(value()?.into()),
            "--duration" => self.duration_s = Some(number(name, &value()?)?),
            "--until-stdin-closes" => self.until_stdin_closes = true,
            "--period-us" => self.period_ns = 1_000 * i64::from(number::<u32>(name, &value()?)?.max(1)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Lays out what `create` makes below the root and moves it to the end; `ready` is what is told of it first.
    ///
    /// # Errors
    /// Where there is no root, or something cannot be written.
    pub fn run<T: Registers>(
        &self,
        create: impl FnOnce(&Path) -> io::Result<T>,
        ready: impl FnOnce(&Path) -> PathBuf,
    ) -> Result<(), String> {
        let root = self.root.as_deref().ok_or("--root is missing")?;
        let moved = create(root).and_then(|tree| self.keep_moving(&tree, root, &ready(root)));
        moved.map_err(|error| format!("cannot write the tree {}: {error}", root.display()))
    }

    fn keep_moving(&self, tree: &impl Registers, root: &Path, ready: &Path) -> io::Result<()> {
        let file = self.truth.clone().unwrap_or_else(|| root.join("truth.jsonl"));
        let mut truth = BufWriter::new(File::create(&file)?);
        let mut row = |monotonic_ns: i64, start_ns: i64| -> io::Result<()> {
            tree.write(monotonic_ns - start_ns)?;
            let written_ns = now_ns();
            let energies = tree.truth_uj(monotonic_ns - start_ns);
            let energies: Vec<String> = energies.iter().map(|(name, energy)| format!("\"{name}\": {energy}")).collect();
            writeln!(
                truth,
                "{{\"monotonic_ns\": {monotonic_ns}, \"written_ns\": {written_ns}, \"energy_uj\": {{{}}}}}",
                energies.join(", ")
            )?;
            // A reader may look at any time, and a kill must not cut a row.
            truth.flush()
        };

        let start_ns = now_ns();
        row(start_ns, start_ns)?;
        let (ready, file) = (ready.display().to_string(), file.display().to_string());
        say(&format!("{{\"ready\": {ready:?}, \"truth\": {file:?}}}\n"));
        if self.until_stdin_closes {
            std::thread::spawn(|| {
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                std::process::exit(0);
            });
        }
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let end_ns = self.duration_s.map(|seconds| start_ns + (seconds * 1e9) as i64);
        let mut deadline_ns = start_ns;
        while end_ns.is_none_or(|end_ns| deadline_ns < end_ns) {
            // Updates that are overdue are left out: the register was late, the truth of the next row is not.
            deadline_ns += self.period_ns * (1 + (now_ns() - deadline_ns).max(0) / self.period_ns);
            let deadline = Timespec { tv_sec: deadline_ns / 1_000_000_000, tv_nsec: deadline_ns % 1_000_000_000 };
            let _ = clock_nanosleep_absolute(ClockId::Monotonic, &deadline);
            row(now_ns(), start_ns)?;
        }
        Ok(())
    }
}

/// A whole command: its help, or what `go` does with its arguments, and the code that it ends with.
pub fn command(name: &str, help: &str, go: impl FnOnce(Vec<String>) -> Result<(), String>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        return say(help);
    }
    match go(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}\nhint: `{name} --help` lists the options");
            ExitCode::from(2)
        }
    }
}

/// The number that an option is given.
///
/// # Errors
/// Where `text` is none that it takes.
pub fn number<T: FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} {text}: not a number that it takes"))
}

/// Standard output may have been closed; that is no reason to panic.
fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
