//! Takes a chunked body apart (RFC 9112 7.1), whatever the reads that its bytes come in.
//!
//! Strict: a line ends with CRLF, a size is hexadecimal digits and fits into 64 bits. Extensions are
//! passed over, as RFC 9112 7.1.1 asks.

use bytes::{Buf, Bytes};
use http::HeaderMap;

use super::Malformed;
use super::head::fields;

/// One body's decoder.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    state: State,
    // of this chunk, still to come
    size: u64,
    // bytes of this size line
    line: usize,
    // behind the last chunk, until the empty line
    trailers: Vec<u8>,
}

/// What a body consists of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Never empty.
    Data(Bytes),
    /// Comes last, if at all; never empty.
    Trailers(HeaderMap),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the first digit of a size.
    #[default]
    Begin,
    Size,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLf,
    Trailers,
    Done,
}

impl Chunked {
    /// The end of the body was read.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next piece off the front of `bytes`; `None` when more must come first, or nothing
    /// comes any more.
    ///
    /// # Errors
    /// What is wrong with the framing.
    pub(crate) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Piece>, Malformed> {
        while let Some(&byte) = bytes.first() {
            match self.state {
                State::Data => return Ok(Some(Piece::Data(self.data(bytes)))),
                State::Done => break,
                State::Trailers => {
                    bytes.advance(1);
                    if let Some(trailers) = self.trailer(byte)? {
                        return Ok(Some(Piece::Trailers(trailers)));
                    }
                }
                _ => {
                    bytes.advance(1);
                    self.state = self.between(byte)?;
                }
            }
        }
        Ok(None)
    }

    fn data(&mut self, bytes: &mut Bytes) -> Bytes {
        let here = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len());
        let data = bytes.split_to(here);
        self.size -= u64::try_from(here).unwrap_or(self.size);
        if self.size == 0 {
            self.state = State::DataEnd;
            // nearly every stream's last read: known now, its end goes to the client with the data
            if bytes.as_ref() == END {
                bytes.clear();
                self.state = State::Done;
            }
        }
        data
    }

    /// What follows on one byte of what is not data.
    fn between(&mut self, byte: u8) -> Result<State, Malformed> {
        self.line += 1;
        if self.line > LINE_MAX {
            return Err(Malformed("a chunk's size line is too long"));
        }
        Ok(match (self.state, byte) {
            (State::Begin | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                let size = self.size.checked_mul(16).ok_or(Malformed("a chunk is too large"))?;
                self.size = size + digit;
                State::Size
            }
            (State::Size, b' ' | b'\t' | b';') => State::Extension,
            (State::Size | State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, byte) if byte != b'\n' => State::Extension,
            (State::SizeEnd, b'\n') if self.size == 0 => State::Trailers,
            (State::SizeEnd, b'\n') => State::Data,
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => {
                self.line = 0;
                State::Begin
            }
            (State::DataEnd | State::DataEndLf, _) => {
                return Err(Malformed("a chunk is longer than its size"));
            }
            _ => return Err(Malformed("a chunk's size is no number")),
        })
    }

    /// Adds one byte; the trailers, if there are any, when that was their last.
    fn trailer(&mut self, byte: u8) -> Result<Option<HeaderMap>, Malformed> {
        self.trailers.push(byte);
        if self.trailers == b"\r\n" {
            self.state = State::Done;
            return Ok(None);
        }
        if self.trailers.len() > TRAILERS_MAX {
            return Err(Malformed("its trailers are too long"));
        }
        if !self.trailers.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        self.state = State::Done;
        let trailers = Bytes::from(std::mem::take(&mut self.trailers));
        fields(&trailers).map(Some)
    }
}

/// The end of the last chunk's data and of the body, without trailers.
const END: &[u8] = b"\r\n0\r\n\r\n";
/// The longest size line with its extensions, in bytes.
const LINE_MAX: usize = 16 * 1024;
/// The most bytes of trailers.
const TRAILERS_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Whole = (Vec<u8>, Option<HeaderMap>, bool, Vec<u8>);

    /// Data, trailers, whether it ended, and what is left of `input` when it is read in these pieces.
    fn decode<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Result<Whole, Malformed> {
        let mut chunked = Chunked::default();
        let (mut data, mut trailers, mut left) = (Vec::new(), None, Vec::new());
        for read in reads {
            let mut bytes = Bytes::copy_from_slice(read);
            while let Some(piece) = chunked.next(&mut bytes)? {
                match piece {
                    Piece::Data(piece) => data.extend_from_slice(&piece),
                    Piece::Trailers(map) => trailers = Some(map),
                }
            }
            left.extend_from_slice(&bytes);
        }
        Ok((data, trailers, chunked.is_done(), left))
    }

    #[test]
    fn bodies_come_apart() {
        let cases: [(&str, &str, bool); 7] = [
            ("0\r\n\r\n", "", true),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", true),
            ("5;a=b\r\nhello\r\n0 ;c\r\n\r\n", "hello", true),
            ("005\r\nhello\r\nA\r\n0123456789\r\n00\r\n\r\n", "hello0123456789", true),
            ("5\r\nhello\r\n", "hello", false),
            ("5\r\nhel", "hel", false),
            ("1\r\n\n\r\n1\r\n\r\r\n0\r\n\r\n", "\n\r", true),
        ];
        for (input, data, done) in cases {
            let found = decode([input.as_bytes()]).unwrap();
            assert_eq!(found, (data.into(), None, done, Vec::new()), "{input:?}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for input in [
            "\r\n",
            " 5\r\nhello",
            "5\nhello",
            "5 5\nhello",
            "x\r\n",
            "-1\r\n",
            "0x5\r\nhello",
            ";\r\n",
            "5\r\nhello0\r\n",
            "5\r\nhello\n0\r\n",
            "5\r\nhello\r0",
            "5\rhello",
            "10000000000000000\r\n",
            "5;a\nb\r\nhello",
            "0\r\nno colon\r\n\r\n",
            "0\r\na: b\n\r\n\r\n",
            "0\r\na : b\r\n\r\n",
        ] {
            assert!(decode([input.as_bytes()]).is_err(), "{input:?}");
        }
    }

    #[test]
    fn lines_and_trailers_have_their_bounds() {
        let long = "x".repeat(LINE_MAX);
        assert!(decode([format!("5;{long}").as_bytes()]).is_err());
        assert!(decode([format!("0\r\na: {long}").as_bytes()]).is_err());
    }

    #[test]
    fn trailers_come_last_and_what_follows_stays() {
        let input = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\nHTTP/1.1";
        for size in 1..input.len() {
            let (data, trailers, done, left) = decode(input.chunks(size)).unwrap();
            let trailers = trailers.unwrap();
            let sums: Vec<_> = trailers.get_all("x-sum").iter().collect();
            assert_eq!((&*data, done, &*left), (&b"abc"[..], true, &b"HTTP/1.1"[..]), "{size}");
            assert_eq!(sums, ["1", "2"]);
        }
    }

    proptest! {
        #[test]
        fn what_was_framed_comes_back_however_it_is_cut(
            chunks in vec(vec(any::<u8>(), 1..40), 0..8),
            size in 1_usize..30,
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\n\r\nrest");
            let found = decode(input.chunks(size)).unwrap();
            prop_assert_eq!(found, (chunks.concat(), None, true, b"rest".to_vec()));
        }

        #[test]
        fn junk_never_panics(input in vec(any::<u8>(), 0..200), size in 1_usize..30) {
            let _ = decode(input.chunks(size));
        }
    }
}
