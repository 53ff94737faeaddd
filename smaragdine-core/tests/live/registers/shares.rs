//! Shares of real processes on this machine. Asserts on ratios, since others use the machine, too.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use smaragdine_core::clock::TraceClock;
use smaragdine_core::registers::shares::{Machine, ShareSampler};
use smaragdine_core::registers::topology::{SYS, Topology};
use smaragdine_core::trace::ShareSample;

/// A shell that runs until it is dropped, with whatever it started.
struct Shell(Child);

impl Shell {
    fn start(script: &str) -> Self {
        Self(Command::new("sh").args(["-c", script]).spawn().expect("every test machine has sh"))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("pids are positive")
    }

    /// Ticks that it and the children it waited for have used, as the kernel tells.
    fn ticks(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it lives");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        fields.split_whitespace().skip(11).take(4).map(|ticks| ticks.parse::<f64>().expect("a number")).sum()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sample(application: i32, excluded: Vec<i32>) -> (ShareSampler, Receiver<Vec<ShareSample>>) {
    let (sink, samples) = sync_channel(64);
    let proc = Path::new("/proc");
    let machine = Machine::measured(Topology::read(Path::new(SYS), proc), proc);
    let sampler = ShareSampler::start(machine, application, excluded, 0, TraceClock::start(), sink)
        .expect("threads can be started");
    (sampler, samples)
}

/// Seconds of wall time that the application's share stands for, and the sum of everything known.
fn weigh(samples: &Receiver<Vec<ShareSample>>) -> (f64, f64) {
    let mut weighed = (0.0, 0.0);
    for sample in samples.try_iter().flatten() {
        let seconds = (sample.end_ns - sample.start_ns) as f64 / 1e9;
        let (app, daemon, idle) = (sample.app.unwrap(), sample.daemon.unwrap(), sample.idle.unwrap());
        assert!(app >= 0.0 && daemon >= 0.0 && idle >= 0.0 && app + daemon + idle <= 1.0 + 1e-9, "{sample:?}");
        weighed = (weighed.0 + app * seconds, weighed.1 + seconds);
    }
    weighed
}

#[test]
fn two_busy_processes_have_shares_in_the_ratio_of_their_cpu_time() {
    let shells = [Shell::start("while :; do :; done"), Shell::start("while :; do :; done")];
    let before = [shells[0].ticks(), shells[1].ticks()];
    let samplers = [sample(shells[0].pid(), vec![]), sample(shells[1].pid(), vec![])];
    std::thread::sleep(Duration::from_millis(1500));
    let used = [shells[0].ticks() - before[0], shells[1].ticks() - before[1]];
    let [first, second] = samplers.map(|(sampler, samples)| {
        let report = sampler.stop();
        assert!(report.problems.is_empty(), "{report:?}");
        assert!(report.tick_ns >= 1_000_000, "{report:?}");
        weigh(&samples)
    });
    assert!(first.0 > 0.0 && second.0 > 0.0 && first.0 + second.0 <= first.1.max(second.1) * 1.05);
    let (shares, truth) = (first.0 / (first.0 + second.0), used[0] / (used[0] + used[1]));
    assert!((shares - truth).abs() < 0.1, "the shares say {shares:.3}, the kernel {truth:.3}");
}

#[test]
fn work_done_in_short_lived_children_is_the_application_s() {
    let burn = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    let parent = Shell::start(&format!("while :; do ( {burn} ); done"));
    let rival = Shell::start("while :; do :; done");
    let before = [parent.ticks(), rival.ticks()];
    let samplers = [sample(parent.pid(), vec![]), sample(rival.pid(), vec![])];
    std::thread::sleep(Duration::from_millis(1500));
    let used = [parent.ticks() - before[0], rival.ticks() - before[1]];
    let [first, second] = samplers.map(|(sampler, samples)| {
        let _ = sampler.stop();
        weigh(&samples)
    });
    let (shares, truth) = (first.0 / (first.0 + second.0), used[0] / (used[0] + used[1]));
    assert!((shares - truth).abs() < 0.1, "the shares say {shares:.3}, the kernel {truth:.3}");
}

#[test]
fn excluded_processes_are_the_daemon_s_even_below_the_application() {
    let worker = Shell::start("while :; do :; done");
    let this = i32::try_from(std::process::id()).expect("pids are positive");
    let (sampler, samples) = sample(this, vec![worker.pid()]);
    std::thread::sleep(Duration::from_millis(800));
    let _ = sampler.stop();
    let daemon: f64 = samples.try_iter().flatten().filter_map(|sample| sample.daemon).sum();
    assert!(daemon > 0.0);
}

#[test]
fn a_process_that_cannot_be_seen_has_an_unknown_share_with_a_reason() {
    // 0 is what the kernel says of a caller in a pid namespace beside the daemon's.
    for (pid, reason) in [(0, "a pid namespace that the daemon cannot see"), (i32::MAX, "is not visible")] {
        let (sampler, samples) = sample(pid, vec![]);
        let report = sampler.stop();
        assert!(samples.try_iter().flatten().all(|sample| sample.app.is_none() && sample.idle.is_some()));
        assert!(report.problems[0].contains(reason), "{report:?}");
    }
}
