//! From CPU time to fractions of one socket's energy. Pure: no clock, no file.

/// CPU time on one socket over one interval, in nanoseconds; `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Use {
    /// The interval's length.
    pub wall_ns: f64,
    /// Summed over the socket's CPUs: user, nice, system, irq and softirq.
    pub active_ns: f64,
    pub application_ns: Option<f64>,
    pub daemon_ns: Option<f64>,
}

/// Fractions of the socket's energy over the interval; what they leave is others'. `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fractions {
    pub application: Option<f64>,
    pub daemon: Option<f64>,
    pub idle: Option<f64>,
}

/// Shares of one socket.
///
/// Processes and CPUs are accounted at different ticks, so a process may show more time than the socket was active.
/// What exceeds is owed to the next interval, never clipped away: the sum over a recording is right within a tick.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SocketShares {
    application_owed_ns: f64,
    daemon_owed_ns: f64,
}

impl SocketShares {
    /// The fractions over the next interval. While nothing was active the application's time is owed in full.
    pub fn update(&mut self, used: &Use) -> Fractions {
        if used.wall_ns <= 0.0 {
            return Fractions { application: None, daemon: None, idle: None };
        }
        let idle = (1.0 - used.active_ns / used.wall_ns).max(0.0);
        let fraction = |time_ns: f64| if used.active_ns > 0.0 { (1.0 - idle) * time_ns / used.active_ns } else { 0.0 };
        let application = used.application_ns.map(|time| settle(&mut self.application_owed_ns, time, used.active_ns));
        let left_ns = used.active_ns - application.unwrap_or(0.0);
        let daemon = used.daemon_ns.map(|time| settle(&mut self.daemon_owed_ns, time, left_ns));
        Fractions { application: application.map(fraction), daemon: daemon.map(fraction), idle: Some(idle) }
    }

    /// CPU time of the application that has found no active time of the socket yet.
    #[must_use]
    pub fn application_owed_ns(&self) -> f64 {
        self.application_owed_ns
    }
}

/// As much of what is due as there is room for; the rest stays owed.
fn settle(owed_ns: &mut f64, time_ns: f64, room_ns: f64) -> f64 {
    let due_ns = *owed_ns + time_ns;
    let settled_ns = due_ns.min(room_ns).max(0.0);
    *owed_ns = due_ns - settled_ns;
    settled_ns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK_NS: f64 = 1e7;

    fn used(wall: f64, active: f64, application: f64) -> Use {
        Use { wall_ns: wall, active_ns: active, application_ns: Some(application), daemon_ns: Some(0.0) }
    }

    #[test]
    fn the_share_is_the_application_s_part_of_active_time() {
        let shares = SocketShares::default().update(&Use {
            wall_ns: 200.0,
            active_ns: 400.0,
            application_ns: Some(300.0),
            daemon_ns: Some(4.0),
        });
        assert_eq!(shares, Fractions { application: Some(0.75), daemon: Some(0.01), idle: Some(0.0) });
    }

    #[test]
    fn time_in_which_nothing_can_have_been_active_is_idle() {
        let shares = SocketShares::default().update(&used(200.0, 50.0, 25.0));
        assert_eq!(shares, Fractions { application: Some(0.125), daemon: Some(0.0), idle: Some(0.75) });
    }

    #[test]
    fn excess_is_owed_to_the_next_interval() {
        let mut socket = SocketShares::default();
        assert_eq!(socket.update(&used(100.0, 100.0, 120.0)).application, Some(1.0));
        assert_eq!(socket.update(&used(100.0, 100.0, 40.0)).application, Some(0.6));
        assert_eq!(socket.application_owed_ns(), 0.0);
    }

    #[test]
    fn with_nothing_active_all_is_idle_and_the_application_s_time_waits() {
        let mut socket = SocketShares::default();
        let shares = socket.update(&used(100.0, 0.0, 10.0));
        assert_eq!(shares, Fractions { application: Some(0.0), daemon: Some(0.0), idle: Some(1.0) });
        assert_eq!(socket.update(&used(100.0, 100.0, 40.0)).application, Some(0.5));
    }

    #[test]
    fn unknown_time_is_an_unknown_share_never_all_or_nothing() {
        let mut socket = SocketShares::default();
        let shares = socket.update(&Use { application_ns: None, ..used(100.0, 80.0, 0.0) });
        assert_eq!((shares.application, shares.daemon), (None, Some(0.0)));
        assert!((shares.idle.unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(socket.update(&used(0.0, 0.0, 0.0)).idle, None);
    }

    proptest! {
        /// The clocks of processes and of CPUs step at different instants; both are floors of the same true time.
        #[test]
        fn emitted_fractions_times_active_time_are_the_application_s_time_within_a_tick(
            intervals in prop::collection::vec((0.0..4e8_f64, 0.0..=1.0_f64, 0.0..0.1_f64), 1..200),
            phases in (0.0..TICK_NS, 0.0..TICK_NS),
        ) {
            let ticks = |time: f64, phase: f64| ((time + phase) / TICK_NS).floor() * TICK_NS;
            let mut socket = SocketShares::default();
            let (mut active, mut application, mut daemon) = (0.0, 0.0, 0.0);
            let (mut emitted, mut observed) = (0.0, 0.0);
            for (length, part, daemon_part) in intervals {
                let before = (ticks(active, phases.0), ticks(application, phases.1), ticks(daemon, phases.1));
                active += length;
                application += length * part * (1.0 - daemon_part);
                daemon += length * part * daemon_part;
                let now = Use {
                    wall_ns: 2e8,
                    active_ns: ticks(active, phases.0) - before.0,
                    application_ns: Some(ticks(application, phases.1) - before.1),
                    daemon_ns: Some(ticks(daemon, phases.1) - before.2),
                };
                let shares = socket.update(&now);
                let (app, dmn, idle) = (shares.application.unwrap(), shares.daemon.unwrap(), shares.idle.unwrap());
                prop_assert!(app >= 0.0 && dmn >= 0.0 && idle >= 0.0 && app + dmn + idle <= 1.0 + 1e-9);
                if idle < 1.0 {
                    emitted += app / (1.0 - idle) * now.active_ns;
                }
                observed += now.application_ns.unwrap();
            }
            prop_assert!((emitted + socket.application_owed_ns() - observed).abs() < 1.0);
            prop_assert!(socket.application_owed_ns() < TICK_NS * 1.001);
        }

        #[test]
        fn scaling_every_time_changes_no_share(wall in 1.0..1e9_f64, active in 0.0..4e9_f64, part in 0.0..=1.0_f64) {
            let one = SocketShares::default().update(&used(wall, active, active * part));
            let other = SocketShares::default().update(&used(wall * 8.0, active * 8.0, active * part * 8.0));
            prop_assert!((one.application.unwrap() - other.application.unwrap()).abs() < 1e-12);
            prop_assert!((one.idle.unwrap() - other.idle.unwrap()).abs() < 1e-12);
        }
    }
}
