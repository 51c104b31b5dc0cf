//! Reads a region's response head: values stay slices of the buffer that they arrived in.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use httparse::{EMPTY_HEADER, Status};
use hyper::ext::ReasonPhrase;

use super::Malformed;

/// A response without its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// Only if it is not the usual one.
    reason: Option<Bytes>,
    /// The status line as it came, of an interim answer.
    pub(crate) line: Bytes,
}

impl Head {
    /// Takes a head off the front of `buffer`, and puts the bytes behind it into `rest`. `None`, and
    /// nothing is taken, until all of it is here. `headers` is filled: it need not be a new one.
    ///
    /// # Errors
    /// What is wrong with it; a head of more than `max` bytes is.
    pub(crate) fn take(
        buffer: &mut BytesMut,
        rest: &mut Bytes,
        headers: &mut HeaderMap,
        max: usize,
    ) -> Result<Option<Self>, Malformed> {
        let bytes = std::mem::take(buffer).freeze();
        match read(&bytes, headers) {
            Ok(Some((_, length))) if length > max => Err(TOO_LONG),
            Ok(None) if bytes.len() >= max => Err(TOO_LONG),
            Ok(Some((head, length))) => {
                *rest = bytes.slice(length..);
                Ok(Some(head))
            }
            Ok(None) => {
                *buffer = BytesMut::from(bytes);
                Ok(None)
            }
            Err(malformed) => Err(malformed),
        }
    }

    /// With this body.
    pub(crate) fn with<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.version_mut() = self.version;
        *response.headers_mut() = self.headers;
        if let Some(reason) = self.reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

/// The head and its length.
fn read(bytes: &Bytes, headers: &mut HeaderMap) -> Result<Option<(Head, usize)>, Malformed> {
    let mut found = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut found)
        .map_err(why)?;
    let Status::Complete(length) = parsed else { return Ok(None) };
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_invalid| Malformed("its status is none"))?;
    let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let reason = response.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    let reason = reason.map(|reason| bytes.slice_ref(reason.as_bytes()));
    let mut headers = std::mem::take(headers);
    headers.reserve(response.headers.len());
    append(&mut headers, response.headers, bytes)?;
    let line = if status.is_informational() { first_line(bytes) } else { Bytes::new() };
    Ok(Some((Head { status, version, headers, reason, line }, length)))
}

fn first_line(bytes: &Bytes) -> Bytes {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    bytes.slice(..end.unwrap_or(bytes.len()))
}

/// The fields of a trailer section with the empty line behind it, and nothing else.
pub(crate) fn fields(bytes: &Bytes) -> Result<HeaderMap, Malformed> {
    let mut found = [EMPTY_HEADER; FIELDS_MAX];
    let mut headers = HeaderMap::new();
    match httparse::parse_headers(bytes, &mut found).map_err(why)? {
        Status::Complete((length, found)) if length == bytes.len() => {
            append(&mut headers, found, bytes)?;
            Ok(headers)
        }
        _ => Err(Malformed("its trailers end before their end")),
    }
}

fn append(
    headers: &mut HeaderMap,
    found: &[httparse::Header<'_>],
    bytes: &Bytes,
) -> Result<(), Malformed> {
    for field in found {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_invalid| Malformed("a header's name is none"))?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value))
            .map_err(|_invalid| Malformed("a header's value is none"))?;
        headers.append(name, value);
    }
    Ok(())
}

fn why(error: httparse::Error) -> Malformed {
    Malformed(match error {
        httparse::Error::HeaderName => "invalid HTTP header name",
        httparse::Error::HeaderValue => "invalid HTTP header value",
        httparse::Error::NewLine => "invalid line end in its head",
        httparse::Error::Status => "invalid HTTP status-code parsed",
        httparse::Error::TooManyHeaders => "it has too many headers",
        httparse::Error::Version => "invalid HTTP version parsed",
        httparse::Error::Token => "invalid byte in its head",
    })
}

const TOO_LONG: Malformed = Malformed("its head is too long");
/// The most fields of a head or a trailer section.
const FIELDS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Result<Option<(Head, String)>, Malformed> {
        let (mut buffer, mut rest) = (BytesMut::from(text), Bytes::new());
        let head = Head::take(&mut buffer, &mut rest, &mut HeaderMap::new(), 100)?;
        if head.is_none() {
            assert_eq!(buffer, text, "a part stays where it is");
        }
        Ok(head.map(|head| (head, String::from_utf8(rest.to_vec()).unwrap())))
    }

    #[test]
    fn a_head_is_taken_when_all_of_it_is_here() {
        let text = "HTTP/1.1 299 So So\r\nB: 1\r\na:  x y \r\nb: 2\r\nempty:\r\n\r\nbody";
        let whole = text.len() - "body".len();
        for length in 0..whole {
            let (part, _) = text.split_at(length);
            assert!(take(part).unwrap().is_none(), "{length}");
        }
        let (head, rest) = take(text).unwrap().unwrap();
        assert_eq!((head.status.as_u16(), head.version, &*rest), (299, Version::HTTP_11, "body"));
        let both: Vec<_> = head.headers.get_all("b").iter().collect();
        assert_eq!(both, ["1", "2"]);
        assert_eq!(
            (&head.headers["a"], &head.headers["empty"]),
            (&"x y".parse().unwrap(), &"".parse().unwrap())
        );
        let response = head.with(());
        let reason = response.extensions().get::<ReasonPhrase>().unwrap();
        assert_eq!(reason.as_bytes(), b"So So");
    }

    #[test]
    fn the_usual_reason_is_not_kept_and_an_interim_line_is() {
        let (head, _) = take("HTTP/1.0 200 OK\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.version, head.line.len()), (Version::HTTP_10, 0));
        assert!(head.with(()).extensions().get::<ReasonPhrase>().is_none());
        let (head, _) = take("HTTP/1.1 103 E\nx: 1\n\n").unwrap().unwrap();
        assert_eq!(&*head.line, b"HTTP/1.1 103 E");
        let (head, rest) =
            take("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP").unwrap().unwrap();
        assert_eq!((&*head.line, &*rest), (&b"HTTP/1.1 103 Early Hints"[..], "HTTP"));
    }

    #[test]
    fn what_is_no_head_says_why() {
        for text in [
            "SSH-2.0-x\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            assert!(take(text).is_err(), "{text:?}");
        }
        assert_eq!(take(&format!("HTTP/1.1 200 OK\r\na: {:99}", "")).unwrap_err(), TOO_LONG);
        let many = "a: b\r\n".repeat(FIELDS_MAX + 1);
        assert!(take(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")).is_err());
    }
}
