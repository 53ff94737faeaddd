//! Where journals become traces: in child processes with limits of their own, whatever the journals hold.
//!
//! A child that grows too large or takes too long costs its recording what the program sent, never what was measured,
//! and never the service; its memory goes back to the system when it ends. Every daemon does so, a private one as well:
//! one way is easier to trust than two, and a journal kills nobody's training either way.

mod attempts;
pub mod child;
mod jobs;
mod memory;

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use self::attempts::Attempts;
use self::child::Outcome;
use self::jobs::{Job, Jobs};
pub use self::memory::available;
use crate::build::from_journal::{journal_of, trace_from_journal};
use crate::build::summary::Summary;
use crate::error::{Error, Result};
use crate::store::journal::Part;

/// What the smallest journal may take.
const LEAST_MEMORY: u64 = 64 << 20;
/// What a journal may take, as a multiple of its size: operations and events are larger in memory.
const GROWTH: u64 = 64;
/// Processor time for any journal, and for each MiB of it.
const LEAST_CPU_S: u64 = 30;
const CPU_S_PER_MIB: u64 = 1;
/// What a child says is no longer.
const LONGEST_ANSWER: u64 = 16 << 20;

/// Assembles journals, some at once.
#[derive(Debug)]
pub struct Assembler {
    /// What to run; `None`: nothing, journals are assembled in this process.
    program: Option<PathBuf>,
    /// Bytes for all children together.
    memory: u64,
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

impl Assembler {
    /// `memory` is in bytes, for all that is assembled at once; a single journal gets half of it.
    #[must_use]
    pub fn new(program: Option<PathBuf>, memory: u64) -> Self {
        Self { program, memory, jobs: Mutex::default(), changed: Condvar::new() }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the trace of the recording whose state is in `dir`, waiting for its turn. `program_end_ns`: until when its
    /// program is known to have run.
    ///
    /// # Errors
    /// Where the journal cannot be read or the trace cannot be written, where even what was measured cannot be
    /// assembled, or where this was cancelled.
    pub(crate) fn assemble(&self, owner: u32, dir: &Path, program_end_ns: Option<i64>) -> Result<Summary> {
        self.tried(owner, dir, || Attempts::of(dir), None, program_end_ns).map(|(summary, _)| summary)
    }

    /// Makes the trace of a journal that no daemon has any more, into `output`: whoever asks for it may ask again.
    /// Returns why it holds less than the whole journal, where it does.
    ///
    /// What a `trace.json` says of where a journal lies is not read: anybody can have written it.
    ///
    /// # Errors
    /// Where there is no journal in `from`, even what was measured cannot be assembled, or `output` cannot be written.
    pub fn recover(&self, from: &Path, output: &Path, program_end_ns: Option<i64>) -> Result<Option<String>> {
        journal_of(from)?;
        // Whatever they are called, they are no options of the child's.
        let absolute = |path: &Path| std::path::absolute(path).map_err(Error::io("find", path));
        let (from, output) = (absolute(from)?, absolute(output)?);
        let owner = rustix::process::geteuid().as_raw();
        self.tried(owner, &from, || Ok(Attempts::default()), Some(&output), program_end_ns).map(|(_, lost)| lost)
    }

    /// Tries less and less of the journal in `dir`, which is where its trace goes but for an `output`; also returns why, if
    /// it was not the whole.
    fn tried(
        &self,
        owner: u32,
        dir: &Path,
        attempts: impl FnOnce() -> Result<Attempts>,
        output: Option<&Path>,
        program_end_ns: Option<i64>,
    ) -> Result<(Summary, Option<String>)> {
        let journal = dir.join("journal");
        let Some(program) = &self.program else {
            let output = output.map_or_else(|| dir.join("trace"), Path::to_owned);
            let trace = trace_from_journal(&journal, &output, Part::Whole, None, program_end_ns)?;
            return Ok((Summary::of_trace(&trace), None));
        };
        let size = std::fs::metadata(&journal).map_err(Error::io("read", &journal))?.len();
        let memory = (LEAST_MEMORY + size.saturating_mul(GROWTH)).min(self.memory / 2).max(LEAST_MEMORY);
        let cpu_s = LEAST_CPU_S + (size >> 20) * CPU_S_PER_MIB;
        let turn = self.turn(owner, dir, memory)?;
        let mut attempts = attempts()?;
        let mut lost: Option<String> = None;
        while let Some(part) = attempts.part() {
            attempts.begin()?;
            let mut command = Command::new(program);
            command.arg("assemble").arg(dir).args(["--part", part.name()]);
            command.args(output.iter().flat_map(|output| ["--output".as_ref(), output.as_os_str()]));
            command.args(["--memory", &memory.to_string(), "--cpu", &cpu_s.to_string()]);
            command.args(["--parent", &std::process::id().to_string()]);
            command.args(program_end_ns.map(|program_end_ns| format!("--program-end={program_end_ns}")));
            command.args(lost.iter().flat_map(|why| ["--lost", why.as_str()]));
            if output.is_some() {
                // There is no log: what a person needs to know is returned.
                command.stderr(Stdio::null());
            }
            match turn.run(command, memory, cpu_s) {
                Ended::Told(Outcome::Done(summary)) => {
                    attempts.undo()?;
                    return Ok((summary, lost.map(|why| format!("{}: assembling them {why}", part.lacks()))));
                }
                Ended::Told(Outcome::Refused { problem, hint }) => {
                    attempts.undo()?;
                    return Err(Error::Told { problem, hint });
                }
                Ended::Cancelled => {
                    attempts.undo()?;
                    return Err(Error::Leaving);
                }
                Ended::Failed(why) => {
                    tracing::error!("assembling {} ({}) {why}", dir.display(), part.name());
                    attempts.failed(part)?;
                    lost = Some(why);
                }
            }
        }
        let why = lost.map(|why| format!(" ({why})")).unwrap_or_default();
        let again = if output.is_none() { ", and is not tried again" } else { "" };
        Err(Error::Invalid(format!("the journal {} cannot be assembled{why}{again}; it is kept", journal.display())))
    }

    /// Ends what is under way of the recording in `dir`.
    pub(crate) fn cancel(&self, dir: &Path) {
        if let Some(job) = self.jobs().by_dir.get_mut(dir) {
            job.cancel();
        }
    }

    /// Ends all that is under way, and begins nothing more.
    pub fn leave(&self) {
        let mut jobs = self.jobs();
        jobs.leaving = true;
        jobs.by_dir.values_mut().for_each(Job::cancel);
        self.changed.notify_all();
    }

    fn turn<'a>(&'a self, owner: u32, dir: &'a Path, memory: u64) -> Result<Turn<'a>> {
        let mut jobs = self.jobs();
        jobs.asked += 1;
        let stand = (memory, jobs.asked);
        jobs.waiting.push((owner, stand));
        loop {
            if jobs.leaving {
                return Err(Error::Leaving);
            }
            if jobs.is_next(owner, stand) && jobs.have_room(owner, memory, self.memory) {
                jobs.waiting.retain(|(_, waiting)| *waiting != stand);
                jobs.memory += memory;
                jobs.by_dir.insert(dir.to_owned(), Job { owner, memory, child: None, cancelled: false });
                return Ok(Turn { assembler: self, dir });
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One recording's turn, over when dropped.
struct Turn<'a> {
    assembler: &'a Assembler,
    dir: &'a Path,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut jobs = self.assembler.jobs();
        if let Some(job) = jobs.by_dir.remove(self.dir) {
            jobs.memory -= job.memory;
        }
        self.assembler.changed.notify_all();
    }
}

/// How a child ended.
enum Ended {
    Told(Outcome),
    Cancelled,
    Failed(String),
}

impl Turn<'_> {
    fn run(&self, mut command: Command, memory: u64, cpu_s: u64) -> Ended {
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).env("MALLOC_ARENA_MAX", "2");
        let mut child = {
            // Under the lock, so that whoever cancels finds either no child yet or this one.
            let mut jobs = self.assembler.jobs();
            let Some(job) = jobs.by_dir.get_mut(self.dir).filter(|job| !job.cancelled) else { return Ended::Cancelled };
            match command.spawn() {
                Ok(child) => {
                    job.child = Some(Pid::from_child(&child));
                    child
                }
                Err(error) => {
                    return Ended::Told(Outcome::refused(&Error::Invalid(format!(
                        "no process can be started: {error}"
                    ))));
                }
            }
        };
        let mut answer = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = stdout.take(LONGEST_ANSWER).read_to_string(&mut answer);
        }
        let status = self.wait(&mut child);
        match serde_json::from_str(&answer) {
            Ok(outcome) if status.as_ref().is_ok_and(ExitStatus::success) => Ended::Told(outcome),
            _ if self.assembler.jobs().by_dir.get(self.dir).is_none_or(|job| job.cancelled) => Ended::Cancelled,
            _ => Ended::Failed(match status {
                Ok(status) => why(status, memory, cpu_s),
                Err(error) => format!("ended unseen: {error}"),
            }),
        }
    }

    fn wait(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        // It keeps its number until it is forgotten here: nobody else's process is killed in its place.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(Pid::from_child(child)), ended) {}
        if let Some(job) = self.assembler.jobs().by_dir.get_mut(self.dir) {
            job.child = None;
        }
        child.wait()
    }
}

/// In words that a trace can tell.
fn why(status: ExitStatus, memory: u64, cpu_s: u64) -> String {
    let signal = status.signal().and_then(Signal::from_named_raw);
    match signal {
        Some(Signal::XCPU) => format!("took more than {cpu_s} s of processor time"),
        // What Rust does when no memory is left.
        Some(Signal::ABORT) => format!("took more than {} MiB of memory", memory >> 20),
        Some(Signal::KILL) => "was killed, probably for want of memory".to_owned(),
        _ => format!("failed within ({status})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_dies_costs_the_operations_then_the_rest_and_is_not_tried_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("journal"), b"poison").unwrap();
        let program = dir.path().join("program");
        let log = dir.path().join("log");
        std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\nkill -ABRT $$\n", log.display())).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let assembler = Assembler::new(Some(program), 512 << 20);
        let refused = assembler.assemble(1, dir.path(), None).unwrap_err();
        assert!(refused.to_string().contains("is not tried again"), "{refused}");
        let tried = std::fs::read_to_string(&log).unwrap();
        let parts: Vec<_> = tried.lines().map(|line| line.split(' ').nth(3).unwrap()).collect();
        assert_eq!(parts, ["whole", "without-operations", "measured"]);
        assert!(tried.contains("--lost took more than 64 MiB of memory"), "{tried}");
        assert!(assembler.assemble(1, dir.path(), None).is_err());
        assert_eq!(std::fs::read_to_string(&log).unwrap(), tried, "nor by the next who asks");
    }

    #[test]
    fn a_small_journal_waits_for_one_of_its_user_s_large_ones_and_not_for_all() {
        let dir = tempfile::tempdir().unwrap();
        let (program, log) = (dir.path().join("program"), dir.path().join("log"));
        let done = r#"{"done":{"end_ns":0,"readings":0,"events":0,"warnings":[]}}"#;
        let script = format!("#!/bin/sh\necho $2 >> {}\nsleep 0.3\necho '{done}'\n", log.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let assembler = Assembler::new(Some(program), 1 << 40);
        let journal = |name: &str, mib: usize| {
            let place = dir.path().join(name);
            std::fs::create_dir(&place).unwrap();
            std::fs::write(place.join("journal"), vec![0; mib << 20]).unwrap();
            place
        };
        let places = [journal("a", 2), journal("b", 2), journal("c", 2), journal("small", 0)];
        std::thread::scope(|scope| {
            for place in &places {
                scope.spawn(|| assembler.assemble(1, place, None).unwrap());
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let begun = std::fs::read_to_string(&log).unwrap();
        let begun: Vec<_> = begun.lines().map(|place| place.rsplit('/').next().unwrap()).collect();
        assert_eq!(begun, ["a", "small", "b", "c"]);
    }

    #[test]
    fn whatever_is_under_way_ends_when_the_daemon_leaves_and_is_not_held_against_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("journal"), b"endless").unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, "#!/bin/sh\nsleep 600 & wait\n").unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let assembler = Assembler::new(Some(program), 512 << 20);
        let begun = std::time::Instant::now();
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| assembler.assemble(1, dir.path(), None))).collect();
            std::thread::sleep(std::time::Duration::from_millis(300));
            assembler.leave();
            for ended in waiting {
                assert!(matches!(ended.join().unwrap(), Err(Error::Leaving)));
            }
        });
        assert!(begun.elapsed().as_secs() < 10);
        assert_eq!(Attempts::of(dir.path()).unwrap().part(), Some(Part::Whole));
    }
}
