//! The daemon's one place where sensors are sampled: each by one thread, whoever listens.
//!
//! Recordings and monitors bring the sources that they would read, each with their own roots, and their own numbers of
//! GPUs. Where a sampler reads the same registers already, they listen to it: it reads at the shortest period that any
//! of them asks for, and each makes readings of its own period of what it hears (see [`Listener`]). Where nobody listens,
//! nothing is read, and nothing wakes up.

mod heard;
mod listener;
mod schedule;

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::listener::Listener;
use crate::clock::TraceClock;
use crate::registers::sampler::batch::inbox;
use crate::registers::sampler::{Member, Order, Sampler};
use crate::registers::source::Source;

/// A cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Station(Arc<Mutex<Samplers>>);

#[derive(Debug, Default)]
struct Samplers {
    running: Vec<Shared>,
    /// How many subscriptions and samplers there ever were.
    numbers: u64,
}

/// A sampler, and what tells whether somebody else would read the same.
#[derive(Debug)]
struct Shared {
    number: u64,
    name: &'static str,
    registers: Vec<String>,
    sampler: Sampler,
    listeners: usize,
}

/// What a listener wants of a source.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Between two reads, or the source's own shortest period where that is longer.
    pub period_ns: i64,
    /// Number of its first domain in [`crate::trace::Metadata::domains`].
    pub first_domain: u16,
    pub clock: TraceClock,
}

impl Station {
    /// Listens to `source`: its first read is taken at once, later ones periodically.
    ///
    /// Readings have no shares; their domain is `wish.first_domain` plus the source's own number.
    ///
    /// # Errors
    /// Where the system grants no thread.
    pub fn subscribe(&self, source: Box<dyn Source>, wish: Wish) -> io::Result<(Subscription, Listener)> {
        let (name, domains, registers) = (source.name(), source.domains().to_vec(), source.registers());
        let period_ns = wish.period_ns.max(source.shortest_period_ns().unwrap_or(0)).max(1);
        let mut samplers = lock(&self.0);
        let number = samplers.number();
        let (inbox, outlet) = inbox();
        let mut order = Order::Join(Member { number, period_ns, inbox });
        let listener = |numbers: Vec<Option<u16>>| {
            Listener::new(outlet, name, &domains, numbers, wish.first_domain, period_ns, wish.clock)
        };
        let subscription = |sampler| Subscription { station: self.clone(), number, sampler: Some(sampler) };
        for shared in &mut samplers.running {
            let Some(numbers) = shared.numbers(name, &registers) else { continue };
            match shared.sampler.tell(order) {
                Ok(()) => {
                    shared.listeners += 1;
                    return Ok((subscription(shared.number), listener(numbers)));
                }
                // Its thread has ended, which those who listen to it will find.
                Err(refused) => order = refused,
            }
        }
        let numbers = (0..domains.len()).map(|number| u16::try_from(number).ok()).collect();
        let sampler = Sampler::start(source)?;
        if sampler.tell(order).is_err() {
            return Err(io::Error::other(format!("the thread that reads {name} has ended")));
        }
        let shared = Shared { number: samplers.number(), name, registers, sampler, listeners: 1 };
        let subscription = subscription(shared.number);
        samplers.running.push(shared);
        Ok((subscription, listener(numbers)))
    }

    /// How many sources are read now.
    #[must_use]
    pub fn samplers(&self) -> usize {
        lock(&self.0).running.len()
    }

    /// Takes one who has left off a sampler, which ends with the last.
    fn forget(&self, sampler: u64) {
        let mut samplers = lock(&self.0);
        let Some(place) = samplers.running.iter().position(|shared| shared.number == sampler) else { return };
        samplers.running[place].listeners -= 1;
        if samplers.running[place].listeners == 0 {
            let shared = samplers.running.swap_remove(place);
            // A driver may take its time to close.
            drop(samplers);
            shared.sampler.end();
        }
    }
}

impl Samplers {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl Shared {
    /// By this sampler's number of a register: the number that one who would read `registers` gives it; none for those
    /// beyond. `None`: some of them are not read here.
    fn numbers(&self, name: &str, registers: &[String]) -> Option<Vec<Option<u16>>> {
        let mut numbers = vec![None; self.registers.len()];
        for (own, register) in (0..).zip(registers) {
            let place = self.registers.iter().position(|known| known == register)?;
            numbers[place] = Some(own);
        }
        (self.name == name && !registers.is_empty()).then_some(numbers)
    }
}

/// The other end of a subscription: it lasts as long as this.
#[derive(Debug)]
pub struct Subscription {
    station: Station,
    number: u64,
    /// `None` once it has ended.
    sampler: Option<u64>,
}

impl Subscription {
    /// Waits for a last read, which the [`Listener`] then has with all before it. Whether there was one: a source whose
    /// thread ended early is not read any more.
    pub fn leave(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        let Some(sampler) = self.sampler.take() else { return true };
        let (done, left) = channel();
        {
            let samplers = lock(&self.station.0);
            let shared = samplers.running.iter().find(|shared| shared.number == sampler);
            let order = Order::Leave { number: self.number, done };
            // A thread that has ended drops the order, and `done` with it.
            let _ = shared.map(|shared| shared.sampler.tell(order));
        }
        let read = left.recv().is_ok();
        self.station.forget(sampler);
        read
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.end();
    }
}

/// A panic while the lock was held has been told by its own thread; the list stays usable.
fn lock(samplers: &Mutex<Samplers>) -> MutexGuard<'_, Samplers> {
    samplers.lock().unwrap_or_else(PoisonError::into_inner)
}
