//! Refuses what must not be passed on, and takes off what belongs to the client's connection only.
//!
//! Refuse rather than repair (DESIGN section 5, RFC 9112 11.2): a message that two parsers could
//! read differently goes nowhere.

use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use nearway_wire::headers::{REASON_HEADER, REGION_HEADER, SESSION_HEADER, strip_hop_by_hop};

use crate::replay_headers::Headers;
use crate::{Refusal, Settings};

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) method: Method,
    /// End-to-end headers only. `Host` is still the client's; each attempt replaces it in place.
    pub(crate) headers: Headers,
    /// The protocol that the client wants to switch to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// How long the client waits for the first byte of an answer, where its SDK says so.
    pub(crate) patience: Option<Duration>,
    /// As declared; `None` if the body comes in chunks.
    pub(crate) length: Option<u64>,
}

impl Admitted {
    /// Whether the client waits for a word before it sends its body (RFC 9110 10.1.1).
    pub(crate) fn waits_to_send(&self) -> bool {
        self.headers.unsent().is_some_and(|headers| headers.contains_key(EXPECT))
    }

    /// The head of a request without a body that comes from the same client, whose answer Nearway reads;
    /// `None` once an attempt has the headers.
    pub(crate) fn reading(&self) -> Option<Self> {
        let mut headers = self.headers.unsent()?.clone();
        for name in OF_THE_BODY {
            headers.remove(name);
        }
        Some(Self {
            method: Method::GET,
            headers: Headers::new(headers),
            upgrade: None,
            patience: self.patience,
            length: None,
        })
    }

    pub(crate) fn content_type(&self) -> Option<&HeaderValue> {
        self.headers.unsent().and_then(|headers| headers.get(CONTENT_TYPE))
    }
}

/// What belongs to a body, and what would make an answer hard to read.
const OF_THE_BODY: [HeaderName; 6] =
    [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING, EXPECT, ACCEPT_ENCODING];

/// Checks the head against the settings and splits the hop from the message. `upgrade` is the
/// protocol that the head asks for.
pub(crate) fn admit(
    parts: Parts,
    upgrade: Option<HeaderValue>,
    settings: &Settings,
) -> Result<Admitted, Refusal> {
    let Parts { method, uri, version, mut headers, .. } = parts;
    if method == Method::CONNECT {
        return Err(Refusal::Malformed("CONNECT is not for this gateway."));
    }
    if version < Version::HTTP_2 {
        check_host(version, &headers, uri.authority().map(http::uri::Authority::as_str))?;
        check_framing(&headers)?;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if let (Some(max), Some(length)) = (settings.body_max, length)
        && length > max
    {
        return Err(Refusal::BodyTooLarge(max));
    }
    let upgrade = upgrade
        // HTTP/2 is a matter of each hop, and an older client knows no upgrade (RFC 9110 7.8)
        .filter(|protocol| version == Version::HTTP_11 && !is_http2(protocol));
    if version >= Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    strip_hop_by_hop(&mut headers);
    headers.remove(REGION_HEADER);
    headers.remove(REASON_HEADER);
    headers.remove(SESSION_HEADER);
    let patience = patience(&headers);
    Ok(Admitted { method, headers: Headers::new(headers), upgrade, patience, length })
}

/// What the Python and the Node SDK say of their timeouts, in seconds (API fact sheet 4.4).
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(READ_TIMEOUT).or_else(|| headers.get(TIMEOUT))?;
    let seconds: f64 = value.to_str().ok()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|patience| !patience.is_zero())
}

const READ_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-read-timeout");
const TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-timeout");

/// Whether one of the protocols is HTTP/2.
fn is_http2(upgrade: &HeaderValue) -> bool {
    let mut protocols = upgrade.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    protocols.any(|protocol| {
        protocol.eq_ignore_ascii_case(b"h2c") || protocol.eq_ignore_ascii_case(b"h2")
    })
}

/// HTTP/2 cuts a cookie into crumbs; HTTP/1.1 wants it in one piece (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// RFC 9112 3.2: exactly one well-formed `Host`, and not another one than an absolute target names.
fn check_host(
    version: Version,
    headers: &HeaderMap,
    authority: Option<&str>,
) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, None) if version == Version::HTTP_10 => Ok(()),
        (None, None) => Err(Refusal::Malformed("The Host header is missing.")),
        (_, Some(_)) => Err(Refusal::Malformed("There is more than one Host header.")),
        (Some(host), None) if !is_host(host.as_bytes()) => {
            Err(Refusal::Malformed("The Host header is not a host and a port."))
        }
        (Some(host), None) => match authority {
            Some(authority) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
                Err(Refusal::Malformed("The Host header contradicts the request target."))
            }
            _ => Ok(()),
        },
    }
}

/// Host and port hold no user, path, white space or quote (RFC 3986 3.2.2). All bytes are looked at
/// without a branch, many at a time.
fn is_host(value: &[u8]) -> bool {
    let bad = |byte: u8| {
        (byte <= b' ')
            | (byte >= 0x7f)
            | (byte == b'@')
            | (byte == b'/')
            | (byte == b'\\')
            | (byte == b'?')
            | (byte == b'#')
            | (byte == b'"')
            | (byte == b'<')
            | (byte == b'>')
    };
    !value.iter().fold(false, |seen, byte| seen | bad(*byte))
}

/// RFC 9112 6.1: one `Transfer-Encoding`, written as everybody writes it, or none.
fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(()),
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::Malformed("Transfer-Encoding is not plainly chunked.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn host_must_be_there_once_and_agree() {
        let good = headers(&[("host", "a:80")]);
        assert!(check_host(Version::HTTP_11, &good, None).is_ok());
        assert!(check_host(Version::HTTP_11, &good, Some("A:80")).is_ok());
        assert!(check_host(Version::HTTP_11, &good, Some("b")).is_err());
        assert!(check_host(Version::HTTP_11, &headers(&[]), None).is_err());
        assert!(check_host(Version::HTTP_10, &headers(&[]), None).is_ok());
        for bad in ["u@a", "a b", "a/b", "a?b", "a#b", "a\\b"] {
            assert!(
                check_host(Version::HTTP_11, &headers(&[("host", bad)]), None).is_err(),
                "{bad}"
            );
        }
        for good in ["", "[::1]:80", "a_b-c.d:8080", "%41"] {
            assert!(
                check_host(Version::HTTP_11, &headers(&[("host", good)]), None).is_ok(),
                "{good}"
            );
        }
        let two = headers(&[("host", "a"), ("host", "a")]);
        assert!(check_host(Version::HTTP_11, &two, None).is_err());
    }

    #[test]
    fn only_plain_chunked_is_accepted() {
        for good in ["chunked", "Chunked"] {
            assert!(check_framing(&headers(&[("transfer-encoding", good)])).is_ok(), "{good}");
        }
        for bad in ["gzip, chunked", "chunked, chunked", "identity", "chunked;q=1", ""] {
            assert!(check_framing(&headers(&[("transfer-encoding", bad)])).is_err(), "{bad}");
        }
        let twice = headers(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]);
        assert!(check_framing(&twice).is_err());
    }
}
