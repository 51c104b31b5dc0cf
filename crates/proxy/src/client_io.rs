//! A client's socket that does not wait for ever for the rest of a request head.
//!
//! hyper times a head together with the idle time before it. Here the clock of the head starts with
//! its first byte, and only when a read finds nothing more: a head that arrives in one piece, as
//! nearly all do, costs no timer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Whether a request is being served on a connection; the handler holds the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicBool>);

impl Busy {
    pub(crate) fn set(&self, busy: bool) {
        self.0.store(busy, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The socket.
pub(crate) struct ClientIo {
    stream: TcpStream,
    busy: Busy,
    head_limit: Duration,
    // HTTP/2 has no heads that could be late; its own pings find a dead client
    http2: bool,
    fresh: bool,
    head_begun: bool,
    late: Option<Pin<Box<Sleep>>>,
}

impl ClientIo {
    pub(crate) fn new(stream: TcpStream, busy: Busy, head_limit: Duration) -> Self {
        Self { stream, busy, head_limit, http2: false, fresh: true, head_begun: false, late: None }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if this.fresh && buf.filled().len() > before {
            this.fresh = false;
            this.http2 = buf.filled().get(before..).is_some_and(|new| new.starts_with(b"PRI"));
        }
        if this.http2 || this.busy.is_set() {
            this.head_begun = false;
            this.late = None;
            return polled;
        }
        match polled {
            Poll::Ready(result) => {
                this.head_begun |= buf.filled().len() > before;
                Poll::Ready(result)
            }
            Poll::Pending if this.head_begun => {
                let limit = this.head_limit;
                let late = this.late.get_or_insert_with(|| {
                    Box::pin(tokio::time::sleep_until(Instant::now() + limit))
                });
                late.as_mut()
                    .poll(cx)
                    .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "request head too slow")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
