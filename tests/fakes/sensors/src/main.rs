//! Moves fake sensors in real time; `--help` tells how.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use fake_powercap::Waveform;
use fake_sensors::{Cray, Layout, Perf, Tree};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

const HELP: &str = "\
Lays out sensors as Linux does, beside powercap and NVML, and moves their registers along known waveforms,
so that programs which read them can be tried and tested on machines without them.

Usage: fake-sensors --root DIR [OPTION...]

  smaragdined serve --drm-root DIR/class/drm
                    --perf-root DIR/bus/event_source/devices --perf-counters DIR/counters
                    --cray-root DIR/cray/pm_counters

Where and how long: as fake-powercap has it
  --root DIR  --duration S  --until-stdin-closes  --period-us N  --truth FILE

What there is (WAVE: constant:W, square:LOW:HIGH:PERIOD_S, sine:MEAN:AMPLITUDE:PERIOD_S)
  --amd WAVE[@WHAT,...]      a GPU of AMD's, card0 ...; several are several. WHAT: factor=F (its accumulator counts
                             so many times what it should), silent (it tells no power), content=N, processor
  --intel WAVE[@WHAT,...]    a GPU of Intel's, behind those on the bus. WHAT: i915, package (it alone has a counter)
  --perf WAVE[,WAVE[,WAVE]]  perf's energy-pkg, energy-ram and energy-psys
  --perf-cpus N[,N...]       the CPUs through which sockets are read (0)
  --cray NODE,CPU[,MEMORY[,ACCEL...]]   Cray's counters, ten times a second
  --cray-off US              how far their stamps are off this machine's clock

What goes wrong; may be given several times. REGISTER: card0, energy-pkg-0, energy, cpu_energy ...
  --fault KIND:REGISTER:FROM_S:FOR_S    as fake-powercap has it: fail, garbage, deny, stall, zero, freeze; reset, jump

When the tree is ready, one line {\"ready\": \"DIR\", \"truth\": FILE} goes to standard output. The ground truth is
fake-powercap's, by the names of registers.
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
            eprintln!("error: {problem}\nhint: `fake-sensors --help` lists the options");
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
        let energies = tree.names().zip(tree.energy_uj(monotonic_ns - start_ns));
        let energies: Vec<String> = energies.map(|(name, energy)| format!("\"{name}\": {energy}")).collect();
        let energies = energies.join(", ");
        let row = format!("\"monotonic_ns\": {monotonic_ns}, \"written_ns\": {written_ns}");
        writeln!(truth, "{{{row}, \"energy_uj\": {{{energies}}}}}")?;
        // A reader may look at any time, and a kill must not cut a row.
        truth.flush()
    };

    let start_ns = now_ns();
    row(start_ns, start_ns)?;
    let (root, file) = (options.root.display().to_string(), options.truth.display().to_string());
    say(&format!("{{\"ready\": {root:?}, \"truth\": {file:?}}}\n"));
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
        let deadline = Timespec { tv_sec: deadline_ns / 1_000_000_000, tv_nsec: deadline_ns % 1_000_000_000 };
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &deadline);
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
        let (mut root, mut truth, mut perf_cpus, mut cray_off) = (None, None, None, 0);
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
            let wrong = |text: &str| format!("{name} {text}: not a number that it takes");
            match name.as_str() {
                "--root" => root = Some(PathBuf::from(value()?)),
                "--truth" => truth = Some(PathBuf::from(value()?)),
                "--duration" => options.duration_s = Some(value()?.parse().map_err(|_| wrong(""))?),
                "--until-stdin-closes" => options.until_stdin_closes = true,
                "--period-us" => options.period_ns = value()?.parse::<i64>().map_err(|_| wrong(""))?.max(1) * 1_000,
                "--amd" => layout.amd.push(value()?.parse()?),
                "--intel" => layout.intel.push(value()?.parse()?),
                "--perf" => layout.perf = Some(perf(&waves(&value()?)?)?),
                "--perf-cpus" => {
                    let cpus = value()?;
                    let each = cpus.split(',').map(str::parse).collect::<Result<_, _>>();
                    perf_cpus = Some(each.map_err(|_| wrong(&cpus))?);
                }
                "--cray" => layout.cray = Some(cray(&waves(&value()?)?)?),
                "--cray-off" => cray_off = value()?.parse().map_err(|_| wrong(""))?,
                "--fault" => layout.faults.push(value()?.parse()?),
                _ => return Err(format!("there is no option {name}")),
            }
        }
        if let (Some(perf), Some(cpus)) = (&mut layout.perf, perf_cpus) {
            perf.cpus = cpus;
        }
        layout.cray.iter_mut().for_each(|cray| cray.stamps_off_us = cray_off);
        options.root = root.ok_or("--root is missing")?;
        options.truth = truth.unwrap_or_else(|| options.root.join("truth.jsonl"));
        Ok(options)
    }
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
