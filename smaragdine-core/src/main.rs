//! `smaragdined`: the accountant's daemon. `main` wires, the library works.

use std::process::ExitCode;

use clap::Parser;
use smaragdine_core::config::{Cli, Command, Serve};
use smaragdine_core::daemon::Daemon;
use smaragdine_core::reaccount::reaccount;
use smaragdine_core::recover::recover;
use smaragdine_core::server::{serve, shutdown_signal};
use smaragdine_core::socket;
use smaragdine_core::source::Roots;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let hint = error.downcast_ref::<smaragdine_core::error::Error>().and_then(|error| error.hint());
            if let Some(hint) = hint {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(options) => serve_until_told(options),
        Command::Account(options) => Ok(reaccount(&options.trace, options.policy, &options.xspace)?),
        Command::Recover(options) => Ok(recover(&options.from, &options.output)?),
    }
}

fn serve_until_told(options: Serve) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let shutdown = shutdown_signal(options.lifeline_fd)?;
        let listener = socket::bind(&options.socket)?;
        let roots = Roots {
            powercap: options.roots.powercap_root,
            hwmon: options.roots.hwmon_root,
            proc: options.roots.proc_root,
            nvml_library: options.roots.nvml_library,
        };
        let daemon = Daemon::new(roots, options.period, options.edge_lock, options.state_dir, options.socket.clone());
        tracing::info!(socket = %options.socket.display(), "serving");
        let result = serve(daemon, listener, shutdown).await;
        let _ = std::fs::remove_file(&options.socket);
        result
    })
}
