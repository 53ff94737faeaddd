//! What traced operations tell of the registers: their lag and their window, in `trace.json`.

use super::device::Device;
use crate::accounting::deconvolution::{Response, response};
use crate::span::Span;
use crate::trace::{Domain, Op, Reading, Sensor, SourceReport};

/// How each register of a device responds, by domain; `None`: the recording does not tell.
pub(super) fn responses(
    device: &Device,
    ops: &[Op],
    stretches: &[Span],
    sources: &[SourceReport],
) -> Vec<Option<Response>> {
    let of_domain = |(number, (domain, _)): (usize, &(&Domain, &[Reading]))| {
        let mut sensors = sources.iter().flat_map(|source| &source.sensors);
        let update_ns = sensors.find(|sensor| sensor.domain == domain.name).and_then(|sensor| sensor.update_ns);
        response(&device.problem(number, 0, ops, stretches), update_ns)
    };
    device.domains.iter().enumerate().map(of_domain).collect()
}

/// Enters a response, or that there is none.
pub(super) fn enter(sensor: &mut Sensor, response: Option<Response>) {
    let rounded = |ns: f64| ns.round() as i64;
    sensor.lag_ns = response.map(|response| rounded(response.lag_ns));
    sensor.lag_error_ns = response.map(|response| rounded(response.lag_error_ns));
    // Where all is counted, it is as long as updates are apart.
    sensor.window_ns = response.and_then(|response| response.look_ns.map(rounded).or(sensor.update_ns));
}
