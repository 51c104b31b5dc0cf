//! One HTTP/1.1 connection to a region: its socket, what was read ahead, the exchange it carries.
//!
//! Driven by whoever waits for the answer; there is no task behind it. Dropping it closes it, which
//! is how a request is cancelled.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Weak;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{StatusCode, Version};
use hyper::body::Frame;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::chunked::Piece;
use super::framing::{Framing, keeps_alive};
use super::request::{Outbound, Unsendable};
use super::write_clock::WriteClock;
use super::{Head, Malformed, Upgraded};
use crate::body::Progress;
use crate::connect::Stream;
use crate::pool::{Open, Pool};
use crate::{CutOff, Interim, LazyTimer};

/// An open connection.
pub(crate) struct Conn {
    stream: Stream,
    // read into; holds what is here of a head
    buffer: BytesMut,
    // bytes that the next read makes room for
    room: usize,
    // read and not yet taken
    here: Bytes,
    head_max: usize,
    // bytes of interim answers to the request under way
    interim: usize,
    out: Outbound,
    framing: Framing,
    keeps_alive: bool,
    // sending broke off, and the answer was not here yet
    unsent: Option<io::Error>,
    /// For the response head; it outlives the request that sets it.
    pub(crate) late: LazyTimer,
    write_clock: WriteClock,
    pool: Weak<Pool>,
    open: Open,
}

/// Why there is no response head.
#[derive(Debug)]
pub(crate) enum HeadFailure {
    /// The connection broke or ended.
    Socket(io::Error),
    Malformed(Malformed),
    /// The client's body did.
    Body(String),
    /// The region took no byte of the request for so long.
    Stuck(Duration),
}

impl Conn {
    /// Nothing was sent yet; a head may take `head_max` bytes.
    pub(crate) fn new(stream: Stream, head_max: usize, pool: Weak<Pool>, open: Open) -> Box<Self> {
        Box::new(Self {
            stream,
            buffer: BytesMut::new(),
            room: ROOM_MIN,
            here: Bytes::new(),
            head_max,
            interim: 0,
            out: Outbound::none(),
            framing: Framing::Length(0),
            keeps_alive: true,
            unsent: None,
            late: LazyTimer::default(),
            write_clock: WriteClock::default(),
            pool,
            open,
        })
    }

    /// Whether an idle connection is still open: a region that closed it, or said something
    /// unasked, has done with it. No system call as long as nothing has come.
    pub(crate) fn is_alive(&mut self) -> bool {
        let mut byte = [0];
        let (mut cx, mut read) = (Context::from_waker(Waker::noop()), ReadBuf::new(&mut byte));
        Pin::new(&mut self.stream).poll_read(&mut cx, &mut read).is_pending()
    }

    /// Bytes that left since it was opened.
    pub(crate) fn written(&self) -> u64 {
        self.stream.written().load(Ordering::Relaxed)
    }

    /// Takes the request; it is sent while its answer is polled for, and the region may leave it
    /// lying for at most `patience`. Tells how its body moves, if it streams.
    pub(crate) fn begin(&mut self, request: Outbound, patience: Duration) -> Option<Progress> {
        self.out = request;
        self.interim = 0;
        self.write_clock.set(patience);
        self.out.progress()
    }

    /// Gives the request back, of which nothing has left.
    pub(crate) fn take_back(mut self: Box<Self>) -> Outbound {
        std::mem::replace(&mut self.out, Outbound::none())
    }

    /// Sends, then reads the response head; interim answers go to `interim`.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        interim: Option<&Interim>,
    ) -> Poll<Result<Head, HeadFailure>> {
        let mut stuck = None;
        if self.unsent.is_none() {
            match self.poll_send(cx) {
                Poll::Ready(Err(Unsendable::Socket(error))) => self.unsent = Some(error),
                Poll::Ready(Err(Unsendable::Body(error))) => {
                    return Poll::Ready(Err(HeadFailure::Body(error.to_string())));
                }
                Poll::Ready(Err(Unsendable::Length)) => {
                    let detail = "the body has another length than its head says";
                    return Poll::Ready(Err(HeadFailure::Body(detail.into())));
                }
                // an answer that is here already says more
                Poll::Ready(Err(Unsendable::Stuck(limit))) => stuck = Some(limit),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        loop {
            let begun = self.buffer.len();
            let filled = self.poll_fill(cx);
            if let (true, Some(limit)) = (filled.is_pending(), stuck) {
                return Poll::Ready(Err(HeadFailure::Stuck(limit)));
            }
            let filled = ready!(filled).and_then(|more| more.then_some(()).ok_or_else(ended));
            if let Err(error) = filled {
                return Poll::Ready(Err(HeadFailure::Socket(self.unsent.take().unwrap_or(error))));
            }
            // a region that drips its head must not have it read anew for each byte
            let new = self.buffer.get(begun..).unwrap_or_default();
            if memchr::memchr(b'\n', new).is_none() && self.buffer.len() < self.head_max {
                continue;
            }
            match self.take_head(interim) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Err(HeadFailure::Malformed(malformed))),
            }
        }
    }

    /// The final answer's head, if it is here; interim ones are passed on. All of them together may
    /// take as many bytes as a head: their flood would be read for as long as a head may take.
    fn take_head(&mut self, interim: Option<&Interim>) -> Result<Option<Head>, Malformed> {
        loop {
            let (before, headers) = (self.buffer.len(), &mut self.out.headers);
            let taken = Head::take(&mut self.buffer, &mut self.here, headers, self.head_max)?;
            let Some(head) = taken else { return Ok(None) };
            let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
            if head.status.is_informational() && !switches {
                self.interim += before - self.here.len();
                if self.interim > self.head_max {
                    return Err(Malformed("its interim answers have no end"));
                }
                // an older region knows none (RFC 9110 15.2)
                if head.status != StatusCode::CONTINUE
                    && head.version == Version::HTTP_11
                    && let Some(interim) = interim
                {
                    interim.pass(&head.line, head.headers);
                }
                self.buffer = BytesMut::from(std::mem::take(&mut self.here));
                continue;
            }
            if switches && !(self.out.upgrades && self.out.is_done()) {
                return Err(Malformed("it switches protocols unasked"));
            }
            self.framing = Framing::of(&head, self.out.to_head)?;
            self.keeps_alive = keeps_alive(&head);
            if self.unsent.is_some() {
                self.give_up();
            }
            return Ok(Some(head));
        }
    }

    /// Goes on sending the request; ready when all of it has left.
    ///
    /// # Errors
    /// Its rest can't be sent.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsendable>> {
        let polled = self.out.poll_send(cx, &mut self.stream);
        if !self.out.is_stuck() {
            self.write_clock.stop();
            return polled;
        }
        let written = self.written();
        self.write_clock.poll(cx, written).map(|limit| Err(Unsendable::Stuck(limit)))
    }

    /// Lets go of what is left to send; the connection serves no further request.
    pub(crate) fn give_up(&mut self) {
        self.out = Outbound::none();
        self.keeps_alive = false;
    }

    /// Whether there is more to send.
    pub(crate) fn is_sending(&self) -> bool {
        !self.out.is_done()
    }

    /// The next frame of the answer's body.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        loop {
            match self.framing.next(&mut self.here) {
                Ok(Some(Piece::Data(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Some(Piece::Trailers(trailers))) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(None) if self.framing.is_done() => return Poll::Ready(None),
                Ok(None) => {}
                Err(Malformed(how)) => return Poll::Ready(Some(Err(CutOff::Malformed(how)))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(true) => self.here = self.buffer.split().freeze(),
                Ok(false) if matches!(self.framing, Framing::UntilClose) => {
                    self.framing = Framing::Length(0);
                    self.keeps_alive = false;
                    return Poll::Ready(None);
                }
                Ok(false) => return Poll::Ready(Some(Err(CutOff::Socket(ended())))),
                // TLS that ends without its closing word is one: it may be cut (RFC 9112 9.8)
                Err(error) => return Poll::Ready(Some(Err(CutOff::Socket(error)))),
            }
        }
    }

    /// The answer was read to its end.
    pub(crate) fn is_answered(&self) -> bool {
        self.framing.is_done()
    }

    /// Whether all that is still to come has been read from the socket.
    pub(crate) fn is_here(&self) -> bool {
        match &self.framing {
            Framing::Length(length) => {
                usize::try_from(*length).is_ok_and(|left| left <= self.here.len())
            }
            Framing::Chunked(chunked) => chunked.is_done(),
            Framing::UntilClose => false,
        }
    }

    /// The bytes that are still to come, where they are known.
    pub(crate) fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked(_) | Framing::UntilClose => None,
        }
    }

    /// Back to the pool, if it can serve a further request.
    pub(crate) fn give_back(mut self: Box<Self>) {
        let is_clean = self.here.is_empty() && self.buffer.is_empty();
        if self.keeps_alive
            && is_clean
            && self.out.is_done()
            && self.framing.is_done()
            && let Some(pool) = self.pool.upgrade()
        {
            // an idle connection keeps no memory for what may never come
            self.buffer = BytesMut::new();
            pool.put(self);
        }
    }

    /// Behind a 101: the bare connection.
    pub(crate) fn upgraded(self: Box<Self>) -> Upgraded {
        let Self { stream, here, open, .. } = *self;
        Upgraded::new(stream, here, open)
    }

    /// Reads what there is, at least one byte; false at the end of the connection.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.buffer.capacity() - self.buffer.len() < ROOM_LEFT {
            self.buffer.reserve(self.room);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.buffer))?;
        if read == room {
            self.room = (self.room * 2).min(ROOM_MAX);
        }
        Poll::Ready(Ok(read > 0))
    }
}

/// The connection was closed too early.
fn ended() -> io::Error {
    let text = "connection closed before message completed";
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("framing", &self.framing).finish_non_exhaustive()
    }
}

/// What a read makes room for at first: a head and a short answer.
const ROOM_MIN: usize = 8 * 1024;
/// And at most, when reads fill it: a long download.
const ROOM_MAX: usize = 64 * 1024;
/// Below this a read is not worth its call.
const ROOM_LEFT: usize = 1024;
