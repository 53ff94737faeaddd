//! Shares over a fixture of `/proc`: two sockets, an application of two processes, its private daemon, a stranger.

mod sockets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const APPLICATION: i32 = 4200;
const LOADER: i32 = 4210;
const DAEMON: i32 = 4220;
const STRANGER: i32 = 5000;

/// A writable copy of the fixture.
struct Proc(TempDir);

impl Proc {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/proc/two-sockets")), directory.path());
        Self(directory)
    }

    fn with_one_socket(self) -> Self {
        let cpuinfo = fs::read_to_string(self.0.path().join("cpuinfo")).unwrap();
        fs::write(self.0.path().join("cpuinfo"), cpuinfo.replace("physical id\t: 1", "physical id\t: 0")).unwrap();
        self
    }

    /// Its sockets are those of its cpuinfo; what is laid out has no kernel.
    fn topology(&self) -> Topology {
        Topology::read(&self.0.path().join("sys"), self.0.path())
    }

    fn looks(&self) -> Looks {
        self.looks_at(Machine::measured(self.topology(), self.0.path()))
    }

    fn looks_at(&self, machine: Machine) -> Looks {
        let mut looks = Looks::new(machine, APPLICATION, vec![DAEMON], TraceClock::start());
        assert!(looks.look().is_empty(), "the first look only sets the baseline");
        looks
    }

    fn stat(&self, id: i32, thread: Option<i32>) -> PathBuf {
        let directory = self.0.path().join(id.to_string());
        thread.map_or(directory.clone(), |tid| directory.join("task").join(tid.to_string())).join("stat")
    }

    fn edit(path: &Path, edit: impl Fn(usize, i64) -> i64) {
        let line = fs::read_to_string(path).unwrap();
        let (name, fields) = line.trim_end().rsplit_once(") S ").unwrap();
        let fields = fields.split(' ').zip(4..).map(|(value, number)| {
            value.parse::<i64>().map_or(value.to_owned(), |value| edit(number, value).to_string())
        });
        fs::write(path, format!("{name}) S {}\n", fields.collect::<Vec<_>>().join(" "))).unwrap();
    }

    /// A process runs `ticks` in one of its threads.
    fn runs(&self, pid: i32, tid: i32, ticks: i64) {
        for path in [self.stat(pid, None), self.stat(pid, Some(tid))] {
            Self::edit(&path, |number, value| if number == 14 { value + ticks } else { value });
        }
    }

    fn is_born(&self, pid: i32, parent: i32, start: i64, ticks: i64) {
        fs::create_dir_all(self.stat(pid, Some(pid)).parent().unwrap()).unwrap();
        for path in [self.stat(pid, None), self.stat(pid, Some(pid))] {
            fs::copy(self.stat(STRANGER, None), &path).unwrap();
            Self::edit(&path, |number, value| match number {
                4 => i64::from(parent),
                14 => ticks,
                15..=17 => 0,
                22 => start,
                _ => value,
            });
        }
        self.machine("processes ", 1);
    }

    fn is_adopted(&self, pid: i32, parent: i32) {
        Self::edit(&self.stat(pid, None), |number, value| if number == 4 { i64::from(parent) } else { value });
    }

    /// A process ends; `reaper` waited for it and shows its time.
    fn ends(&self, pid: i32, reaper: Option<(i32, i64)>) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
        if let Some((reaper, ticks)) = reaper {
            Self::edit(&self.stat(reaper, None), |number, value| if number == 16 { value + ticks } else { value });
        }
    }

    /// A CPU is active, and the whole machine's line is left alone: it is not read.
    fn active(&self, cpu: u32, ticks: i64) {
        self.machine(&format!("cpu{cpu} "), ticks);
    }

    fn machine(&self, label: &str, more: i64) {
        let path = self.0.path().join("stat");
        let lines = fs::read_to_string(&path).unwrap();
        let lines = lines.lines().map(|line| match line.strip_prefix(label) {
            Some(rest) => {
                let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                format!("{label}{} {rest}", first.parse::<i64>().unwrap() + more)
            }
            None => line.to_owned(),
        });
        // By rename: a sampler may be reading.
        let new = self.0.path().join("new");
        fs::write(&new, lines.map(|line| line + "\n").collect::<String>()).unwrap();
        fs::rename(new, path).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Application and daemon shares by socket. More active time than wall time went by, so nothing is idle.
fn shares(samples: &[ShareSample]) -> Vec<(Option<f64>, Option<f64>)> {
    samples.iter().map(|sample| (sample.app, sample.daemon)).collect()
}

#[test]
fn shares_are_by_socket_and_follow_the_threads_of_a_process() {
    let proc = Proc::new();
    let mut looks = proc.looks();
    // CPUs 0 and 2 are socket 0; 1 and 3 are socket 1.
    proc.runs(APPLICATION, 4200, 3000);
    proc.runs(APPLICATION, 4201, 1000);
    proc.runs(LOADER, LOADER, 3000);
    proc.runs(DAEMON, DAEMON, 500);
    proc.runs(STRANGER, STRANGER, 2500);
    proc.active(0, 5000);
    proc.active(2, 5000);
    proc.active(1, 2000);
    proc.active(3, 2000);
    let samples = looks.look();
    assert_eq!(shares(&samples), [(Some(0.6), Some(0.0)), (Some(0.25), Some(0.125))]);
    assert_eq!([&*samples[0].scope, &*samples[1].scope], ["socket:0", "socket:1"]);
    assert_eq!([samples[0].idle, samples[1].idle], [Some(0.0), Some(0.0)]);
}

#[test]
fn samples_follow_each_other_without_a_hole() {
    let proc = Proc::new();
    let mut looks = proc.looks();
    let (first, second) = (looks.look(), looks.look());
    assert_eq!(first[0].end_ns, second[0].start_ns);
    assert!(first[0].start_ns < first[0].end_ns);
}

#[test]
fn a_reaped_child_s_time_moves_to_its_parent_and_is_counted_once() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    // It had 240 ticks before the recording, and used 160 more before its parent waited for it.
    proc.ends(LOADER, Some((APPLICATION, 400)));
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.16), Some(0.0))]);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.0), Some(0.0))]);
}

#[test]
fn a_child_born_and_reaped_between_two_looks_counts() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.machine("processes ", 1);
    Proc::edit(&proc.stat(APPLICATION, None), |number, value| if number == 17 { value + 300 } else { value });
    proc.active(1, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.3), Some(0.0))]);
}

#[test]
fn a_child_reaped_after_its_parent_was_read_is_found_at_the_parent_the_next_time() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.ends(LOADER, None);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.0), Some(0.0))]);
    Proc::edit(&proc.stat(APPLICATION, None), |number, value| if number == 16 { value + 340 } else { value });
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.1), Some(0.0))]);
}

#[test]
fn a_parent_that_ignores_its_children_loses_nothing_of_what_later_ones_use() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.ends(LOADER, None);
    for _ in 0..2 {
        proc.active(0, 1000);
        assert_eq!(shares(&looks.look()), [(Some(0.0), Some(0.0))]);
    }
    Proc::edit(&proc.stat(APPLICATION, None), |number, value| if number == 16 { value + 200 } else { value });
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.2), Some(0.0))]);
}

#[test]
fn a_grandchild_whose_parent_died_stays_in_the_application() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.is_born(4300, LOADER, 170_000, 100);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.1), Some(0.0))]);
    proc.ends(LOADER, Some((APPLICATION, 240)));
    proc.is_adopted(4300, 1);
    proc.runs(4300, 4300, 500);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.5), Some(0.0))]);
}

#[test]
fn a_pid_that_a_stranger_reuses_is_not_the_application_s() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.ends(LOADER, Some((APPLICATION, 240)));
    proc.is_born(LOADER, 1, 180_000, 900);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.0), Some(0.0))]);
    proc.runs(LOADER, LOADER, 700);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.0), Some(0.0))]);
}

#[test]
fn whoever_gets_the_application_s_own_pid_is_not_the_application() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.ends(APPLICATION, None);
    proc.is_born(APPLICATION, 1, 180_000, 900);
    proc.active(0, 1000);
    assert_eq!(looks.look()[0].app, None, "it ended in this interval");
    proc.runs(APPLICATION, APPLICATION, 700);
    proc.is_born(4400, APPLICATION, 181_000, 100);
    proc.active(0, 1000);
    assert_eq!(looks.look()[0].app, Some(0.0), "neither the stranger nor its child");
    proc.runs(LOADER, LOADER, 300);
    proc.active(0, 1000);
    assert_eq!(looks.look()[0].app, Some(0.3), "its descendants still are");
}

#[test]
fn after_a_machine_that_could_not_be_read_the_application_s_pid_is_still_only_its_own() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    let kept = fs::read(proc.stat(LOADER, None)).unwrap();
    fs::remove_file(proc.stat(LOADER, None)).unwrap();
    fs::create_dir(proc.stat(LOADER, None)).unwrap();
    proc.ends(APPLICATION, None);
    proc.is_born(APPLICATION, 1, 180_000, 900);
    proc.active(0, 1000);
    assert_eq!(looks.look()[0].app, None);
    fs::remove_dir(proc.stat(LOADER, None)).unwrap();
    fs::write(proc.stat(LOADER, None), kept).unwrap();
    for _ in 0..3 {
        proc.runs(APPLICATION, APPLICATION, 700);
        proc.active(0, 1000);
        assert!(looks.look()[0].app.is_none_or(|app| app == 0.0));
    }
}

#[test]
fn a_member_s_pid_in_a_stranger_s_hands_makes_nobody_the_application_s() {
    // As a GPU's holders are looked at: nobody follows who ended.
    let proc = Proc::new();
    let mut members = members::Members::new(proc.0.path(), APPLICATION, Vec::new());
    members.discover(None).unwrap();
    assert!(members.is_application(LOADER));
    proc.ends(LOADER, None);
    proc.is_born(LOADER, 1, 180_000, 0);
    proc.is_born(4300, LOADER, 180_001, 0);
    members.discover(None).unwrap();
    assert!(!members.is_application(LOADER) && !members.is_application(4300));
    proc.ends(LOADER, None);
    members.discover(None).unwrap();
    proc.is_born(LOADER, APPLICATION, 190_000, 0);
    members.discover(None).unwrap();
    assert!(members.is_application(LOADER), "a child of the application's, whatever its number was before");
}

#[test]
fn a_pid_that_a_new_child_reuses_is_the_application_s_again() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.ends(LOADER, Some((APPLICATION, 240)));
    proc.is_born(LOADER, APPLICATION, 180_000, 260);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.26), Some(0.0))]);
}

#[test]
fn without_new_processes_only_the_known_ones_are_read() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    fs::write(proc.stat(STRANGER, None), "no line of a process").unwrap();
    proc.runs(APPLICATION, 4200, 100);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.1), Some(0.0))]);
    assert!(looks.report().problems.is_empty());
}

#[test]
fn an_invisible_application_has_an_unknown_share_and_a_reason() {
    let proc = Proc::new();
    fs::remove_dir_all(proc.0.path().join("4200")).unwrap();
    let mut looks = proc.looks();
    proc.active(0, 1000);
    let samples = looks.look();
    assert_eq!([samples[0].app, samples[1].app], [None, None]);
    assert!(samples[0].idle.is_some());
    assert!(looks.report().problems[0].contains("process 4200 is not visible"));
}

#[test]
fn when_the_application_ends_its_last_interval_is_unknown_and_the_rest_is_its_descendants() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    proc.ends(APPLICATION, None);
    proc.active(0, 1000);
    assert_eq!(looks.look()[0].app, None);
    proc.runs(LOADER, LOADER, 300);
    proc.active(0, 1000);
    assert_eq!(looks.look()[0].app, Some(0.3));
    assert!(looks.report().problems[0].contains("process 4200 ended"));
}

#[test]
fn an_unreadable_machine_is_unknown_for_both_intervals_that_touch_it() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    let stat = fs::read(proc.0.path().join("stat")).unwrap();
    fs::write(proc.0.path().join("stat"), "").unwrap();
    assert_eq!(looks.look()[0].idle, None);
    fs::write(proc.0.path().join("stat"), stat).unwrap();
    assert_eq!(looks.look()[0].app, None);
    proc.runs(APPLICATION, 4200, 100);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.1), Some(0.0))]);
    assert!(looks.report().problems[0].contains("stat: it names no CPU"));
}

#[test]
fn a_root_without_processors_has_unknown_shares_and_names_what_is_missing() {
    let directory = TempDir::new().unwrap();
    let topology = Topology::read(&directory.path().join("sys"), directory.path());
    let mut looks = Looks::new(Machine::measured(topology, directory.path()), 1, vec![], TraceClock::start());
    assert!(looks.look().is_empty() && looks.look().is_empty());
    let problems = looks.report().problems.join("\n");
    assert!(problems.contains("cpuinfo") && problems.contains("cannot read"), "{problems}");
}

#[test]
fn cpu_times_that_stand_still_are_no_idleness() {
    let proc = Proc::new().with_one_socket();
    let mut looks = proc.looks();
    std::thread::sleep(Duration::from_millis(60));
    proc.runs(APPLICATION, 4200, 5);
    assert_eq!(looks.look()[0].idle, None);
    proc.runs(APPLICATION, 4200, 100);
    proc.active(0, 1000);
    assert_eq!(shares(&looks.look()), [(Some(0.1), Some(0.0))]);
    assert!(looks.report().problems[0].contains("stand still"));
}

#[test]
fn a_consumer_that_stands_still_holds_nothing_up_and_misses_nothing() {
    let proc = Proc::new();
    let (sink, samples) = std::sync::mpsc::sync_channel(1);
    let machine = Machine::measured(proc.topology(), proc.0.path());
    let sampler = ShareSampler::start(machine, APPLICATION, vec![DAEMON], 0, TraceClock::start(), sink).unwrap();
    for _ in 0..35 {
        std::thread::sleep(Duration::from_millis(20));
        proc.active(0, 2);
    }
    let taken = std::thread::spawn(move || samples.iter().flatten().collect::<Vec<_>>());
    assert!(sampler.stop().problems.is_empty());
    let taken = taken.join().unwrap();
    let socket: Vec<_> = taken.iter().filter(|sample| sample.scope == "socket:0").collect();
    assert!(socket.len() > 1 && socket.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns));
}
