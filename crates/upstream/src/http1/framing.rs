//! Where a response's body ends (RFC 9112 6.3), and its bytes until there.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};

use super::chunked::{Chunked, Piece};
use super::{Head, Malformed};

/// What is still to come of a body.
#[derive(Debug)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks until the last one.
    Chunked(Chunked),
    /// Whatever comes until the connection ends.
    UntilClose,
}

impl Framing {
    /// That of the response with this head; `to_head`: the request's method was `HEAD`.
    ///
    /// # Errors
    /// Why two readers could find different ends.
    pub(crate) fn of(head: &Head, to_head: bool) -> Result<Self, Malformed> {
        let length = length(&head.headers)?;
        let chunked = is_chunked(&head.headers)?;
        if chunked && (length.is_some() || head.version == Version::HTTP_10) {
            return Err(Malformed("its framing is ambiguous"));
        }
        let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match length {
            _ if to_head || bodiless => Self::Length(0),
            _ if head.status == StatusCode::SWITCHING_PROTOCOLS => Self::UntilClose,
            Some(length) => Self::Length(length),
            None if chunked => Self::Chunked(Chunked::default()),
            None => Self::UntilClose,
        })
    }

    /// The end of the body was read.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Length(length) => *length == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose => false,
        }
    }

    /// Takes the next piece off the front of `bytes`; `None` when more must come first.
    ///
    /// # Errors
    /// What is wrong with the framing.
    pub(crate) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Piece>, Malformed> {
        let data = match self {
            Self::Chunked(chunked) => return chunked.next(bytes),
            Self::UntilClose => std::mem::take(bytes),
            Self::Length(length) => {
                let here = usize::try_from(*length).unwrap_or(usize::MAX).min(bytes.len());
                *length -= u64::try_from(here).unwrap_or(*length);
                bytes.split_to(here)
            }
        };
        Ok((!data.is_empty()).then_some(Piece::Data(data)))
    }
}

/// Whether the connection may serve a further request behind this response (RFC 9112 9.3).
pub(crate) fn keeps_alive(head: &Head) -> bool {
    let says = |word: &str| {
        let mut options = head.headers.get_all(CONNECTION).iter();
        options.any(|value| {
            let mut words = value.as_bytes().split(|byte| *byte == b',');
            words.any(|each| each.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
        })
    };
    if head.version == Version::HTTP_10 {
        says("keep-alive") && !says("close")
    } else {
        !head.headers.contains_key(CONNECTION) || !says("close")
    }
}

/// What `Content-Length` says; the same thing said twice is said once.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut said = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        if said.is_some_and(|before| before != value) {
            return Err(Malformed("its framing is ambiguous"));
        }
        said = Some(value);
    }
    let Some(value) = said else { return Ok(None) };
    let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits.and_then(|digits| digits.parse().ok());
    length.map(Some).ok_or(Malformed("its framing is ambiguous"))
}

/// Whether the only coding is `chunked`.
fn is_chunked(headers: &HeaderMap) -> Result<bool, Malformed> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(false) };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(Malformed("its framing is ambiguous"));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn head(text: &str) -> Head {
        let mut buffer = BytesMut::from(format!("HTTP/1.{text}\r\n\r\n").as_str());
        Head::take(&mut buffer, &mut Bytes::new(), &mut HeaderMap::new(), 999).unwrap().unwrap()
    }

    #[test]
    fn the_end_of_a_body_is_where_the_rules_say() {
        let cases = [
            ("1 200 OK\r\ncontent-length: 5", false, "5"),
            ("1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5", false, "5"),
            ("1 200 OK\r\ncontent-length: 5", true, "0"),
            ("1 304 N\r\ncontent-length: 5", false, "0"),
            ("1 204 N", false, "0"),
            ("1 200 OK\r\ntransfer-encoding: Chunked", false, "chunks"),
            ("1 200 OK\r\ntransfer-encoding: chunked", true, "0"),
            ("1 200 OK", false, "close"),
            ("0 200 OK", false, "close"),
            ("1 101 S", false, "close"),
        ];
        for (text, to_head, expected) in cases {
            let found = match Framing::of(&head(text), to_head).unwrap() {
                Framing::Length(length) => length.to_string(),
                Framing::Chunked(_) => "chunks".into(),
                Framing::UntilClose => "close".into(),
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn two_ends_are_refused() {
        for text in [
            "1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6",
            "1 200 OK\r\ncontent-length: 5, 5",
            "1 200 OK\r\ncontent-length: +5",
            "1 200 OK\r\ncontent-length:",
            "1 200 OK\r\ncontent-length: 99999999999999999999",
            "1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked",
            "1 200 OK\r\ntransfer-encoding: gzip, chunked",
            "1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "0 200 OK\r\ntransfer-encoding: chunked",
        ] {
            assert!(Framing::of(&head(text), false).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_connection_goes_on_unless_one_side_says_otherwise() {
        let cases = [
            ("1 200 OK", true),
            ("1 200 OK\r\nconnection: x, Close", false),
            ("1 200 OK\r\nconnection: keep-alive", true),
            ("0 200 OK", false),
            ("0 200 OK\r\nconnection: Keep-Alive", true),
        ];
        for (text, expected) in cases {
            assert_eq!(keeps_alive(&head(text)), expected, "{text:?}");
        }
    }
}
