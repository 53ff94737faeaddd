//! The same training in real time: its power moves an energy register, as a processor's or a GPU's would.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use fake_powercap::{Layout, Tree, Waveform};
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::training::Training;

/// Between the announcement and the first step: time to start a recording, and to learn the register's pace.
const NOTICE_NS: i64 = 2_000_000_000;

/// A register that can be moved.
pub struct Register {
    device: &'static str,
    /// What the daemon is to be pointed at.
    place: PathBuf,
    file: File,
    /// What the file holds before the number.
    head: String,
    unit_uj: u64,
    update_ns: f64,
}

impl Register {
    /// A package in a powercap tree under `root`, moved every millisecond.
    ///
    /// # Errors
    /// Where the tree cannot be written.
    pub fn powercap(root: &Path) -> io::Result<Self> {
        let layout = Layout { package: vec![Waveform::Constant { watts: 0.0 }], dram: Vec::new(), ..Layout::default() };
        let place = Tree::create(root, &layout)?.powercap_root();
        let file = OpenOptions::new().write(true).open(place.join("intel-rapl:0/energy_uj"))?;
        Ok(Self { device: "CPU:0", place, file, head: String::new(), unit_uj: 1, update_ns: 1e6 })
    }

    /// The GPU that the fake NVML library reads from `spec`, moved about every 20 ms on a clock of its own. This
    /// process's parent holds it.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn nvml(spec: &Path) -> io::Result<Self> {
        let head = format!("gpu.processes = {}\ngpu.energy_mj = ", std::os::unix::process::parent_id());
        let file = File::create(spec)?;
        Ok(Self { device: "GPU:0", place: spec.to_owned(), file, head, unit_uj: 1000, update_ns: 20.0006e6 })
    }

    /// One write of one length: a reader finds one value or the next.
    fn set(&self, energy_j: f64) -> io::Result<()> {
        let value = (energy_j * 1e6) as u64 / self.unit_uj;
        self.file.write_all_at(format!("{}{value:015}\n", self.head).as_bytes(), 0)
    }
}

/// Moves `register` through `training`. One line of JSON on `out` says where it is once it stands; a second one at the
/// end tells, in `CLOCK_MONOTONIC`, every step and event, and the true joules by operation.
///
/// # Errors
/// Where the register cannot be written, or `out` takes no more.
pub fn play(training: &Training, register: &Register, out: &mut impl Write) -> io::Result<()> {
    register.set(0.0)?;
    writeln!(out, "{}", serde_json::json!({ "ready": register.place, "device": register.device }))?;
    out.flush()?;
    let (from_ns, to_ns) = training.span_ns();
    let begin_ns = now_ns();
    let offset_ns = begin_ns + NOTICE_NS - from_ns;
    for update in 1.. {
        let tick_ns = begin_ns + (f64::from(update) * register.update_ns) as i64;
        if tick_ns > to_ns + offset_ns + NOTICE_NS / 2 {
            break;
        }
        let until = Timespec { tv_sec: tick_ns / 1_000_000_000, tv_nsec: tick_ns % 1_000_000_000 };
        clock_nanosleep_absolute(ClockId::Monotonic, &until)?;
        register.set(training.power.energy_j(now_ns() - offset_ns))?;
    }
    let steps: Vec<_> =
        training.steps.iter().map(|step| (step.start_ns + offset_ns, step.end_ns + offset_ns)).collect();
    let event = |event: &smaragdine_core::trace::Event| {
        (event.op, event.lane, event.start_ns + offset_ns, event.end_ns + offset_ns)
    };
    let ops: Vec<_> = training.ops.iter().map(|op| (&op.qtn, &op.kind)).collect();
    let truth = serde_json::json!({
        "ops": ops,
        "steps": steps,
        "events": training.events.iter().map(event).collect::<Vec<_>>(),
        "truth_j": training.truth_j,
    });
    writeln!(out, "{truth}")
}

fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
