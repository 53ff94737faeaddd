//! Serving: the daemon on its socket until it is told to leave.

use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use anyhow::Context;
use tonic::transport::Server;

use crate::serve::connection::{Places, incoming};
use crate::serve::daemon::Daemon;
use crate::serve::intake::{Intake, LARGEST_REQUEST};
use crate::serve::recording::Cut;
use crate::wire::v1::accountant_server::AccountantServer;

const LARGEST_HEADERS: u32 = 16 << 10;
/// Calls of one connection at once: a few for each of the recordings of a process.
const MOST_STREAMS: u32 = 32;
/// What one stream sends ahead of being read. A connection has room for that of all: the room is shared, and one stream
/// that is not read from would hold the others up.
const SENT_AHEAD: u32 = 64 << 10;

/// How often recordings that nobody fetched are looked at.
const SWEEP: Duration = Duration::from_secs(3600);
const POLL: Duration = Duration::from_millis(50);
/// What open streams get once there is nothing more to wait for.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// After clients had their grace, how long recordings are finished and fetched: with the default, ten seconds in all.
const FINISHING: Duration = Duration::from_secs(3);
/// Where nobody told it to leave there is time to make traces of whatever is in the journals.
const AT_LEISURE: Duration = Duration::from_secs(3600);

/// Why the daemon leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// SIGTERM or SIGINT: clients may be ending, too, and still have something to say.
    Told,
    /// The client that started this daemon is gone.
    Alone,
}

/// Serves `daemon` on `listener` until `shutdown`, then ends every recording so that nothing measured is lost.
///
/// Told to leave, it first gives clients `grace` to stop their recordings by themselves, then ends the others, and has
/// some seconds more for making traces and having them fetched. Whatever is not fetched stays in the state directory.
///
/// # Errors
/// Where the transport fails.
pub async fn serve(
    daemon: Daemon,
    listener: UnixListener,
    shutdown: impl Future<Output = Farewell>,
    grace: Duration,
) -> anyhow::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener).context("cannot use the socket")?;
    let places = Places::default();
    let service = AccountantServer::new(daemon.clone()).max_decoding_message_size(LARGEST_REQUEST);
    let service = Intake { service, room: daemon.room().clone() };
    let (finished, finishing) = tokio::sync::oneshot::channel::<()>();
    let server = Server::builder()
        .max_concurrent_streams(MOST_STREAMS)
        .concurrency_limit_per_connection(MOST_STREAMS as usize)
        .http2_max_header_list_size(LARGEST_HEADERS)
        .initial_stream_window_size(SENT_AHEAD)
        .initial_connection_window_size(MOST_STREAMS * SENT_AHEAD)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming(listener, places.clone()), async {
            take_leave(&daemon, &places, shutdown, grace).await;
            let _ = finished.send(());
        });
    tokio::select! {
        result = server => result.context("the server failed"),
        // Open streams would hold a graceful server for ever.
        () = async { let _ = finishing.await; tokio::time::sleep(LAST_MOMENT).await } => Ok(()),
        () = sweep(daemon.clone()) => Ok(()),
    }
}

async fn take_leave(daemon: &Daemon, places: &Places, shutdown: impl Future<Output = Farewell>, grace: Duration) {
    let farewell = shutdown.await;
    daemon.leave();
    let wait_while = async |until: Instant, waits: &(dyn Fn() -> bool + Sync)| {
        while farewell == Farewell::Told && places.count() > 0 && waits() && Instant::now() < until {
            tokio::time::sleep(POLL).await;
        }
    };
    let told = Instant::now();
    wait_while(told + grace, &|| daemon.running(None) > 0).await;
    let ending = daemon.clone();
    let why = match farewell {
        Farewell::Told => Cut::DaemonLeaves,
        Farewell::Alone => Cut::ProgramEnded,
    };
    let until = if farewell == Farewell::Told { told + grace + FINISHING } else { told + AT_LEISURE };
    let finish = tokio::task::spawn_blocking(move || ending.finish(why, until));
    tokio::select! {
        _ = finish => {}
        // Who is told to leave at leisure may be told again.
        () = told_again(), if farewell == Farewell::Alone => {
            tokio::time::sleep(FINISHING).await;
            daemon.assembler().leave();
        }
    }
    // Recordings have ended: whoever is connected may still have them made and fetch them.
    wait_while(until, &|| daemon.owes()).await;
    daemon.assembler().leave();
}

async fn told_again() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        _ => std::future::pending().await,
    }
}

async fn sweep(daemon: Daemon) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let daemon = daemon.clone();
        let _ = tokio::task::spawn_blocking(move || daemon.forget_old()).await;
    }
}

/// Ends on SIGTERM, SIGINT or the end of the lifeline.
///
/// # Errors
/// Where a signal handler cannot be installed.
pub fn shutdown_signal(lifeline: Option<OwnedFd>) -> anyhow::Result<impl Future<Output = Farewell>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (cut, is_cut) = tokio::sync::oneshot::channel();
    let keep = match lifeline {
        Some(lifeline) => {
            std::thread::Builder::new().name("lifeline".to_owned()).spawn(move || {
                // Its other end closes when the client is gone, however it went.
                let _ = File::from(lifeline).read_to_end(&mut Vec::new());
                let _ = cut.send(());
            })?;
            None
        }
        None => Some(cut),
    };
    Ok(async move {
        let _keep = keep;
        let (farewell, why) = tokio::select! {
            _ = terminate.recv() => (Farewell::Told, "SIGTERM"),
            _ = interrupt.recv() => (Farewell::Told, "SIGINT"),
            _ = is_cut => (Farewell::Alone, "the client is gone"),
        };
        tracing::info!("{why}: finishing");
        farewell
    })
}
