//! The handshake of a WebSocket, where Nearway answers it itself (RFC 6455 section 4.2).

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use sha1::{Digest as _, Sha1};

/// Whether a value of `Upgrade` asks for a WebSocket and for nothing else.
#[must_use]
pub fn is_websocket(upgrade: &HeaderValue) -> bool {
    upgrade.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket")
}

/// What `Sec-WebSocket-Accept` says to a handshake; `None` if it is none of version 13, with one key of 16
/// bytes.
#[must_use]
pub fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
    };
    if only(SEC_WEBSOCKET_VERSION)?.trim_ascii() != b"13" {
        return None;
    }
    let key = only(SEC_WEBSOCKET_KEY).map(<[u8]>::trim_ascii).filter(|key| is_key(key))?;
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(base64(&digest)).ok()
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = key.strip_suffix(b"==");
    digits.is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_digit))
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = usize::try_from(bits >> (18 - 6 * digit) & 0x3F).unwrap_or_default();
            let is_there = usize::try_from(digit).unwrap_or_default() <= group.len();
            text.push(if is_there { DIGITS.get(value).copied().unwrap_or(b'=') } else { b'=' });
        }
    }
    text
}

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        accept(&headers).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_answer_is_that_of_the_rfc() {
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let version = ("sec-websocket-version", "13");
        assert_eq!(answer(&[key, version]).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for bad in [
            &[key][..],
            &[version],
            &[key, ("sec-websocket-version", "8")],
            &[key, key, version],
            &[("sec-websocket-key", "short"), version],
            &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ--"), version],
            &[("sec-websocket-key", "dGhlIHNhbXBsZSB?b25jZQ=="), version],
        ] {
            assert_eq!(answer(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text.as_bytes());
        }
    }

    #[test]
    fn only_one_protocol_is_a_websocket() {
        for (value, expected) in
            [("websocket", true), ("WebSocket", true), ("h2c, websocket", false), ("h2c", false)]
        {
            assert_eq!(is_websocket(&HeaderValue::from_static(value)), expected, "{value}");
        }
    }
}
