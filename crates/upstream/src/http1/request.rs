//! A request on its way out: its head in one buffer, its body as it lies, nothing copied.
//!
//! A head leaves in one write with whatever is here of its body. What is sent of a body that streams
//! is pulled only when what was pulled before has left.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request};
use hyper::body::Body;
use tokio::io::AsyncWrite;

use crate::RequestBody;
use crate::body::{BodyError, Progress};

/// What is left to send, and what the answer's reader must know.
#[derive(Debug)]
pub(crate) struct Outbound {
    // head, size lines and trailers that stand before `data`
    front: Vec<u8>,
    // of `front`, so much has left
    gone: usize,
    data: Bytes,
    // stands behind `data`
    back: &'static [u8],
    body: RequestBody,
    length: Length,
    flushed: bool,
    // bytes lie here that the socket did not take when it was asked last
    stuck: bool,
    /// An empty map with room, for the answer.
    pub(crate) headers: HeaderMap,
    /// The method was `HEAD`.
    pub(crate) to_head: bool,
    /// It asks for another protocol.
    pub(crate) upgrades: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// So many bytes are still to be pulled.
    Known(u64),
    Chunks,
    /// All has been pulled.
    Pulled,
}

/// Why a request could not be sent to its end.
#[derive(Debug)]
pub(crate) enum Unsendable {
    /// The socket failed.
    Socket(io::Error),
    /// The client did.
    Body(BodyError),
    /// Its body has another length than it says.
    Length,
    /// The region has taken no byte for so long.
    Stuck(Duration),
}

impl Outbound {
    /// Nothing to send.
    pub(crate) fn none() -> Self {
        Self {
            front: Vec::new(),
            gone: 0,
            data: Bytes::new(),
            back: b"",
            body: RequestBody::Whole(None),
            length: Length::Pulled,
            flushed: true,
            stuck: false,
            headers: HeaderMap::new(),
            to_head: false,
            upgrades: false,
        }
    }

    /// Framed as its headers say; a whole body's length is corrected, one that streams without a
    /// length goes in chunks.
    pub(crate) fn new(request: Request<RequestBody>) -> Self {
        let (parts, mut body) = request.into_parts();
        let mut headers = parts.headers;
        let mut data = Bytes::new();
        let length = match &mut body {
            RequestBody::Whole(whole) => {
                headers.remove(TRANSFER_ENCODING);
                if let Some(whole) = whole.take() {
                    say_length(&mut headers, whole.len());
                    data = whole;
                }
                Length::Pulled
            }
            RequestBody::Held(_) => match said_length(&headers) {
                Some(length) => {
                    headers.remove(TRANSFER_ENCODING);
                    Length::Known(length)
                }
                None => {
                    headers.remove(CONTENT_LENGTH);
                    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                    Length::Chunks
                }
            },
        };
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let front = encode(&parts.method, target, &headers);
        let to_head = parts.method == Method::HEAD;
        let upgrades = headers.contains_key(UPGRADE);
        headers.clear();
        Self {
            front,
            gone: 0,
            data,
            back: b"",
            body,
            length,
            flushed: false,
            stuck: false,
            headers,
            to_head,
            upgrades,
        }
    }

    /// Tells how the body moves, if it streams.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.body.progress()
    }

    /// All of it has left.
    pub(crate) fn is_done(&self) -> bool {
        self.flushed
    }

    /// Bytes are here that the socket did not take.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Sends what there is; ready when all of it has left.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        mut stream: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Unsendable>> {
        if self.flushed {
            return Poll::Ready(Ok(()));
        }
        self.stuck = false;
        loop {
            let pulled = self.poll_pull(cx)?;
            if self.is_empty() {
                let flushed = Pin::new(&mut stream).poll_flush(cx);
                self.stuck = flushed.is_pending();
                ready!(flushed).map_err(Unsendable::Socket)?;
                ready!(pulled);
                self.flushed = true;
                return Poll::Ready(Ok(()));
            }
            let front = self.front.get(self.gone..).unwrap_or_default();
            let pieces = [front, &self.data, self.back].map(IoSlice::new);
            let count = match (self.data.is_empty(), self.back.is_empty()) {
                (true, true) => 1,
                (false, true) => 2,
                _ => pieces.len(),
            };
            let pieces = pieces.get(..count).unwrap_or_default();
            let written = Pin::new(&mut stream).poll_write_vectored(cx, pieces);
            self.stuck = written.is_pending();
            match ready!(written).map_err(Unsendable::Socket)? {
                0 => {
                    let error = io::ErrorKind::WriteZero.into();
                    return Poll::Ready(Err(Unsendable::Socket(error)));
                }
                written => self.left(written),
            }
        }
    }

    /// Gets more of the body to send, if it is time; pending when the client must send it first.
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsendable>> {
        let before_body = self.gone == 0;
        while self.length != Length::Pulled
            && self.data.is_empty()
            && self.back.is_empty()
            && (self.front.is_empty() || before_body)
        {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            match frame.transpose().map_err(Unsendable::Body)? {
                None => self.end(None)?,
                Some(frame) => match frame.into_data() {
                    Ok(data) => self.pulled(data)?,
                    Err(frame) => self.end(frame.into_trailers().ok())?,
                },
            }
        }
        Poll::Ready(Ok(()))
    }

    fn pulled(&mut self, data: Bytes) -> Result<(), Unsendable> {
        let ends = self.body.is_end_stream();
        let size = data.len();
        match &mut self.length {
            // an empty chunk would be the last one
            Length::Chunks if size > 0 => {
                self.front.extend_from_slice(format!("{size:x}\r\n").as_bytes());
                self.back = if ends { b"\r\n0\r\n\r\n" } else { b"\r\n" };
            }
            Length::Chunks | Length::Pulled => {}
            Length::Known(left) => {
                let size = u64::try_from(size).unwrap_or(u64::MAX);
                *left = left.checked_sub(size).ok_or(Unsendable::Length)?;
            }
        }
        self.data = data;
        if ends && (size > 0 || self.length != Length::Chunks) {
            return self.pulled_all();
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), Unsendable> {
        if self.length == Length::Chunks {
            self.front.extend_from_slice(b"0\r\n");
            push_fields(&mut self.front, &trailers.unwrap_or_default());
        }
        self.pulled_all()
    }

    fn pulled_all(&mut self) -> Result<(), Unsendable> {
        if matches!(self.length, Length::Known(1..)) {
            return Err(Unsendable::Length);
        }
        self.length = Length::Pulled;
        // it goes home now, not only when the answer is there
        self.body = RequestBody::Whole(None);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.front.is_empty() && self.data.is_empty() && self.back.is_empty()
    }

    /// So many bytes of what there was have left.
    fn left(&mut self, mut written: usize) {
        let front = written.min(self.front.len() - self.gone);
        self.gone += front;
        written -= front;
        if self.gone == self.front.len() {
            self.front.clear();
            self.gone = 0;
        }
        let data = written.min(self.data.len());
        self.data.advance(data);
        self.back = self.back.get(written - data..).unwrap_or_default();
    }
}

fn said_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A client has said it already, nearly always.
fn say_length(headers: &mut HeaderMap, length: usize) {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if said_length(headers) != Some(length) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
}

fn encode(method: &Method, target: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut head = Vec::with_capacity(target.len() + USUAL_LINE * (headers.len() + 1));
    for piece in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(piece.as_bytes());
    }
    push_fields(&mut head, headers);
    head
}

/// The fields with the empty line behind them.
fn push_fields(head: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}

/// Bytes of a header, so that the buffer seldom has to grow.
const USUAL_LINE: usize = 64;
