//! Readings that turn out later not to be what they seemed.
//!
//! A register that rose too far, by no more than can be drawn, is only known to have done so when it falls again. The
//! reading of the fall then has less energy than none: so much of what an earlier one counted was not drawn. One that
//! stands stopped at some time after the last reading began in which it still moved, so that this one is a lower bound,
//! too.

use crate::trace::{Domain, Flag, Reading};

/// Takes what readings have below 0 from the latest before them that can have it, which is thus no longer known.
///
/// `readings` are of one domain and in order of time, and so are those `before` all of them, of which none is below 0 any
/// more; afterwards none of either is.
pub(super) fn correct(before: &mut [Reading], readings: &mut [Reading], domains: &[Domain]) {
    for place in 0..readings.len() {
        let Reading { domain, start_ns, end_ns, energy_j, .. } = readings[place];
        if energy_j >= 0.0 {
            continue;
        }
        readings[place].energy_j = 0.0;
        readings[place].flags = readings[place].flags.with(Flag::Impossible);
        let mut earlier = readings[..place].iter_mut().rev().chain(before.iter_mut().rev());
        let Some(risen) = earlier.find(|reading| reading.energy_j >= -energy_j) else { continue };
        // What was drawn during the fall hid as much of it.
        let limit = domains.get(usize::from(domain)).map(Domain::limit);
        let hidden_j = limit.map_or(f64::INFINITY, |limit| limit.energy_uj(end_ns.saturating_sub(start_ns)) * 1e-6);
        risen.energy_j = (risen.energy_j + energy_j - hidden_j).max(0.0);
        risen.flags = risen.flags.with(Flag::Impossible);
    }
}

/// Flags the reading before each in which a register stood. `readings` are by domain and time.
pub(super) fn doubt_last_moves(readings: &mut [Reading]) {
    for place in 1..readings.len() {
        let (stands, last) = (readings[place], &mut readings[place - 1]);
        if stands.flags.has(Flag::Standing) && last.domain == stands.domain && last.end_ns == stands.start_ns {
            last.flags = last.flags.with(Flag::Standing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Flags;

    const MS: i64 = 1_000_000;

    fn reading(domain: u16, ms: i64, energy_j: f64) -> Reading {
        Reading {
            domain,
            start_ns: (ms - 4) * MS,
            end_ns: ms * MS,
            edge_uncertainty_ns: None,
            read_start_ns: ms * MS,
            read_end_ns: ms * MS,
            energy_j,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE,
        }
    }

    fn corrected(mut readings: Vec<Reading>) -> Vec<(f64, bool)> {
        let domains = ["package-0", "package-1"].map(|name| Domain::new(name, "CPU:0", "powercap", "socket:0"));
        // However much of it is settled by then.
        let whole = readings.clone();
        correct(&mut [], &mut readings, &domains);
        for settled in 0..whole.len() {
            let mut again = whole.clone();
            let (before, after) = again.split_at_mut(settled);
            correct(&mut [], before, &domains);
            correct(before, after, &domains);
            assert_eq!(again, readings);
        }
        readings.iter().map(|reading| (reading.energy_j, reading.flags.has(Flag::Impossible))).collect()
    }

    #[test]
    fn a_fall_takes_its_energy_from_the_rise_before_it_and_both_are_unknown() {
        let readings = vec![reading(0, 4, 0.4), reading(0, 8, 20.4), reading(0, 12, 0.4), reading(0, 16, -19.8)];
        // 8 J can have been drawn while it fell.
        assert_eq!(corrected(readings), [(0.4, false), (0.0, true), (0.4, false), (0.0, true)]);
    }

    #[test]
    fn the_latest_rise_that_can_be_meant_is_and_what_it_surely_holds_stays() {
        let merged = Reading { start_ns: 0, ..reading(0, 1_000, 120.0) };
        let readings = vec![reading(0, 4, 30.0), merged, reading(0, 1_004, 0.4), reading(0, 1_008, -19.0)];
        assert_eq!(corrected(readings), [(30.0, false), (93.0, true), (0.4, false), (0.0, true)]);
    }

    #[test]
    fn no_reading_pays_for_it_where_none_has_as_much() {
        let readings = vec![reading(1, 4, 0.4), reading(1, 8, -19.0)];
        assert_eq!(corrected(readings), [(0.4, false), (0.0, true)]);
    }

    #[test]
    fn the_reading_in_which_a_register_stopped_is_a_lower_bound_too() {
        let mut readings =
            vec![reading(0, 4, 0.4), reading(0, 8, 0.1), reading(0, 12, 0.0), reading(1, 4, 0.4), reading(1, 8, 0.0)];
        readings[2].flags = Flags::NONE.with(Flag::Standing);
        doubt_last_moves(&mut readings);
        let flagged = readings.iter().map(|reading| reading.flags.has(Flag::Standing)).collect::<Vec<_>>();
        assert_eq!(flagged, [false, true, true, false, false]);
    }
}
