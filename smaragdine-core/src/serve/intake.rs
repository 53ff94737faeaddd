//! What arrives of calls: a message is only received where there is room for it, and must arrive whole.
//!
//! gRPC says a message's length before its bytes, and a receiver makes room for it at once. Every stream of every
//! connection can begin one and never end it.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use crate::error::Error;
use crate::serve::access::Caller;
use crate::serve::room::{Call, Held, PATIENCE, Room};

/// The largest request a client may send; profiles come in pieces far below it.
pub(crate) const LARGEST_REQUEST: usize = 4 << 20;
/// What needs no room: the number of calls bounds it. Starting and stopping have a place whatever else is on its way.
const SMALL: usize = 16 << 10;
/// Of a message: whether it is compressed, and its length.
const HEADER: usize = 5;
/// The call that lasts, and may be silent for long: all others send one message at once.
const LASTING: &str = "/Record";

/// A service whose requests take room.
#[derive(Debug, Clone)]
pub(crate) struct Intake<S> {
    pub(crate) service: S,
    pub(crate) room: Room,
}

impl<S: NamedService> NamedService for Intake<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Intake<S>
where
    S: Service<http::Request<Arriving>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // Whoever has no credentials is refused by the service itself, before it reads anything.
        let uid = request.extensions().get::<Caller>().map_or(u32::MAX, |caller| caller.uid);
        let call = match self.room.call(uid) {
            Ok(call) => call,
            Err(refused) => return Box::pin(ready(Ok(Status::from(refused).into_http()))),
        };
        let lasting = request.uri().path().ends_with(LASTING);
        let request = request.map(|body| Arriving::new(body, self.room.clone(), uid, lasting));
        let answer = self.service.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Body::new(Answer { body, _call: call }))) })
    }
}

/// An answer, whose call is under way until it is sent.
struct Answer {
    body: Body,
    _call: Call,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The messages of a call on their way in: handed on one at a time, each of which has its room until the next is asked
/// for, when it has been dealt with.
pub(crate) struct Arriving {
    body: Body,
    room: Room,
    uid: u32,
    /// Arrived, but not looked at: it follows the message that is being handed on.
    rest: Bytes,
    /// The first bytes of a message of which it is not known yet how long it is.
    header: [u8; HEADER],
    known: usize,
    /// Bytes of the present message that are still to come.
    missing: usize,
    held: Option<Held>,
    waiting: Option<Wait>,
    /// By then what has begun has to be there, if somebody else needs its room.
    due: Pin<Box<Sleep>>,
    /// Nothing has arrived though there should have been a message.
    owed: bool,
}

/// What waits for room, and the piece that is handed on then.
struct Wait {
    room: Pin<Box<dyn Future<Output = Result<Held, Error>> + Send>>,
    piece: Bytes,
}

impl Arriving {
    fn new(body: Body, room: Room, uid: u32, lasting: bool) -> Self {
        Self {
            body,
            room,
            uid,
            rest: Bytes::new(),
            header: [0; HEADER],
            known: 0,
            missing: 0,
            held: None,
            waiting: None,
            due: Box::pin(sleep(PATIENCE)),
            owed: !lasting,
        }
    }

    fn is_between_messages(&self) -> bool {
        self.missing == 0 && self.known == 0
    }

    /// Takes from `data` what belongs to the present message, or begins the next; returns it, with the length of a
    /// message that it begins and does not end.
    fn piece(&mut self, data: &mut Bytes) -> (Bytes, Option<usize>) {
        let (mut taken, mut begun) = (0, None);
        if self.missing == 0 {
            let header = data.len().min(HEADER - self.known);
            self.header[self.known..][..header].copy_from_slice(&data[..header]);
            self.known += header;
            taken = header;
            if self.known == HEADER {
                let [_, length @ ..] = self.header;
                self.missing = u32::from_be_bytes(length) as usize;
                self.known = 0;
                begun = Some(self.missing);
            }
        }
        let body = self.missing.min(data.len() - taken);
        self.missing -= body;
        taken += body;
        (data.split_to(taken), begun.filter(|_| self.missing > 0))
    }

    /// Whether what should have arrived is late, and nobody should wait for it any longer.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        if !self.owed && self.is_between_messages() {
            return false;
        }
        while self.due.as_mut().poll(context).is_ready() {
            if self.owed || self.room.is_wanted_from(self.uid) {
                return true;
            }
            self.due.as_mut().reset(Instant::now() + PATIENCE);
        }
        false
    }

    fn overdue(&self) -> Status {
        let seconds = PATIENCE.as_secs();
        let missing = match self.missing {
            0 => "its first message".to_owned(),
            bytes => format!("{bytes} bytes of a message"),
        };
        Status::deadline_exceeded(format!("a call was ended: {missing} did not arrive within {seconds} s"))
    }
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if let Some(wait) = &mut this.waiting {
                let Poll::Ready(held) = wait.room.as_mut().poll(context) else { return Poll::Pending };
                let piece = std::mem::take(&mut wait.piece);
                this.waiting = None;
                this.held = match held {
                    Ok(held) => Some(held),
                    Err(refused) => return Poll::Ready(Some(Err(refused.into()))),
                };
                this.due.as_mut().reset(Instant::now() + PATIENCE);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.is_between_messages() {
                this.held = None;
            }
            let mut data = std::mem::take(&mut this.rest);
            if data.is_empty() {
                match Pin::new(&mut this.body).poll_frame(context) {
                    Poll::Pending if this.is_overdue(context) => return Poll::Ready(Some(Err(this.overdue()))),
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(arrived) => data = arrived,
                        Err(other) => return Poll::Ready(Some(Ok(other))),
                    },
                    other => return other,
                }
            }
            if data.is_empty() {
                continue;
            }
            this.owed = false;
            let (piece, begun) = this.piece(&mut data);
            this.rest = data;
            // One that is too long is refused by whoever reads its length.
            if let Some(length) = begun.filter(|length| (SMALL..=LARGEST_REQUEST).contains(length)) {
                let room = Box::pin(this.room.clone().take(this.uid, length));
                this.waiting = Some(Wait { room, piece });
                continue;
            }
            if this.known > 0 {
                this.due.as_mut().reset(Instant::now() + PATIENCE);
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.rest.is_empty() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
    use tokio_stream::StreamExt;
    use tokio_stream::wrappers::UnboundedReceiverStream;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&(length as u32).to_be_bytes());
        bytes.resize(HEADER + length, 7);
        bytes
    }

    fn arriving(room: &Room, lasting: bool) -> (UnboundedSender<Vec<u8>>, Arriving) {
        let (sender, frames) = unbounded_channel::<Vec<u8>>();
        let frames = UnboundedReceiverStream::new(frames).map(|data| Ok::<_, Status>(Frame::data(Bytes::from(data))));
        (sender, Arriving::new(Body::new(Frames(Box::pin(frames))), room.clone(), 7, lasting))
    }

    struct Frames(Pin<Box<dyn tokio_stream::Stream<Item = Result<Frame<Bytes>, Status>> + Send>>);

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            self.0.as_mut().poll_next(context)
        }
    }

    async fn next(arriving: &mut Arriving) -> Option<Result<Bytes, Status>> {
        let frame = poll_fn(|context| Pin::new(&mut *arriving).poll_frame(context)).await;
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    #[tokio::test]
    async fn messages_come_through_as_they_were_however_they_were_cut() {
        let sent: Vec<u8> = [0, 1, 10, 70_000, 0, 3].into_iter().flat_map(message).collect();
        for size in [1, 2, 3, 5, 7, 4096, sent.len()] {
            let room = Room::default();
            let (sender, mut arriving) = arriving(&room, true);
            for piece in sent.chunks(size) {
                sender.send(piece.to_vec()).unwrap();
            }
            drop(sender);
            let mut received = Vec::new();
            while let Some(piece) = next(&mut arriving).await {
                received.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(received, sent, "in pieces of {size}");
            drop(arriving);
            assert!(room.try_take(7, 48 << 20).is_some(), "all room is free again");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_unfinished_message_holds_its_room_until_somebody_else_needs_it() {
        let room = Room::default();
        let (sender, mut arriving) = arriving(&room, true);
        sender.send(message(4 << 20)[..100].to_vec()).unwrap();
        assert_eq!(next(&mut arriving).await.unwrap().unwrap().len(), 100);
        let rest = tokio::time::timeout(PATIENCE * 6, next(&mut arriving)).await;
        assert!(rest.is_err(), "nobody else needs it");
        let hungry = tokio::spawn(room.clone().take(7, 64 << 20));
        let refused = tokio::time::timeout(PATIENCE * 2, next(&mut arriving)).await.unwrap().unwrap().unwrap_err();
        assert!(refused.message().contains("bytes of a message did not arrive"), "{refused}");
        assert!(hungry.await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_sends_nothing_is_ended_and_a_stream_that_is_silent_is_not() {
        let room = Room::default();
        let (_sender, mut unary) = arriving(&room, false);
        let refused = next(&mut unary).await.unwrap().unwrap_err();
        assert!(refused.message().contains("its first message did not arrive"), "{refused}");
        let (_sender, mut stream) = arriving(&room, true);
        assert!(tokio::time::timeout(PATIENCE * 100, next(&mut stream)).await.is_err());
    }

    #[tokio::test]
    async fn a_hundred_unfinished_messages_take_no_more_than_the_room() {
        let room = Room::default();
        let mut held = Vec::new();
        for _ in 0..100 {
            let (sender, mut arriving) = arriving(&room, true);
            sender.send(message(4 << 20)[..9].to_vec()).unwrap();
            let piece = tokio::time::timeout(std::time::Duration::from_millis(5), next(&mut arriving)).await;
            held.push((piece.is_ok(), sender, arriving));
        }
        assert_eq!(held.iter().filter(|(handed, ..)| *handed).count(), 12, "48 MiB of one user");
    }
}
