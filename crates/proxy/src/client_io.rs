//! A client's socket that waits neither for ever for a request nor for the rest of its head.
//!
//! The clock of a head starts with its first byte, that of an idle connection with the end of the
//! last request. One timer serves both and is set anew only when it must fire earlier, or has fired:
//! a request that arrives in one piece, as nearly all do, costs no timer work.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nearway_upstream::{InterimReader, LazyTimer, poll_write_gathered};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::Refusal;
use crate::between::Between;
use crate::leave::has_left;

/// Whether a request is being served on a connection; the handler holds the other end, and the
/// lookout one more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    request: AtomicU8,
    // the client knows no chunks: its answer may end where the connection does
    old: AtomicBool,
    cut: AtomicBool,
}

// no request is being served
const NONE: u8 = 0;
// one has come since the lookout's last look
const NEW: u8 = 1;
// the lookout has seen it
const SEEN: u8 = 2;
// it has seen it twice, and wants to know whether the client is still there
const ASKED: u8 = 3;

impl Busy {
    /// A request has arrived, from a client of this version.
    pub(crate) fn begin(&self, version: http::Version) {
        self.0.request.store(NEW, Ordering::Relaxed);
        if version < http::Version::HTTP_11 {
            self.0.old.store(true, Ordering::Relaxed);
        }
    }

    /// The answer is over.
    pub(crate) fn end(&self) {
        self.0.request.store(NONE, Ordering::Relaxed);
    }

    /// The answer did not come to its end.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Relaxed);
    }

    /// Asks whether the client is still there; false if the request is not old enough for that.
    pub(crate) fn ask(&self) -> bool {
        let request = self.0.request.load(Ordering::Relaxed);
        let next = if request == NONE { NONE } else { ASKED.min(request + 1) };
        self.0.request.store(next, Ordering::Relaxed);
        next == ASKED
    }

    /// Whether the lookout has asked; once for each time.
    fn take_question(&self) -> bool {
        let asked = self.0.request.load(Ordering::Relaxed) == ASKED;
        if asked {
            self.0.request.store(SEEN, Ordering::Relaxed);
        }
        asked
    }

    fn is_set(&self) -> bool {
        self.0.request.load(Ordering::Relaxed) != NONE
    }

    fn looks_whole_but_is_not(&self) -> bool {
        self.0.old.load(Ordering::Relaxed) && self.0.cut.load(Ordering::Relaxed)
    }
}

/// How long a client may keep its connection waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientPatience {
    /// For the rest of a head.
    pub(crate) head: Duration,
    /// For the next request.
    pub(crate) idle: Duration,
    /// For what it does not read.
    pub(crate) write: Duration,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// The socket.
pub(crate) struct ClientIo {
    stream: TcpStream,
    busy: Busy,
    patience: ClientPatience,
    phase: Phase,
    http2: bool,
    // when the present phase ends; `None` until a read has found nothing in it
    deadline: Option<Instant>,
    timer: LazyTimer,
    between: Between,
    // since when the client has read nothing
    stalled: Option<Instant>,
    stall_timer: LazyTimer,
}

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The next request.
    Idle,
    /// The rest of a head.
    Head,
    /// Nothing: a request is being served, or HTTP/2 keeps its own time.
    Untimed,
}

impl ClientIo {
    pub(crate) fn new(
        stream: TcpStream,
        busy: Busy,
        patience: ClientPatience,
        interims: InterimReader,
    ) -> Self {
        Self {
            stream,
            busy,
            patience,
            phase: Phase::Idle,
            http2: false,
            deadline: None,
            timer: LazyTimer::default(),
            between: Between::new(interims),
            stalled: None,
            stall_timer: LazyTimer::default(),
        }
    }

    /// What a write brought; an error when the client has read nothing for too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let limit = self.patience.write;
        let deadline = *self.stalled.get_or_insert_with(|| Instant::now() + limit);
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the client does not read");
        self.stall_timer.poll(cx, deadline).map(|()| Err(late()))
    }

    /// An error when the lookout asks for a client that has left.
    fn still_there(&self) -> io::Result<()> {
        match self.busy.take_question() && has_left(&self.stream) {
            true => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client has left")),
            false => Ok(()),
        }
    }

    /// Waits for the client's first bytes and tells from them which protocol it speaks; they stay
    /// unread.
    ///
    /// # Errors
    /// Those of the socket, also if the client leaves or sends nothing for too long.
    pub(crate) async fn protocol(&mut self) -> io::Result<Protocol> {
        let silent = || io::Error::new(io::ErrorKind::TimedOut, "no request came");
        let mut first = [0; HTTP2.len()];
        let begun = self.stream.peek(&mut first);
        let mut length = timeout(self.patience.idle, begun).await.map_err(|_| silent())??;
        // all three bytes come in one packet, but nothing promises it
        let late = Instant::now() + self.patience.head;
        while (1..HTTP2.len()).contains(&length)
            && first.get(..length) == HTTP2.get(..length)
            && Instant::now() < late
        {
            sleep(PEEK_AGAIN).await;
            length = self.stream.peek(&mut first).await?;
        }
        self.http2 = first == HTTP2;
        match length {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ if self.http2 => Ok(Protocol::Http2),
            _ => Ok(Protocol::Http1),
        }
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.deadline = None;
        }
    }

    /// Ready when the client has kept its connection waiting for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let limit = match self.phase {
            Phase::Untimed if self.http2 => return Poll::Pending,
            // hyper reads no more when a request is over: only a timer that was set before wakes it
            Phase::Untimed => {
                let again = Instant::now() + self.patience.idle;
                while self.timer.poll(cx, *self.deadline.get_or_insert(again)).is_ready() {
                    self.deadline = Some(again);
                }
                return Poll::Pending;
            }
            Phase::Idle => self.patience.idle,
            Phase::Head => self.patience.head,
        };
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        ready!(self.timer.poll(cx, deadline));
        let late = match self.phase {
            Phase::Head => self.refuse_head(cx, limit),
            _ => io::Error::new(io::ErrorKind::TimedOut, "no request came"),
        };
        Poll::Ready(late)
    }

    /// Says to a client whose head is too slow why its connection ends: hyper answers none but whole
    /// requests. Nothing else is being written meanwhile, and what does not fit at once is not said.
    fn refuse_head(&mut self, cx: &mut Context<'_>, limit: Duration) -> io::Error {
        let refusal = Refusal::HeadStalled(limit);
        let _ = Pin::new(&mut self.stream).poll_write(cx, &refusal.written());
        io::Error::new(io::ErrorKind::TimedOut, refusal)
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        if self.busy.looks_whole_but_is_not() {
            // nothing but a reset can tell (RFC 9112 8)
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.http2 || this.busy.is_set() {
            this.enter(Phase::Untimed);
        } else if this.phase == Phase::Untimed {
            this.enter(Phase::Idle);
        }
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            let new = buf.filled().get(before..).unwrap_or_default();
            if this.phase == Phase::Idle && !new.is_empty() {
                this.enter(Phase::Head);
            }
            return Poll::Ready(result);
        }
        this.poll_late(cx).map(Err)
    }
}

/// How an HTTP/2 connection with prior knowledge begins (RFC 9113 3.4); no method of HTTP/1.1 does.
const HTTP2: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Between two looks at a first packet of one or two bytes.
const PEEK_AGAIN: Duration = Duration::from_millis(1);

impl AsyncWrite for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.still_there()?;
        ready!(this.between.poll_pass(cx, &mut this.stream))?;
        this.between.wrote();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.written(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.still_there()?;
        ready!(this.between.poll_pass(cx, &mut this.stream))?;
        this.between.wrote();
        let polled = poll_write_gathered(&mut this.stream, cx, bufs);
        this.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.still_there()?;
        this.between.flushing(cx);
        ready!(this.between.poll_pass(cx, &mut this.stream))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
