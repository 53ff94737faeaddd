//! Registers that cannot be believed, in words.

use crate::trace::{Domain, Flag, Reading, SourceName, readings_of_domain};

/// What is to be known of counted registers that showed what cannot be, or stood still. `readings` are by domain and
/// time.
pub(super) fn doubts(domains: &[Domain], readings: &[Reading]) -> Vec<String> {
    let of_domain = |(number, domain): (u16, &Domain)| {
        let readings = readings_of_domain(readings, number);
        let name = &domain.name;
        let impossible = stretches(readings, Flag::Impossible).map(|stretches| {
            let most_w = domain.limit().power_w;
            format!(
                "{name} showed what it cannot draw (above {most_w:.0} W, nothing, or less than before), {stretches}: what \
                 it drew then is not known"
            )
        });
        let standing = stretches(readings, Flag::Standing).map(|stretches| {
            format!("{name} stood still, {stretches}: what it drew then is not known, and is not taken to be 0")
        });
        impossible.into_iter().chain(standing)
    };
    let counted = || (0..=u16::MAX).zip(domains).filter(|(_, domain)| domain.counted);
    counted().flat_map(of_domain).chain(unshared(counted(), readings)).collect()
}

/// GPUs of which nothing tells who uses them.
fn unshared<'a>(counted: impl Iterator<Item = (u16, &'a Domain)>, readings: &[Reading]) -> Option<String> {
    let is_unshared = |number: u16| {
        let readings = readings_of_domain(readings, number);
        !readings.is_empty() && readings.iter().all(|reading| reading.app_share.is_none())
    };
    let of_drm = counted.filter(|(number, domain)| domain.source == SourceName::Drm.name() && is_unshared(*number));
    let names: Vec<&str> = of_drm.map(|(_, domain)| domain.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the share of {} is unknown: which processes use a GPU of AMD's or Intel's is not known here",
            names.join(", ")
        )
    })
}

/// How many stretches of readings have a flag, and how long they are together; `None`: there are none.
fn stretches(readings: &[Reading], flag: Flag) -> Option<String> {
    let (mut count, mut length_ns, mut last_ns) = (0, 0_i64, None);
    for reading in readings.iter().filter(|reading| reading.flags.has(flag)) {
        count += usize::from(last_ns != Some(reading.start_ns));
        length_ns = length_ns.saturating_add(reading.end_ns.saturating_sub(reading.start_ns));
        last_ns = Some(reading.end_ns);
    }
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    (count > 0).then(|| format!("{times}, for {:.3} s", length_ns as f64 * 1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Flags;

    fn reading(domain: u16, start_ms: i64, end_ms: i64, flag: Flag) -> Reading {
        Reading {
            domain,
            start_ns: start_ms * 1_000_000,
            end_ns: end_ms * 1_000_000,
            edge_uncertainty_ns: None,
            read_start_ns: end_ms,
            read_end_ns: end_ms,
            energy_j: 0.0,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: Flags::NONE.with(flag),
        }
    }

    #[test]
    fn each_register_that_cannot_be_believed_is_named_once_with_how_long() {
        let mut domains = ["package-0", "dram-0", "core-0"].map(|name| Domain::new(name, "CPU:0", "powercap", ""));
        domains[2].counted = false;
        let readings = [
            reading(0, 0, 4, Flag::Impossible),
            reading(0, 4, 8, Flag::Impossible),
            reading(0, 8, 12, Flag::Wrap),
            reading(0, 12, 16, Flag::Impossible),
            reading(1, 0, 3_000, Flag::Standing),
            reading(2, 0, 3_000, Flag::Standing),
        ];
        let told = doubts(&domains, &readings);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("package-0 showed what it cannot draw (above 2000 W"), "{}", told[0]);
        assert!(told[0].contains("2 times, for 0.012 s"), "{}", told[0]);
        assert!(told[1].starts_with("dram-0 stood still, once, for 3.000 s"), "{}", told[1]);
    }

    #[test]
    fn a_gpu_of_which_nothing_tells_who_uses_it_is_named_once() {
        let domains = ["gpu-0", "gpu-1", "gpu-2"].map(|name| Domain::new(name, "GPU:0", "drm", "gpu:0"));
        let mut readings = [0, 1, 2].map(|domain| reading(domain, 0, 4, Flag::Wrap));
        readings[1].app_share = Some(1.0);
        let told = doubts(&domains, &readings);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("the share of gpu-0, gpu-2 is unknown"), "{}", told[0]);
    }
}
