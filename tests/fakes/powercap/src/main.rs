//! Moves a fake powercap tree in real time; `--help` tells how.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use fake_powercap::{Layout, Tree, Waveform};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

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

/// The command line.
struct Options {
    root: PathBuf,
    truth: PathBuf,
    duration_s: Option<f64>,
    until_stdin_closes: bool,
    period_ns: i64,
    layout: Layout,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| matches!(argument.as_str(), "-h" | "--help")) {
        return say(HELP);
    }
    let outcome = Options::parse(arguments).and_then(|options| {
        run(&options).map_err(|error| format!("cannot write the tree {}: {error}", options.root.display()))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}\nhint: `fake-powercap --help` lists the options");
            ExitCode::from(2)
        }
    }
}

/// Standard output may have been closed; that is no reason to panic.
fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(options: &Options) -> io::Result<()> {
    let tree = Tree::create(&options.root, &options.layout)?;
    let mut truth = BufWriter::new(File::create(&options.truth)?);
    let mut row = |monotonic_ns: i64, start_ns: i64| -> io::Result<()> {
        tree.write(monotonic_ns - start_ns)?;
        let written_ns = now_ns();
        let energies = tree.ids().zip(tree.energy_uj(monotonic_ns - start_ns));
        let energies: Vec<String> = energies.map(|(id, energy)| format!("\"{id}\": {energy}")).collect();
        writeln!(
            truth,
            "{{\"monotonic_ns\": {monotonic_ns}, \"written_ns\": {written_ns}, \"energy_uj\": {{{}}}}}",
            energies.join(", ")
        )?;
        // A reader may look at any time, and a kill must not cut a row.
        truth.flush()
    };

    let start_ns = now_ns();
    row(start_ns, start_ns)?;
    say(&format!(
        "{{\"ready\": {:?}, \"truth\": {:?}}}\n",
        tree.powercap_root().display().to_string(),
        options.truth.display().to_string()
    ));
    if options.until_stdin_closes {
        std::thread::spawn(|| {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            std::process::exit(0);
        });
    }
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let end_ns = options.duration_s.map(|seconds| start_ns + (seconds * 1e9) as i64);
    let mut deadline_ns = start_ns;
    while end_ns.is_none_or(|end_ns| deadline_ns < end_ns) {
        // Updates that are overdue are left out: the register was late, the truth of the next row is not.
        deadline_ns += options.period_ns * (1 + (now_ns() - deadline_ns).max(0) / options.period_ns);
        let _ = clock_nanosleep_absolute(
            ClockId::Monotonic,
            &Timespec { tv_sec: deadline_ns / 1_000_000_000, tv_nsec: deadline_ns % 1_000_000_000 },
        );
        row(now_ns(), start_ns)?;
    }
    Ok(())
}

fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

impl Options {
    fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut root: Option<PathBuf> = None;
        let mut truth: Option<PathBuf> = None;
        let mut options = Self {
            root: PathBuf::new(),
            truth: PathBuf::new(),
            duration_s: None,
            until_stdin_closes: false,
            period_ns: 1_000_000,
            layout: Layout::default(),
        };
        let layout = &mut options.layout;
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--root" => root = Some(value()?.into()),
                "--truth" => truth = Some(value()?.into()),
                "--duration" => options.duration_s = Some(number(&name, &value()?)?),
                "--until-stdin-closes" => options.until_stdin_closes = true,
                "--period-us" => options.period_ns = 1_000 * i64::from(number::<u32>(&name, &value()?)?.max(1)),
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
        options.root = root.ok_or("--root is missing")?;
        options.truth = truth.unwrap_or_else(|| options.root.join("truth.jsonl"));
        Ok(options)
    }
}

fn number<T: FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} {text}: not a number that it takes"))
}

fn waves(text: &str) -> Result<Vec<Waveform>, String> {
    if text == "none" { Ok(Vec::new()) } else { text.split(',').map(str::parse).collect() }
}
