//! A GPU of AMD's: its table of metrics, form 1.3 or 1.4.

use std::io;
use std::str::FromStr;

use fake_powercap::Waveform;
use rustix::time::{ClockId, clock_gettime};

use crate::{Form, Tree};

/// 2⁻¹⁶ J in microjoules.
const UNIT_UJ: f64 = 15.258_789_062_5;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amd {
    pub waveform: Waveform,
    /// The accumulator counts so many times what it should: 1 is right, 0 stands still.
    pub factor: f64,
    /// It tells its power.
    pub tells_power: bool,
    /// The form's second number, 3 or 4; 9 is one that names its own fields.
    pub content: u8,
    /// The table is a processor's with graphics.
    pub is_of_processor: bool,
}

/// `WAVE[@WHAT,…]`: `factor=F`, `silent` (it tells no power), `content=N`, `processor`
impl FromStr for Amd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (wave, rest) = text.split_once('@').unwrap_or((text, ""));
        let mut amd =
            Self { waveform: wave.parse()?, factor: 1.0, tells_power: true, content: 3, is_of_processor: false };
        for what in rest.split(',').filter(|what| !what.is_empty()) {
            let wrong = || format!("{what:?} is nothing of an AMD card: factor=F, silent, content=N or processor");
            match what.split_once('=').unwrap_or((what, "")) {
                ("factor", number) => amd.factor = number.parse().map_err(|_| wrong())?,
                ("content", number) => amd.content = number.parse().map_err(|_| wrong())?,
                ("silent", "") => amd.tells_power = false,
                ("processor", "") => amd.is_of_processor = true,
                _ => return Err(wrong()),
            }
        }
        Ok(amd)
    }
}

impl Amd {
    pub(crate) fn lay_out(self, tree: &mut Tree, number: usize) -> io::Result<()> {
        let device = format!("devices/pci/0000:{:02x}:00.0", number + 3);
        tree.card(number, &device)?;
        tree.put(&format!("{device}/vendor"), "0x1002")?;
        tree.put(&format!("{device}/device"), "0x740f")?;
        tree.put(&format!("{device}/unique_id"), &format!("{:016x}", 0xa0 + number))?;
        tree.put(&format!("{device}/mem_info_vram_total"), "68702699520")?;
        tree.put(&format!("{device}/hwmon/hwmon{number}/name"), "amdgpu")?;
        let path = tree.root.join(&device).join("gpu_metrics");
        tree.add(&format!("card{number}"), path, self.waveform, Form::Table(self))
    }

    /// The table now; what it does not tell is all ones.
    pub(crate) fn table(&self, energy_uj: u64, power_w: f64) -> Vec<u8> {
        let (size, power, energy, clock) = if self.content == 4 { (296, 10, 24, 32) } else { (120, 22, 24, 32) };
        let mut table = vec![0xff; size];
        table[..2].copy_from_slice(&(size as u16).to_le_bytes());
        (table[2], table[3]) = (if self.is_of_processor { 2 } else { 1 }, self.content);
        let units = energy_uj as f64 / UNIT_UJ * self.factor;
        table[energy..energy + 8].copy_from_slice(&(units.round() as u64).to_le_bytes());
        table[clock..clock + 8].copy_from_slice(&boottime_ns().to_le_bytes());
        if self.tells_power {
            table[power..power + 2].copy_from_slice(&(power_w.round() as u16).to_le_bytes());
        }
        table
    }
}

fn boottime_ns() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
