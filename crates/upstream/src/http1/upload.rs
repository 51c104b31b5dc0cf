//! A request that is still being sent while its answer is passed on already.
//!
//! A task of its own sends it, since the client may take the answer only when its upload is done.
//! Rare: most requests have left long before they are answered.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Frame;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::Conn;
use super::request::Unsendable;
use crate::CutOff;

/// The reader's end. Unless it is [cut](Self::cut), the request goes on being sent.
pub(crate) struct Upload {
    shared: Rc<RefCell<Shared>>,
    task: AbortHandle,
}

struct Shared {
    // gone when both ends were reached, or it was cut
    conn: Option<Box<Conn>>,
    // why it was cut, for the reader
    cut: Option<CutOff>,
    reader: Option<Waker>,
}

impl Upload {
    /// Sends the rest of the connection's request for at most `patience`.
    pub(crate) fn start(conn: Box<Conn>, patience: Duration, tasks: &TaskTracker) -> Self {
        let shared = Shared { conn: Some(conn), cut: None, reader: None };
        let shared = Rc::new(RefCell::new(shared));
        let sending = send(shared.clone(), patience);
        Self { shared, task: tasks.spawn_local(sending).abort_handle() }
    }

    /// What a look at the connection gives; `None` when it is gone.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Conn) -> T) -> Option<T> {
        self.shared.borrow().conn.as_deref().map(look)
    }

    /// The answer was read to its end.
    pub(crate) fn is_answered(&self) -> bool {
        let shared = self.shared.borrow();
        shared.cut.is_none() && shared.conn.as_deref().is_none_or(Conn::is_answered)
    }

    /// The next frame of the answer's body.
    pub(crate) fn poll_frame(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let mut shared = self.shared.borrow_mut();
        if let Some(cut) = shared.cut.take() {
            return Poll::Ready(Some(Err(cut)));
        }
        let Some(conn) = &mut shared.conn else { return Poll::Ready(None) };
        let polled = conn.poll_frame(cx);
        if polled.is_pending() {
            shared.reader = Some(cx.waker().clone());
        }
        polled
    }

    /// The answer was read to its end; the connection goes back when the request was sent to its.
    pub(crate) fn answered(&self) {
        self.shared.borrow_mut().give_back();
    }

    /// Ends the connection, and lets go of the request's body.
    pub(crate) fn cut(&self) {
        self.task.abort();
        self.shared.borrow_mut().conn = None;
    }
}

async fn send(shared: Rc<RefCell<Shared>>, patience: Duration) {
    let sending = poll_fn(|cx| match &mut shared.borrow_mut().conn {
        Some(conn) => conn.poll_send(cx),
        None => Poll::Ready(Ok(())),
    });
    let sent = timeout(patience, sending).await;
    let mut shared = shared.borrow_mut();
    match sent {
        Ok(Ok(())) => shared.give_back(),
        // the region takes no more of it, and may say why
        Ok(Err(Unsendable::Socket(_) | Unsendable::Stuck(_))) => {
            if let Some(conn) = &mut shared.conn {
                conn.give_up();
            }
            shared.give_back();
        }
        Ok(Err(Unsendable::Body(error))) => shared.cut(error.to_string()),
        Ok(Err(Unsendable::Length)) => shared.cut("its length was wrong".into()),
        Err(_elapsed) => shared.cut(format!("it took longer than {patience:?}")),
    }
}

impl Shared {
    /// When both ends were reached.
    fn give_back(&mut self) {
        let is_over = |conn: &mut Box<Conn>| conn.is_answered() && !conn.is_sending();
        if let Some(conn) = self.conn.take_if(is_over) {
            conn.give_back();
        }
    }

    fn cut(&mut self, why: String) {
        if self.conn.take().is_some_and(|conn| !conn.is_answered()) {
            self.cut = Some(CutOff::Request(why));
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}
