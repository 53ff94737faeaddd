//! Registers that hold the same energy, or one another's: whether they agree (law 9: each joule is counted once).

use crate::trace::{Domain, Reading, readings_of_domain};

/// How a register's name ends where another source than its authority reads it.
const TWINS: [&str; 2] = ["-perf", "-mmio"];
/// Two reads of one register are never at one moment.
const TOLERANCE: f64 = 0.01;
const LEAST_J: f64 = 1.0;
/// A whole is updated ten times a second, and its parts at other moments.
const WHOLE_TOLERANCE: f64 = 0.05;
const LEAST_WHOLE_J: f64 = 10.0;

/// Every counted register that its twin contradicts, and a whole that is less than its parts, in words. `readings` are
/// by domain and time.
pub(super) fn contradictions(domains: &[Domain], readings: &[Reading]) -> Vec<String> {
    twins(domains, readings).into_iter().chain(wholes(domains, readings)).collect()
}

fn wholes(domains: &[Domain], readings: &[Reading]) -> Vec<String> {
    let numbered = (0..).zip(domains);
    numbered.filter(|(_, domain)| domain.is_whole()).filter_map(|whole| exceeded(whole, domains, readings)).collect()
}

/// A whole that draws less than what is counted of it: something is counted twice, or is none of its own.
fn exceeded((node, whole): (u16, &Domain), domains: &[Domain], readings: &[Reading]) -> Option<String> {
    let numbered = || (0..).zip(domains);
    let of_node = readings_of_domain(readings, node);
    let known = || of_node.iter().filter(|reading| !reading.flags.is_gap());
    let whole_j: f64 = known().map(|reading| reading.energy_j).sum();
    let parts = numbered().filter(|(_, domain)| domain.counted);
    let (mut parts_j, mut names) = (0.0, Vec::new());
    for (number, part) in parts {
        // What it drew while it is not known, it drew as well: a gap tells the least.
        let of_part = readings_of_domain(readings, number);
        let mut place = 0;
        for reading in known() {
            parts_j += within(of_part, &mut place, reading).map(|(energy_j, _)| energy_j).sum::<f64>();
        }
        names.push(part.name.as_str());
    }
    // What a meter outside tells is as old as it is slow.
    let slow_j = known().map(|reading| reading.energy_j).fold(0.0, f64::max);
    let least_j = if whole.is_outside() { LEAST_WHOLE_J + 2.0 * slow_j } else { LEAST_WHOLE_J };
    (parts_j > whole_j * (1.0 + WHOLE_TOLERANCE) + least_j).then(|| {
        let (whole, names) = (&whole.name, names.join(", "));
        format!(
            "{names} tell {parts_j:.1} J together, and {whole}, which holds them, {whole_j:.1} J: one of them is wrong"
        )
    })
}

/// What each of `readings` that overlaps another tells of it: energy, and whether it is known. `place` is where to begin
/// to look, for others that follow each other.
fn within<'a>(
    readings: &'a [Reading],
    place: &mut usize,
    other: &'a Reading,
) -> impl Iterator<Item = (f64, bool)> + use<'a> {
    while readings.get(*place).is_some_and(|reading| reading.end_ns <= other.start_ns) {
        *place += 1;
    }
    let overlapping = readings[*place..].iter().take_while(|reading| reading.start_ns < other.end_ns);
    overlapping.map(|reading| {
        let common_ns = reading.end_ns.min(other.end_ns) - reading.start_ns.max(other.start_ns);
        let part = common_ns as f64 / (reading.end_ns - reading.start_ns).max(1) as f64;
        (part * reading.energy_j, !reading.flags.is_gap())
    })
}

fn twins(domains: &[Domain], readings: &[Reading]) -> Vec<String> {
    let told = |(number, twin): (u16, &Domain)| {
        let name = TWINS.iter().find_map(|twins| twin.name.strip_suffix(twins)).filter(|_| !twin.counted)?;
        let (authority, counted) = (0..).zip(domains).find(|(_, domain)| domain.name == name && domain.counted)?;
        let (ours, theirs) = (readings_of_domain(readings, authority), readings_of_domain(readings, number));
        let (ours_j, theirs_j) = together(ours, theirs)?;
        let apart_j = (ours_j - theirs_j).abs();
        (apart_j > LEAST_J && apart_j > TOLERANCE * ours_j.max(theirs_j)).then(|| {
            format!(
                "{name} is one register, of which {} tells {ours_j:.3} J and {} {theirs_j:.3} J: one of them is wrong",
                counted.source, twin.source
            )
        })
    };
    (0..).zip(domains).filter_map(told).collect()
}

/// What both tell over the readings of the second that lie within the first and of which neither is in doubt.
fn together(ours: &[Reading], theirs: &[Reading]) -> Option<(f64, f64)> {
    let (first_ns, last_ns) = (ours.first()?.start_ns, ours.last()?.end_ns);
    let inside = theirs.iter().filter(|other| first_ns <= other.start_ns && other.end_ns <= last_ns);
    let (mut ours_j, mut theirs_j, mut place) = (0.0, 0.0, 0);
    for other in inside.filter(|other| !other.flags.is_gap()) {
        let parts = within(ours, &mut place, other);
        let energy_j: Option<f64> = parts.map(|(energy_j, is_known)| is_known.then_some(energy_j)).sum();
        if let Some(energy_j) = energy_j {
            (ours_j, theirs_j) = (ours_j + energy_j, theirs_j + other.energy_j);
        }
    }
    Some((ours_j, theirs_j))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Flag, Flags, WHOLE_NODE};

    const S: i64 = 1_000_000_000;

    /// Readings of so many watts, one after the other, a hole in none.
    fn readings(domain: u16, length_ns: i64, count: i64, power_w: f64, flag: Option<Flag>) -> Vec<Reading> {
        let reading = |n: i64| Reading {
            domain,
            start_ns: n * length_ns,
            end_ns: (n + 1) * length_ns,
            edge_uncertainty_ns: None,
            read_start_ns: n,
            read_end_ns: n,
            energy_j: power_w * length_ns as f64 / 1e9,
            app_share: None,
            daemon_share: None,
            idle_share: None,
            flags: flag.filter(|_| n == 3).map_or(Flags::NONE, |flag| Flags::NONE.with(flag)),
        };
        (0..count).map(reading).collect()
    }

    fn domains() -> [Domain; 2] {
        let twin = Domain { counted: false, ..Domain::new("package-0-perf", "CPU:0", "perf", "socket:0") };
        [Domain::new("package-0", "CPU:0", "powercap", "socket:0"), twin]
    }

    #[test]
    fn two_that_read_one_register_agree_or_it_is_told() {
        let both = |theirs_w: f64| {
            let fine = readings(0, S / 250, 2_500, 100.0, None);
            contradictions(&domains(), &[fine, readings(1, S - 7, 10, theirs_w, None)].concat())
        };
        assert_eq!(both(100.0), Vec::<String>::new());
        assert_eq!(both(100.5), Vec::<String>::new());
        let told = both(150.0);
        assert!(
            told.len() == 1 && told[0].starts_with("package-0 is one register, of which powercap tells"),
            "{told:?}"
        );
    }

    #[test]
    fn what_either_does_not_know_is_not_compared() {
        // The fourth reading of both is a gap and tells nothing.
        let fine = readings(0, S, 10, 100.0, Some(Flag::Lost));
        let mut coarse = readings(1, S, 10, 100.0, None);
        coarse[3].energy_j = 700.0;
        assert_eq!(contradictions(&domains(), &[fine, coarse].concat()), Vec::<String>::new());
        assert_eq!(contradictions(&domains(), &[]), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_counted_beside_nothing_is_nobody_s_twin() {
        let [package, twin] = domains();
        let alone = [Domain { name: "package-1".into(), ..package }, twin];
        let readings = [readings(0, S, 9, 100.0, None), readings(1, S, 9, 9.0, None)].concat();
        assert_eq!(contradictions(&alone, &readings), Vec::<String>::new());
    }

    #[test]
    fn parts_that_draw_more_than_their_whole_are_told() {
        let part =
            |name: &str| Domain { parent: Some(WHOLE_NODE.into()), ..Domain::new(name, "CPU:0", "cray", "socket:0") };
        let node = Domain { counted: false, ..Domain::new(WHOLE_NODE, "CPU:0", "cray", "socket:0") };
        let domains = [node, part("cpu"), part("dram")];
        let told = |node_w: f64| {
            let [node, cpu] =
                [(0, node_w), (1, 100.0)].map(|(domain, watts)| readings(domain, S / 10, 100, watts, None));
            let memory = readings(2, S / 10, 100, 30.0, Some(Flag::Reset));
            contradictions(&domains, &[node, cpu, memory].concat())
        };
        assert_eq!(told(200.0), Vec::<String>::new());
        assert_eq!(told(129.0), Vec::<String>::new(), "within what their moments leave open");
        let told = told(90.0);
        assert!(told.len() == 1 && told[0].starts_with("cpu, dram tell 1300.0 J together"), "{told:?}");
    }
}
