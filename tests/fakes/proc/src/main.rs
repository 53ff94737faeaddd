//! Moves a fake `/proc` tree in real time; `--help` tells how.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use fake_proc::{Layout, Tree};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

const PERIOD_NS: i64 = 10_000_000;
const HELP: &str = "\
Lays out a /proc tree of several sockets and lets its processes use CPU time at known rates, so that programs which
share energy by CPU time can be tried and tested on machines with one socket.

Usage: fake-proc --root DIR [OPTION...]

  smaragdined serve --proc-root DIR --powercap-root TREE/class/powercap
  unshare --mount sh -c 'mount --bind DIR /proc && exec PROGRAM'      as root, where a program reads /proc itself

  --root DIR                        the tree, best on a tmpfs such as /dev/shm; made if it does not exist
  --until-stdin-closes              without it, it goes on until it is killed
  --sockets N                       (2)
  --cpus N                          CPUs of each socket (2)
  --process PID:PARENT:LOAD,LOAD    a process with its load on each socket, in CPUs; may be given several times.
                                    The daemon accounts the process that starts a recording: give that one's PID

When the tree is ready, one line {\"ready\": \"DIR\"} goes to standard output.
The truth: on each socket a process's share is its load divided by the sum of all loads.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        let _ = io::stdout().write_all(HELP.as_bytes());
        return ExitCode::SUCCESS;
    }
    let outcome = parse(arguments).and_then(|(root, layout, until_stdin_closes)| {
        run(&root, layout, until_stdin_closes)
            .map_err(|error| format!("cannot write the tree {}: {error}", root.display()))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}\nhint: `fake-proc --help` lists the options");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: Vec<String>) -> Result<(PathBuf, Layout, bool), String> {
    let (mut root, mut until_stdin_closes) = (None, false);
    let mut layout = Layout { sockets: 2, cpus: 2, processes: Vec::new() };
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        if name == "--until-stdin-closes" {
            until_stdin_closes = true;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{name} {value}: not a number that it takes"));
        match name.as_str() {
            "--root" => root = Some(PathBuf::from(value)),
            "--sockets" => layout.sockets = number()?,
            "--cpus" => layout.cpus = number()?,
            "--process" => layout.processes.push(value.parse()?),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok((root.ok_or("--root is missing")?, layout, until_stdin_closes))
}

fn run(root: &std::path::Path, layout: Layout, until_stdin_closes: bool) -> io::Result<()> {
    let tree = Tree::create(root, layout)?;
    let mut out = io::stdout();
    writeln!(out, "{{\"ready\": {:?}}}", root.display().to_string())?;
    out.flush()?;
    if until_stdin_closes {
        std::thread::spawn(|| {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            std::process::exit(0);
        });
    }
    let start_ns = now_ns();
    let mut deadline_ns = start_ns;
    loop {
        deadline_ns += PERIOD_NS;
        let deadline = Timespec { tv_sec: deadline_ns / 1_000_000_000, tv_nsec: deadline_ns % 1_000_000_000 };
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &deadline);
        tree.write(now_ns() - start_ns)?;
    }
}

fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
