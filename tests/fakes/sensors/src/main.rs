//! Moves fake sensors in real time; `--help` tells how.

use std::path::Path;
use std::process::ExitCode;

use fake_powercap::Waveform;
use fake_powercap::moving::{self, Moving, number};
use fake_sensors::{Cray, Layout, Perf, Tree};

const HELP: &str = "\
Lays out sensors as Linux does, beside powercap and NVML, and moves their registers along known waveforms,
so that programs which read them can be tried and tested on machines without them.

Usage: fake-sensors --root DIR [OPTION...] and at least one of --amd, --intel, --perf and --cray

  smaragdined serve --drm-root DIR/class/drm
                    --perf-root DIR/bus/event_source/devices --perf-counters DIR/counters
                    --cray-root DIR/cray/pm_counters --hwmon-root DIR/class/hwmon

Where and how long
  --root DIR         the tree, best on a tmpfs such as /dev/shm; made if it does not exist
  --duration S       seconds until it ends; without it, until it is killed or its standard input closes
                     where --until-stdin-closes is given
  --until-stdin-closes
  --period-us N      microseconds between updates (1000)
  --truth FILE       the ground truth (DIR/truth.jsonl)

What there is (WAVE: constant:W, square:LOW:HIGH:PERIOD_S, sine:MEAN:AMPLITUDE:PERIOD_S)
  --amd WAVE[@WHAT,...]      a GPU of AMD's, card0 ...; several are several. WHAT: factor=F (its accumulator counts
                             so many times what it should), silent (it tells no power), content=N, processor
  --intel WAVE[@WHAT,...]    a GPU of Intel's, behind those on the bus. WHAT: i915, package (it alone has a counter)
  --perf WAVE[,WAVE[,WAVE]]  perf's energy-pkg, energy-ram and energy-psys
  --perf-cpus N[,N...]       the CPUs through which sockets are read (0)
  --cray NODE,CPU[,MEMORY[,ACCEL...]]   Cray's counters, ten times a second
  --cray-off US              how far their stamps are off this machine's clock
  --monitor LABEL=WAVE        a rail of a Jetson's INA3221: its volts and amperes; several are several
  --monitor DRIVER:LABEL=WAVE a chip that tells watts: 'power_meter:Grace Power Socket 0=constant:120'

What goes wrong; may be given several times. REGISTER: card0, energy-pkg-0, energy, cpu_energy,
a monitor's LABEL ...
  --fault KIND:REGISTER:FROM_S:FOR_S    as fake-powercap has it: fail, garbage, deny, stall, zero, freeze; reset, jump
                                          (of a monitor: by so many watts)

When the tree is ready, one line {\"ready\": \"DIR\", \"truth\": FILE} goes to standard output. The ground truth is,
as fake-powercap's, one JSON object per update, by the names of registers:
  {\"monotonic_ns\": T, \"written_ns\": U, \"energy_uj\": {\"card0\": E, ...}}
";

fn main() -> ExitCode {
    moving::command("fake-sensors", HELP, |arguments| {
        let (moving, layout) = parse(arguments)?;
        moving.run(|root| Tree::create(root, &layout), Path::to_owned)
    })
}

fn parse(arguments: Vec<String>) -> Result<(Moving, Layout), String> {
    let (mut moving, mut layout) = (Moving::default(), Layout::default());
    let (mut perf_cpus, mut cray_off) = (None, 0);
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        if moving.takes(&name, &mut value)? {
            continue;
        }
        match name.as_str() {
            "--amd" => layout.amd.push(value()?.parse()?),
            "--intel" => layout.intel.push(value()?.parse()?),
            "--perf" => layout.perf = Some(perf(&waves(&value()?)?)?),
            "--perf-cpus" => {
                let cpus = value()?.split(',').map(|cpu| number(&name, cpu)).collect::<Result<_, _>>();
                perf_cpus = Some(cpus?);
            }
            "--cray" => layout.cray = Some(cray(&waves(&value()?)?)?),
            "--cray-off" => cray_off = number(&name, &value()?)?,
            "--monitor" => layout.monitors.push(value()?.parse()?),
            "--fault" => layout.faults.push(value()?.parse()?),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    if let (Some(perf), Some(cpus)) = (&mut layout.perf, perf_cpus) {
        perf.cpus = cpus;
    }
    let cards = !layout.amd.is_empty() || !layout.intel.is_empty();
    if !cards && layout.monitors.is_empty() && layout.perf.is_none() && layout.cray.is_none() {
        let options = "--amd, --intel, --perf, --cray, --monitor";
        return Err(format!("there is nothing to lay out; one of {options} names something"));
    }
    layout.cray.iter_mut().for_each(|cray| cray.stamps_off_us = cray_off);
    Ok((moving, layout))
}

fn waves(text: &str) -> Result<Vec<Waveform>, String> {
    text.split(',').map(str::parse).collect()
}

fn perf(waves: &[Waveform]) -> Result<Perf, String> {
    match *waves {
        [package, ref rest @ ..] if rest.len() < 3 => {
            Ok(Perf { package, ram: rest.first().copied(), psys: rest.get(1).copied(), cpus: vec![0] })
        }
        _ => Err("--perf takes one to three waveforms".to_owned()),
    }
}

fn cray(waves: &[Waveform]) -> Result<Cray, String> {
    match *waves {
        [node, cpu, ref rest @ ..] => {
            let (memory, accelerators) = (rest.first().copied(), rest.iter().skip(1).copied().collect());
            Ok(Cray { node, cpu, memory, accelerators, stamps_off_us: 0 })
        }
        _ => Err("--cray takes the waveforms of the node, of its CPU, and perhaps of more".to_owned()),
    }
}
