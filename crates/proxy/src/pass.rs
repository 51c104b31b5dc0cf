//! Bytes between a client and a region, both ways, until both have ended or a bound is reached.
//!
//! Called by `tunnel` behind a 101. A plain copy through two buffers of [`BUFFER`] bytes; of a WebSocket
//! the heads of its frames are looked at in passing, so that at a bound a last word can be said to both
//! sides where it breaks no frame; and what a region says in a session of the Responses API teaches.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use nearway_telemetry::TunnelEnd;
use nearway_upstream::LazyTimer;
use nearway_wire::websocket::{Frames, close, code};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::farewell::{FAREWELL, say};
use crate::learn::SessionLearner;

/// How long a tunnel may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// No byte in either direction.
    pub(crate) idle: Duration,
    /// All of it.
    pub(crate) total: Duration,
    /// When one side has ended, the other is given so long to do so: it may not know that it speaks to
    /// nobody.
    pub(crate) linger: Duration,
}

/// What goes before all that is read: bytes that were taken from one side already, or that the other one
/// is still to be told.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) to_region: Bytes,
    pub(crate) to_client: Bytes,
}

/// What passes, as far as it is looked at.
pub(crate) enum Content {
    /// Bytes.
    Opaque,
    /// Frames of a WebSocket.
    Frames,
    /// The same, and the region's say what lives there.
    Lessons(Box<SessionLearner>),
}

/// Passes everything on; tells how it ended and how many bytes went to the client.
pub(crate) async fn pass(
    client: impl AsyncRead + AsyncWrite,
    region: impl AsyncRead + AsyncWrite,
    ahead: Ahead,
    content: Content,
    bounds: Bounds,
) -> (TunnelEnd, u64) {
    let (mut client, mut region) = (pin!(client), pin!(region));
    let is_websocket = !matches!(content, Content::Opaque);
    let mut up = Way::new(ahead.to_region, is_websocket);
    let mut down = Way::new(ahead.to_client, is_websocket);
    if let Content::Lessons(learner) = content {
        down.learner = Some(learner);
    }
    let mut clock = TunnelClock::new(bounds, Instant::now());
    let end = poll_fn(|cx| {
        if let Poll::Ready(Err(broke)) = up.poll(cx, client.as_mut(), region.as_mut()) {
            return Poll::Ready(broke.end(TunnelEnd::ClientLost, TunnelEnd::RegionLost));
        }
        if let Poll::Ready(Err(broke)) = down.poll(cx, region.as_mut(), client.as_mut()) {
            return Poll::Ready(broke.end(TunnelEnd::RegionLost, TunnelEnd::ClientLost));
        }
        if up.is_over && down.is_over {
            return Poll::Ready(TunnelEnd::Closed);
        }
        if std::mem::take(&mut up.moved) | std::mem::take(&mut down.moved) {
            clock.moved(Instant::now());
        }
        if up.is_over || down.is_over {
            clock.lingers(Instant::now());
        }
        clock.poll(cx)
    });
    let end = end.await;
    match end {
        TunnelEnd::Idle | TunnelEnd::Expired => {
            let reason = if end == TunnelEnd::Idle { IDLE } else { EXPIRED };
            let mask = fastrand::u32(..).to_ne_bytes();
            let to_client = down.last_word(|| close(code::GOING_AWAY, reason, None));
            let to_region = up.last_word(|| close(code::GOING_AWAY, reason, Some(mask)));
            let both = async { tokio::join!(say(client, &to_client), say(region, &to_region)) };
            // whoever does not take it is left without
            let _ = timeout(FAREWELL, both).await;
        }
        // a connection that is dropped behind the last word of a WebSocket has not broken
        TunnelEnd::ClientLost | TunnelEnd::RegionLost if up.has_closed() || down.has_closed() => {
            return (TunnelEnd::Closed, down.bytes);
        }
        _ => {}
    }
    (end, down.bytes)
}

/// One direction.
struct Way {
    ahead: Bytes,
    buffer: Box<[u8]>,
    // what of the buffer is still to be written
    from: usize,
    to: usize,
    // nothing more comes
    ended: bool,
    unflushed: bool,
    // that was passed on, too
    is_over: bool,
    // since it was last asked
    moved: bool,
    bytes: u64,
    // those of a WebSocket, as far as they were written
    frames: Option<Frames>,
    // who hears what was read, before it is written: whoever is told of an id may use it at once
    learner: Option<Box<SessionLearner>>,
}

/// Which end of a way broke.
enum Broke {
    Reading(io::Error),
    Writing(io::Error),
}

impl Broke {
    fn end(self, reading: TunnelEnd, writing: TunnelEnd) -> TunnelEnd {
        let (end, error) = match self {
            Self::Reading(error) => (reading, error),
            Self::Writing(error) => (writing, error),
        };
        tracing::debug!(%error, end = end.as_str(), "tunnel broke off");
        end
    }
}

impl Way {
    fn new(ahead: Bytes, is_websocket: bool) -> Self {
        Self {
            ahead,
            buffer: vec![0; BUFFER].into(),
            from: 0,
            to: 0,
            ended: false,
            unflushed: false,
            is_over: false,
            moved: false,
            bytes: 0,
            frames: is_websocket.then(Frames::default),
            learner: None,
        }
    }

    /// Passes on what there is; ready when the source has ended and the destination was told.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut source: Pin<&mut impl AsyncRead>,
        mut destination: Pin<&mut impl AsyncWrite>,
    ) -> Poll<Result<(), Broke>> {
        while !self.is_over {
            if self.waiting().is_empty() && !self.ended {
                match self.poll_read(cx, source.as_mut()) {
                    Poll::Ready(read) => read.map_err(Broke::Reading)?,
                    Poll::Pending if self.unflushed => {
                        ready!(destination.as_mut().poll_flush(cx)).map_err(Broke::Writing)?;
                        self.unflushed = false;
                        return Poll::Pending;
                    }
                    Poll::Pending => return Poll::Pending,
                }
            } else if self.waiting().is_empty() {
                ready!(destination.as_mut().poll_shutdown(cx)).map_err(Broke::Writing)?;
                self.is_over = true;
            } else {
                let written = ready!(destination.as_mut().poll_write(cx, self.waiting()));
                self.wrote(written.map_err(Broke::Writing)?).map_err(Broke::Writing)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn waiting(&self) -> &[u8] {
        match self.ahead.is_empty() {
            true => self.buffer.get(self.from..self.to).unwrap_or_default(),
            false => &self.ahead,
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        source: Pin<&mut impl AsyncRead>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(source.poll_read(cx, &mut buffer))?;
        if let Some(learner) = &mut self.learner {
            learner.said(buffer.filled());
        }
        (self.from, self.to) = (0, buffer.filled().len());
        self.ended = self.to == 0;
        self.moved = true;
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if let Some(mut frames) = self.frames.take() {
            frames.passed(self.waiting().get(..bytes).unwrap_or_default());
            self.frames = Some(frames);
        }
        match self.ahead.is_empty() {
            true => self.from += bytes,
            false => self.ahead.advance(bytes.min(self.ahead.len())),
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        (self.moved, self.unflushed) = (true, true);
        Ok(())
    }

    /// Whether the last word of a WebSocket went this way.
    fn has_closed(&self) -> bool {
        self.frames.as_ref().is_some_and(Frames::has_closed)
    }

    /// What is said before the connection ends: nothing in the middle of a frame, or behind a last word.
    fn last_word(&self, word: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let may = self.frames.as_ref().filter(|_| !self.ended);
        let may = may.filter(|frames| frames.is_between() && !frames.has_closed());
        may.map(|_| word()).unwrap_or_default()
    }
}

/// One timer for all bounds, set anew only when it fires: a byte that passes costs no timer work.
struct TunnelClock {
    bounds: Bounds,
    moved_at: Instant,
    expires_at: Instant,
    // when the side that has not ended must have
    lingers_until: Option<Instant>,
    timer: LazyTimer,
}

impl TunnelClock {
    fn new(bounds: Bounds, now: Instant) -> Self {
        let (moved_at, expires_at, timer) = (now, now + bounds.total, LazyTimer::default());
        Self { bounds, moved_at, expires_at, lingers_until: None, timer }
    }

    fn moved(&mut self, now: Instant) {
        self.moved_at = now;
    }

    fn lingers(&mut self, now: Instant) {
        self.lingers_until.get_or_insert(now + self.bounds.linger);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TunnelEnd> {
        let idle_at = self.moved_at + self.bounds.idle;
        let mut next = (self.expires_at, TunnelEnd::Expired);
        for (at, end) in
            [(Some(idle_at), TunnelEnd::Idle), (self.lingers_until, TunnelEnd::HalfOpen)]
        {
            if let Some(at) = at.filter(|at| *at < next.0) {
                next = (at, end);
            }
        }
        self.timer.poll(cx, next.0).map(|()| next.1)
    }
}

/// Bytes that are on their way in one direction; one of audio is a few KiB.
const BUFFER: usize = 16 * 1024;
/// Why a session ends: `timeouts.tunnel_idle`.
pub(crate) const IDLE: &str = "The session was idle for too long.";
/// Why a session ends: `timeouts.tunnel`.
const EXPIRED: &str = "The session has reached its longest duration.";

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use nearway_telemetry::{Build, Metrics};
    use nearway_wire::id::IdDigest;
    use nearway_wire::websocket::{pong, text};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        idle: Duration::from_secs(60),
        total: Duration::from_secs(100),
        linger: Duration::from_secs(30),
    };

    /// Client, region, and the tunnel between them.
    fn tunnel(
        ahead: Ahead,
        content: Content,
    ) -> (DuplexStream, DuplexStream, impl Future<Output = (TunnelEnd, u64)>) {
        let (client, client_end) = duplex(1 << 16);
        let (region, region_end) = duplex(1 << 16);
        (client, region, pass(client_end, region_end, ahead, content, BOUNDS))
    }

    async fn exactly(side: &mut DuplexStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        side.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    async fn rest(side: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        side.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    /// A frame of text from a server, and a closing one.
    const HELLO: &[u8] = &[0x81, 2, b'h', b'i'];
    const CLOSE: &[u8] = &[0x88, 2, 0x0f, 0xa0];

    #[tokio::test(start_paused = true)]
    async fn what_is_ahead_goes_first_and_ends_pass_one_by_one() {
        let ahead = Ahead { to_region: "first ".into(), to_client: "pong ".into() };
        let (mut client, mut region, passing) = tunnel(ahead, Content::Opaque);
        let talk = async {
            client.write_all(b"then").await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(rest(&mut region).await, b"first then");
            region.write_all(b"bye").await.unwrap();
            region.shutdown().await.unwrap();
            assert_eq!(rest(&mut client).await, b"pong bye");
        };
        let (ended, ()) = tokio::join!(passing, talk);
        assert_eq!(ended, (TunnelEnd::Closed, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_session_is_told_so_on_both_sides() {
        let (mut client, mut region, passing) = tunnel(Ahead::default(), Content::Frames);
        let began = Instant::now();
        let talk = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            region.write_all(HELLO).await.unwrap();
            assert_eq!(exactly(&mut client, 4).await, HELLO);
            let to_client = close(code::GOING_AWAY, IDLE, None);
            assert_eq!(rest(&mut client).await, to_client);
            let to_region = rest(&mut region).await;
            assert_eq!(to_region.len(), to_client.len() + 4, "with a mask");
            assert_eq!(to_region[..2], [0x88, 0x80 | to_client[1]]);
            assert_eq!((Instant::now() - began).as_secs(), 80);
        };
        let (ended, ()) = tokio::join!(passing, talk);
        assert_eq!(ended, (TunnelEnd::Idle, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_session_ends_without_breaking_a_frame() {
        let (mut client, mut region, passing) = tunnel(Ahead::default(), Content::Frames);
        let talk = async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            // half of one
            region.write_all(&HELLO[..3]).await.unwrap();
            assert_eq!(rest(&mut client).await, &HELLO[..3]);
            assert_eq!(rest(&mut region).await[0], 0x88, "its own direction is between frames");
        };
        let (ended, ()) = tokio::join!(passing, talk);
        assert_eq!(ended, (TunnelEnd::Expired, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_said_behind_a_last_word_nor_in_another_protocol() {
        for (content, bytes, to_region) in
            [(Content::Frames, CLOSE, true), (Content::Opaque, HELLO, false)]
        {
            let (mut client, mut region, passing) = tunnel(Ahead::default(), content);
            let talk = async {
                region.write_all(bytes).await.unwrap();
                assert_eq!(rest(&mut client).await, bytes);
                assert_eq!(!rest(&mut region).await.is_empty(), to_region);
            };
            let (ended, ()) = tokio::join!(passing, talk);
            assert_eq!(ended, (TunnelEnd::Idle, 4));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_speaks_to_nobody_is_not_waited_for_for_ever() {
        let (client, mut region, passing) = tunnel(Ahead::default(), Content::Frames);
        drop(client);
        let talk = async {
            assert_eq!(rest(&mut region).await, b"");
            tokio::time::sleep(BOUNDS.linger * 2).await;
        };
        let (ended, ()) = tokio::join!(passing, talk);
        assert_eq!(ended, (TunnelEnd::HalfOpen, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_lost_behind_a_last_word_is_closed() {
        for (bytes, end) in [(HELLO, TunnelEnd::ClientLost), (CLOSE, TunnelEnd::Closed)] {
            let (mut client, mut region, passing) = tunnel(Ahead::default(), Content::Frames);
            let talk = async {
                region.write_all(bytes).await.unwrap();
                exactly(&mut client, 4).await;
                drop(client);
                // nobody takes it
                region.write_all(HELLO).await.unwrap();
                rest(&mut region).await;
            };
            let ((ended, _), ()) = tokio::join!(passing, talk);
            assert_eq!(ended, end);
        }
    }

    /// What teaches, and what it has taught.
    fn lessons() -> (Content, Rc<RefCell<Vec<IdDigest>>>) {
        let metrics = Metrics::new(Build { version: "0", commit: None }).unwrap();
        let learned = Rc::<RefCell<Vec<_>>>::default();
        let ids = learned.clone();
        let learn = Box::new(move |id| ids.borrow_mut().push(id));
        (Content::Lessons(SessionLearner::new(metrics.state(), learn).unwrap()), learned)
    }

    fn digests(ids: &[&str]) -> Vec<IdDigest> {
        ids.iter().map(|id| IdDigest::of(id.as_bytes())).collect()
    }

    const CREATED: &str = r#"{"type":"response.created","response":{"id":"resp_1"}}"#;
    const DONE: &str =
        r#"{"type":"response.output_item.done","item":{"id":"rs_1","encrypted_content":"gAAA"}}"#;

    /// What is learned of a region that says this, in pieces of so many bytes.
    async fn taught(said: &[u8], size: usize) -> Vec<IdDigest> {
        let (content, learned) = lessons();
        let ahead = Ahead { to_client: pong(b"").into(), ..Ahead::default() };
        let (mut client, mut region, passing) = tunnel(ahead, content);
        let talk = async {
            for piece in said.chunks(size) {
                region.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            region.shutdown().await.unwrap();
            assert_eq!(rest(&mut client).await, [&pong(b""), said].concat());
            // what a client says tells nothing of where things live
            client.write_all(&text(br#"{"response":{"id":"resp_0"}}"#)).await.unwrap();
            client.shutdown().await.unwrap();
            rest(&mut region).await;
        };
        let ((ended, _), ()) = tokio::join!(passing, talk);
        assert_eq!(ended, TunnelEnd::Closed);
        learned.take()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_region_says_teaches_however_it_is_cut() {
        let fragment = |first: u8, payload: &str| {
            let length = u8::try_from(payload.len()).unwrap();
            [&[first, length], payload.as_bytes()].concat()
        };
        // in the middle of the type, and of an id
        let (begin, further) = DONE.split_at(20);
        let (middle, end) = further.split_at(33);
        let whole = [text(CREATED.as_bytes()), text(DONE.as_bytes()), CLOSE.to_vec()];
        let fragments = [
            text(CREATED.as_bytes()),
            fragment(0x01, begin),
            fragment(0x89, r#"{"id":"ping"}"#),
            fragment(0x00, middle),
            fragment(0x80, end),
            CLOSE.to_vec(),
        ];
        for said in [whole.concat(), fragments.concat()] {
            for size in [1, 3, 50, said.len()] {
                let expected = digests(&["resp_1", "rs_1", "gAAA"]);
                assert_eq!(taught(&said, size).await, expected, "in pieces of {size}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_is_learned_before_the_client_can_know_it() {
        let (content, learned) = lessons();
        // of what is said to it, it has room for this alone
        let (mut client, client_end) = duplex(8);
        let (mut region, region_end) = duplex(1 << 16);
        let passing = pass(client_end, region_end, Ahead::default(), content, BOUNDS);
        let said = text(CREATED.as_bytes());
        let talk = async {
            region.write_all(&said).await.unwrap();
            tokio::task::yield_now().await;
            assert_eq!(*learned.borrow(), digests(&["resp_1"]));
            assert_eq!(exactly(&mut client, said.len()).await, said);
        };
        tokio::select! {
            biased;
            _ = passing => panic!("nobody has ended it"),
            () = talk => {}
        }
    }
}
