//! What sampling metrics may cost: 0.3 % of a core, all together.

use std::time::Duration;

use super::PERIOD;

/// Of a core, each as a fraction.
const HOST: f64 = 0.0015;
const GPUS: f64 = 0.001;
/// Walking page tables, which is beside the rest of the host's.
pub(super) const WALKS: f64 = 0.0005;

/// What the first looks may cost beyond their part, since they open what later ones only read again.
const GRACE_S: f64 = 0.05;
/// The longest time between two looks.
const LONGEST: Duration = Duration::from_secs(60);

/// The part of a core that a thread may take, and what it has taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Budget {
    part: f64,
    used_s: f64,
    elapsed_s: f64,
}

impl Budget {
    pub(super) fn of_host() -> Self {
        Self { part: HOST, used_s: 0.0, elapsed_s: 0.0 }
    }

    pub(super) fn of_gpus() -> Self {
        Self { part: GPUS, used_s: 0.0, elapsed_s: 0.0 }
    }

    /// How long to wait after a look: a period, or longer where looks have cost more than their part.
    pub(super) fn wait_after(&mut self, used_s: f64, elapsed_s: f64) -> Duration {
        self.used_s += used_s;
        self.elapsed_s += elapsed_s;
        let due_s = (self.used_s - GRACE_S) / self.part - self.elapsed_s;
        // Whole periods, so that looks stay as far apart as the words say.
        let periods = (due_s / PERIOD.as_secs_f64()).ceil().clamp(1.0, LONGEST.as_secs_f64());
        PERIOD.mul_f64(periods)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks of so many seconds each, for an hour: the part of a core that they took, and how many they were.
    fn an_hour_of(look_s: f64) -> (f64, u32) {
        let (mut budget, mut now_s, mut wait_s, mut looks) = (Budget::of_host(), 0.0, 0.0, 0);
        while now_s < 3600.0 {
            let wait = budget.wait_after(look_s, wait_s);
            wait_s = wait.as_secs_f64();
            now_s += wait_s;
            looks += 1;
        }
        (f64::from(looks) * look_s / now_s, looks)
    }

    #[test]
    fn cheap_looks_come_every_second_and_dear_ones_as_often_as_their_part_allows() {
        assert_eq!(an_hour_of(0.0005).1, 3600);
        let (part, looks) = an_hour_of(0.006);
        assert!(part < HOST * 1.05 && looks > 800, "{part} {looks}");
    }
}
