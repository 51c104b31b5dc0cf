//! Notices clients that leave while nobody reads what they sent.
//!
//! A client's end is seen at once as long as hyper reads on during a request. It stops at bytes for
//! which it has no use yet, a pipelined request or an upload that the region does not take, and the
//! end stands behind those. The kernel tells the runtime of it all the same, and the runtime keeps
//! it with the socket: to look takes no system call, but somebody must. `ClientIo`, which owns the
//! socket, looks when the worker's [`Lookout`] asks and fails if it must, like a read that meets
//! the end. Only HTTP/1 connections are here, and no tunnel: both sides of one are read always, and
//! its client may end one direction before the other.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::client_io::Busy;

/// A worker's HTTP/1 connections, to be asked for their clients; as many as the gate lets in.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    connections: RefCell<HashMap<u64, Connection>>,
    entered: Cell<u64>,
}

#[derive(Debug)]
struct Connection {
    busy: Busy,
    task: Waker,
}

/// A connection's entry; it leaves when dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    lookout: Rc<Lookout>,
    key: u64,
}

impl Lookout {
    /// Enters the connection that the calling task serves.
    pub(crate) async fn enter(self: &Rc<Self>, busy: Busy) -> Watched {
        let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let key = self.entered.get();
        self.entered.set(key + 1);
        self.connections.borrow_mut().insert(key, Connection { busy, task });
        Watched { lookout: self.clone(), key }
    }

    /// Has each connection look for its client that serves the same request as the last time.
    pub(crate) fn look(&self) {
        for connection in self.connections.borrow().values() {
            if connection.busy.ask() {
                connection.task.wake_by_ref();
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.lookout.connections.borrow_mut().remove(&self.key);
    }
}

/// Whether the client has ended its side, be it behind bytes that are still unread.
pub(crate) fn has_left(stream: &TcpStream) -> bool {
    let ready = stream.ready(Interest::READABLE).now_or_never();
    matches!(ready, Some(Ok(ready)) if ready.is_read_closed())
}

/// How often a worker looks; a request is asked at the second look at the latest, so within a second.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use http::Version;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn times(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    fn enter(lookout: &Rc<Lookout>, busy: &Busy) -> (Watched, Arc<Woken>) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut entering = Box::pin(lookout.enter(busy.clone()));
        let Poll::Ready(watched) = entering.as_mut().poll(&mut Context::from_waker(&waker)) else {
            panic!("nothing to wait for")
        };
        (watched, woken)
    }

    #[test]
    fn only_a_request_that_lasts_from_one_look_to_the_next_is_asked() {
        let (lookout, busy) = (Rc::new(Lookout::default()), Busy::default());
        let (_watched, woken) = enter(&lookout, &busy);
        let looks = |count| (0..count).map(|_| lookout.look()).count();
        looks(3);
        assert_eq!(woken.times(), 0, "idle");
        for _ in 0..3 {
            busy.begin(Version::HTTP_11);
            looks(1);
            busy.end();
        }
        assert_eq!(woken.times(), 0, "three short ones");
        busy.begin(Version::HTTP_11);
        looks(1);
        busy.begin(Version::HTTP_11);
        looks(1);
        assert_eq!(woken.times(), 0, "another one");
        looks(1);
        assert_eq!(woken.times(), 1, "the same");
        looks(1);
        assert_eq!(woken.times(), 1, "the same, still");
        busy.end();
        looks(1);
        assert_eq!(woken.times(), 0, "over");
    }

    #[test]
    fn a_connection_that_ends_is_forgotten_and_no_other() {
        let lookout = Rc::new(Lookout::default());
        let busy = Busy::default();
        busy.begin(Version::HTTP_11);
        let (first, first_woken) = enter(&lookout, &busy);
        let (second, second_woken) = enter(&lookout, &Busy::default());
        drop(second);
        lookout.look();
        lookout.look();
        assert_eq!((first_woken.times(), second_woken.times()), (1, 0));
        drop(first);
        lookout.look();
        assert_eq!(first_woken.times(), 0);
        assert!(lookout.connections.borrow().is_empty());
    }

    #[tokio::test]
    async fn an_end_behind_unread_bytes_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!has_left(&stream), "silent");
        client.write_all(b"unread").await.unwrap();
        stream.readable().await.unwrap();
        assert!(!has_left(&stream), "only bytes");
        drop(client);
        while !has_left(&stream) {
            tokio::task::yield_now().await;
        }
        assert_eq!(stream.peek(&mut [0; 16]).await.unwrap(), 6);
    }
}
