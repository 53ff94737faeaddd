//! Cray's counters of a node and its parts: whole joules with a stamp, ten times a second.

use std::fs;
use std::io;

use fake_powercap::Waveform;
use rustix::time::{ClockId, clock_gettime};

use crate::{Form, Tree};

pub(crate) const UPDATES_PER_S: f64 = 10.0;

#[derive(Debug, Clone, PartialEq)]
pub struct Cray {
    pub node: Waveform,
    pub cpu: Waveform,
    pub memory: Option<Waveform>,
    pub accelerators: Vec<Waveform>,
    /// How far the stamps are off this machine's clock.
    pub stamps_off_us: i64,
}

impl Default for Cray {
    fn default() -> Self {
        let watts = |watts| Waveform::Constant { watts };
        Self {
            node: watts(200.0),
            cpu: watts(100.0),
            memory: Some(watts(20.0)),
            accelerators: Vec::new(),
            stamps_off_us: 0,
        }
    }
}

impl Cray {
    pub(crate) fn lay_out(&self, tree: &mut Tree) -> io::Result<()> {
        let directory = "cray/pm_counters";
        fs::create_dir_all(tree.root.join(directory))?;
        for (file, text) in
            [("generation", "7"), ("startup", "1669118372310104"), ("raw_scan_hz", "10"), ("version", "2")]
        {
            tree.put(&format!("{directory}/{file}"), text)?;
        }
        let parts = [("energy", Some(self.node)), ("cpu_energy", Some(self.cpu)), ("memory_energy", self.memory)];
        let accelerators = self.accelerators.iter().enumerate();
        let accelerators = accelerators.map(|(number, wave)| (format!("accel{number}_energy"), Some(*wave)));
        for (name, waveform) in parts.map(|(name, wave)| (name.to_owned(), wave)).into_iter().chain(accelerators) {
            let Some(waveform) = waveform else { continue };
            let path = tree.root.join(directory).join(&name);
            tree.add(&name, path, waveform, Form::Stamped(self.clone()))?;
        }
        Ok(())
    }

    /// `1234 J 1669118372310104 us`
    pub(crate) fn line(&self, energy_uj: u64, age_s: f64) -> Vec<u8> {
        let now = clock_gettime(ClockId::Realtime);
        let stamp_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000 + self.stamps_off_us - (age_s * 1e6) as i64;
        format!("{} J {stamp_us} us\n", energy_uj / 1_000_000).into_bytes()
    }
}
