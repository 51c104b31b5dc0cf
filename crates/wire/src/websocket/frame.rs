//! Where the frames of one direction begin and end (RFC 6455 section 5.2).
//!
//! Fed with the bytes in whatever pieces they come; nothing is copied but the head that is under way, and
//! a payload is skipped at once, however long it is.

/// The longest head: two bytes, eight of length, four of mask.
const HEAD_MAX: usize = 14;

/// The head of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// The message ends with it.
    pub is_last: bool,
    /// A bit is set that only an extension gives a meaning.
    pub is_extended: bool,
    /// What it is.
    pub opcode: Opcode,
    /// What its payload is masked with; every frame of a client has one, none of a server.
    pub mask: Option<[u8; 4]>,
    /// Bytes of its payload.
    pub payload: u64,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with a message.
    Continuation,
    /// Begins a message of text.
    Text,
    /// Begins another message.
    Binary,
    /// The last word of its side.
    Close,
    /// Wants a pong.
    Ping,
    /// Answers a ping.
    Pong,
    /// Not defined.
    Reserved(u8),
}

impl Opcode {
    fn of(number: u8) -> Self {
        match number {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            other => Self::Reserved(other),
        }
    }

    /// The number on the wire.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
            Self::Reserved(number) => number,
        }
    }

    /// Control frames may stand between the frames of a message.
    #[must_use]
    pub fn is_control(self) -> bool {
        self.number() & 0x8 != 0
    }
}

/// A part of a frame, as long as it lies in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes as they stand on the wire: all of the head or all of the payload, or a part of either.
    pub bytes: &'a [u8],
    /// The frame that they belong to; `None` while its head is not complete.
    pub frame: Option<FrameHead>,
    /// Their offset in the payload; `None` for those of a head.
    pub offset: Option<u64>,
    /// The frame ends with them.
    pub is_end: bool,
}

/// Follows one direction.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    head: [u8; HEAD_MAX],
    // bytes of the head that are here
    have: usize,
    // its payload is passing
    frame: Option<FrameHead>,
    // bytes of that which are still to come
    left: u64,
    has_closed: bool,
    is_lost: bool,
}

impl Frames {
    /// Takes the next part of a frame off the front of `bytes`; `None` when nothing is left, or no end of
    /// a frame can be told any more.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if bytes.is_empty() || self.is_lost {
            return None;
        }
        let Some(frame) = self.frame else { return self.next_of_head(bytes) };
        let offset = frame.payload - self.left;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let (taken, rest) = bytes.split_at_checked(most)?;
        *bytes = rest;
        self.left = self.left.saturating_sub(u64::try_from(most).unwrap_or(u64::MAX));
        let is_end = self.left == 0;
        if is_end {
            self.frame = None;
        }
        Some(Piece { bytes: taken, frame: Some(frame), offset: Some(offset), is_end })
    }

    fn next_of_head<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        let here = *bytes;
        let mut length = 0;
        let mut frame = None;
        while frame.is_none()
            && let Some(byte) = here.get(length)
        {
            *self.head.get_mut(self.have)? = *byte;
            self.have += 1;
            length += 1;
            frame = self.complete();
        }
        let (taken, rest) = here.split_at_checked(length)?;
        *bytes = rest;
        let is_end = frame.is_some_and(|frame| frame.payload == 0);
        if let Some(frame) = frame {
            self.have = 0;
            self.has_closed |= frame.opcode == Opcode::Close;
            // no side may say so, and its end would never be found (RFC 6455 section 5.2, 5.5)
            self.is_lost = frame.payload > PAYLOAD_MAX
                || (frame.opcode.is_control()
                    && (frame.payload > CONTROL_MAX.into() || !frame.is_last));
            self.left = frame.payload;
            self.frame = (!is_end).then_some(frame);
        }
        Some(Piece { bytes: taken, frame, offset: None, is_end })
    }

    /// The head, if all of it is here.
    fn complete(&self) -> Option<FrameHead> {
        let (first, second) = (*self.head.first()?, *self.head.get(1)?);
        let extended = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let is_masked = second & 0x80 != 0;
        let masks = if is_masked { 4 } else { 0 };
        if self.have < 2 + extended + masks {
            return None;
        }
        let length = self.head.get(2..2 + extended)?;
        let payload = match extended {
            0 => u64::from(second & 0x7F),
            _ => length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let mask = self.head.get(2 + extended..2 + extended + masks)?;
        Some(FrameHead {
            is_last: first & 0x80 != 0,
            is_extended: first & 0x70 != 0,
            opcode: Opcode::of(first & 0x0F),
            mask: mask.try_into().ok(),
            payload,
        })
    }

    /// The same for bytes that nobody wants to look at.
    pub fn passed(&mut self, mut bytes: &[u8]) {
        while self.next(&mut bytes).is_some() {}
    }

    /// Whether another frame may stand here.
    #[must_use]
    pub fn is_between(&self) -> bool {
        !self.is_lost && self.have == 0 && self.frame.is_none()
    }

    /// Whether this side has begun its last word: no frame may follow.
    #[must_use]
    pub fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Whether what came is no sequence of frames.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }
}

/// Takes the mask off bytes of a payload that begin at this offset of it, or puts it on.
pub fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    let skip = usize::try_from(offset % 4).unwrap_or_default();
    for (byte, key) in bytes.iter_mut().zip(mask.into_iter().cycle().skip(skip)) {
        *byte ^= key;
    }
}

/// The first bit of a long length is no part of it.
const PAYLOAD_MAX: u64 = u64::MAX >> 1;
/// Bytes of the longest payload of a control frame (RFC 6455 section 5.5); longer lengths are written
/// behind the first two bytes of a head.
pub(super) const CONTROL_MAX: u8 = 125;

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of five bytes, masked (RFC 6455 section 5.7), a ping, two fragments with longer lengths and
    /// an empty one, a close.
    fn stream() -> Vec<u8> {
        let mut bytes = vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        bytes.extend([0x89, 0x02, b'h', b'i']);
        bytes.extend([0x02, 126, 0x01, 0x00]);
        bytes.extend(vec![b'x'; 256]);
        bytes.extend([0x00, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        bytes.extend(vec![b'y'; 65_536]);
        bytes.extend([0x80, 0x00]);
        bytes.extend([0x88, 0x02, 0x03, 0xe9]);
        bytes
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        use Opcode::{Binary, Close, Continuation, Ping, Text};
        let stream = stream();
        for size in [1, 2, 3, 7, 1_000, stream.len()] {
            let mut frames = Frames::default();
            let (mut heads, mut payloads, mut ends, mut all) = (vec![], 0, 0, 0);
            for chunk in stream.chunks(size) {
                let mut rest = chunk;
                while let Some(piece) = frames.next(&mut rest) {
                    all += piece.bytes.len();
                    ends += usize::from(piece.is_end);
                    match piece.offset {
                        None => heads.extend(piece.frame),
                        Some(_) => payloads += piece.bytes.len(),
                    }
                }
                assert!(rest.is_empty());
            }
            let seen: Vec<_> = heads.iter().map(|head| (head.opcode, head.payload)).collect();
            let expected = [
                (Text, 5),
                (Ping, 2),
                (Binary, 256),
                (Continuation, 65_536),
                (Continuation, 0),
                (Close, 2),
            ];
            assert_eq!(seen, expected, "{size}");
            assert_eq!((payloads, ends, all), (65_801, 6, stream.len()), "{size}");
            assert_eq!(heads[0].mask, Some([0x37, 0xfa, 0x21, 0x3d]));
            assert!(frames.is_between() && frames.has_closed() && !frames.is_lost());
        }
    }

    #[test]
    fn a_word_fits_between_frames_alone() {
        let stream = stream();
        let mut frames = Frames::default();
        let mut between = vec![0];
        for (at, byte) in stream.iter().enumerate() {
            frames.passed(&[*byte]);
            if frames.is_between() {
                between.push(at + 1);
            }
        }
        assert_eq!(between, [0, 11, 15, 275, 65_821, 65_823, 65_827]);
    }

    #[test]
    fn what_has_no_end_is_followed_no_further() {
        for head in [
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0][..],
            &[0x89, 126, 0, 126],
            &[0x09, 0x00],
            b"HTTP/1.1 400 Bad Request\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            let mut frames = Frames::default();
            frames.passed(head);
            assert!(!frames.is_between(), "{head:?}");
        }
        let mut frames = Frames::default();
        frames.passed(&[0x09, 0x00, 0x88, 0x00]);
        assert!(frames.is_lost() && frames.next(&mut &b"x"[..]).is_none());
    }

    #[test]
    fn a_mask_comes_off_in_any_pieces() {
        let masked = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        for cut in 0..=masked.len() {
            let mut bytes = masked;
            let (first, second) = bytes.split_at_mut(cut);
            unmask(first, [0x37, 0xfa, 0x21, 0x3d], 0);
            unmask(second, [0x37, 0xfa, 0x21, 0x3d], u64::try_from(cut).unwrap());
            assert_eq!(&bytes, b"Hello");
        }
    }
}
