//! Memory of the application and of the machine.

use super::Metric;
use super::budget::WALKS;
use super::host::{HostLooks, number_behind};
use super::thread::thread_s;

pub(super) const METRICS: &[Metric<HostLooks>] = &[
    Metric {
        name: "memory_resident",
        unit: "bytes",
        scopes: "application",
        source: "`/proc/PID/stat`: the sum of its processes' RSS; what they share is counted in each",
        check: |looks| looks.has("stat"),
        read: |looks, values| {
            let page = rustix::param::page_size() as f64;
            let (mut pages, mut living) = (0, 0);
            for (_, stat) in looks.processes.application_processes() {
                (pages, living) = (pages + stat.resident_pages, living + 1);
            }
            if living > 0 {
                values.add("application", pages as f64 * page);
            }
            Ok(())
        },
    },
    Metric {
        name: "memory_proportional",
        unit: "bytes",
        scopes: "application",
        source: "`/proc/PID/smaps_rollup`: the sum of its processes' PSS, in which what is shared is divided. At most \
                 once a minute, and less often where that takes more than 0.05 % of a core: it walks page tables",
        check: |looks| looks.has("stat"),
        read: |looks, values| {
            let pids: Vec<i32> = looks.processes.application_processes().map(|(pid, _)| pid).collect();
            if pids.is_empty() || !looks.walks.is_due(looks.now_ns) {
                return Ok(());
            }
            let before_s = thread_s();
            let told = proportional(looks, &pids);
            looks.walks.took(thread_s() - before_s, looks.now_ns);
            if let Some(bytes) = told? {
                values.add("application", bytes);
            }
            Ok(())
        },
    },
    Metric {
        name: "memory_used",
        unit: "bytes",
        scopes: "machine",
        source: "`/proc/meminfo`: MemTotal − MemAvailable",
        check: |looks| looks.has("meminfo"),
        read: |looks, values| {
            let text = looks.text("meminfo")?;
            let number = |key| number_behind(text, key).ok_or_else(|| format!("meminfo has no {key}"));
            let kib = number("MemTotal")? - number("MemAvailable")?;
            values.add("machine", 1024.0 * kib);
            Ok(())
        },
    },
];

/// When page tables are walked next.
#[derive(Debug, Default)]
pub(super) struct Walks {
    due_ns: i64,
}

/// The shortest time between two walks.
const WALK_PERIOD_S: f64 = 60.0;

impl Walks {
    fn is_due(&self, now_ns: i64) -> bool {
        now_ns >= self.due_ns
    }

    fn took(&mut self, cost_s: f64, now_ns: i64) {
        self.due_ns = now_ns.saturating_add((WALK_PERIOD_S.max(cost_s / WALKS) * 1e9) as i64);
    }
}

/// `None`: all ended meanwhile.
fn proportional(looks: &HostLooks, pids: &[i32]) -> Result<Option<f64>, String> {
    let mut sum = None;
    for pid in pids {
        let path = looks.proc_root.join(pid.to_string()).join("smaps_rollup");
        match std::fs::read_to_string(&path) {
            // A process that has ended, and one that ends now, have no memory.
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                let kib = number_behind(&text, "Pss").ok_or_else(|| format!("{} has no Pss", path.display()))?;
                *sum.get_or_insert(0.0) += 1024.0 * kib;
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            Err(error) => {
                if path.parent().is_some_and(std::path::Path::exists) {
                    return Err(format!("cannot read {}: {error}", path.display()));
                }
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tables_are_walked_once_a_minute_and_less_often_where_that_is_dear() {
        let mut walks = Walks::default();
        assert!(walks.is_due(1));
        walks.took(0.001, 0);
        assert!(!walks.is_due(59_999_999_999) && walks.is_due(60_000_000_000));
        // A tenth of a second is 0.05 % of 200 s.
        walks.took(0.1, 0);
        assert!(!walks.is_due(199_000_000_000) && walks.is_due(200_000_000_001));
    }
}
