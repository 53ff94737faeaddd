//! What one listener makes of what a sampler read: readings of its own period, and a report of its own.
//!
//! Each register has a counter per listener, which sees the listener's own ticks alone: wraps, restarts, failures and
//! doubts are those of somebody who reads by himself. What a source knows as intervals is put together from one own
//! tick to the next, so that no energy is lost between them.

use std::sync::Arc;

use super::heard::Heard;
use super::schedule::Schedule;
use crate::clock::TraceClock;
use crate::registers::counter::Interval;
use crate::registers::sampler::batch::{Batch, Outlet, Sent, Suspended, Tick};
use crate::registers::sampler::quantiles::Quantiles;
use crate::registers::sampler::sensors::Sensors;
use crate::registers::source::{Observation, Value};
use crate::trace::{Domain, Flag, Flags, Reading, SourceReport, Suspension};

/// One end of a subscription: what was read comes out here.
#[derive(Debug)]
pub struct Listener {
    outlet: Outlet,
    /// By the sampler's number of a register: the listener's own.
    numbers: Vec<Option<u16>>,
    registers: Vec<Heard>,
    /// Number of its first domain in [`crate::trace::Metadata::domains`].
    first_domain: u16,
    clock: TraceClock,
    /// From its first read on.
    schedule: Option<Schedule>,
    report: SourceReport,
    lateness: Quantiles,
    distances: Quantiles,
    sensors: Sensors,
    /// The last batch, and the CPU time before the first, in nanoseconds.
    last: Option<Arc<Batch>>,
    cpu_from_ns: Option<i64>,
    /// Until when registers were read.
    until_ns: i64,
}

impl Listener {
    pub(super) fn new(
        outlet: Outlet,
        name: &str,
        domains: &[Domain],
        numbers: Vec<Option<u16>>,
        first_domain: u16,
        period_ns: i64,
        clock: TraceClock,
    ) -> Self {
        Self {
            outlet,
            numbers,
            registers: domains.iter().map(Heard::new).collect(),
            first_domain,
            clock,
            schedule: None,
            report: SourceReport { name: name.to_owned(), period_ns, ..SourceReport::default() },
            lateness: Quantiles::new(),
            distances: Quantiles::new(),
            sensors: Sensors::new(domains),
            last: None,
            cpu_from_ns: None,
            until_ns: i64::MIN,
        }
    }

    /// Adds what was read since the last call; never waits.
    pub fn take(&mut self, out: &mut Vec<Reading>) {
        while let Some(sent) = self.outlet.next() {
            self.hear(&sent, out);
        }
    }

    /// Adds what is left, and what failed to be read until the end, or stood, so that the readings reach as far as what
    /// was read. To be called once the subscription has been left.
    #[must_use]
    pub fn finish(mut self, out: &mut Vec<Reading>) -> SourceReport {
        self.take(out);
        for (domain, register) in (self.first_domain..).zip(&mut self.registers) {
            register.end(self.until_ns, |interval| out.push(reading(self.clock, domain, &interval)));
        }
        let batch = self.last.unwrap_or_default();
        self.report.cpu_s = self.cpu_from_ns.map(|from_ns| (batch.cpu_to_ns - from_ns) as f64 * 1e-9);
        self.report.measured_period_ns = self.distances.quantile(0.5);
        self.report.lateness_p50_ns = self.lateness.quantile(0.5);
        self.report.lateness_p99_ns = self.lateness.quantile(0.99);
        let update_ns = |own: usize| {
            let number = self.numbers.iter().position(|number| number.map(usize::from) == Some(own))?;
            batch.updates_ns.get(number).copied().flatten()
        };
        let updates_ns = (0..self.registers.len()).map(update_ns);
        self.report.sensors = self.sensors.report(updates_ns, self.registers.iter().map(Heard::update_ns));
        self.report
    }

    fn hear(&mut self, sent: &Sent, out: &mut Vec<Reading>) {
        if let Some(suspended) = &sent.left_out {
            tracing::warn!("readings of {} waited for too long: some are longer", self.report.name);
            self.registers.iter_mut().for_each(Heard::miss);
            suspended.iter().for_each(|suspended| self.sleep(*suspended));
        }
        self.cpu_from_ns.get_or_insert(sent.batch.cpu_from_ns);
        let ticks = sent.batch.ticks.len();
        for (number, (tick, observations)) in (1..).zip(sent.batch.ticks()) {
            self.hear_tick(tick, observations, sent.last && number == ticks, out);
        }
        self.last = Some(Arc::clone(&sent.batch));
    }

    fn hear_tick(&mut self, tick: &Tick, observations: &[Observation], last: bool, out: &mut Vec<Reading>) {
        let Some(schedule) = &mut self.schedule else {
            self.schedule = Some(Schedule::new(self.report.period_ns, tick));
            return self.begin(tick, observations);
        };
        let due = schedule.due(tick);
        if let Some(suspended) = tick.suspended {
            self.sleep(suspended);
        }
        let mut flags = Flags::NONE;
        if let Some(due) = due {
            self.lateness.add(due.late_ns);
            self.distances.add(due.distance_ns);
            self.report.ticks += 1;
            self.report.missed_ticks += due.missed;
            if due.missed > 0 {
                flags = flags.with(Flag::Missed);
            }
        }
        let own = due.is_some() || last;
        self.until_ns = self.until_ns.max(tick.at_ns);
        for observation in observations.iter().filter(|observation| own || observation.value.is_energy()) {
            let Some((number, register)) = own_register(&self.numbers, &mut self.registers, observation) else {
                continue;
            };
            let flags = observation.flags.union(flags);
            let observation = Observation { domain: number, flags, ..observation.clone() };
            if own {
                self.until_ns = self.until_ns.max(observation.read_end_ns);
                self.sensors.see(&observation);
                if let Value::Failed { problem } = &observation.value {
                    self.report.failed_reads += 1;
                    tracing::debug!(source = self.report.name, domain = number, "{problem}");
                }
            }
            let domain = self.first_domain + number;
            register.hear(observation, own, |interval| out.push(reading(self.clock, domain, &interval)));
        }
        if own {
            for (domain, register) in (self.first_domain..).zip(&mut self.registers) {
                register.put_together(|interval| out.push(reading(self.clock, domain, &interval)));
            }
        }
    }

    /// The first read: where everything starts.
    fn begin(&mut self, tick: &Tick, observations: &[Observation]) {
        let read_ends = observations.iter().map(|observation| observation.read_end_ns);
        self.until_ns = read_ends.chain([tick.at_ns]).max().unwrap_or(tick.at_ns);
        self.registers.iter_mut().for_each(|register| register.begin(tick.at_ns));
        for observation in observations {
            let Some((number, register)) = own_register(&self.numbers, &mut self.registers, observation) else {
                continue;
            };
            let observation = Observation { domain: number, ..observation.clone() };
            self.sensors.see(&observation);
            self.report.failed_reads += u64::from(matches!(observation.value, Value::Failed { .. }));
            register.hear_first(&observation);
        }
    }

    fn sleep(&mut self, suspended: Suspended) {
        let Suspended { noticed_ns, slept_ns } = suspended;
        self.registers.iter_mut().for_each(|register| register.slept(slept_ns));
        let at_ns = self.clock.from_monotonic(noticed_ns);
        self.report.suspensions.push(Suspension { at_ns, suspended_ns: slept_ns });
    }
}

fn own_register<'a>(
    numbers: &[Option<u16>],
    registers: &'a mut [Heard],
    observation: &Observation,
) -> Option<(u16, &'a mut Heard)> {
    let number = numbers.get(usize::from(observation.domain)).copied().flatten()?;
    Some((number, registers.get_mut(usize::from(number))?))
}

/// An interval in trace time.
fn reading(clock: TraceClock, domain: u16, interval: &Interval) -> Reading {
    Reading {
        domain,
        start_ns: clock.from_monotonic(interval.start_ns),
        end_ns: clock.from_monotonic(interval.end_ns),
        edge_uncertainty_ns: interval.edge_uncertainty_ns,
        read_start_ns: clock.from_monotonic(interval.read.start_ns),
        read_end_ns: clock.from_monotonic(interval.read.end_ns),
        energy_j: interval.energy_j,
        app_share: None,
        daemon_share: None,
        idle_share: None,
        flags: interval.flags,
    }
}
