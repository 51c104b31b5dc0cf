//! Writes interim answers (1xx) to a client between hyper's messages: hyper's server can't send any.
//!
//! `ClientIo` calls this at each write and flush. hyper flushes only when it has handed over all
//! that it had, so behind a flush nothing is half-written; and a request takes no interim answers
//! any more once its final one goes to hyper, so none can fall into a body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use nearway_upstream::InterimReader;
use tokio::io::AsyncWrite;

/// The interim answers of one connection, and where between messages it stands.
#[derive(Debug)]
pub(crate) struct Between {
    interims: InterimReader,
    // the connection's task, which they wake
    waker: Option<Waker>,
    // those that are being written
    passing: Bytes,
    // nothing was written since the last flush
    flushed: bool,
}

impl Between {
    pub(crate) fn new(interims: InterimReader) -> Self {
        Self { interims, waker: None, passing: Bytes::new(), flushed: true }
    }

    /// Ready when none stands before what hyper has to write.
    pub(crate) fn poll_pass(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        if self.flushed && self.interims.is_filled() && self.passing.is_empty() {
            self.passing = self.interims.take().into();
        }
        while !self.passing.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, &self.passing))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.passing.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// hyper has written, which may be a part of a message.
    pub(crate) fn wrote(&mut self) {
        self.flushed = false;
    }

    /// hyper has handed over all that it had.
    pub(crate) fn flushing(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
            self.interims.wake(self.waker.clone());
        }
        // pipelined: the final answer went right behind the one before, so these are too late
        if !self.flushed && self.interims.is_filled() && !self.interims.is_open() {
            let _late = self.interims.take();
        }
        self.flushed = true;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Passes on what there is into a socket that takes all.
    async fn passed(between: &mut Between) -> Vec<u8> {
        let mut stream = Vec::new();
        poll_fn(|cx| between.poll_pass(cx, &mut stream)).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn they_wait_for_the_end_of_a_message_and_are_dropped_when_late() {
        let reader = InterimReader::default();
        let interims = reader.interims();
        let mut between = Between::new(reader);
        let flush = async |between: &mut Between| {
            poll_fn(|cx| {
                between.flushing(cx);
                Poll::Ready(())
            })
            .await;
        };
        let first = interims.open();
        first.pass(b"HTTP/1.1 103 ", http::HeaderMap::new());
        between.wrote();
        assert_eq!(passed(&mut between).await, b"", "another message is half-written");
        flush(&mut between).await;
        assert_eq!(passed(&mut between).await, b"HTTP/1.1 103 \r\n\r\n");

        let second = interims.open();
        second.pass(b"HTTP/1.1 103 ", http::HeaderMap::new());
        second.close();
        assert_eq!(passed(&mut between).await, b"HTTP/1.1 103 \r\n\r\n", "before the final one");

        let third = interims.open();
        between.wrote();
        third.pass(b"HTTP/1.1 103 ", http::HeaderMap::new());
        third.close();
        flush(&mut between).await;
        assert_eq!(passed(&mut between).await, b"", "the final one was written");
    }
}
