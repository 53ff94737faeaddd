//! One OS thread per source, so that a slow driver delays no other source, and no runtime delays a tick.
//!
//! Deadlines are absolute: a relative sleep would lose 2.5 % of the ticks at 4 ms and 7 % at 1 ms. A tick that comes
//! too late is served once, and tells of those that were due meanwhile. The thread reads at the shortest period that
//! anybody asks for, at once when somebody comes or goes, and hands what it read to all who listen, about every 100 ms:
//! what becomes of it is theirs (see [`crate::registers::station`]). It wakes nobody and waits for nobody.

pub(crate) mod batch;
pub(crate) mod quantiles;
pub(crate) mod sensors;
mod suspension;

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::clock::{boottime_ns, monotonic_ns};
use crate::registers::sampler::batch::{Batch, Inbox, Suspended, Tick};
use crate::registers::sampler::sensors::Sensors;
use crate::registers::sampler::suspension::Suspensions;
use crate::registers::source::Source;

/// How long a read waits at most before it is handed on.
const BATCH_NS: i64 = 100_000_000;
/// So many updates are waited for to see how often they come.
const WATCHED_UPDATES: i64 = 12;
const LOOKS_PER_UPDATE: i64 = 16;

/// Who listens to a source.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) number: u64,
    pub(crate) period_ns: i64,
    pub(crate) inbox: Inbox,
}

/// What a sampling thread is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// The member's first read is taken at once.
    Join(Member),
    /// As is its last; `done` hears of it when that was handed over.
    Leave { number: u64, done: Sender<()> },
}

/// A source that is read.
#[derive(Debug)]
pub(crate) struct Sampler {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
    /// For messages.
    name: &'static str,
}

impl Sampler {
    /// Starts a thread for `source`, which reads as soon as somebody joins.
    ///
    /// # Errors
    /// Where the system grants no thread.
    pub(crate) fn start(source: Box<dyn Source>) -> io::Result<Self> {
        let name = source.name();
        let (orders, received) = channel();
        let sampling = Sampling {
            source,
            orders: received,
            members: Vec::new(),
            leaving: Vec::new(),
            batch: Batch::default(),
            period_ns: i64::MAX,
            served_ns: i64::MIN,
            deadline_ns: i64::MAX,
            hand_on_ns: 0,
            watched: false,
            suspensions: Suspensions::new(boottime_ns),
        };
        // The kernel cuts names after 15 bytes.
        let thread = thread::Builder::new().name(format!("read {name}")).spawn(move || sampling.run())?;
        Ok(Self { orders, thread, name })
    }

    /// # Errors
    /// With the order itself, where the thread has ended.
    pub(crate) fn tell(&self, order: Order) -> Result<(), Order> {
        self.orders.send(order).map_err(|refused| refused.0)?;
        self.thread.thread().unpark();
        Ok(())
    }

    /// Ends the thread, and closes what it read.
    pub(crate) fn end(self) {
        drop(self.orders);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("reading {} ended early", self.name);
        }
    }
}

/// What the sampling thread owns.
struct Sampling {
    source: Box<dyn Source>,
    orders: Receiver<Order>,
    members: Vec<Member>,
    /// Those whose last read is the next.
    leaving: Vec<(u64, Sender<()>)>,
    batch: Batch,
    /// The shortest that a member asks for.
    period_ns: i64,
    /// The last deadline that passed, and the next.
    served_ns: i64,
    deadline_ns: i64,
    /// When the batch is to be handed on; at first at once, so that views have something to show.
    hand_on_ns: i64,
    /// It is known how often registers are updated, if that can be seen.
    watched: bool,
    suspensions: Suspensions,
}

impl Sampling {
    fn run(mut self) {
        // Timers of this thread may otherwise be bundled with others up to 50 µs later.
        if let Err(error) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)) {
            tracing::debug!("timer slack stays as it is: {error}");
        }
        loop {
            let (mut joining, is_over) = self.take_orders();
            if is_over {
                return;
            }
            let mut tick = Tick::at(monotonic_ns());
            if tick.at_ns >= self.deadline_ns {
                self.serve(&mut tick);
            } else if joining.is_empty() && self.leaving.is_empty() {
                self.wait(tick.at_ns);
                continue;
            }
            let asked = !joining.is_empty() || !self.leaving.is_empty();
            let came: Vec<u64> = joining.iter().map(|member| member.number).collect();
            if !joining.is_empty() {
                // What was read before they came is none of theirs.
                self.hand_on(&[]);
                self.members.append(&mut joining);
                self.keep_pace(tick.at_ns);
            }
            self.read(tick);
            if asked || tick.at_ns >= self.hand_on_ns {
                // Whoever comes and leaves at once has a last read all the same, after the first.
                let leaving = std::mem::take(&mut self.leaving);
                let (later, leaving): (Vec<_>, Vec<_>) =
                    leaving.into_iter().partition(|(number, _)| came.contains(number));
                self.leaving = later;
                self.hand_on(&leaving);
                self.hand_on_ns = if asked { 0 } else { tick.at_ns + BATCH_NS };
                self.part(leaving);
            }
        }
    }

    /// Those who come, and whether nobody ever will.
    fn take_orders(&mut self) -> (Vec<Member>, bool) {
        let mut joining = Vec::new();
        loop {
            match self.orders.try_recv() {
                Ok(Order::Join(member)) => joining.push(member),
                Ok(Order::Leave { number, done }) => self.leaving.push((number, done)),
                Err(TryRecvError::Empty) => return (joining, false),
                Err(TryRecvError::Disconnected) => return (joining, true),
            }
        }
    }

    /// Blocks until the next deadline, or until there is an order.
    fn wait(&self, now_ns: i64) {
        if self.members.is_empty() {
            thread::park();
        } else {
            thread::park_timeout(Duration::from_nanos((self.deadline_ns - now_ns).unsigned_abs()));
        }
    }

    /// Passes every deadline up to now.
    fn serve(&mut self, tick: &mut Tick) {
        let late_ns = tick.at_ns - self.deadline_ns;
        // Of the earliest, so that a stall is not hidden behind the latest.
        tick.late_ns = Some(late_ns);
        self.served_ns = self.deadline_ns + late_ns / self.period_ns * self.period_ns;
        self.deadline_ns = self.served_ns + self.period_ns;
    }

    /// The fastest member wins; its deadlines go on from the next one that there was, or sooner.
    fn keep_pace(&mut self, now_ns: i64) {
        let Some(period_ns) = self.members.iter().map(|member| member.period_ns).min() else {
            (self.period_ns, self.deadline_ns) = (i64::MAX, i64::MAX);
            return;
        };
        self.period_ns = period_ns;
        self.deadline_ns = self.deadline_ns.min(now_ns.saturating_add(period_ns));
    }

    /// Reads every register, and keeps what it showed.
    fn read(&mut self, mut tick: Tick) {
        self.source.read(self.batch.observations());
        // After the reads: what was read before a suspend counts as read after it, never the other way round.
        tick.suspended =
            self.suspensions.since_last().map(|slept_ns| Suspended { noticed_ns: monotonic_ns(), slept_ns });
        if !self.watched {
            self.watched = true;
            self.watch_updates();
            self.deadline_ns = monotonic_ns().saturating_add(self.period_ns);
        }
        (tick.served_ns, tick.next_ns, tick.period_ns) = (self.served_ns, self.deadline_ns, self.period_ns);
        self.batch.close(tick);
    }

    /// Polls closely for a moment, where registers are updated more often than they are sampled: only so it is seen
    /// how often. Nothing of it becomes a reading.
    fn watch_updates(&mut self) {
        let Some(update_ns) = self.source.update_ns() else { return };
        let mut sensors = Sensors::closely(self.source.domains());
        let mut observations = Vec::new();
        let until_ns = monotonic_ns() + WATCHED_UPDATES * update_ns;
        while monotonic_ns() < until_ns {
            self.source.read(&mut observations);
            observations.drain(..).for_each(|observation| sensors.see(&observation));
            thread::sleep(Duration::from_nanos((update_ns / LOOKS_PER_UPDATE).unsigned_abs()));
        }
        self.batch.updates_ns = sensors.updates_ns().collect();
    }

    /// Hands what was read to everybody; to those who leave it is the last.
    fn hand_on(&mut self, leaving: &[(u64, Sender<()>)]) {
        if self.batch.ticks.is_empty() {
            return;
        }
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        self.batch.cpu_to_ns = cpu.tv_sec * 1_000_000_000 + cpu.tv_nsec;
        let next = Batch::after(&self.batch);
        let batch = Arc::new(std::mem::replace(&mut self.batch, next));
        for member in &mut self.members {
            let last = leaving.iter().any(|(number, _)| *number == member.number);
            member.inbox.send(&batch, last);
        }
    }

    /// Lets those go who were to.
    fn part(&mut self, leaving: Vec<(u64, Sender<()>)>) {
        if leaving.is_empty() {
            return;
        }
        self.members.retain(|member| !leaving.iter().any(|(number, _)| *number == member.number));
        self.keep_pace(monotonic_ns());
        for (_, done) in leaving {
            // Whoever does not wait for it knows.
            let _ = done.send(());
        }
    }
}
