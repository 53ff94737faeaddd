//! What registers can physically do, by kind, each with its ground (law 10).

use super::{Domain, SourceName};

/// The largest sockets are built for 500 to 700 W; three times that is out of reach of any cooling that is sold.
const SOCKET_W: f64 = 2_000.0;
/// Twenty-four modules of 25 W on one socket draw 600 W.
const MEMORY_W: f64 = 1_000.0;
/// The largest accelerators are rated 1,400 to 2,300 W.
const GPU_W: f64 = 2_500.0;
/// A CPU and two of the largest accelerators.
const MODULE_W: f64 = 6_000.0;
/// A register of a whole platform, or of nobody knows what, may hold several sockets and accelerators.
const PLATFORM_W: f64 = 20_000.0;

/// Firmware and drivers hold a part to its limit on average; for milliseconds it draws up to twice as much.
const PEAK: f64 = 2.0;
/// Clients' processors are rated at 9 W and more and turbo far beyond; where boards lift the limits, up to 350 W.
const LEAST_SOCKET_W: f64 = 500.0;
/// Whatever a driver says, a card with its fans draws so much at times.
const LEAST_GPU_W: f64 = 50.0;

const MS: i64 = 1_000_000;

/// What a register can do, and what it cannot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The most that it can tell to be drawn, on average over any time.
    pub power_w: f64,
    /// How much older than its read a value can be.
    pub stale_ns: i64,
    /// It shows another value within so long while what it meters is on, however idle; `None`: it need not.
    pub moves_within_ns: Option<i64>,
    /// What it meters draws something at any time.
    pub is_always_on: bool,
}

impl Limit {
    /// The most microjoules within so many nanoseconds.
    #[must_use]
    pub fn energy_uj(&self, ns: i64) -> f64 {
        self.power_w * ns as f64 * 1e-3
    }

    /// Whether a meter's power can be right.
    #[must_use]
    pub fn allows(&self, power_w: f64) -> bool {
        power_w <= self.power_w && if self.is_always_on { power_w > 0.0 } else { power_w >= 0.0 }
    }
}

/// RAPL's registers are updated about once a millisecond.
pub const RAPL_UPDATE_NS: i64 = 1_000_000;

impl Domain {
    /// How often its register is updated, where that is known of its kind; else as often as it is seen to be.
    #[must_use]
    pub fn update_ns(&self) -> Option<i64> {
        self.is_rapl().then_some(RAPL_UPDATE_NS)
    }

    /// It is a register of RAPL, whoever reads it.
    #[must_use]
    pub fn is_rapl(&self) -> bool {
        [SourceName::Powercap, SourceName::Perf].iter().any(|source| self.source == source.name())
    }

    /// What its register can do: by its kind, and by [`Domain::limit_w`] where that is known.
    #[must_use]
    pub fn limit(&self) -> Limit {
        let kind = self.name.split('-').next().unwrap_or_default();
        let is_socket = self.name.starts_with("package") || self.counted;
        let power_w = match self.limit_w {
            _ if self.device.starts_with("MODULE") => MODULE_W,
            _ if kind == "psys" => PLATFORM_W,
            _ if kind == "dram" => MEMORY_W,
            Some(limit_w) if self.is_of_gpu() => (PEAK * limit_w).max(LEAST_GPU_W),
            None if self.is_of_gpu() => GPU_W,
            Some(limit_w) => (PEAK * limit_w).clamp(LEAST_SOCKET_W, SOCKET_W),
            None if is_socket || self.is_rapl() => SOCKET_W,
            None => PLATFORM_W,
        };
        let (stale_ns, moves_within_ns) = match self.source.as_str() {
            // Updated about every millisecond, some domains and blurred ones less often; by 61 µJ or less at a time, which
            // any package or memory that is on draws many times a second.
            "powercap" | "perf" => (20 * MS, 1_000 * MS),
            // Updated every 20 to 100 ms, by single millijoules; an idle GPU draws watts.
            "nvml" => (100 * MS, 1_000 * MS),
            // Whatever the chip does: some look once a second.
            _ => (1_000 * MS, 5_000 * MS),
        };
        Limit {
            power_w,
            stale_ns,
            // Parts of what is counted are switched off at times.
            moves_within_ns: self.counted.then_some(moves_within_ns),
            // What is recorded runs on a machine that is on.
            is_always_on: self.counted || self.is_outside(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_w(name: &str, device: &str, source: &str, told_w: Option<f64>) -> f64 {
        Domain { limit_w: told_w, ..Domain::new(name, device, source, "") }.limit().power_w
    }

    #[test]
    fn a_part_draws_at_most_twice_what_its_driver_allows_and_else_what_its_kind_can() {
        assert_eq!(limit_w("gpu-0", "GPU:0", "nvml", Some(700.0)), 1_400.0);
        assert_eq!(limit_w("gpu-0", "GPU:0", "nvml", None), 2_500.0);
        assert_eq!(limit_w("package-0", "CPU:0", "powercap", Some(350.0)), 700.0);
        assert_eq!(limit_w("package-0", "CPU:0", "powercap", None), 2_000.0);
    }

    #[test]
    fn a_limit_that_is_told_never_accuses_a_part_of_turbo_nor_allows_what_no_part_can() {
        assert_eq!(limit_w("package-0", "CPU:0", "powercap", Some(15.0)), 500.0);
        assert_eq!(limit_w("package-0-die-1", "CPU:0", "powercap", Some(4_095.0)), 2_000.0);
        assert_eq!(limit_w("gpu-0", "GPU:0", "nvml", Some(0.0)), 50.0);
    }

    #[test]
    fn memory_modules_and_platforms_have_limits_of_their_own() {
        assert_eq!(limit_w("dram-0", "CPU:0", "powercap", Some(40.0)), 1_000.0);
        assert_eq!(limit_w("module-0", "MODULE:0", "nvml", None), 6_000.0);
        assert_eq!(limit_w("psys", "CPU:0", "powercap", None), 20_000.0);
        assert_eq!(limit_w("hwmon-power_meter-grace-power-socket-0", "CPU:0", "hwmon", None), 2_000.0);
    }

    #[test]
    fn a_rail_may_be_off_and_a_socket_never_is() {
        let socket = Domain::new("hwmon-amd_energy-esocket0", "CPU:0", "hwmon", "socket:0");
        let rail = Domain { counted: false, ..Domain::new("hwmon-ina226-power1", "CPU:0", "hwmon", "socket:0") };
        assert_eq!([0.0, 90.0, 4_900.0, -1.0].map(|w| socket.limit().allows(w)), [false, true, false, false]);
        assert_eq!([0.0, 90.0, 4_900.0, -1.0].map(|w| rail.limit().allows(w)), [true, true, true, false]);
        assert!(![f64::NAN, f64::INFINITY].iter().any(|w| rail.limit().allows(*w)));
        assert_eq!((socket.limit().moves_within_ns.is_some(), rail.limit().moves_within_ns), (true, None));
    }
}
