//! How registers behave, as far as reading them shows.

use super::spread::Spread;
use crate::source::{Observation, Value};
use crate::trace::{Domain, Sensor};

/// Fewer distances tell no period.
const LEAST_UPDATES: usize = 5;

/// Watches every register of a source.
pub(super) struct Sensors(Vec<Watched>);

struct Watched {
    domain: String,
    energy_uj: Option<u64>,
    /// When it was last looked at, and when it was last seen to change between two looks close to each other.
    seen_ns: i64,
    updated_ns: Option<i64>,
    updates: Spread,
    reads: Spread,
}

impl Sensors {
    pub(super) fn new(domains: &[Domain]) -> Self {
        let watched = |domain: &Domain| Watched {
            domain: domain.name.clone(),
            energy_uj: None,
            seen_ns: 0,
            updated_ns: None,
            updates: Spread::new(),
            reads: Spread::new(),
        };
        Self(domains.iter().map(watched).collect())
    }

    pub(super) fn see(&mut self, observation: &Observation) {
        let Some(watched) = self.0.get_mut(usize::from(observation.domain)) else { return };
        watched.reads.add(observation.read_end_ns - observation.read_start_ns);
        let Value::Counter { energy_uj } = observation.value else {
            watched.energy_uj = None;
            return;
        };
        watched.update(energy_uj, observation.read_start_ns);
    }

    pub(super) fn report(&mut self) -> Vec<Sensor> {
        let report = |watched: &mut Watched| Sensor {
            domain: watched.domain.clone(),
            update_ns: (watched.updates.len() >= LEAST_UPDATES).then(|| watched.updates.quantile(0.5)).flatten(),
            read_ns: watched.reads.quantile(0.5),
        };
        self.0.iter_mut().map(report).collect()
    }
}

impl Watched {
    /// A distance of updates counts where looks were so close that none can have been overlooked.
    fn update(&mut self, energy_uj: u64, now_ns: i64) {
        let looked_ns = std::mem::replace(&mut self.seen_ns, now_ns);
        let Some(before_uj) = self.energy_uj.replace(energy_uj) else {
            self.updated_ns = None;
            return;
        };
        if before_uj == energy_uj {
            return;
        }
        let apart_ns = now_ns - looked_ns;
        let distance_ns = self.updated_ns.replace(now_ns).map(|updated_ns| now_ns - updated_ns);
        if let Some(distance_ns) = distance_ns.filter(|distance_ns| *distance_ns >= 2 * apart_ns) {
            self.updates.add(distance_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Basis, Flags};

    const MS: i64 = 1_000_000;

    /// A register that counts its updates, looked at every `period_ns`.
    fn update_ns(update_ns: i64, period_ns: i64) -> Option<i64> {
        let domain = Domain {
            name: "package-0".to_owned(),
            device: "CPU:0".to_owned(),
            parent: None,
            counted: true,
            not_counted_because: None,
            basis: Basis::Measured,
            source: "powercap".to_owned(),
            static_w: None,
            range_uj: None,
            scope: "socket:0".to_owned(),
        };
        let mut sensors = Sensors::new(&[domain]);
        for look in 0..1_000 {
            let read_start_ns = look * period_ns;
            let energy_uj = (read_start_ns / update_ns).unsigned_abs();
            let value = Value::Counter { energy_uj };
            let read_end_ns = read_start_ns + 700;
            sensors.see(&Observation { domain: 0, read_start_ns, read_end_ns, value, flags: Flags::NONE });
        }
        let sensor = sensors.report().remove(0);
        assert_eq!(sensor.read_ns, Some(700));
        sensor.update_ns
    }

    #[test]
    fn how_often_a_register_is_updated_is_seen_where_it_is_looked_at_more_often() {
        assert_eq!(update_ns(100 * MS, 10 * MS), Some(100 * MS));
        let seen_ns = update_ns(MS, 60_000).expect("some ten updates");
        assert!((seen_ns - MS).abs() < 100_000, "{seen_ns}");
    }

    #[test]
    fn a_register_that_changes_at_every_look_does_not_tell() {
        assert_eq!(update_ns(MS, 4 * MS), None);
    }
}
