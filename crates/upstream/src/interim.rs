//! A region's interim answers (1xx other than 100 and 101) on their way to one client connection.
//!
//! The connection to the region puts them in , the client's socket takes them out;
//! both live in tasks of one worker, so the lock in here is never contended, and it is taken only
//! when there is something to pass on. What belongs to the region's connection alone stays behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use nearway_wire::headers::strip_hop_by_hop;

/// The client's end: one a connection, for all its requests.
#[derive(Debug, Default)]
pub struct InterimReader(Arc<Way>);

/// The region's end, for the attempts of one request.
#[derive(Clone, Debug)]
pub struct Interim {
    way: Arc<Way>,
    request: u64,
}

/// Makes an [`Interim`] for each request of a connection.
#[derive(Clone, Debug)]
pub struct Interims(Arc<Way>);

#[derive(Debug, Default)]
struct Way {
    // counts requests, so that a late answer to an earlier one goes nowhere
    last: AtomicU64,
    // the request that is waiting for its final answer; 0: none
    open: AtomicU64,
    filled: AtomicBool,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    reader: Option<Waker>,
    // of this request so many heads and bytes were passed on
    request: u64,
    heads: usize,
    total: usize,
}

impl InterimReader {
    /// The other end.
    #[must_use]
    pub fn interims(&self) -> Interims {
        Interims(self.0.clone())
    }

    /// Whether something is to be passed on.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.0.filled.load(Ordering::Relaxed)
    }

    /// Whether a request is waiting for its final answer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) != 0
    }

    /// Takes out what there is: whole heads, ready to be sent.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.0.filled.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.0.content().bytes)
    }

    /// Whom to wake when there is something.
    pub fn wake(&self, waker: Option<Waker>) {
        // dropped behind the lock: whatever a waker's last clone takes with it must not meet it
        let _before = std::mem::replace(&mut self.0.content().reader, waker);
    }
}

impl Drop for InterimReader {
    fn drop(&mut self) {
        // a connection to a region may keep its end for a while, and must not keep the task with it
        self.wake(None);
    }
}

impl Interims {
    /// For the next request; the one before gets nothing any more.
    #[must_use]
    pub fn open(&self) -> Interim {
        let request = self.0.last.load(Ordering::Relaxed).wrapping_add(1);
        if self.0.filled.load(Ordering::Relaxed) {
            self.0.filled.store(false, Ordering::Relaxed);
            self.0.content().bytes.clear();
        }
        self.0.last.store(request, Ordering::Relaxed);
        self.0.open.store(request, Ordering::Relaxed);
        Interim { way: self.0.clone(), request }
    }
}

impl Interim {
    /// The final answer is there: what comes now is too late.
    pub fn close(&self) {
        self.way.open.store(0, Ordering::Relaxed);
    }

    /// Passes one head on, unless it is late or one too many. `line` is the status line.
    pub fn pass(&self, line: &[u8], mut headers: HeaderMap) {
        if self.way.open.load(Ordering::Relaxed) != self.request {
            return;
        }
        strip_hop_by_hop(&mut headers);
        // it has no body (RFC 9110 8.6)
        headers.remove(CONTENT_LENGTH);
        let head = encode(line, &headers);
        let mut content = self.way.content();
        if content.request != self.request {
            (content.request, content.heads, content.total) = (self.request, 0, 0);
        }
        if content.heads >= HEADS_MAX || content.total + head.len() > BYTES_MAX {
            return;
        }
        content.heads += 1;
        content.total += head.len();
        content.bytes.extend_from_slice(&head);
        self.way.filled.store(true, Ordering::Relaxed);
        if let Some(reader) = &content.reader {
            reader.wake_by_ref();
        }
    }
}

impl Way {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(line: &[u8], headers: &HeaderMap) -> Vec<u8> {
    let mut head = line.to_vec();
    for (name, value) in headers {
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
    }
    head.extend_from_slice(b"\r\n\r\n");
    head
}

/// The most interim answers to one request that reach the client, over all attempts.
const HEADS_MAX: usize = 16;
/// The most bytes of them.
const BYTES_MAX: usize = 16 * 1024;
