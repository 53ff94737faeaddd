//! Several who listen to the same registers: what each hears, and how often the registers are read for all of them.

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use smaragdine_core::clock::{TraceClock, monotonic_ns};
use smaragdine_core::registers::source::nvml::{CudaEnvironment, Nvml};
use smaragdine_core::registers::source::{Observation, Source, Value};
use smaragdine_core::registers::station::{Listener, Station, Subscription, Wish};
use smaragdine_core::trace::{Domain, Flag, Flags, Reading, SourceReport};

use super::nvml::Driver;

const MS: i64 = 1_000_000;

/// How a register tells energy.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Counter,
    /// By 100 W since the last read.
    Interval,
    /// By 100 W over each 5 ms, which no read chose.
    Sampled,
}

/// A read of all registers: when, and what the counters showed.
#[derive(Debug, Clone, Copy)]
struct Read {
    start_ns: i64,
    end_ns: i64,
    energy_uj: u64,
}

/// Registers that remember every read of them. Several sources may be of the same registers.
#[derive(Debug, Clone)]
struct Registers {
    name: &'static str,
    told: Vec<Told>,
    reads: Arc<Mutex<Vec<Read>>>,
    /// Reads at these places fail.
    fails: fn(usize) -> bool,
}

struct Remembering {
    registers: Registers,
    domains: Vec<Domain>,
    last_ns: Option<i64>,
}

impl Registers {
    fn new(name: &'static str, told: &[Told]) -> Self {
        Self { name, told: told.to_vec(), reads: Arc::default(), fails: |_| false }
    }

    fn source(&self) -> Box<dyn Source> {
        let domain =
            |number: usize| Domain { counted: false, ..Domain::new(&format!("rail-{number}"), "CPU:0", "test", "") };
        let domains = (0..self.told.len()).map(domain).collect();
        Box::new(Remembering { registers: self.clone(), domains, last_ns: None })
    }

    fn reads(&self) -> Vec<Read> {
        self.reads.lock().unwrap().clone()
    }
}

impl Source for Remembering {
    fn name(&self) -> &'static str {
        "remembering"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        (0..self.domains.len()).map(|number| format!("{} {number}", self.registers.name)).collect()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        let mut reads = self.registers.reads.lock().unwrap();
        let start_ns = monotonic_ns();
        // It moves at every read, by ever other amounts.
        let energy_uj = reads.last().map_or(7, |last| last.energy_uj + 100 + reads.len() as u64 * 37 % 91);
        let fails = (self.registers.fails)(reads.len());
        let last_ns = if fails { self.last_ns } else { self.last_ns.replace(start_ns) };
        let energy_j = |from_ns: i64, to_ns: i64| 100.0 * (to_ns - from_ns) as f64 * 1e-9;
        for (domain, told) in (0..).zip(&self.registers.told) {
            let mut observe = |value| {
                let read_end_ns = monotonic_ns();
                out.push(Observation { domain, read_start_ns: start_ns, read_end_ns, value, flags: Flags::NONE });
            };
            match (told, last_ns) {
                _ if fails => observe(Value::Failed { problem: "no value".to_owned() }),
                (Told::Counter, _) => observe(Value::Counter { energy_uj }),
                (Told::Interval, Some(last_ns)) => {
                    let energy_j = energy_j(last_ns, start_ns);
                    observe(Value::Interval { start_ns: last_ns, end_ns: start_ns, energy_j });
                }
                (Told::Sampled, Some(last_ns)) => {
                    for sample in last_ns / (5 * MS)..start_ns / (5 * MS) {
                        let (start_ns, end_ns) = (sample * 5 * MS, (sample + 1) * 5 * MS);
                        observe(Value::Sampled { start_ns, end_ns, energy_j: energy_j(start_ns, end_ns) });
                    }
                }
                (Told::Interval | Told::Sampled, None) => {}
            }
        }
        reads.push(Read { start_ns, end_ns: monotonic_ns(), energy_uj });
    }
}

/// One who listens, and since when.
struct Listening {
    subscription: Subscription,
    listener: Listener,
    from_ns: i64,
}

/// What one heard from its start to its end. `CLOCK_MONOTONIC`.
struct Heard {
    readings: Vec<Reading>,
    report: SourceReport,
    from_ns: i64,
    to_ns: i64,
}

fn listen(station: &Station, source: Box<dyn Source>, period_ns: i64) -> Listening {
    let clock = TraceClock { realtime_offset_ns: 0 };
    let from_ns = monotonic_ns();
    let wish = Wish { period_ns, first_domain: 0, clock };
    let (subscription, listener) = station.subscribe(source, wish).expect("a thread");
    Listening { subscription, listener, from_ns }
}

fn leave(listening: Listening) -> Heard {
    let Listening { subscription, listener, from_ns } = listening;
    let mut readings = Vec::new();
    assert!(subscription.leave());
    let to_ns = monotonic_ns();
    let report = listener.finish(&mut readings);
    Heard { readings, report, from_ns, to_ns }
}

impl Heard {
    fn of(&self, domain: u16) -> Vec<Reading> {
        let readings: Vec<_> = self.readings.iter().filter(|reading| reading.domain == domain).copied().collect();
        assert!(readings.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns), "{readings:?}");
        readings
    }

    /// The reads that began and ended its time: none before it came, and none after it had left.
    fn bounds(&self, reads: &[Read]) -> (Read, Read) {
        let readings = self.of(0);
        let at = |ns: i64| *reads.iter().find(|read| (read.start_ns..=read.end_ns).contains(&ns)).expect("a read");
        let (first, last) = (at(readings[0].start_ns), at(readings[readings.len() - 1].end_ns));
        assert!(self.from_ns <= first.start_ns && last.end_ns <= self.to_ns);
        (first, last)
    }

    fn truth_uj(&self, reads: &[Read]) -> u64 {
        let (first, last) = self.bounds(reads);
        last.energy_uj - first.energy_uj
    }
}

fn energy_uj(readings: &[Reading]) -> u64 {
    (readings.iter().map(|reading| reading.energy_j).sum::<f64>() * 1e6).round() as u64
}

#[test]
fn who_listens_at_whichever_period_hears_all_energy_of_its_time_and_the_registers_are_read_once() {
    let (station, registers) = (Station::default(), Registers::new("shared", &[Told::Counter]));
    let start_ns = monotonic_ns();
    let slow = listen(&station, registers.source(), 25 * MS);
    sleep(Duration::from_millis(90));
    let fast: Vec<_> = [4 * MS, 10 * MS, 6_500_000].map(|ns| listen(&station, registers.source(), ns)).into();
    sleep(Duration::from_millis(250));
    let mut fast = fast.into_iter().map(leave).collect::<Vec<_>>();
    sleep(Duration::from_millis(90));
    fast.push(leave(slow));
    let elapsed_ns = monotonic_ns() - start_ns;
    let reads = registers.reads();
    for heard in &fast {
        let SourceReport { period_ns, ticks, missed_ticks, .. } = heard.report;
        assert_eq!(energy_uj(&heard.of(0)), heard.truth_uj(&reads), "at {period_ns} ns");
        let (first, last) = heard.bounds(&reads);
        let due = ((last.start_ns - first.start_ns) / period_ns).unsigned_abs();
        assert!((ticks + missed_ticks).abs_diff(due) <= 1, "{ticks} + {missed_ticks} of {due} at {period_ns} ns");
        // Its first and its last read beside them; a tick that shows nothing new there was none.
        assert!(heard.readings.len() as u64 <= ticks + 1, "{} readings", heard.readings.len());
    }
    // As often as the fastest asked for, and once more for each who came or went.
    assert!(reads.len() as i64 <= elapsed_ns / (4 * MS) + 8, "{} reads in {elapsed_ns} ns", reads.len());
    assert_eq!(station.samplers(), 0);
}

#[test]
fn energy_that_a_source_knows_is_put_together_for_the_slow_and_starts_when_they_come() {
    let told = [Told::Interval, Told::Sampled];
    let (station, registers) = (Station::default(), Registers::new("known", &told));
    let fast = listen(&station, registers.source(), 2 * MS);
    sleep(Duration::from_millis(60));
    let slow = listen(&station, registers.source(), 40 * MS);
    sleep(Duration::from_millis(300));
    let slow = leave(slow);
    let fast = leave(fast);
    for heard in [&slow, &fast] {
        for domain in [0, 1] {
            let readings = heard.of(domain);
            let (first, last) = (readings[0], readings[readings.len() - 1]);
            let truth_j = 100.0 * (last.end_ns - first.start_ns) as f64 * 1e-9;
            assert!((energy_uj(&readings) as f64 * 1e-6 - truth_j).abs() < 1e-6 * truth_j + 1e-6);
            assert!(readings.iter().all(|reading| !reading.flags.is_gap()));
        }
        let (first, last) = heard.bounds(&registers.reads());
        let length_ns = heard.of(0).iter().map(|reading| reading.end_ns - reading.start_ns).sum::<i64>();
        assert_eq!(length_ns, last.start_ns - first.start_ns);
        // Of the driver's samples all that ended in its time.
        assert_eq!(heard.of(1).len() as i64, last.start_ns / (5 * MS) - first.start_ns / (5 * MS));
    }
    // One for each of its ticks, and one at its end; the driver's own samples stay as they are.
    assert!(slow.of(0).len() as u64 <= slow.report.ticks + 1, "{:?}", slow.report);
    assert!(fast.of(0).len() > 2 * slow.of(0).len());
}

#[test]
fn a_first_read_that_fails_is_a_gap_from_there_and_never_from_before() {
    let told = [Told::Interval, Told::Counter];
    let registers = Registers { fails: |read| read > 1, ..Registers::new("failing", &told) };
    let station = Station::default();
    let before = listen(&station, registers.source(), 3_600_000 * MS);
    while registers.reads().is_empty() {
        sleep(Duration::from_millis(1));
    }
    let late = listen(&station, registers.source(), 3_600_000 * MS);
    while registers.reads().len() < 2 {
        sleep(Duration::from_millis(1));
    }
    let failing = listen(&station, registers.source(), 3_600_000 * MS);
    let heard = [failing, late, before].map(leave);
    for heard in &heard {
        for reading in &heard.readings {
            assert!(heard.from_ns <= reading.start_ns && reading.end_ns <= heard.to_ns, "{reading:?}");
            assert!(!reading.flags.has(Flag::Failed) || reading.flags.is_gap());
        }
    }
    // Neither register was ever read while the last one listened.
    assert!(heard[0].readings.iter().all(|reading| reading.flags.has(Flag::Lost)), "{:?}", heard[0].readings);
    assert_eq!((heard[0].report.failed_reads, heard[1].report.failed_reads), (4, 2));
}

#[test]
fn who_stands_still_holds_up_nobody_and_what_there_was_no_room_for_is_told() {
    // As many registers as fill what waits for one listener within seven tenths of a second.
    let told: Vec<Told> = (0..100).map(|number| [Told::Counter, Told::Interval][number % 2]).collect();
    let (station, registers) = (Station::default(), Registers::new("many", &told));
    let standing = listen(&station, registers.source(), MS);
    let mut taking = listen(&station, registers.source(), MS);
    let mut taken = Vec::new();
    while registers.reads().len() < 2_000 {
        sleep(Duration::from_millis(20));
        taking.listener.take(&mut taken);
    }
    let standing = leave(standing);
    let mut taking = leave(taking);
    taken.append(&mut taking.readings);
    taking.readings = taken;
    let reads = registers.reads();
    for heard in [&standing, &taking] {
        assert_eq!(energy_uj(&heard.of(0)), heard.truth_uj(&reads));
    }
    assert!(taking.readings.iter().all(|reading| !reading.flags.is_gap()));
    // Counters lose resolution alone; what was summed up meanwhile is a gap as long as it is missing.
    let [counted, known] = [0, 1].map(|domain| standing.of(domain));
    assert!(counted.len() < taking.of(0).len() && counted.iter().any(|reading| reading.flags.has(Flag::Missed)));
    let gaps: Vec<_> = known.iter().filter(|reading| reading.flags.is_gap()).collect();
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap.energy_j == 0.0 && gap.flags.has(Flag::Missed)));
    assert!(standing.report.missed_ticks > taking.report.missed_ticks);
}

#[test]
fn nothing_is_shared_between_registers_that_are_not_the_same() {
    let (station, one) = (Station::default(), Registers::new("one", &[Told::Counter]));
    let (other, more) = (Registers::new("other", &[Told::Counter]), Registers::new("one", &[Told::Counter; 2]));
    let all = [one.source(), one.source(), other.source(), more.source()];
    let listening: Vec<_> = all.into_iter().map(|source| listen(&station, source, MS)).collect();
    // What has a register more is read by itself; who comes then finds both, and takes either.
    assert_eq!(station.samplers(), 3);
    let again = listen(&station, more.source(), MS);
    assert_eq!(station.samplers(), 3);
    drop((listening, again));
    assert_eq!(station.samplers(), 0);
}

#[test]
fn gpus_are_read_once_whatever_number_each_application_gives_them() {
    let spec = "gpus = 2\ngpu.0.watts = constant:100\ngpu.1.watts = constant:300";
    for spec in [spec.to_owned(), format!("{spec}\ngpu.energy = no")] {
        let driver = Driver::new(&spec);
        let station = Station::default();
        let seen = |list: &str| {
            let environment = CudaEnvironment { visible_devices: Some(list.into()), ..CudaEnvironment::default() };
            let nvml = Nvml::open_for(Some(&driver.library()), &environment).unwrap();
            assert_eq!(nvml.domains().iter().filter(|domain| domain.counted).count(), list.split(',').count());
            listen(&station, Box::new(nvml), 10 * MS)
        };
        let listening = ["0", "1", "1,0"].map(seen);
        assert_eq!(station.samplers(), 1, "{spec}");
        sleep(Duration::from_millis(400));
        for (listening, watts) in listening.into_iter().zip([[100.0, 300.0], [300.0, 100.0], [300.0, 100.0]]) {
            let heard = leave(listening);
            for (domain, watts) in (0..).zip(watts) {
                let readings = heard.of(domain);
                let length_ns = readings[readings.len() - 1].end_ns - readings[0].start_ns;
                let power_w = energy_uj(&readings) as f64 * 1e3 / length_ns as f64;
                // Updates of a counter lie up to 20 ms from where they are seen.
                assert!((power_w / watts - 1.0).abs() < 0.3, "{power_w} W instead of {watts} W");
            }
        }
    }
}
