//! Files of sensors as no kernel lays them out.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use smaragdine_core::registers::source::Source;
use smaragdine_core::registers::source::hwmon::Hwmon;
use smaragdine_core::registers::source::powercap::Powercap;

use crate::bytes;
use crate::harness::{Random, fuzz};

const ZONES: [&str; 9] = [
    "intel-rapl",
    "intel-rapl:0",
    "intel-rapl:0:0",
    "intel-rapl:0:1",
    "intel-rapl:1",
    "intel-rapl:10",
    "intel-rapl-mmio:0",
    "intel-rapl:18446744073709551616",
    "dtpm",
];
const NAMES: [&str; 10] = [
    "package-0",
    "package-1-die-1",
    "package-99999999999999999999",
    "dram",
    "core",
    "uncore",
    "psys",
    "psys-1",
    "",
    "\u{fffd}",
];
const NUMBERS: [&str; 10] =
    ["0", "262143328850\n", "18446744073709551615", "18446744073709551616", "-1", "", " 7 ", "1e9", "0x10", "nan\n"];

fn text(choices: &[&str], random: &mut Random) -> Vec<u8> {
    let mut text = random.pick(choices).as_bytes().to_vec();
    if random.chance(4) {
        bytes::mutate(&mut text, random);
    }
    text
}

/// A name that a directory can have.
fn file_name(choices: &[&str], random: &mut Random) -> Vec<u8> {
    let mut name = text(choices, random);
    name.retain(|byte| !matches!(byte, 0 | b'/'));
    if name.is_empty() || name == b"." || name == b".." { b"intel-rapl:7".to_vec() } else { name }
}

fn fill(directory: &Path, files: &[(&str, &[&str])], random: &mut Random) {
    for (file, contents) in files {
        let path = directory.join(file);
        match random.below(12) {
            0 => {}
            1 => drop(fs::create_dir(&path)),
            2 => drop(symlink(directory, &path)),
            _ => drop(fs::write(&path, text(contents, random))),
        }
    }
}

fn read(source: &mut dyn Source) {
    let domains = source.domains().len();
    let mut observations = Vec::new();
    source.read(&mut observations);
    source.read(&mut observations);
    assert!(observations.iter().all(|observation| usize::from(observation.domain) < domains));
    source.problems();
}

#[test]
fn no_powercap_tree_makes_the_reader_panic() {
    let dir = tempfile::tempdir().unwrap();
    fuzz("zones", 14, |random| {
        let root = dir.path().join("powercap");
        fs::create_dir(&root).unwrap();
        let mut parents = vec![root.clone()];
        for _ in 0..=random.below(5) {
            let name = file_name(&ZONES, random);
            let zone = random.pick(&parents).join(std::ffi::OsStr::from_bytes(&name));
            if random.chance(10) {
                drop(symlink(random.pick(&parents), &zone));
            } else if fs::create_dir(&zone).is_ok() {
                fill(&zone, &[("name", &NAMES), ("energy_uj", &NUMBERS), ("max_energy_range_uj", &NUMBERS)], random);
                parents.push(zone);
            }
        }
        let opened = Powercap::open(&root).map(|mut powercap| read(&mut powercap));
        fs::remove_dir_all(&root).unwrap();
        opened.is_ok()
    });
}

#[test]
fn no_hardware_monitor_makes_the_reader_panic() {
    let dir = tempfile::tempdir().unwrap();
    fuzz("hwmon", 3, |random| {
        let root = dir.path().join("hwmon");
        let chip = root.join("hwmon0");
        fs::create_dir_all(&chip).unwrap();
        fill(&chip, &[("name", &["amd_energy", "ibmpowernv", "nvme"])], random);
        let meters = ["energy1", "energy18446744073709551616", "power1", "power2", "energy"];
        for _ in 0..=random.below(4) {
            let meter = *random.pick(&meters);
            let (input, label) = (format!("{meter}_input"), format!("{meter}_label"));
            let average = format!("{meter}_average");
            fill(
                &chip,
                &[(&input, &NUMBERS), (&average, &NUMBERS), (&label, &["Esocket0", "Ecore001", "System"])],
                random,
            );
        }
        let opened = Hwmon::open(&root).map(|mut hwmon| read(&mut hwmon));
        fs::remove_dir_all(&root).unwrap();
        opened.is_ok()
    });
}
