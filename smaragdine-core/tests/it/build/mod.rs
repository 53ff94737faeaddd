mod drawn;
mod impossible_events;
mod metrics;
mod wire;

use crate::composed::START_NS;
use smaragdine_core::trace::{Flags, Reading};

/// A reading of the first domain, all of it the application's, over one second of a composed session.
fn whole_second(second: i64, energy_j: f64) -> Reading {
    let (start_ns, end_ns) = (START_NS + second * 1_000_000_000, START_NS + (second + 1) * 1_000_000_000);
    Reading {
        domain: 0,
        start_ns,
        end_ns,
        edge_uncertainty_ns: None,
        read_start_ns: end_ns,
        read_end_ns: end_ns,
        energy_j,
        app_share: Some(1.0),
        daemon_share: None,
        idle_share: None,
        flags: Flags::NONE,
    }
}
