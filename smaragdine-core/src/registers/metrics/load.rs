//! How many want to run.

use super::Metric;
use super::host::HostLooks;

pub(super) const METRICS: &[Metric<HostLooks>] = &[Metric {
    name: "load",
    unit: "1",
    scopes: "machine",
    source: "`/proc/loadavg`: mean number of tasks that run or wait for a disk, over the last minute",
    check: |looks| looks.has("loadavg"),
    read: |looks, values| {
        let text = looks.text("loadavg")?;
        let load = text.split_ascii_whitespace().next().and_then(|load| load.parse().ok());
        values.add("machine", load.ok_or("loadavg holds no number")?);
        Ok(())
    },
}];
