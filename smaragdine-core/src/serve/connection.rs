//! Connections to the socket: each with its peer as the kernel names it, and counted, so that no user takes them all.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream as Accepted};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::Connected;

use crate::serve::access::Caller;

/// Connections at once, of all users and of one; root is only held to the first.
const MOST: usize = 512;
const MOST_OF_ONE: usize = 128;
/// The last quarter of all places is for users who have fewer than so many: whoever comes finds one.
const FEW: usize = 4;

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
        let most = if uid != 0 && own >= FEW { self.most - self.most / 4 } else { self.most };
        if taken.values().sum::<usize>() >= most || (uid != 0 && own >= self.most_of_one) {
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
    /// Within a runtime.
    fn admit(stream: Accepted, place: Place) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        let (sender, connected) = watch::channel(());
        let caller = Caller::of(&stream, connected)?;
        Ok(Self { stream, caller, _connected: sender, _place: place })
    }
}

/// Accepts until the stream is dropped, on a thread that does nothing else: who has places enough is turned away at
/// once, however busy the daemon is, so that a crowd that knocks does not keep the socket full for all others.
///
/// # Errors
/// Where there can be no such thread.
pub(crate) fn incoming(
    listener: UnixListener,
    places: Places,
) -> io::Result<impl Stream<Item = io::Result<Connection>>> {
    listener.set_nonblocking(false)?;
    // Those that wait in it have a place, so there are no more than there are places.
    let (sender, admitted) = mpsc::unbounded_channel();
    let door = listener.try_clone()?;
    let left = sender.clone();
    tokio::spawn(async move {
        left.closed().await;
        // Whoever waits in accept(2) hears of it.
        let _ = shutdown(&door, Shutdown::Both);
    });
    std::thread::Builder::new().name("door".to_owned()).spawn(move || {
        while !sender.is_closed() {
            // Rustix takes a peer of another pid namespace, whose pid here is 0, for an error.
            match listener.accept().and_then(|(stream, _)| Ok((getsockopt(&stream, PeerCredentials)?.uid(), stream))) {
                Ok((uid, stream)) => {
                    let Some(place) = places.take(uid) else {
                        tracing::debug!("a connection was refused: user {uid} has too many");
                        continue;
                    };
                    let _ = sender.send((stream, place));
                }
                Err(_) if sender.is_closed() => return,
                Err(error) => {
                    tracing::warn!("no connection can be accepted: {error}");
                    std::thread::sleep(BREATH);
                }
            }
        }
    })?;
    Ok(UnboundedReceiverStream::new(admitted).filter_map(|(stream, place)| match Connection::admit(stream, place) {
        Ok(connection) => Some(Ok(connection)),
        Err(refused) => {
            tracing::debug!("a connection was refused: {refused}");
            None
        }
    }))
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
        let held: Vec<_> = (0..).map_while(|n: u32| places.take(1000 + n / FEW as u32)).collect();
        assert_eq!(held.len(), MOST);
        assert!(places.take(0).is_none());
    }

    #[test]
    fn users_who_take_all_that_they_can_leave_some_to_whoever_comes_later() {
        let places = Places::default();
        let greedy: Vec<_> = (1..=10).map(|uid| (0..).map_while(|_| places.take(uid)).collect::<Vec<_>>()).collect();
        assert!(greedy.iter().all(|held| held.len() >= FEW));
        assert_eq!(places.count(), MOST - MOST / 4 + 7 * FEW, "three took a quarter each");
        assert!((0..FEW).all(|_| places.take(11).is_some()));
        let held: Vec<_> = (0..FEW).map(|_| places.take(12).unwrap()).collect();
        assert!(places.take(12).is_none());
        drop((greedy, held));
        assert_eq!(places.count(), 0);
    }
}
