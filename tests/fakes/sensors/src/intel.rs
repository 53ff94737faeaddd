//! A GPU of Intel's: energy counters among its hardware monitors.

use std::io;
use std::str::FromStr;

use fake_powercap::Waveform;

use crate::{Form, Tree};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intel {
    pub waveform: Waveform,
    /// `xe` rather than `i915`, which labels nothing.
    pub is_xe: bool,
    /// What of it has a counter: the whole card, its package.
    pub card: bool,
    pub package: bool,
}

/// `WAVE[@WHAT,…]`: `i915`, `package` (its package alone has a counter)
impl FromStr for Intel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (wave, rest) = text.split_once('@').unwrap_or((text, ""));
        let mut intel = Self { waveform: wave.parse()?, is_xe: true, card: true, package: true };
        for what in rest.split(',').filter(|what| !what.is_empty()) {
            match what {
                "i915" => (intel.is_xe, intel.package) = (false, false),
                "package" => intel.card = false,
                _ => return Err(format!("{what:?} is nothing of an Intel card: i915 or package")),
            }
        }
        Ok(intel)
    }
}

impl Intel {
    pub(crate) fn lay_out(self, tree: &mut Tree, number: usize) -> io::Result<()> {
        let device = format!("devices/pci/0000:{:02x}:00.0", number + 3);
        let monitor = format!("{device}/hwmon/hwmon{number}");
        tree.card(number, &device)?;
        tree.put(&format!("{device}/vendor"), "0x8086")?;
        tree.put(&format!("{device}/device"), "0x56a0")?;
        tree.put(&format!("{monitor}/name"), if self.is_xe { "xe" } else { "i915" })?;
        tree.put(&format!("{monitor}/power1_max"), "300000000")?;
        let counters = [(1, "card", self.card), (2, "pkg", self.package)];
        for (channel, label, _) in counters.into_iter().filter(|(.., there)| *there) {
            if self.is_xe {
                tree.put(&format!("{monitor}/energy{channel}_label"), label)?;
            }
            let path = tree.root.join(&monitor).join(format!("energy{channel}_input"));
            let is_whole = channel == 1 || !self.card;
            let name = if is_whole { format!("card{number}") } else { format!("card{number}-package") };
            tree.add(&name, path, self.waveform, Form::Digits)?;
        }
        Ok(())
    }
}
