//! How registers behave, as far as reading them shows.

use crate::registers::sampler::quantiles::Quantiles;
use crate::registers::source::{Observation, Value};
use crate::trace::{Domain, Sensor};

/// Fewer distances tell no period.
const LEAST_UPDATES: usize = 5;

/// Watches every register of a source.
#[derive(Debug)]
pub(crate) struct Sensors {
    watched: Vec<Watched>,
    /// It is looked at far more often than it is sampled.
    closely: bool,
}

#[derive(Debug)]
struct Watched {
    domain: String,
    energy_uj: Option<u64>,
    /// When it was last seen to have changed, and whether it was seen to stand since.
    updated_ns: Option<i64>,
    stood: bool,
    /// Distances of updates between which it stood, and how many were seen without that.
    updates: Quantiles,
    overlooked: usize,
    reads: Quantiles,
}

impl Sensors {
    /// To be looked at closely, for a moment.
    pub(crate) fn closely(domains: &[Domain]) -> Self {
        Self { closely: true, ..Self::new(domains) }
    }

    pub(crate) fn new(domains: &[Domain]) -> Self {
        let watched = |domain: &Domain| Watched {
            domain: domain.name.clone(),
            energy_uj: None,
            updated_ns: None,
            stood: false,
            updates: Quantiles::new(),
            overlooked: 0,
            reads: Quantiles::new(),
        };
        Self { watched: domains.iter().map(watched).collect(), closely: false }
    }

    pub(crate) fn see(&mut self, observation: &Observation) {
        let closely = self.closely;
        let Some(watched) = self.watched.get_mut(usize::from(observation.domain)) else { return };
        watched.reads.add(observation.read_end_ns - observation.read_start_ns);
        match observation.value {
            Value::Counter { energy_uj } => watched.update(energy_uj, observation.read_start_ns),
            Value::Stamped { energy_uj, to_ns, .. } => watched.update(energy_uj, to_ns),
            Value::Updated { .. } => watched.see_update(observation.read_end_ns, closely),
            Value::Interval { .. } | Value::Sampled { .. } | Value::Failed { .. } => watched.energy_uj = None,
        }
    }

    /// How far updates of each register are apart, where that can be told.
    pub(crate) fn updates_ns(&mut self) -> impl Iterator<Item = Option<i64>> {
        self.watched.iter_mut().map(Watched::update_ns)
    }

    /// `updates_ns`: what closer looks told before; `paces_ns`: how far updates are apart as far as the bounds of each
    /// have told; both by domain.
    pub(crate) fn report(
        &mut self,
        updates_ns: impl Iterator<Item = Option<i64>>,
        paces_ns: impl Iterator<Item = Option<i64>>,
    ) -> Vec<Sensor> {
        let report = |(watched, (update_ns, pace_ns)): (&mut Watched, (Option<i64>, Option<i64>))| Sensor {
            domain: watched.domain.clone(),
            update_ns: update_ns.or(pace_ns).or_else(|| watched.update_ns()),
            read_ns: watched.reads.quantile(0.5),
            ..Sensor::default()
        };
        self.watched.iter_mut().zip(updates_ns.zip(paces_ns)).map(report).collect()
    }
}

impl Watched {
    /// Unknown where most updates were overlooked: those that were not are the late ones.
    fn update_ns(&mut self) -> Option<i64> {
        let tells = self.updates.len() >= LEAST_UPDATES.max(9 * self.overlooked);
        tells.then(|| self.updates.quantile(0.5)).flatten()
    }

    /// An update that a source itself waited for: the next one, as long as it is looked at closely.
    fn see_update(&mut self, at_ns: i64, closely: bool) {
        self.energy_uj = None;
        if let Some(updated_ns) = self.updated_ns.replace(at_ns).filter(|_| closely) {
            self.updates.add(at_ns - updated_ns);
        }
    }

    /// A distance of updates counts where the register was seen to stand between them, so that none was overlooked.
    fn update(&mut self, energy_uj: u64, now_ns: i64) {
        let Some(before_uj) = self.energy_uj.replace(energy_uj) else {
            (self.updated_ns, self.stood) = (None, false);
            return;
        };
        if before_uj == energy_uj {
            self.stood = true;
            return;
        }
        let stood = std::mem::take(&mut self.stood);
        match self.updated_ns.replace(now_ns) {
            Some(updated_ns) if stood => self.updates.add(now_ns - updated_ns),
            Some(_) => self.overlooked += 1,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Flags;

    const MS: i64 = 1_000_000;

    /// A register that counts its updates, looked at every `period_ns`; each hundredth look finds it standing.
    fn update_ns(update_ns: i64, period_ns: i64) -> Option<i64> {
        let domain = Domain::new("package-0", "CPU:0", "powercap", "socket:0");
        let mut sensors = Sensors::new(&[domain]);
        for look in 0..1_000 {
            let read_start_ns = look * period_ns;
            let stands_ns = if look % 100 == 99 { period_ns } else { 0 };
            let energy_uj = ((read_start_ns - stands_ns) / update_ns).unsigned_abs();
            let value = Value::Counter { energy_uj };
            let read_end_ns = read_start_ns + 700;
            sensors.see(&Observation { domain: 0, read_start_ns, read_end_ns, value, flags: Flags::NONE });
        }
        let sensor = sensors.report([None].into_iter(), [None].into_iter()).remove(0);
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
    fn updates_that_a_source_waited_for_tell_their_distance_only_while_looks_are_close() {
        let watched = |watch: fn(&[Domain]) -> Sensors| {
            let mut sensors = watch(&[Domain::new("package-0", "CPU:0", "powercap", "socket:0")]);
            for update in 0..20 {
                let read_end_ns = update * MS;
                let value = Value::Updated { energy_uj: update.unsigned_abs() };
                let read_start_ns = read_end_ns - 700;
                sensors.see(&Observation { domain: 0, read_start_ns, read_end_ns, value, flags: Flags::NONE });
            }
            sensors.report([None].into_iter(), [None].into_iter()).remove(0).update_ns
        };
        assert_eq!((watched(Sensors::closely), watched(Sensors::new)), (Some(MS), None));
    }

    #[test]
    fn a_register_that_changes_at_every_look_does_not_tell_even_where_it_is_late_at_times() {
        assert_eq!(update_ns(MS, 4 * MS), None);
    }
}
