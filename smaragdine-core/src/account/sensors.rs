//! What traced operations tell of the registers: their lag and their window, in `trace.json`.

use super::device::Device;
use crate::deconvolution::{Response, response};
use crate::trace::{Op, Sensor};

/// How each register of a device responds, by its domain's name; `None`: the recording does not tell.
pub(super) fn responses(device: &Device, ops: &[Op], stretches: &[(i64, i64)]) -> Vec<(String, Option<Response>)> {
    let names = device.domains.iter().map(|(domain, _)| domain.name.clone()).enumerate();
    names.map(|(domain, name)| (name, response(&device.problem(domain, ops, stretches)))).collect()
}

/// Enters a response, or that there is none.
pub(super) fn enter(sensor: &mut Sensor, response: Option<Response>) {
    let rounded = |ns: f64| ns.round() as i64;
    sensor.lag_ns = response.map(|response| rounded(response.lag_ns));
    sensor.lag_error_ns = response.map(|response| rounded(response.lag_error_ns));
    // Where all is counted, it is as long as updates are apart.
    sensor.window_ns = response.and_then(|response| response.look_ns.map(rounded).or(sensor.update_ns));
}
