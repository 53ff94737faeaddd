//! How fast CPUs run.

use std::path::PathBuf;

use super::host::{HostLooks, number_in};
use super::{Absent, Metric};

/// A read asks the CPU itself: of more than so many CPUs some stand for all.
const MOST_READ: usize = 16;

pub(super) const METRICS: &[Metric<HostLooks>] = &[Metric {
    name: "cpu_frequency",
    unit: "Hz",
    scopes: "machine",
    source: "`/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq`: the mean of at most 16 that lie evenly among \
             all; virtual machines mostly show none",
    check: |looks| match files(looks) {
        Ok(files) if files.is_empty() => Err(Absent::NotHere("the kernel shows no CPU's frequency".into())),
        files => files.map(|_| ()),
    },
    read: |looks, values| {
        let files = looks.frequencies.get_or_init(|| files(looks).unwrap_or_default());
        let read: Vec<f64> = files.iter().filter_map(|file| number_in(file)).collect();
        if read.is_empty() {
            return Err("no CPU's frequency can be read any more".into());
        }
        values.add("machine", 1000.0 * read.iter().sum::<f64>() / read.len() as f64);
        Ok(())
    },
}];

fn files(looks: &HostLooks) -> Result<Vec<PathBuf>, Absent> {
    let directory = looks.shows("devices/system/cpu/cpufreq")?;
    let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
    let mut policies: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("policy")?.parse().ok()?;
            Some((number, entry.path().join("scaling_cur_freq")))
        })
        .filter(|(_, file)| number_in(file).is_some())
        .collect();
    policies.sort_unstable();
    let step = policies.len().div_ceil(MOST_READ).max(1);
    Ok(policies.into_iter().map(|(_, file)| file).step_by(step).collect())
}
