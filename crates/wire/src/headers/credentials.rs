//! Reads a client's credential from a request, and takes it out.
//!
//! The proxy reads it where clients have keys of their own, and takes it out there and where the region
//! has a credential, before it adds that one. All the places count where the APIs take a key (API fact
//! sheet 2.1, 7), since one that is left reaches a region it was not meant for.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use super::API_KEY;
use crate::endpoint::{decoded, is};

/// The key's other name at Azure API Management, which fronts the regions.
const SUBSCRIPTION_KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");

/// Where other vendors' clients put a key, and some regions take it.
const OTHER_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How a browser hands a key to a WebSocket (API fact sheet 7).
const KEY_PROTOCOL: &[u8] = b"openai-insecure-api-key.";

/// The scheme of a token, and the blank behind it.
const BEARER: &[u8] = b"bearer ";

/// Query parameters that hold a key: Azure's (API fact sheet 7), and API Management's.
const KEY_QUERIES: [&str; 2] = ["api-key", "subscription-key"];

/// The keys that a request carries, in all the places that [`strip_credentials`] and [`strip_key_query`]
/// know: fields first, the one of Azure before the others, then subprotocols, then the query of `target`,
/// percent-decoded. Of `Authorization` only the `Bearer` scheme counts.
pub fn client_keys<'r>(
    headers: &'r HeaderMap,
    target: &'r str,
) -> impl Iterator<Item = Cow<'r, [u8]>> {
    let field = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let bearer = field(AUTHORIZATION).filter_map(bearer);
    let others = field(SUBSCRIPTION_KEY).chain(field(OTHER_KEY));
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().flat_map(entries);
    let protocols =
        protocols.filter_map(|entry| entry.get(KEY_PROTOCOL.len()..).filter(|_| holds_key(entry)));
    let plain = field(API_KEY).chain(bearer).chain(others).chain(protocols);
    let query = target.split_once('?').map_or("", |(_, query)| query);
    plain.map(Cow::Borrowed).chain(query.split('&').filter_map(query_key))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim_ascii())
}

fn query_key(pair: &str) -> Option<Cow<'_, [u8]>> {
    let (_, value) = pair.split_once('=').filter(|_| is_key_pair(pair))?;
    Some(match decoded(value) {
        Cow::Borrowed(value) => Cow::Borrowed(value.as_bytes()),
        Cow::Owned(value) => Cow::Owned(value.into_bytes()),
    })
}

/// Removes `api-key`, `Authorization` and their like, and the entries of `Sec-WebSocket-Protocol` that
/// carry a key; its other entries stay as they are. The query is [`strip_key_query`]'s.
pub fn strip_credentials(headers: &mut HeaderMap) {
    headers.remove(API_KEY);
    headers.remove(AUTHORIZATION);
    headers.remove(SUBSCRIPTION_KEY);
    headers.remove(OTHER_KEY);
    let carries_key = |value: &HeaderValue| entries(value).any(holds_key);
    if headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().any(carries_key) {
        let kept = without_key(headers);
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        headers.extend(kept.map(|value| (SEC_WEBSOCKET_PROTOCOL, value)));
    }
}

/// `target` without the query pairs that hold a key, the rest byte for byte; borrowed when there are
/// none. Names are compared without case and percent-decoded.
#[must_use]
pub fn strip_key_query(target: &str) -> Cow<'_, str> {
    let Some((path, query)) = target.split_once('?') else {
        return Cow::Borrowed(target);
    };
    if !query.split('&').any(is_key_pair) {
        return Cow::Borrowed(target);
    }
    let mut stripped = String::with_capacity(target.len());
    stripped.push_str(path);
    for (index, pair) in query.split('&').filter(|pair| !is_key_pair(pair)).enumerate() {
        stripped.push(if index == 0 { '?' } else { '&' });
        stripped.push_str(pair);
    }
    Cow::Owned(stripped)
}

/// The first subprotocol that a client offers and that carries no key: what a server may choose and say
/// aloud.
#[must_use]
pub fn offered_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered =
        lines.flat_map(entries).filter(|entry| !entry.is_empty() && !holds_key(entry));
    HeaderValue::from_bytes(offered.next()?).ok()
}

fn is_key_pair(pair: &str) -> bool {
    let key = pair.split_once('=').map_or(pair, |(key, _)| key);
    KEY_QUERIES.iter().any(|name| is(key, name))
}

/// All that remains of `Sec-WebSocket-Protocol`, as one value; `None` when that is nothing.
fn without_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let kept: Vec<&[u8]> = lines.flat_map(entries).filter(|entry| !holds_key(entry)).collect();
    HeaderValue::from_bytes(&kept.join(b", ".as_slice())).ok().filter(|value| !value.is_empty())
}

fn entries(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn holds_key(entry: &[u8]) -> bool {
    entry
        .split_at_checked(KEY_PROTOCOL.len())
        .is_some_and(|(start, _)| start.eq_ignore_ascii_case(KEY_PROTOCOL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocols(lines: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
        }
        strip_credentials(&mut headers);
        let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_key_is_found_wherever_it_may_stand() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-api-key", "k4"),
            ("api-key", "k1"),
            ("ocp-apim-subscription-key", "k3"),
            ("authorization", "Basic dTpw"),
            ("authorization", "BEARER  k2 "),
            ("sec-websocket-protocol", "realtime, OpenAI-Insecure-API-Key.k5"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let keys = client_keys(&headers, "/v1/realtime?model=m&API%2Dkey=k%36&subscription-key=k7");
        let keys: Vec<_> = keys.map(|key| String::from_utf8(key.into_owned()).unwrap()).collect();
        assert_eq!(keys, ["k1", "k2", "k3", "k4", "k5", "k6", "k7"]);

        let none = HeaderMap::new();
        for target in ["/api-key=k", "/r?my-api-key=k", "/r?api-key", "/r?x=api-key=k"] {
            assert_eq!(client_keys(&none, target).count(), 0, "{target}");
        }
    }

    #[test]
    fn every_field_that_holds_a_key_goes() {
        let mut headers = HeaderMap::new();
        for name in [
            "api-key",
            "authorization",
            "ocp-apim-subscription-key",
            "x-api-key",
            "openai-organization",
        ] {
            headers.append(name, HeaderValue::from_static("secret"));
            headers.append(name, HeaderValue::from_static("again"));
        }
        strip_credentials(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["openai-organization"]);
    }

    #[test]
    fn keys_leave_the_subprotocols_and_the_others_stay() {
        for (lines, left) in [
            (
                &["realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1"][..],
                "realtime, openai-beta.realtime-v1",
            ),
            (&["realtime", "OpenAI-Insecure-API-Key.sk-1"], "realtime"),
            (&["realtime,other"], "realtime,other"),
        ] {
            assert_eq!(protocols(lines), [left], "{lines:?}");
        }
        assert_eq!(protocols(&["openai-insecure-api-key.sk-1"]), [""; 0]);
        assert_eq!(protocols(&["a,b", "c"]), ["a,b", "c"]);
    }

    #[test]
    fn a_subprotocol_that_is_chosen_is_never_a_key() {
        for (line, chosen) in [
            ("realtime, openai-insecure-api-key.k", Some("realtime")),
            (
                "openai-insecure-api-key.k,, openai-beta.responses-v1",
                Some("openai-beta.responses-v1"),
            ),
            ("OpenAI-Insecure-API-Key.k", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            assert_eq!(offered_protocol(&headers), None);
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
            let expected = chosen.map(HeaderValue::from_static);
            assert_eq!(offered_protocol(&headers), expected, "{line}");
        }
    }

    #[test]
    fn keys_leave_the_query_and_the_rest_stays_byte_for_byte() {
        for (target, left) in [
            ("/v1/realtime?api-key=k", "/v1/realtime"),
            ("/r?api-key=k&model=a%20b", "/r?model=a%20b"),
            ("/r?model=a&api-key=k&&x", "/r?model=a&&x"),
            ("/r?model=a&API-Key=k&api-key", "/r?model=a"),
            ("/r?api%2Dkey=k&subscription-key=k", "/r"),
        ] {
            assert_eq!(strip_key_query(target), left);
        }
        for target in ["/api-key=k", "/r", "/r?", "/r?my-api-key=k", "/r?x=api-key=k"] {
            assert!(
                matches!(strip_key_query(target), Cow::Borrowed(same) if same == target),
                "{target}"
            );
        }
    }
}
