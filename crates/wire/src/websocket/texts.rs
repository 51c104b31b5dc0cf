//! The messages of text of one direction, as they pass: whole or in fragments, cut anywhere.
//!
//! Nothing is copied or held back: what it tells are slices of what it is fed. Only what can be read as it
//! stands is told, so nothing of what is masked, as all is that a client says, or changed by an extension.

use super::frame::{FrameHead, Frames, Opcode};

/// A part of a message of text, as long as it lies in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPiece<'a> {
    /// Never empty.
    pub bytes: &'a [u8],
    /// The message begins with them.
    pub is_first: bool,
}

/// Follows one direction.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    frames: Frames,
    message: Message,
}

/// The message that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Message {
    /// None, or one that is no text or can't be read.
    #[default]
    Other,
    /// One of text, of which nothing has come yet.
    Begun,
    /// One of text, of which something has.
    GoesOn,
}

impl Texts {
    /// Takes bytes off the front of `bytes` up to the end of the next piece of a text; `None` when nothing
    /// is left, or no end of a frame can be told any more.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<TextPiece<'a>> {
        while let Some(piece) = self.frames.next(bytes) {
            let Some(frame) = piece.frame.filter(|frame| !frame.opcode.is_control()) else {
                continue;
            };
            if piece.offset.is_none() {
                self.begins(frame);
            }
            let is_told = piece.offset.is_some() && self.message != Message::Other;
            let is_first = self.message == Message::Begun;
            if is_told {
                self.message = Message::GoesOn;
            }
            if piece.is_end && frame.is_last {
                self.message = Message::Other;
            }
            if is_told {
                return Some(TextPiece { bytes: piece.bytes, is_first });
            }
        }
        None
    }

    fn begins(&mut self, frame: FrameHead) {
        match frame.opcode {
            _ if frame.is_extended || frame.mask.is_some() => self.message = Message::Other,
            Opcode::Text => self.message = Message::Begun,
            Opcode::Continuation => {}
            _ => self.message = Message::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: u8 = 0x80;
    const TEXT: u8 = 0x1;
    const BINARY: u8 = 0x2;
    const CONTINUATION: u8 = 0x0;
    const PING: u8 = LAST | 0x9;

    /// A frame of a server; `first` is its first byte.
    fn frame(first: u8, payload: &str) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![first];
        match u8::try_from(length) {
            Ok(short @ ..126) => frame.push(short),
            _ => {
                frame.push(126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(payload.as_bytes());
        frame
    }

    /// The texts in a stream that comes in pieces of so many bytes.
    fn told(stream: &[u8], size: usize) -> Vec<String> {
        let (mut texts, mut told) = (Texts::default(), Vec::<String>::new());
        for mut rest in stream.chunks(size) {
            while let Some(piece) = texts.next(&mut rest) {
                assert!(!piece.bytes.is_empty());
                if piece.is_first {
                    told.push(String::new());
                }
                let text = told.last_mut().expect("a first piece");
                text.push_str(str::from_utf8(piece.bytes).unwrap());
            }
        }
        told
    }

    /// They are the same however it is cut.
    fn texts(stream: &[u8], expected: &[&str]) {
        for size in [1, 2, 3, 7, stream.len()] {
            assert_eq!(told(stream, size), expected, "{stream:?} in pieces of {size}");
        }
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let long = "x".repeat(300);
        let stream = [
            frame(LAST | TEXT, "one"),
            frame(LAST | TEXT, ""),
            frame(TEXT, "t"),
            frame(PING, "not this"),
            frame(CONTINUATION, ""),
            frame(CONTINUATION, &long),
            frame(LAST | CONTINUATION, "wo"),
            frame(TEXT, ""),
            frame(CONTINUATION, "thr"),
            frame(LAST | CONTINUATION, "ee"),
            frame(TEXT, "fo"),
            frame(CONTINUATION, "ur"),
            frame(LAST | CONTINUATION, ""),
            frame(LAST | TEXT, "five"),
        ];
        texts(&stream.concat(), &["one", &format!("t{long}wo"), "three", "four", "five"]);
    }

    #[test]
    fn what_is_no_text_or_cannot_be_read_is_passed_over() {
        let compressed = 0x40;
        let masked = [LAST | TEXT, 0x82, 0, 0, 0, 0, b'h', b'i'].to_vec();
        for other in [
            frame(LAST | BINARY, "no"),
            [frame(BINARY, "no"), frame(LAST | CONTINUATION, "no")].concat(),
            [frame(compressed | TEXT, "no"), frame(LAST | CONTINUATION, "no")].concat(),
            masked,
            frame(LAST | 0x3, "no"),
            // of no message
            frame(LAST | CONTINUATION, "no"),
        ] {
            let stream = [frame(LAST | TEXT, "a"), other, frame(LAST | TEXT, "b")];
            texts(&stream.concat(), &["a", "b"]);
        }
        // a message in another one; the first is told as far as it goes
        texts(&[frame(TEXT, "a"), frame(LAST | TEXT, "b")].concat(), &["a", "b"]);
        let half = [frame(TEXT, "a"), frame(compressed | LAST | CONTINUATION, "no")];
        texts(&half.concat(), &["a"]);
        // where frames end can't be told any more
        texts(&[frame(LAST | TEXT, "a"), vec![0x09, 0], frame(LAST | TEXT, "b")].concat(), &["a"]);
    }
}
