//! Serving: the daemon on its socket until it is told to leave.

use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use anyhow::Context;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::daemon::Daemon;
use crate::wire::v1::accountant_server::AccountantServer;

/// The largest request a client may send; profiles come in pieces far below it.
const LARGEST_REQUEST: usize = 16 << 20;

/// Serves `daemon` on `listener` until `shutdown`, then ends every recording so that nothing measured is lost.
///
/// # Errors
/// Where the transport fails.
pub async fn serve(daemon: Daemon, listener: UnixListener, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener).context("cannot use the socket")?;
    let service = AccountantServer::new(daemon.clone()).max_decoding_message_size(LARGEST_REQUEST);
    let (finished, finishing) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        shutdown.await;
        // Recordings end first: their answers may still be fetched by whoever is connected.
        let _ = tokio::task::spawn_blocking(move || daemon.finish()).await;
        let _ = finished.send(());
    };
    let server = Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), shutdown);
    tokio::select! {
        result = server => result.context("the server failed"),
        // Open streams would hold a graceful server for ever; give them a moment.
        () = async { let _ = finishing.await; tokio::time::sleep(std::time::Duration::from_secs(2)).await } => Ok(()),
    }
}

/// Ends on SIGTERM, SIGINT or the end of the lifeline.
///
/// # Errors
/// Where a signal handler cannot be installed.
pub fn shutdown_signal(lifeline_fd: Option<i32>) -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (cut, lifeline) = tokio::sync::oneshot::channel();
    let keep = match lifeline_fd {
        Some(fd) => {
            // SAFETY: the number was inherited for this purpose and nothing else in this process uses it.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            std::thread::Builder::new().name("lifeline".to_owned()).spawn(move || {
                // Its other end closes when the client is gone, however it went.
                let _ = File::from(fd).read_to_end(&mut Vec::new());
                let _ = cut.send(());
            })?;
            None
        }
        None => Some(cut),
    };
    Ok(async move {
        let _keep = keep;
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: finishing"),
            _ = interrupt.recv() => tracing::info!("SIGINT: finishing"),
            _ = lifeline => tracing::info!("the client is gone: finishing"),
        }
    })
}
