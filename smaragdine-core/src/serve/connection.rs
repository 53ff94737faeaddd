//! Connections to the socket: each with its peer as the kernel names it, and counted, so that no user takes them all.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::serve::access::Caller;

/// Connections at once, of all users and of one; root is only held to the first.
const MOST: usize = 512;
const MOST_OF_ONE: usize = 128;

/// After an accept that failed, which is for want of descriptors: trying at once would only spin.
const BREATH: Duration = Duration::from_millis(100);

/// Counts what each user has, connections for instance, and holds all to a limit.
#[derive(Debug, Clone)]
pub struct Places {
    taken: Arc<Mutex<HashMap<u32, usize>>>,
    most: usize,
    most_of_one: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self::new(MOST, MOST_OF_ONE)
    }
}

impl Places {
    /// So many of all users, and of one.
    #[must_use]
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self { taken: Arc::default(), most, most_of_one }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.taken().values().sum()
    }

    /// `None`: the user, or all together, have as many as they may.
    pub(crate) fn take(&self, uid: u32) -> Option<Place> {
        let mut taken = self.taken();
        let own = taken.get(&uid).copied().unwrap_or(0);
        if taken.values().sum::<usize>() >= self.most || (uid != 0 && own >= self.most_of_one) {
            return None;
        }
        taken.insert(uid, own + 1);
        Some(Place { places: self.clone(), uid })
    }
}

/// One place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    uid: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    caller: Caller,
    /// Dropped with the connection, which whoever holds its receiver notices.
    _connected: watch::Sender<()>,
    _place: Place,
}

impl Connection {
    fn admit(stream: UnixStream, places: &Places) -> io::Result<Self> {
        let (sender, connected) = watch::channel(());
        let caller = Caller::of(&stream, connected)?;
        let Some(place) = places.take(caller.uid) else {
            return Err(io::Error::other(format!("user {} has too many connections", caller.uid)));
        };
        Ok(Self { stream, caller, _connected: sender, _place: place })
    }
}

/// Accepts until the stream is dropped.
pub(crate) fn incoming(listener: UnixListener, places: Places) -> ReceiverStream<io::Result<Connection>> {
    let (sender, connections) = mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            };
            match accepted.map(|(stream, _)| Connection::admit(stream, &places)) {
                Ok(Ok(connection)) => {
                    if sender.send(Ok(connection)).await.is_err() {
                        return;
                    }
                }
                Ok(Err(refused)) => tracing::debug!("a connection was refused: {refused}"),
                Err(error) => {
                    tracing::warn!("no connection can be accepted: {error}");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    });
    ReceiverStream::new(connections)
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_the_places_of_others() {
        let places = Places::default();
        let held: Vec<_> = (0..MOST_OF_ONE).map(|_| places.take(1000).unwrap()).collect();
        assert!(places.take(1000).is_none());
        assert!(places.take(1001).is_some());
        drop(held);
        assert_eq!(places.count(), 0);
        assert!(places.take(1000).is_some());
    }

    #[test]
    fn all_users_together_cannot_exhaust_the_daemon() {
        let places = Places::default();
        let held: Vec<_> = (0..).map_while(|n: u32| places.take(1000 + n / 8)).collect();
        assert_eq!(held.len(), MOST);
        assert!(places.take(0).is_none());
    }
}
