//! A `/proc` tree of several sockets, whose processes use CPU time at known rates.
//!
//! ```text
//! ROOT/cpuinfo              CPUs and their sockets
//! ROOT/stat                 ticks of each CPU: user and idle
//! ROOT/PID/stat             ticks of each process, in all its threads
//! ROOT/PID/task/TID/stat    one thread for each socket, on the socket's first CPU
//! ```
//!
//! Every file is replaced by rename, so no reader ever sees half of one. Times are in ticks of 10 ms, as the kernel
//! shows them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const TICKS_PER_S: f64 = 100.0;
/// Boot was some minutes before the tree was laid out.
const BOOT_TICKS: u64 = 30_000;

/// Sockets, and who uses them.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub sockets: u32,
    /// CPUs of each socket.
    pub cpus: u32,
    pub processes: Vec<Process>,
}

/// One process and how much it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    /// By socket, in CPUs: 0.5 keeps one CPU busy half of the time.
    pub loads: Vec<f64>,
}

impl FromStr for Process {
    type Err = String;

    /// `PID:PARENT:LOAD,LOAD`, a load for each socket
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no process: PID:PARENT:LOAD,LOAD with a load in CPUs for each socket");
        let mut parts = text.split(':');
        let mut part = || parts.next().ok_or_else(wrong);
        let pid = part()?.parse().map_err(|_| wrong())?;
        let parent = part()?.parse().map_err(|_| wrong())?;
        let loads =
            part()?.split(',').map(|load| load.parse().map_err(|_| wrong())).collect::<Result<Vec<f64>, _>>()?;
        if loads.iter().any(|load| !load.is_finite() || *load < 0.0) || parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { pid, parent, loads })
    }
}

/// The tree on disk.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    layout: Layout,
}

impl Tree {
    /// Lays the tree out under `root`, with nothing used yet.
    ///
    /// # Errors
    /// Where a file cannot be written, a process has not one load for each socket, or a socket has too few CPUs.
    pub fn create(root: &Path, layout: Layout) -> io::Result<Self> {
        let invalid = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        for process in &layout.processes {
            if process.loads.len() != layout.sockets as usize {
                return invalid(format!("process {} has not one load for each socket", process.pid));
            }
        }
        let tree = Self { root: root.to_owned(), layout };
        for socket in 0..tree.layout.sockets {
            let load = tree.load(socket);
            if load > f64::from(tree.layout.cpus) {
                return invalid(format!("socket {socket} has {} CPUs for a load of {load}", tree.layout.cpus));
            }
        }
        fs::create_dir_all(root)?;
        fs::write(root.join("cpuinfo"), tree.cpuinfo())?;
        for process in &tree.layout.processes {
            for tid in tree.tids(process) {
                fs::create_dir_all(root.join(process.pid.to_string()).join("task").join(tid.to_string()))?;
            }
            fs::write(root.join(process.pid.to_string()).join("environ"), "")?;
        }
        tree.write(0)?;
        Ok(tree)
    }

    /// The truth: the part of `socket`'s active time that is the process's, whatever the time.
    #[must_use]
    pub fn share(&self, process: &Process, socket: u32) -> f64 {
        process.loads[socket as usize] / self.load(socket)
    }

    /// Brings every time to where it stands `elapsed_ns` after the start.
    ///
    /// # Errors
    /// Where a file cannot be replaced.
    pub fn write(&self, elapsed_ns: i64) -> io::Result<()> {
        let ticks = |load: f64| (load * elapsed_ns as f64 * 1e-9 * TICKS_PER_S) as u64;
        self.replace("stat", &self.machine(ticks))?;
        for process in &self.layout.processes {
            let directory = process.pid.to_string();
            let all = ticks(process.loads.iter().sum());
            self.replace(&format!("{directory}/stat"), &stat(process.pid, process.parent, all, 0))?;
            for ((tid, load), socket) in self.tids(process).zip(&process.loads).zip(0..) {
                let line = stat(tid, process.parent, ticks(*load), socket * self.layout.cpus);
                self.replace(&format!("{directory}/task/{tid}/stat"), &line)?;
            }
        }
        Ok(())
    }

    fn load(&self, socket: u32) -> f64 {
        self.layout.processes.iter().map(|process| process.loads[socket as usize]).sum()
    }

    fn tids(&self, process: &Process) -> impl Iterator<Item = i32> {
        let first = process.pid;
        (0..self.layout.sockets).map(move |socket| first + socket.cast_signed() * 1_000_000)
    }

    fn cpus(&self) -> impl Iterator<Item = (u32, u32)> {
        let cpus = self.layout.cpus;
        (0..self.layout.sockets).flat_map(move |socket| (0..cpus).map(move |cpu| (socket * cpus + cpu, socket)))
    }

    fn cpuinfo(&self) -> String {
        let cpus = self.layout.cpus;
        self.cpus().fold(String::new(), |mut text, (cpu, socket)| {
            let core = cpu % cpus;
            let _ = writeln!(
                text,
                "processor\t: {cpu}\nmodel name\t: Fake CPU\nphysical id\t: {socket}\nsiblings\t: {cpus}\n\
                 core id\t\t: {core}\ncpu cores\t: {cpus}\nflags\t\t: fpu\n"
            );
            text
        })
    }

    fn machine(&self, ticks: impl Fn(f64) -> u64) -> String {
        let lines = self.cpus().fold(String::new(), |mut text, (cpu, socket)| {
            // A socket's load is spread evenly; what is left over by rounding goes to its first CPU.
            let (all, each) = (ticks(self.load(socket)), ticks(self.load(socket)) / u64::from(self.layout.cpus));
            let first = cpu % self.layout.cpus == 0;
            let used = if first { all - each * u64::from(self.layout.cpus - 1) } else { each };
            let idle = (BOOT_TICKS + ticks(1.0)).saturating_sub(used);
            let _ = writeln!(text, "cpu{cpu} {used} 0 0 {idle} 0 0 0 0 0 0");
            text
        });
        format!("{lines}processes {}\n", self.layout.processes.len())
    }

    fn replace(&self, file: &str, text: &str) -> io::Result<()> {
        let new = self.root.join(".new");
        fs::write(&new, text)?;
        fs::rename(new, self.root.join(file))
    }
}

/// proc_pid_stat(5): only what accounting reads is more than zeros.
fn stat(pid: i32, parent: i32, user_ticks: u64, processor: u32) -> String {
    let zeros = |count: usize| vec!["0"; count].join(" ");
    // 4 parent, 14 utime, 22 starttime, 39 processor, 52 fields.
    format!(
        "{pid} (fake) R {parent} {} {user_ticks} {} {BOOT_TICKS} {} {processor} {}\n",
        zeros(9),
        zeros(7),
        zeros(16),
        zeros(13)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(text: &str) -> Process {
        text.parse().expect("a process")
    }

    #[test]
    fn the_fields_stand_where_the_kernel_puts_them() {
        let line = stat(7, 3, 42, 5);
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields.len(), 52);
        assert_eq!([fields[0], fields[3], fields[13], fields[21], fields[38]], ["7", "3", "42", "30000", "5"]);
    }

    #[test]
    fn a_socket_is_as_active_as_its_processes() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let processes = vec![process("10:1:1.5,0"), process("11:10:0.5,0.25")];
        let tree = Tree::create(root.path(), Layout { sockets: 2, cpus: 3, processes }).expect("a tree");
        tree.write(10_000_000_000).expect("a write");
        let text = fs::read_to_string(root.path().join("stat")).expect("stat");
        let used: Vec<u64> = text.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(used, [668, 666, 666, 84, 83, 83, 2]);
        assert_eq!(tree.share(&process("10:1:1.5,0"), 0), 0.75);
    }

    #[test]
    fn more_load_than_cpus_is_refused() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let processes = vec![process("10:1:2.5")];
        assert!(Tree::create(root.path(), Layout { sockets: 1, cpus: 2, processes }).is_err());
        assert!("10:1".parse::<Process>().is_err() && "10:1:-1".parse::<Process>().is_err());
    }
}
