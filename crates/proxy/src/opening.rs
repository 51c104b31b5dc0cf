//! The beginning of a session whose first message tells what it asks for: read before a region is chosen.
//!
//! `greet` holds one for each such client. What of its messages has come is kept as it came, and goes to the
//! region first of all. Pings are answered here meanwhile: the region that would do so is not there yet. At
//! [`MESSAGE_MAX`] bytes, or where there is no room to keep more than [`SMALL`], nothing more is read ahead:
//! what has not been named by then counts as not named.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use nearway_upstream::{LazyTimer, Replay, ReplayLimits, Reserved};
use nearway_wire::model::{ModelField, ModelScan, Scan};
use nearway_wire::websocket::{FrameHead, Frames, Opcode, Piece, close, code, pong, unmask};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::farewell::{FAREWELL, say};
use crate::pass::Ahead;

/// A client that is waited for.
pub(crate) struct Opening<C> {
    client: C,
    room: Room,
    frames: Frames,
    buffer: Box<[u8]>,
    // of a head that is not whole, and of a control frame
    pending: BytesMut,
    // frames of messages, as they came
    kept: BytesMut,
    // to be said to the client
    answers: BytesMut,
    message: Message,
    model: Option<ModelField>,
    bytes_in: u64,
}

/// Where the messages stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// The first one is still to come to its end; `Some`: it has begun, and is text or not.
    First(Option<Opcode>),
    /// It is here; `true`: in a further one.
    Further(bool),
}

/// Where what is kept is counted.
pub(crate) struct Room {
    replay: Arc<Replay>,
    limits: ReplayLimits,
    reserved: Option<Reserved>,
    // there was none
    is_refused: bool,
}

impl Room {
    /// In `replay`, where all bodies together may take `total` bytes.
    pub(crate) fn new(replay: Arc<Replay>, total: usize) -> Self {
        let limits = ReplayLimits { body: MESSAGE_MAX, total };
        Self { replay, limits, reserved: None, is_refused: false }
    }

    /// Whether more may be kept than so many bytes.
    fn has_more_than(&mut self, bytes: usize) -> bool {
        if bytes >= SMALL && self.reserved.is_none() && !self.is_refused {
            self.reserved = self.replay.reserve(MESSAGE_MAX, self.limits);
            self.is_refused = self.reserved.is_none();
        }
        bytes < MESSAGE_MAX && !self.is_refused
    }
}

/// How long the first message is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Before it has begun.
    pub(crate) idle: Duration,
    /// Between two pieces of it.
    pub(crate) piece: Duration,
    /// In all.
    pub(crate) total: Duration,
}

/// Why there is no first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMessage {
    /// The client has closed the session.
    Closed,
    /// Its connection is gone.
    Lost,
    /// It has not begun one.
    Idle,
    /// It has been at it for too long.
    Stalled,
    /// What came is no WebSocket.
    Broken,
}

/// What the first message says.
#[derive(Debug)]
pub(crate) struct FirstMessage {
    /// The model that it names.
    pub(crate) model: Option<ModelField>,
    /// Bytes that came, frames and all.
    pub(crate) bytes: u64,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Opening<C> {
    pub(crate) fn new(client: C, room: Room) -> Self {
        Self {
            client,
            room,
            frames: Frames::default(),
            buffer: vec![0; BUFFER].into(),
            pending: BytesMut::new(),
            kept: BytesMut::new(),
            answers: BytesMut::new(),
            message: Message::First(None),
            model: None,
            bytes_in: 0,
        }
    }

    /// Reads the first message to its end, or as far as is kept, and shows it to `scan`.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn first_message(
        &mut self,
        scan: &mut ModelScan,
        patience: Patience,
    ) -> Result<FirstMessage, NoMessage> {
        let mut timer = LazyTimer::default();
        let began = Instant::now();
        let (mut seen, mut moved_at) = (0, began);
        let read = poll_fn(|cx| {
            if let Poll::Ready(read) = self.poll_message(cx, scan) {
                return Poll::Ready(read);
            }
            if self.bytes_in != seen {
                (seen, moved_at) = (self.bytes_in, Instant::now());
            }
            let has_begun = self.message != Message::First(None) || !self.pending.is_empty();
            let (limit, late) = match has_begun {
                true => (patience.piece, NoMessage::Stalled),
                false => (patience.idle, NoMessage::Idle),
            };
            let deadline = (moved_at + limit).min(began + patience.total);
            timer.poll(cx, deadline).map(|()| Err(late))
        });
        read.await?;
        Ok(FirstMessage { model: self.model.take(), bytes: self.bytes_in })
    }

    /// Ends when the client leaves; keeps what it says meanwhile.
    pub(crate) async fn until_left(&mut self) {
        let mut scan = ModelScan::without_model(&nearway_wire::model::BodyKind::Opaque);
        loop {
            if poll_fn(|cx| self.poll_message(cx, &mut scan)).await.is_err() {
                return;
            }
            if self.is_full() {
                // the next read is the region's
                return pending().await;
            }
        }
    }

    /// The client, what it has said, and what it is still to be told.
    pub(crate) fn into_parts(mut self) -> (C, Ahead) {
        // a frame that has only begun is behind all others
        self.kept.unsplit(self.pending);
        let (to_region, to_client) = (self.kept.freeze(), self.answers.freeze());
        (self.client, Ahead { to_region, to_client })
    }

    /// Says these frames to the client and ends the session.
    pub(crate) async fn end(mut self, words: &[u8]) {
        self.answers.extend_from_slice(words);
        // whoever does not take it is left without
        let _ = timeout(FAREWELL, say(Pin::new(&mut self.client), &self.answers)).await;
    }

    fn is_full(&mut self) -> bool {
        !self.room.has_more_than(self.kept.len())
    }

    /// Ready when the first message is here, and after it for each piece of what follows.
    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        scan: &mut ModelScan,
    ) -> Poll<Result<(), NoMessage>> {
        loop {
            ready!(self.poll_answer(cx)).map_err(|_broke| NoMessage::Lost)?;
            if self.is_full() {
                self.message = match self.message {
                    Message::First(begun) => Message::Further(begun.is_some()),
                    further @ Message::Further(_) => further,
                };
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let read = ready!(Pin::new(&mut self.client).poll_read(cx, &mut buffer));
            let length = buffer.filled().len();
            if read.is_err() || length == 0 {
                return Poll::Ready(Err(NoMessage::Lost));
            }
            self.bytes_in += u64::try_from(length).unwrap_or(u64::MAX);
            let buffer = std::mem::take(&mut self.buffer);
            let taken = self.take(buffer.get(..length).unwrap_or_default(), scan);
            self.buffer = buffer;
            taken?;
            if matches!(self.message, Message::Further(_)) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Says what is to be said; nothing more is read before the client takes it.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answers.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.answers.is_empty() {
            let written = ready!(Pin::new(&mut self.client).poll_write(cx, &self.answers))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.answers.advance(written);
        }
        Pin::new(&mut self.client).poll_flush(cx)
    }

    fn take(&mut self, mut bytes: &[u8], scan: &mut ModelScan) -> Result<(), NoMessage> {
        while let Some(piece) = self.frames.next(&mut bytes) {
            let Some(frame) = piece.frame else {
                self.pending.extend_from_slice(piece.bytes);
                continue;
            };
            if piece.offset.is_none() {
                self.check(frame)?;
            }
            self.pending.extend_from_slice(piece.bytes);
            if !frame.opcode.is_control() {
                self.look_at(frame, piece, scan);
                self.kept.unsplit(self.pending.split());
            } else if piece.is_end {
                let frame_bytes = self.pending.split();
                self.obey(frame, &frame_bytes)?;
            }
        }
        if self.frames.is_lost() { Err(NoMessage::Broken) } else { Ok(()) }
    }

    /// What no client may send that was offered no extension (RFC 6455 section 5).
    fn check(&mut self, frame: FrameHead) -> Result<(), NoMessage> {
        let is_inside = match self.message {
            Message::First(begun) => begun.is_some(),
            Message::Further(is_inside) => is_inside,
        };
        let is_in_order = match frame.opcode {
            Opcode::Continuation => is_inside,
            Opcode::Text | Opcode::Binary => !is_inside,
            Opcode::Close | Opcode::Ping | Opcode::Pong => true,
            Opcode::Reserved(_) => false,
        };
        if !is_in_order || frame.mask.is_none() || frame.is_extended {
            return Err(NoMessage::Broken);
        }
        match (&mut self.message, frame.opcode) {
            (Message::First(begun @ None), begins @ (Opcode::Text | Opcode::Binary)) => {
                *begun = Some(begins);
            }
            (Message::Further(is_inside), Opcode::Text | Opcode::Binary) => *is_inside = true,
            _ => {}
        }
        Ok(())
    }

    /// A piece of a message.
    fn look_at(&mut self, frame: FrameHead, piece: Piece<'_>, scan: &mut ModelScan) {
        if let (Message::First(Some(Opcode::Text)), Some(offset), Some(mask)) =
            (self.message, piece.offset, frame.mask)
        {
            let mut text = piece.bytes.to_vec();
            unmask(&mut text, mask, offset);
            if let Scan::Found(field) = scan.feed(&text) {
                self.model = Some(field);
            }
        }
        if piece.is_end && frame.is_last {
            self.message = Message::Further(false);
        }
    }

    /// A control frame, head and all.
    fn obey(&mut self, frame: FrameHead, bytes: &[u8]) -> Result<(), NoMessage> {
        let length = usize::try_from(frame.payload).unwrap_or(usize::MAX);
        let (_head, payload) =
            bytes.split_at_checked(bytes.len().saturating_sub(length)).unwrap_or_default();
        let mut payload = payload.to_vec();
        unmask(&mut payload, frame.mask.unwrap_or_default(), 0);
        match frame.opcode {
            Opcode::Ping => self.answers.extend_from_slice(&pong(&payload)),
            Opcode::Close => {
                let said = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                self.answers.extend_from_slice(&close(said.unwrap_or(code::NORMAL), "", None));
                return Err(NoMessage::Closed);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Bytes of a first message, frames and all, that are read before a region is chosen.
pub(crate) const MESSAGE_MAX: usize = 1024 * 1024;
/// As much is kept of any, as of small bodies; beyond it there must be room for [`MESSAGE_MAX`] in
/// `failover.hold_total`.
const SMALL: usize = 64 * 1024;
/// Bytes that are read at once.
const BUFFER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use nearway_telemetry::{Build, Metrics};
    use nearway_wire::model::BodyKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const PATIENCE: Patience = Patience {
        idle: Duration::from_secs(60),
        piece: Duration::from_secs(5),
        total: Duration::from_secs(100),
    };
    const ASK: &[u8] = br#"{"type":"response.create","model":"gpt-4o","input":"Hello"}"#;

    /// A masked frame; `first` is its first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            short @ ..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(long).unwrap().to_be_bytes());
            }
        }
        frame.extend(mask);
        let mut payload = payload.to_vec();
        unmask(&mut payload, mask, 0);
        frame.extend(payload);
        frame
    }

    fn opening(total: usize) -> (DuplexStream, Opening<DuplexStream>) {
        let (client, end) = duplex(4 * MESSAGE_MAX);
        let metrics = Metrics::new(Build { version: "0", commit: None }).unwrap();
        let replay =
            Arc::new(Replay::new(nearway_upstream::ReplayBudget::default(), metrics.replay()));
        (client, Opening::new(end, Room::new(replay, total)))
    }

    async fn send(client: &mut DuplexStream, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    async fn first(opening: &mut Opening<DuplexStream>) -> Result<Option<String>, NoMessage> {
        let mut scan = ModelScan::new(BodyKind::Json);
        let first = opening.first_message(&mut scan, PATIENCE).await?;
        Ok(first.model.map(|field| field.name))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_message_tells_its_model_however_it_is_cut() {
        let (front, back) = ASK.split_at(40);
        let fragments = [frame(0x01, front), frame(0x80, back)];
        for (sent, kept) in [
            (frame(0x81, ASK), frame(0x81, ASK)),
            (fragments.concat(), fragments.concat()),
            (
                [fragments[0].clone(), frame(0x89, b"p"), frame(0x8A, b""), fragments[1].clone()]
                    .concat(),
                fragments.concat(),
            ),
        ] {
            for size in [1, 3, 50, sent.len()] {
                let (mut client, mut opening) = opening(MESSAGE_MAX);
                let (model, ()) = tokio::join!(first(&mut opening), send(&mut client, &sent, size));
                assert_eq!(model, Ok(Some("gpt-4o".into())), "{size}");
                assert_eq!(opening.into_parts().1.to_region, kept, "{size}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_is_answered_and_a_frame_that_has_begun_is_the_regions() {
        let (mut client, mut opening) = opening(MESSAGE_MAX);
        let half_a_ping = &frame(0x89, b"later")[..4];
        client.write_all(&frame(0x89, b"now")).await.unwrap();
        client.write_all(&frame(0x81, ASK)).await.unwrap();
        client.write_all(half_a_ping).await.unwrap();
        assert_eq!(first(&mut opening).await, Ok(Some("gpt-4o".into())));
        tokio::select! {
            () = opening.until_left() => panic!("it is there"),
            () = tokio::task::yield_now() => {}
        }
        let (mut end, ahead) = opening.into_parts();
        end.write_all(&ahead.to_client).await.unwrap();
        let mut said = [0; 5];
        client.read_exact(&mut said).await.unwrap();
        assert_eq!(said, [0x8A, 3, b'n', b'o', b'w']);
        assert_eq!(ahead.to_region, [&frame(0x81, ASK), half_a_ping].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_long_is_read_no_further() {
        let padding = "x".repeat(2 * MESSAGE_MAX);
        let named = format!(r#"{{"model":"m","input":"{padding}"}}"#);
        let late = format!(r#"{{"input":"{padding}","model":"m"}}"#);
        for (text, total, model, most) in [
            (&named, MESSAGE_MAX, Some("m"), MESSAGE_MAX),
            (&late, MESSAGE_MAX, None, MESSAGE_MAX),
            (&named, MESSAGE_MAX - 1, Some("m"), SMALL),
        ] {
            let (mut client, mut opening) = opening(total);
            let sent = frame(0x81, text.as_bytes());
            client.write_all(&sent).await.unwrap();
            assert_eq!(first(&mut opening).await, Ok(model.map(str::to_owned)));
            let ahead = opening.into_parts().1.to_region;
            assert!((most..most + BUFFER).contains(&ahead.len()), "{}", ahead.len());
            assert!(sent.starts_with(&ahead));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_nonsense_is_told_apart() {
        for (sent, expected) in [
            (vec![], NoMessage::Idle),
            (frame(0x89, b""), NoMessage::Idle),
            (frame(0x81, ASK)[..1].to_vec(), NoMessage::Stalled),
            (frame(0x01, ASK), NoMessage::Stalled),
            (frame(0x88, &[0x03, 0xe8]), NoMessage::Closed),
            (vec![0x81, 2, b'{', b'}'], NoMessage::Broken),
            (frame(0xC1, ASK), NoMessage::Broken),
            (frame(0x80, ASK), NoMessage::Broken),
            (frame(0x83, ASK), NoMessage::Broken),
            ([frame(0x01, b"{"), frame(0x81, b"}")].concat(), NoMessage::Broken),
            (frame(0x09, b""), NoMessage::Broken),
        ] {
            let (mut client, mut opening) = opening(MESSAGE_MAX);
            client.write_all(&sent).await.unwrap();
            assert_eq!(first(&mut opening).await, Err(expected), "{sent:?}");
        }
        let (client, mut opening) = opening(MESSAGE_MAX);
        drop(client);
        assert_eq!(first(&mut opening).await, Err(NoMessage::Lost));
    }
}
