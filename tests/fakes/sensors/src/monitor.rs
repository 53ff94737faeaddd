//! Hardware monitors of power: rails of a Jetson, of which each has volts and amperes, and chips that tell watts.

use std::io;
use std::str::FromStr;

use fake_powercap::{Kind, Register, Waveform};

use crate::{Form, Tree, power_w};

/// What every rail is fed with.
const MILLIVOLTS: f64 = 5_000.0;
/// A chip meters so many rails.
const RAILS: usize = 3;

/// One meter: a rail, or a chip of `driver`.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    pub driver: Option<String>,
    pub label: String,
    pub waveform: Waveform,
}

/// `LABEL=WAVE` of a rail, `DRIVER:LABEL=WAVE` of a chip of its own
impl FromStr for Monitor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, wave) = text.split_once('=').ok_or_else(|| format!("{text:?} is not LABEL=WAVE"))?;
        let (driver, label) = name.split_once(':').map_or((None, name), |(driver, label)| (Some(driver), label));
        Ok(Self { driver: driver.map(str::to_owned), label: label.to_owned(), waveform: wave.parse()? })
    }
}

/// Lays out three rails a chip, then one chip for each of the others.
pub(crate) fn lay_out(monitors: &[Monitor], tree: &mut Tree) -> io::Result<()> {
    let (rails, others): (Vec<&Monitor>, Vec<&Monitor>) = monitors.iter().partition(|monitor| monitor.driver.is_none());
    let mut chips = 0;
    let mut chip = |tree: &Tree, driver: &str| {
        let directory = format!("class/hwmon/hwmon{chips}");
        chips += 1;
        tree.put(&format!("{directory}/name"), driver).map(|()| directory)
    };
    for rails in rails.chunks(RAILS) {
        let directory = chip(tree, "ina3221")?;
        for (number, rail) in (1..).zip(rails) {
            tree.put(&format!("{directory}/in{number}_label"), &rail.label)?;
            tree.put(&format!("{directory}/in{number}_input"), &MILLIVOLTS.to_string())?;
            let path = tree.root.join(&directory).join(format!("curr{number}_input"));
            tree.add(&rail.label, path, rail.waveform, Form::Power { per_w: 1e6 / MILLIVOLTS })?;
        }
        // The voltage over a shunt, and the sum of what is summed: no rail.
        tree.put(&format!("{directory}/in4_input"), "3")?;
        tree.put(&format!("{directory}/curr4_input"), "9000")?;
    }
    for Monitor { driver, label, waveform } in others {
        let directory = chip(tree, driver.as_deref().unwrap_or_default())?;
        tree.put(&format!("{directory}/power1_label"), label)?;
        let path = tree.root.join(&directory).join("power1_input");
        tree.add(label, path, *waveform, Form::Power { per_w: 1e6 })?;
    }
    Ok(())
}

/// Watts that a meter shows: a jump is one of power, and while it stalls it shows the last.
pub(crate) fn shown_w(register: &Register, seconds: f64) -> f64 {
    let now = |kind: Kind| register.faults.iter().find(move |fault| fault.kind == kind && fault.holds(seconds));
    if now(Kind::Zero).is_some() {
        return 0.0;
    }
    let shown_s = now(Kind::Stall).map_or(seconds, |fault| fault.from_s);
    power_w(register.waveform, shown_s) + now(Kind::Jump).map_or(0.0, |fault| fault.by_j)
}
