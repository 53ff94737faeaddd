//! Meters outside this machine, of all that comes through its plug: a power strip, a clamp, the management controller.
//!
//! Such a meter holds what is counted here, and fans and losses beside. It is never counted, and checks what is.
//! Each has one thread of its own for as long as the daemon runs, for a stream can be read but once and an answer may
//! take its time; a source takes what was told since its last read.

mod answer;
mod ask;
mod feed;
mod line;
pub mod named;
mod tally;

use self::feed::Cursor;
pub use self::feed::{Access, Meter};
use self::tally::Tally;
use super::{Observation, Source};
use crate::trace::Domain;

/// Meters tell once a second at most.
const SHORTEST_PERIOD_NS: i64 = 100_000_000;

/// Hears what meters tell.
#[derive(Debug)]
pub struct Meters {
    domains: Vec<Domain>,
    heard: Vec<(Cursor, Tally)>,
}

impl Meters {
    /// Of what these tell from now on.
    #[must_use]
    pub fn hear(meters: &[Meter]) -> Self {
        let domains: Vec<Domain> = meters.iter().map(domain).collect();
        let heard = meters.iter().zip(&domains).map(|(meter, domain)| (meter.hear(), Tally::new(domain.limit())));
        Self { heard: heard.collect(), domains }
    }
}

/// `wall`, or `meter-NAME`.
fn domain(meter: &Meter) -> Domain {
    let because = "meters all of the machine, and checks what is counted";
    let domain = Domain::new(meter.name(), "CPU:0", "meter", crate::trace::UNKNOWN_SOCKET);
    Domain { counted: false, not_counted_because: Some(because.to_owned()), ..domain }
}

impl Source for Meters {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn registers(&self) -> Vec<String> {
        self.heard.iter().map(|(cursor, _)| cursor.identity()).collect()
    }

    /// What was last told that is no value.
    fn problems(&self) -> Vec<String> {
        self.heard.iter().filter_map(|(cursor, _)| cursor.problem()).collect()
    }

    fn read(&mut self, out: &mut Vec<Observation>) {
        for (domain, (cursor, tally)) in (0..).zip(&mut self.heard) {
            for said in cursor.since() {
                out.extend(tally.add(domain, said));
            }
        }
    }

    fn shortest_period_ns(&self) -> Option<i64> {
        Some(SHORTEST_PERIOD_NS)
    }
}
