//! CPU time, as it stood, and the part of all CPUs that it is since the look before.

use super::Metric;
use super::host::HostLooks;
use crate::registers::shares::{MachineStat, Ticks};

pub(super) const METRICS: &[Metric<HostLooks>] = &[
    Metric {
        name: "cpu_time",
        unit: "s",
        scopes: "application, machine, daemon",
        source: "`/proc/PID/stat` of the application with its descendants, ended ones included, and of the daemon: user \
                 and system time since the recording began; `/proc/stat`: of all CPUs since boot, without idle, iowait \
                 and steal",
        check: |looks| looks.has("stat"),
        read: |looks, values| {
            let used = &looks.use_so_far;
            let told = [("application", used.application_s), ("machine", used.machine_s), ("daemon", used.daemon_s)];
            told.into_iter().filter_map(|(scope, time_s)| Some((scope, time_s?))).for_each(|(scope, time_s)| {
                values.add(scope, time_s);
            });
            used.problem.clone().map_or(Ok(()), Err)
        },
    },
    Metric {
        name: "cpu_utilisation",
        unit: "1",
        scopes: "application, machine",
        source: "`cpu_time` ÷ the time that passed on all CPUs, since the look before",
        check: |looks| looks.has("stat"),
        read: |looks, values| {
            let used = &looks.use_so_far;
            if let Some(part) = used.application_part {
                values.add("application", part);
            }
            if let Some(part) = used.machine_part {
                values.add("machine", part);
            }
            Ok(())
        },
    },
    Metric {
        name: "processes",
        unit: "1",
        scopes: "application",
        source: "`/proc`: the application and its descendants that live",
        check: |looks| looks.has("stat"),
        read: |looks, values| {
            let living = looks.processes.application_processes().count();
            if living > 0 {
                values.add("application", living as f64);
            }
            Ok(())
        },
    },
];

/// Over fewer ticks than this a fraction is mostly rounding.
const LEAST_TICKS: u64 = 20;

/// What was used up to the last look, in seconds; `None` is unknown.
#[derive(Debug, Default)]
pub(super) struct UseSoFar {
    application_s: Option<f64>,
    daemon_s: Option<f64>,
    machine_s: Option<f64>,
    application_part: Option<f64>,
    machine_part: Option<f64>,
    problem: Option<String>,
    /// Ticks since the machine was last looked at.
    before: Option<MachineStat>,
    looked: bool,
}

impl UseSoFar {
    pub(super) fn add(&mut self, machine: Result<MachineStat, String>, ticks: Ticks, tick_s: f64) {
        let sum = |ticks: Option<Vec<f64>>| ticks.map(|sockets| sockets.iter().sum::<f64>());
        let (application, daemon) = (sum(ticks.application), sum(ticks.daemon));
        // The first look fixes from where on it is counted.
        let first = !std::mem::replace(&mut self.looked, true);
        self.problem = ticks.problem;
        let baseline = |problem: &Option<String>| (first && problem.is_none()).then_some(0.0);
        for (so_far, ticks) in [(&mut self.application_s, application), (&mut self.daemon_s, daemon)] {
            match ticks {
                Some(ticks) => *so_far = Some(so_far.unwrap_or(0.0) + ticks * tick_s),
                None => *so_far = so_far.or(baseline(&self.problem)),
            }
        }
        (self.application_part, self.machine_part) = (None, None);
        let machine = match machine {
            Ok(machine) => machine,
            Err(problem) => {
                self.machine_s = None;
                self.problem = self.problem.take().or(Some(problem));
                return;
            }
        };
        self.machine_s = Some(machine.cpus.iter().map(|cpu| cpu.active).sum::<u64>() as f64 * tick_s);
        if let Some(before) = &self.before {
            let (active, passed) = machine.since(before);
            if passed < LEAST_TICKS * machine.cpus.len() as u64 {
                return;
            }
            self.machine_part = Some(active as f64 / passed as f64);
            self.application_part = application.map(|ticks| ticks / passed as f64);
        }
        self.before = Some(machine);
    }
}
