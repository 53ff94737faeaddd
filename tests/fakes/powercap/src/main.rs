//! Moves a fake powercap tree in real time; `--help` tells how.

use std::process::ExitCode;

use fake_powercap::moving::{self, Moving, number};
use fake_powercap::{Layout, POWERCAP, Tree, Waveform};

const HELP: &str = "\
Lays out a powercap tree as Linux does and moves its energy registers along a known waveform,
so that programs which read RAPL can be tried and tested on machines without it.

Usage: fake-powercap --root DIR [OPTION...]

  smaragdined serve --powercap-root DIR/class/powercap
  smaragdine run -- COMMAND        with SMARAGDINE_POWERCAP_ROOT=DIR/class/powercap

Where and how long
  --root DIR         the tree, best on a tmpfs such as /dev/shm; made if it does not exist
  --duration S       seconds until it ends; without it, until it is killed or its standard input closes
                     where --until-stdin-closes is given
  --until-stdin-closes
  --period-us N      microseconds between updates (1000)
  --truth FILE       the ground truth (DIR/truth.jsonl)

What there is (WAVE: constant:W, square:LOW:HIGH:PERIOD_S, sine:MEAN:AMPLITUDE:PERIOD_S, or none; packages take
several, WAVE,WAVE, in turn)
  --sockets N        (1)
  --dies N           dies per socket (1)
  --package WAVE     of each package (constant:100)
  --dram WAVE        memory of each package (constant:10)
  --core WAVE        (none)
  --uncore WAVE      (none)
  --psys WAVE        the whole platform (none)
  --mmio             also intel-rapl-mmio, whose packages repeat those of intel-rapl
  --range UJ         microjoules after which registers start again at 0 (262143328850, that of a Xeon);
                     300000000 wraps every 3 s at 100 W
  --initial UJ       what every register holds at the start (0)
  --max-power UW     what packages are told to draw at most (constraint_0_max_power_uw; no such file)

What goes wrong; may be given several times
  --fault fail:ZONE:FROM_S:FOR_S      reads of intel-rapl:0 (or :0:1 ...) yield nothing for a while
  --fault garbage:ZONE:FROM_S:FOR_S   they yield text that is no number
  --fault deny:ZONE:FROM_S:FOR_S      they yield nothing, and only root may open the register
  --fault stall:ZONE:FROM_S:FOR_S     the register stands still, then shows what was drawn meanwhile
  --fault vanish:ZONE:FROM_S:FOR_S    the zone and those within it are gone, as when the driver is unloaded
  --fault reset:ZONE:AT_S             the register starts again at 0; its energy goes on
  --fault jump:ZONE:FROM_S:FOR_S:BY_J the register shows so many joules too much for a while, or too little
  --fault zero:ZONE:FROM_S:FOR_S      it shows 0
  --fault freeze:ZONE:FROM_S:FOR_S    it stands still, and what was drawn meanwhile is never shown
  --forbidden                         only root may read the registers, as Linux has it since 5.10

When the tree is ready, one line {\"ready\": \"DIR/class/powercap\", \"truth\": FILE} goes to standard output.

The ground truth is one JSON object per update:
  {\"monotonic_ns\": T, \"written_ns\": U, \"energy_uj\": {\"intel-rapl:0\": E, ...}}
The registers held E (modulo the range, plus the initial value) from U, just after the update, until the next
update; E is exact for the instant T, both CLOCK_MONOTONIC. E never wraps, resets or stands still. The energy that a
zone drew between two rows is the difference of its E.
";

fn main() -> ExitCode {
    moving::command("fake-powercap", HELP, |arguments| {
        let (moving, layout) = parse(arguments)?;
        moving.run(|root| Tree::create(root, &layout), |root| root.join(POWERCAP))
    })
}

fn parse(arguments: Vec<String>) -> Result<(Moving, Layout), String> {
    let (mut moving, mut layout) = (Moving::default(), Layout::default());
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        if moving.takes(&name, &mut value)? {
            continue;
        }
        match name.as_str() {
            "--sockets" => layout.sockets = number(&name, &value()?)?,
            "--dies" => layout.dies = number(&name, &value()?)?,
            "--package" => layout.package = waves(&value()?)?,
            "--dram" => layout.dram = waves(&value()?)?,
            "--core" => layout.core = waves(&value()?)?,
            "--uncore" => layout.uncore = waves(&value()?)?,
            "--psys" => layout.psys = waves(&value()?)?.first().copied(),
            "--mmio" => layout.mmio = true,
            "--range" => layout.range_uj = number(&name, &value()?)?,
            "--initial" => layout.initial_uj = number(&name, &value()?)?,
            "--max-power" => layout.max_power_uw = Some(number(&name, &value()?)?),
            "--fault" => layout.faults.push(value()?.parse()?),
            "--forbidden" => layout.forbidden = true,
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok((moving, layout))
}

fn waves(text: &str) -> Result<Vec<Waveform>, String> {
    if text == "none" { Ok(Vec::new()) } else { text.split(',').map(str::parse).collect() }
}
