//! Which rails of a Jetson hold which, as NVIDIA's documents of the modules tell.
//!
//! An INA3221 on the module meters three rails; labels are the device tree's. Most modules have one rail that holds all
//! others. Of those that have none, the rails of [`WHOLES`] lie side by side and are the module together.

use super::chip::Chip;
use super::known::Meaning;

const ON_MODULE: &str = "ina3221";
/// Thor's carrier board has one of these where its power comes in.
const ON_CARRIER: &str = "ina238";

/// What a module is fed by.
const TOTALS: [&str; 2] = ["VDD_IN", "POM_5V_IN"];
/// What all of a board is fed by: the module and what the carrier board draws.
const INPUTS: [&str; 2] = ["VIN", "power1"];

/// Rails that are a whole module together: of AGX Orin, whose `VIN_SYS_5V0` holds `VDDQ_VDD2_1V8AO`; of AGX Xavier.
pub(super) const WHOLES: [&[&str]; 2] =
    [&["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"], &["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"]];

/// Rails within those.
const PARTS: [&str; 13] = [
    "VDD_CPU_GPU_CV",
    "VDD_CPU_GPU",
    "VDD_SOC",
    "POM_5V_GPU",
    "POM_5V_CPU",
    "VDD_GPU",
    "VDD_CPU",
    "VDD_CPU_SOC_MSS",
    "VDD_SYS_GPU",
    "VDD_SYS_CPU",
    "VDD_SYS_SOC",
    "VDD_SYS_DDR",
    "VDDQ_VDD2_1V8AO",
];

/// What a rail is on the boards on which rails are called so. There is one module on each.
pub(super) fn meaning(driver: &str, label: &str) -> Option<Meaning> {
    let is_of = |labels: &[&str]| labels.iter().any(|one| one.eq_ignore_ascii_case(label));
    match driver {
        ON_MODULE if is_of(&TOTALS) => Some(Meaning::Module),
        ON_MODULE if is_of(&PARTS) || WHOLES.iter().any(|whole| is_of(whole)) => Some(Meaning::Part),
        ON_MODULE if label.eq_ignore_ascii_case("VDD_MUX") => {
            Some(Meaning::Shown("the board that carries the module, fed beside it"))
        }
        ON_CARRIER if is_of(&INPUTS) => Some(Meaning::Module),
        _ => None,
    }
}

/// Leaves out inputs that are not known to be a Jetson's: any board may have such a chip. A module that meters itself
/// needs none.
pub(super) fn keep_inputs(chips: &[Chip]) -> bool {
    let meanings = || {
        let on_module = chips.iter().filter(|chip| chip.driver == ON_MODULE);
        on_module.flat_map(|chip| chip.channels.iter().filter_map(|channel| meaning(ON_MODULE, &channel.label)))
    };
    let inputs = chips.iter().filter(|chip| chip.driver == ON_CARRIER).count();
    inputs == 1 && meanings().any(|of| of == Meaning::Part) && !meanings().any(|of| of == Meaning::Module)
}

/// Whether a driver's meters are such inputs.
pub(super) fn is_input(driver: &str) -> bool {
    driver == ON_CARRIER
}

#[cfg(test)]
mod tests {
    use super::super::{Hwmon, tests::tree};
    use crate::registers::source::{Observation, Source, Value};
    use crate::trace::Flag;

    /// Chips of three rails each, all of 5 V and so many milliamperes; a chip of another kind, where one is named.
    fn board(rails: &[(&str, u32)], other: Option<(&str, &str)>) -> tempfile::TempDir {
        let mut files = Vec::new();
        for (chip, rails) in rails.chunks(3).enumerate() {
            files.push((format!("hwmon{chip}/name"), "ina3221".to_owned()));
            for (number, (label, milliamperes)) in (1..).zip(rails) {
                files.push((format!("hwmon{chip}/in{number}_label"), (*label).to_owned()));
                files.push((format!("hwmon{chip}/in{number}_input"), "5000".to_owned()));
                files.push((format!("hwmon{chip}/curr{number}_input"), milliamperes.to_string()));
            }
        }
        if let Some((driver, label)) = other {
            files.push(("hwmon8/name".to_owned(), driver.to_owned()));
            files.push(("hwmon8/power1_input".to_owned(), "25000000".to_owned()));
            files.push(("hwmon8/power1_label".to_owned(), label.to_owned()));
        }
        tree(&files.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>())
    }

    fn read(hwmon: &mut Hwmon) -> Vec<Observation> {
        let mut out = Vec::new();
        hwmon.read(&mut out);
        out
    }

    /// `name device` of what is counted, and every other's parent.
    fn told(hwmon: &Hwmon) -> (Vec<String>, Vec<&str>) {
        let (counted, others): (Vec<_>, Vec<_>) = hwmon.domains().iter().partition(|domain| domain.counted);
        let name = |domain: &&crate::trace::Domain| format!("{} {}", domain.name, domain.device);
        (
            counted.iter().map(name).collect(),
            others.iter().map(|other| other.parent.as_deref().unwrap_or("-")).collect(),
        )
    }

    const ORIN_NX: [(&str, u32); 3] = [("VDD_IN", 2_000), ("VDD_CPU_GPU_CV", 800), ("VDD_SOC", 400)];
    const AGX_ORIN: [(&str, u32); 4] =
        [("VDD_GPU_SOC", 2_000), ("VDD_CPU_CV", 1_000), ("VIN_SYS_5V0", 600), ("VDDQ_VDD2_1V8AO", 200)];

    #[test]
    fn the_rail_that_feeds_the_module_is_counted_and_holds_the_others() {
        for (total, part) in [("VDD_IN", "VDD_SOC"), ("POM_5V_IN", "POM_5V_GPU")] {
            let hwmon = Hwmon::open(board(&[(total, 2_000), (part, 400)], None).path()).unwrap();
            let name = format!("hwmon-ina3221-{}", total.to_lowercase().replace('_', "-"));
            assert_eq!(told(&hwmon), (vec![format!("{name} MODULE:0")], vec![&*name]));
            assert_eq!(hwmon.domains()[1].not_counted_because, Some(format!("{name} holds its energy")));
        }
    }

    #[test]
    fn its_power_is_volts_by_amperes_and_flagged_as_integrated() {
        let board = board(&ORIN_NX, None);
        let mut hwmon = Hwmon::open(board.path()).unwrap();
        assert!(read(&mut hwmon).is_empty());
        let Value::Interval { start_ns, end_ns, energy_j } = read(&mut hwmon)[0].value else { panic!("an interval") };
        assert!((energy_j - 10.0 * (end_ns - start_ns) as f64 / 1e9).abs() < 1e-9);
        // Amperes that cannot be read are no power.
        std::fs::write(board.path().join("hwmon0/curr1_input"), "").unwrap();
        let Value::Failed { problem } = &read(&mut hwmon)[0].value else { panic!("a failure") };
        assert!(problem.contains("curr1_input"), "{problem}");
    }

    #[test]
    fn rails_side_by_side_are_the_module_together_and_told_to_be_derived() {
        let board = board(&AGX_ORIN, None);
        let mut hwmon = Hwmon::open(board.path()).unwrap();
        let module = "hwmon-ina3221-module";
        assert_eq!(told(&hwmon), (vec![format!("{module} MODULE:0")], vec![module; 4]));
        read(&mut hwmon);
        let last = read(&mut hwmon).pop().unwrap();
        assert!(last.flags.has(Flag::Derived) && last.flags.has(Flag::Integrated));
        let Value::Interval { start_ns, end_ns, energy_j } = last.value else { panic!("an interval") };
        // What is within VIN_SYS_5V0 is not added again.
        assert!((energy_j - 18.0 * (end_ns - start_ns) as f64 / 1e9).abs() < 1e-9);
        // A rail may be off, and one that cannot be read makes a gap of the whole.
        std::fs::write(board.path().join("hwmon0/curr2_input"), "0").unwrap();
        assert!(matches!(read(&mut hwmon).pop().unwrap().value, Value::Interval { .. }));
        std::fs::write(board.path().join("hwmon0/curr2_input"), "none").unwrap();
        let Value::Failed { problem } = read(&mut hwmon).pop().unwrap().value else { panic!("a failure") };
        assert!(problem.contains("vdd-cpu-cv"), "{problem}");
    }

    #[test]
    fn of_a_module_whose_rails_are_not_all_there_none_is_counted() {
        let hwmon = Hwmon::open(board(&AGX_ORIN[..2], None).path()).unwrap();
        assert_eq!(told(&hwmon), (vec![], vec!["-"; 2]));
    }

    #[test]
    fn what_feeds_the_board_of_a_module_without_a_meter_is_counted_and_on_no_other_board() {
        let thor = [("VDD_GPU", 2_000), ("VDD_CPU_SOC_MSS", 1_000), ("VIN_SYS_5V0", 600)];
        let hwmon = Hwmon::open(board(&thor, Some(("ina238", "VIN"))).path()).unwrap();
        assert_eq!(told(&hwmon), (vec!["hwmon-ina238-vin MODULE:0".to_owned()], vec!["hwmon-ina238-vin"; 3]));
        let server = Hwmon::open(board(&[], Some(("ina238", "VIN"))).path()).unwrap();
        assert_eq!(told(&server), (vec![], vec!["-"]));
        let beside = Hwmon::open(board(&ORIN_NX, Some(("ina238", "VIN"))).path()).unwrap();
        assert_eq!(told(&beside).0, ["hwmon-ina3221-vdd-in MODULE:0"]);
    }

    #[test]
    fn where_nvml_meters_the_gpu_the_module_is_kept() {
        let hwmon = Hwmon::open(board(&ORIN_NX, None).path()).unwrap().beside(false, true, false);
        assert!(told(&hwmon).0.is_empty());
    }
}
