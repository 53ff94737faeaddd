//! What traced operations tell of the registers: their lag and their window, in `trace.json`.

use super::{Response, response};
use crate::accounting::deconvolution::Problem;
use crate::trace::{Sensor, SourceReport};

/// How each of some registers responds; `None`: the recording does not tell.
pub(in crate::accounting) fn responses_of_registers<'a>(
    registers: impl Iterator<Item = Problem<'a>>,
    sources: &[SourceReport],
) -> Vec<Option<Response>> {
    let of_register = |problem: Problem| {
        let mut sensors = sources.iter().flat_map(|source| &source.sensors);
        let sensor = sensors.find(|sensor| sensor.domain == problem.domain.name);
        response(&problem, sensor.and_then(|sensor| sensor.update_ns))
    };
    registers.map(of_register).collect()
}

/// Enters a response, or that there is none.
pub(in crate::accounting) fn enter_response(sensor: &mut Sensor, response: Option<Response>) {
    let rounded = |ns: f64| ns.round() as i64;
    sensor.lag_ns = response.map(|response| rounded(response.lag_ns));
    sensor.lag_error_ns = response.map(|response| rounded(response.lag_error_ns));
    // Where all is counted, it is as long as updates are apart.
    sensor.window_ns = response.and_then(|response| response.look_ns.map(rounded).or(sensor.update_ns));
}
