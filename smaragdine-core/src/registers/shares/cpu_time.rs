//! CPU time of the application and of the daemon, by socket.

use std::io;
use std::path::Path;

use rustc_hash::FxHashMap;

use super::Topology;
use super::members::{Group, Member, Members};
use super::process_stat::ProcessStat;

/// Ticks used by each group on each socket since the last update; `None` is unknown.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Ticks {
    pub(crate) application: Option<Vec<f64>>,
    pub(crate) daemon: Option<Vec<f64>>,
    /// Why something is unknown.
    pub(crate) problem: Option<String>,
}

/// Follows the CPU time of every member.
///
/// A process that its parent waits for moves its time to the parent's `cutime` and `cstime` at once: what was counted
/// while it lived is taken off there, the rest is new. Members are read parents first, so a child that is reaped during
/// the reading is missed now and found at its parent the next time, and never counted twice.
#[derive(Debug)]
pub(crate) struct CpuTime {
    members: Members,
    application: i32,
    excluded: Vec<i32>,
    tracked: Vec<Tracked>,
    /// By parent: ticks of ended children that were counted while they lived and that it has not shown yet.
    /// Kept for one round only; a parent that ignores its children never shows them.
    counted: FxHashMap<i32, u64>,
    started: bool,
    application_seen: bool,
}

impl CpuTime {
    pub(crate) fn new(proc_root: &Path, application: i32, excluded: Vec<i32>) -> Self {
        Self {
            members: Members::new(proc_root, application, excluded.clone()),
            application,
            excluded,
            tracked: Vec::new(),
            counted: FxHashMap::default(),
            started: false,
            application_seen: false,
        }
    }

    /// Ticks used since the last update. The first one sets the baseline; so nothing is known of what came before.
    ///
    /// `forks`: [`super::machine::MachineStat::forks`] as it stood before this call.
    pub(crate) fn update(&mut self, forks: Option<u64>, topology: &Topology) -> Ticks {
        self.advance(forks, topology).unwrap_or_else(|error| {
            // What the next success finds belongs to this interval and the next: it only sets a baseline again.
            self.members.reset();
            self.tracked.clear();
            self.counted.clear();
            self.started = false;
            Ticks { problem: Some(error.to_string()), ..Ticks::default() }
        })
    }

    /// The application's processes, as they were last read.
    pub(crate) fn application_processes(&self) -> impl Iterator<Item = (i32, &ProcessStat)> {
        let own = self.tracked.iter().filter(|tracked| tracked.member.group == Group::Application);
        own.map(|tracked| (tracked.member.pid, &tracked.stat))
    }

    /// Notes what each thread has used so far: with one socket none is looked at.
    pub(crate) fn look_at_threads(&mut self, topology: &Topology) {
        for tracked in &mut self.tracked {
            tracked.walk_threads(&self.members.directory(tracked.member.pid), topology);
        }
    }

    fn advance(&mut self, forks: Option<u64>, topology: &Topology) -> io::Result<Ticks> {
        let mut used = [vec![0.0; topology.sockets().len()], vec![0.0; topology.sockets().len()]];
        let ended = self.follow(topology, &mut used)?;
        for member in self.members.discover(forks)? {
            // Read again: discovery saw children before their parents.
            let directory = self.members.directory(member.pid);
            match ProcessStat::read(&directory) {
                Ok(stat) if stat.start == member.start => {
                    let mut tracked = Tracked { member, stat, threads: FxHashMap::default(), weights: Vec::new() };
                    let ticks = if self.started { stat.own + stat.reaped } else { 0 };
                    tracked.distribute(ticks, &directory, topology, !self.started, &mut used[member.group as usize]);
                    self.application_seen |= member.pid == self.application;
                    self.tracked.push(tracked);
                }
                _ => self.members.forget(&member),
            }
        }
        let [application, daemon] =
            used.map(|ticks| Some(ticks).filter(|ticks| ticks.iter().all(|ticks| !ticks.is_nan())));
        let misplaced =
            "the application ran on a CPU that is in no known socket, so its share is unknown there and then";
        let problem = self.problem(ended.iter().any(|member| member.pid == self.application));
        let problem = problem.or_else(|| application.is_none().then(|| misplaced.to_owned()));
        let known = std::mem::replace(&mut self.started, true);
        let lives = |pid: &i32| self.tracked.iter().any(|tracked| tracked.member.pid == *pid);
        Ok(Ticks {
            application: application.filter(|_| known && problem.is_none()),
            daemon: daemon.filter(|_| known && self.excluded.iter().all(lives)),
            problem,
        })
    }

    /// Reads everyone known, parents first; returns those that ended.
    fn follow(&mut self, topology: &Topology, used: &mut [Vec<f64>; 2]) -> io::Result<Vec<Member>> {
        let mut now = Vec::with_capacity(self.tracked.len());
        for Tracked { member, .. } in &self.tracked {
            let directory = self.members.directory(member.pid);
            now.push(match ProcessStat::read(&directory) {
                Ok(stat) if stat.start == member.start => Some(stat),
                Ok(_) => None,
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => {
                    let problem = format!("cannot read {}/stat: {error}", directory.display());
                    return Err(io::Error::new(error.kind(), problem));
                }
            });
        }
        let mut fresh: FxHashMap<i32, u64> = FxHashMap::default();
        let mut ended = Vec::new();
        for (tracked, _) in self.tracked.iter().zip(&now).filter(|(_, stat)| stat.is_none()) {
            // Where the parent ended as well, whoever waited for it has the time of both.
            let mut reaper = tracked.stat.parent;
            while let Some(index) = self.tracked.iter().position(|other| other.member.pid == reaper)
                && now[index].is_none()
            {
                reaper = self.tracked[index].stat.parent;
            }
            *fresh.entry(reaper).or_default() += tracked.stat.own + tracked.stat.reaped;
            ended.push(tracked.member);
        }
        let mut now = now.into_iter();
        self.tracked.retain_mut(|tracked| {
            let Some(Some(stat)) = now.next() else { return false };
            let pid = tracked.member.pid;
            let fresh = fresh.remove(&pid).unwrap_or(0);
            let counted = self.counted.remove(&pid).unwrap_or(0) + fresh;
            let shown = stat.reaped.saturating_sub(tracked.stat.reaped);
            let ticks = stat.own.saturating_sub(tracked.stat.own) + shown.saturating_sub(counted);
            let outstanding = counted.saturating_sub(shown).min(fresh);
            if outstanding > 0 {
                self.counted.insert(pid, outstanding);
            }
            tracked.stat = stat;
            let directory = self.members.directory(pid);
            tracked.distribute(ticks, &directory, topology, false, &mut used[tracked.member.group as usize]);
            true
        });
        for member in &ended {
            self.members.forget(member);
            self.counted.remove(&member.pid);
        }
        Ok(ended)
    }

    fn problem(&self, application_ended: bool) -> Option<String> {
        let pid = self.application;
        if application_ended {
            Some(format!("process {pid} ended; what it used since the last look is not known"))
        } else if pid == 0 {
            let problem =
                "the application lives in a pid namespace that the daemon cannot see, so its share is unknown";
            Some(problem.to_owned())
        } else if !self.application_seen {
            Some(format!("process {pid} is not visible to the daemon, so the application's share is unknown"))
        } else {
            None
        }
    }
}

#[derive(Debug)]
struct Tracked {
    member: Member,
    stat: ProcessStat,
    /// Each thread's start and ticks when last looked at; kept only with several sockets.
    threads: FxHashMap<i32, (u64, u64)>,
    /// The fraction of its time on each socket when it last ran.
    weights: Vec<f64>,
}

impl Tracked {
    /// Adds `ticks` to the sockets where its threads used them. `look` walks the threads even so, for a baseline.
    ///
    /// A thread's time goes to the CPU where it last ran; a waited-for child's to where its parent's goes. Time on a
    /// CPU whose socket is not known leaves not a number on every socket.
    fn distribute(&mut self, ticks: u64, directory: &Path, topology: &Topology, look: bool, sockets: &mut [f64]) {
        if let [one] = sockets {
            *one += ticks as f64;
            return;
        }
        if sockets.is_empty() || (ticks == 0 && !look) {
            return;
        }
        match self.walk_threads(directory, topology) {
            Some(moved) if moved.iter().any(|ticks| *ticks > 0) => {
                let total: u64 = moved.iter().sum();
                self.weights = moved.iter().map(|ticks| *ticks as f64 / total as f64).collect();
            }
            Some(moved) if self.weights.is_empty() => {
                if let Some(socket) = topology.socket(self.stat.processor) {
                    self.weights = vec![0.0; moved.len()];
                    self.weights[socket] = 1.0;
                }
            }
            Some(_) => {}
            None => self.weights.clear(),
        }
        if ticks > 0 && self.weights.is_empty() {
            sockets.fill(f64::NAN);
        }
        for (socket, weight) in sockets.iter_mut().zip(&self.weights) {
            *socket += ticks as f64 * weight;
        }
    }

    /// Ticks that its threads used on each socket since the last walk, where they ran on known sockets alone. Threads
    /// that end while it runs are not seen.
    fn walk_threads(&mut self, directory: &Path, topology: &Topology) -> Option<Vec<u64>> {
        let mut moved = Some(vec![0; topology.sockets().len()]);
        let mut threads = FxHashMap::default();
        let tasks = std::fs::read_dir(directory.join("task")).into_iter().flatten().flatten();
        for entry in tasks {
            let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let Ok(stat) = ProcessStat::read(&entry.path()) else { continue };
            let before =
                self.threads.get(&tid).filter(|(start, _)| *start == stat.start).map_or(0, |(_, ticks)| *ticks);
            let used = stat.own.saturating_sub(before);
            match (topology.socket(stat.processor), &mut moved) {
                (Some(socket), Some(moved)) => moved[socket] += used,
                (None, _) if used > 0 => moved = None,
                _ => {}
            }
            threads.insert(tid, (stat.start, stat.own));
        }
        self.threads = threads;
        moved
    }
}

const _: () = assert!(Group::Application as usize == 0 && Group::Daemon as usize == 1);
