//! Energy that a profiler measured of its own events: readings of a domain of its own, which is not counted.

use super::bounds::Bounds;
use crate::clock::{ClockPair, TraceClock};
use crate::profiler::Profile;
use crate::trace::{Domain, Flags, Reading, SourceName, Trace};

/// Only what was traced is known of it, so that it can be no part of a sum over the run.
const BECAUSE: &str = "the profiler measures it of traced operations alone";

/// Adds what `profile` says that devices drew; stamps are mapped as its events' are.
pub(super) fn add(trace: &mut Trace, profile: &Profile, pair: ClockPair) {
    let clock = TraceClock { realtime_offset_ns: trace.metadata.realtime_offset_ns };
    let bounds = Bounds::of(&trace.metadata);
    for drawn in &profile.drawn {
        let Some(device) = profile.devices.get(usize::from(drawn.device)) else { continue };
        let start_ns = clock.from_realtime(drawn.start_ns, pair);
        let end_ns = clock.from_realtime(drawn.end_ns, pair);
        let Some(domain) = domain_of(trace, device).filter(|_| bounds.hold(start_ns, end_ns)) else { continue };
        trace.readings.push(Reading {
            domain,
            start_ns,
            end_ns,
            edge_uncertainty_ns: Some(0),
            read_start_ns: end_ns,
            read_end_ns: end_ns,
            energy_j: drawn.energy_j,
            app_share: Some(1.0),
            daemon_share: Some(0.0),
            idle_share: Some(0.0),
            flags: Flags::NONE,
        });
    }
}

/// `tpu-0-vdd` for `TPU:0`
fn domain_of(trace: &mut Trace, device: &str) -> Option<u16> {
    let name = format!("{}-vdd", device.to_lowercase().replace(':', "-"));
    let domains = &mut trace.metadata.domains;
    let known = domains.iter().position(|domain| domain.name == name);
    let index = known.unwrap_or_else(|| {
        let scope = device.to_lowercase();
        let own = Domain::new(&name, device, SourceName::Profiler.name(), &scope);
        domains.push(Domain { counted: false, not_counted_because: Some(BECAUSE.to_owned()), ..own });
        domains.len() - 1
    });
    u16::try_from(index).ok()
}
