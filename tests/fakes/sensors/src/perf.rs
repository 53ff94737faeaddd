//! RAPL as perf's `power` events.

use std::fs;
use std::io;

use fake_powercap::Waveform;

use crate::{Form, Tree};

/// 2⁻³² J in microjoules: every counter of this kind has it.
const UNIT_UJ: f64 = 1e6 / 4_294_967_296.0;

#[derive(Debug, Clone, PartialEq)]
pub struct Perf {
    pub package: Waveform,
    pub ram: Option<Waveform>,
    pub psys: Option<Waveform>,
    /// The CPUs through which sockets are read.
    pub cpus: Vec<u32>,
}

impl Default for Perf {
    fn default() -> Self {
        let package = Waveform::Constant { watts: 100.0 };
        Self { package, ram: Some(Waveform::Constant { watts: 10.0 }), psys: None, cpus: vec![0] }
    }
}

impl Perf {
    pub(crate) fn lay_out(&self, tree: &mut Tree) -> io::Result<()> {
        let unit = "bus/event_source/devices/power";
        tree.put(&format!("{unit}/type"), "24")?;
        let cpus: Vec<String> = self.cpus.iter().map(u32::to_string).collect();
        tree.put(&format!("{unit}/cpumask"), &cpus.join(","))?;
        fs::create_dir_all(tree.root.join("counters"))?;
        let events =
            [("energy-pkg", 2, Some(self.package)), ("energy-ram", 3, self.ram), ("energy-psys", 5, self.psys)];
        for (event, config, waveform) in events {
            let Some(waveform) = waveform else { continue };
            tree.put(&format!("{unit}/events/{event}"), &format!("event=0x0{config}"))?;
            tree.put(&format!("{unit}/events/{event}.unit"), "Joules")?;
            tree.put(&format!("{unit}/events/{event}.scale"), "2.3283064365386962890625e-10")?;
            for cpu in &self.cpus {
                let name = format!("{event}-{cpu}");
                let path = tree.root.join("counters").join(&name);
                tree.add(&name, path, waveform, Form::Count(UNIT_UJ))?;
            }
        }
        Ok(())
    }
}
