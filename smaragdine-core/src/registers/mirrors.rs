//! Dies that show one and the same register (law 9).
//!
//! Some processors of several dies count the whole socket once and show that counter at every die; others count each
//! die. Nothing in the machine tells which, but the readings do: two dies never draw the same energy many times over.

use crate::trace::{Domain, Reading, readings_of_domain};

/// Fewer readings prove nothing.
const LEAST_COMPARED: usize = 100;
/// The coarsest step of RAPL's counters on machines with several dies, 2⁻¹⁴ J, rounded to microjoules twice.
const STEP_J: f64 = 63e-6;
/// Registers are read one after the other, and now and then one is updated in between: the next reading makes up for it.
const STRADDLED: f64 = 0.1;

/// Stops counting dies that repeat another die of their socket; returns what was found, in words.
///
/// `readings` are by domain and time.
pub fn find_mirrors(domains: &mut [Domain], readings: &[Reading]) -> Vec<String> {
    let of_place = |place: usize| readings_of_domain(readings, u16::try_from(place).unwrap_or(u16::MAX));
    let mut found = Vec::new();
    for place in 1..domains.len() {
        let Some(socket) = die(&domains[place]) else { continue };
        let earlier = (0..place).filter(|earlier| die(&domains[*earlier]) == Some(socket));
        let mirrored = |first: usize| Some((first, agreeing(of_place(first), of_place(place))?));
        let Some((first, agreed)) = earlier.filter_map(mirrored).next() else { continue };
        let because = format!("repeats {}: they agree over {agreed} readings", domains[first].name);
        let domain = &mut domains[place];
        found.push(format!("{} is not counted: it {because}", domain.name));
        domain.counted = false;
        domain.not_counted_because = Some(because);
    }
    found
}

/// Whether its readings can tell that it is another's mirror, or another is its.
#[must_use]
pub fn may_mirror(domain: &Domain) -> bool {
    die(domain).is_some()
}

/// `package-0` of `package-0-die-1`, where that is counted.
fn die(domain: &Domain) -> Option<&str> {
    let (of_socket, _) = domain.name.split_once("-die-")?;
    (domain.counted && domain.is_rapl()).then_some(of_socket)
}

/// How many readings of the two were compared, if they show that both are one register.
fn agreeing(one: &[Reading], other: &[Reading]) -> Option<usize> {
    let (mut compared, mut agreed, mut apart_j, mut largest_j) = (0_usize, 0_usize, 0.0, 0.0_f64);
    let mut others = other.iter().peekable();
    for reading in one {
        // Registers of one tick are read within a small part of its reading.
        let nearby_ns = (reading.end_ns - reading.start_ns) / 4;
        while others.next_if(|other| other.read_start_ns < reading.read_start_ns - nearby_ns).is_some() {}
        let Some(other) = others.next_if(|other| other.read_start_ns <= reading.read_start_ns + nearby_ns) else {
            continue;
        };
        if reading.flags.is_gap() || other.flags.is_gap() {
            continue;
        }
        let difference_j = reading.energy_j - other.energy_j;
        compared += 1;
        agreed += usize::from(difference_j.abs() <= STEP_J);
        apart_j += difference_j;
        largest_j = largest_j.max(difference_j.abs());
    }
    let disagreed = (compared - agreed) as f64;
    let one_register = disagreed <= STRADDLED * compared as f64 && apart_j.abs() <= largest_j + STEP_J;
    (compared >= LEAST_COMPARED && one_register).then_some(compared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Flag, Flags};

    const MS: i64 = 1_000_000;

    fn domain(name: &str) -> Domain {
        Domain::new(name, "CPU:0", "powercap", "socket:0")
    }

    /// Readings every 4 ms whose energies `energy_j` gives by their number; one domain is read 10 µs after the other.
    fn readings(domain: u16, count: i64, energy_j: impl Fn(i64) -> f64) -> impl Iterator<Item = Reading> {
        (0..count).map(move |n| {
            let end_ns = (n + 1) * 4 * MS + i64::from(domain) * 10_000;
            Reading {
                domain,
                start_ns: end_ns - 4 * MS,
                end_ns,
                edge_uncertainty_ns: None,
                read_start_ns: end_ns,
                read_end_ns: end_ns + 1_000,
                energy_j: energy_j(n),
                app_share: None,
                daemon_share: None,
                idle_share: None,
                flags: if n == 50 { Flags::NONE.with(Flag::Reset) } else { Flags::NONE },
            }
        })
    }

    fn load_j(n: i64) -> f64 {
        0.4 + 0.1 * ((n * n) % 97) as f64 / 97.0
    }

    fn counted(names: [&str; 2], count: i64, other: impl Fn(i64) -> f64) -> [bool; 2] {
        let mut domains = names.map(domain);
        let readings: Vec<Reading> = readings(0, count, load_j).chain(readings(1, count, other)).collect();
        let found = find_mirrors(&mut domains, &readings);
        assert_eq!(found.len(), domains.iter().filter(|domain| !domain.counted).count(), "{found:?}");
        domains.map(|domain| domain.counted)
    }

    const DIES: [&str; 2] = ["package-0-die-0", "package-0-die-1"];

    #[test]
    fn a_die_that_repeats_another_is_not_counted() {
        assert_eq!(counted(DIES, 200, load_j), [true, false]);
    }

    #[test]
    fn an_update_between_two_reads_hides_no_mirror() {
        // Every fortieth reading lacks an update of 0.1 J that the next one has.
        let straddled = |n: i64| load_j(n) + [-0.1, 0.1].get((n % 40) as usize).unwrap_or(&0.0);
        assert_eq!(counted(DIES, 200, straddled), [true, false]);
    }

    #[test]
    fn dies_that_draw_nearly_the_same_are_both_counted() {
        assert_eq!(counted(DIES, 2_000, |n| load_j(n) * 1.001), [true, true]);
        assert_eq!(counted(DIES, 2_000, |n| load_j(n + 1)), [true, true]);
    }

    #[test]
    fn a_few_readings_prove_nothing() {
        assert_eq!(counted(DIES, 90, load_j), [true, true]);
    }

    #[test]
    fn sockets_are_never_taken_for_mirrors_nor_is_memory_for_a_package() {
        assert_eq!(counted(["package-0", "package-1"], 200, load_j), [true, true]);
        assert_eq!(counted(["package-0-die-0", "package-1-die-0"], 200, load_j), [true, true]);
        assert_eq!(counted(["package-0-die-0", "dram-0-die-1"], 200, load_j), [true, true]);
    }
}
