//! `smaragdined`: the accountant's daemon. `main` wires, the library works.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smaragdine_core::build::assembler::{Assembler, available, child};
use smaragdine_core::build::reaccount::reaccount;
use smaragdine_core::config::{Cli, Command, MeterOptions, Serve};
use smaragdine_core::monitor::otlp::{self, Environment, Otlp};
use smaragdine_core::monitor::recordings::Roll;
use smaragdine_core::monitor::{Monitor, Told, endpoint};
use smaragdine_core::registers::source::Roots;
use smaragdine_core::registers::source::meter::{Access as MeterAccess, Meter};
use smaragdine_core::serve::access::Access;
use smaragdine_core::serve::daemon::{Daemon, Settings};
use smaragdine_core::serve::lifeline;
use smaragdine_core::serve::server::{serve, shutdown_signal};
use smaragdine_core::serve::socket::{self, Socket};
use smaragdine_core::shown::{Shown, shown, shown_lines};
use smaragdine_core::store::state::StateDir;
use smaragdine_core::store::tables::schema;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(|| Shown(std::io::stderr()))
        .with_ansi(false)
        .init();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = format!("{error:#}");
            match error.downcast_ref::<smaragdine_core::error::Error>() {
                // It quotes paths and texts that are not ours; its hint is apart.
                Some(error) => {
                    eprintln!("error: {}", shown(&message));
                    error.hint().inspect(|hint| eprintln!("hint: {}", shown(hint)));
                }
                None => eprintln!("error: {}", shown_lines(&message)),
            }
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(options) => serve_until_told(*options),
        Command::Account(options) => {
            for notice in reaccount(&options.trace, options.policy, &options.xspace)? {
                eprintln!("notice: {notice}");
            }
            Ok(())
        }
        Command::Assemble(options) => {
            serde_json::to_writer(std::io::stdout(), &child::assemble(&options))?;
            Ok(())
        }
        Command::Schema(_) => {
            use std::io::Write;
            Ok(std::io::stdout().write_all(schema().as_bytes())?)
        }
        Command::Recover(options) => {
            // As a service does: whatever a journal holds, it takes no more than its share of the machine.
            let assembler = Assembler::new(Some(SELF.into()), memory());
            if let Some(lost) = assembler.recover(&options.from, &options.output, options.program_end)? {
                eprintln!("notice: the trace is without {}; all energy is kept", shown(&lost));
            }
            Ok(())
        }
    }
}

/// The program that runs, even where another was installed meanwhile.
const SELF: &str = "/proc/self/exe";

/// Bytes that traces which are being assembled may take, together.
fn memory() -> u64 {
    available("/proc".as_ref(), "/sys/fs/cgroup".as_ref()) / 2
}

/// A connection takes two, and shells leave programs no more than 1024 though they may have many more.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

fn otlp(url: &str, period: Duration) -> anyhow::Result<Otlp> {
    let url = otlp::url(url, |name| std::env::var(name).ok());
    Otlp::new(&url, period, &Environment::here()).map_err(|problem| anyhow::anyhow!("{problem}"))
}

/// Starts to hear the meters outside this machine.
fn meters(options: MeterOptions) -> anyhow::Result<Vec<Meter>> {
    let access = MeterAccess { credentials: options.meter_credentials, authorities: options.meter_authorities };
    access.check().map_err(anyhow::Error::msg)?;
    for (place, named) in options.named.iter().enumerate() {
        if options.named[..place].iter().any(|other| other.domain == named.domain) {
            anyhow::bail!("two meters are {}\nhint: give one a name of its own: strip=stream:/run/strip", named.domain);
        }
    }
    Ok(options.named.into_iter().map(|named| Meter::start(named, access.clone())).collect::<Result<_, _>>()?)
}

fn serve_until_told(options: Serve) -> anyhow::Result<()> {
    raise_descriptors();
    let lifeline = options.lifeline_fd.map(lifeline::take).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        let shutdown = shutdown_signal(lifeline)?;
        let Socket { listener, file } =
            socket::bind(&options.socket, options.group.as_ref(), options.observers.as_ref())?;
        let state = StateDir::take(&options.state_dir)?;
        let roots = Roots {
            powercap: options.roots.powercap_root,
            hwmon: options.roots.hwmon_root,
            drm: options.roots.drm_root,
            cray: options.roots.cray_root,
            perf: options.roots.perf_root,
            perf_counters: options.roots.perf_counters,
            sys: options.roots.sys_root,
            proc: options.roots.proc_root,
            nvml_library: options.roots.nvml_library,
            meters: meters(options.meters)?,
        };
        let roll = options.metrics_of_recordings.then(Roll::default);
        let memory = options.limits.assembly_mib.map_or_else(memory, |mib| mib << 20);
        let daemon = Daemon::new(Settings {
            roots,
            period: options.period,
            edge_lock: options.edge_lock,
            state,
            socket: options.socket.clone(),
            access: Access { users: options.group, observers: options.observers },
            limits: options.limits,
            assembler: Assembler::new(Some(SELF.into()), memory),
            roll: roll.clone(),
        });
        let metrics = match options.metrics {
            Some(address) => Some(endpoint::bind(address).await?),
            None => None,
        };
        let otlp = options.otlp.map(|url| otlp(&url, options.otlp_period)).transpose()?;
        let (otlp, sender) = otlp.map(Otlp::start).unzip();
        let told = Told { file: options.metrics_file, otlp, recordings: roll };
        let monitor = (metrics.is_some() || told.file.is_some() || told.otlp.is_some())
            .then(|| Monitor::start(daemon.station(), &daemon.settings().roots, told))
            .transpose()?;
        if let Some((listener, monitor)) = metrics.zip(monitor.as_ref()) {
            tokio::spawn(endpoint::serve(listener, monitor.exposition()));
        }
        tracing::info!(socket = %options.socket.display(), "serving");
        let result = serve(daemon, listener, shutdown, options.grace).await;
        // A last time, with all that was drawn.
        drop(monitor);
        if let Some(sender) = sender {
            sender.finish().await;
        }
        drop(file);
        result
    });
    // A driver that does not answer, or whatever else is under way, holds nobody up.
    runtime.shutdown_background();
    result
}
