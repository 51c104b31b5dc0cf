//! Ephemeral keys of realtime sessions: `ek_…`, minted by one region and worth something there alone (API
//! fact sheet 2.1, 7).
//!
//! A browser carries one in place of a key, in any of the forms that the APIs take; the region that minted
//! it gets it in the one form that all of them take.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::credentials::{client_keys, strip_credentials};

/// The ephemeral key that a request shows, if its first key is one. Of several keys the first counts, as
/// everywhere: whoever shows another key is no holder of an ephemeral one.
#[must_use]
pub fn ephemeral_key<'r>(headers: &'r HeaderMap, target: &'r str) -> Option<Cow<'r, [u8]>> {
    client_keys(headers, target).next().filter(|key| is_ephemeral(key))
}

/// Whether a key is an ephemeral one, by its look.
#[must_use]
pub fn is_ephemeral(key: &[u8]) -> bool {
    key.strip_prefix(PREFIX).is_some_and(|rest| !rest.is_empty())
}

/// Makes the request show this ephemeral key and no other: exactly `Authorization: Bearer ek_…`. Those in
/// the query are [`strip_key_query`](super::strip_key_query)'s. False, and nothing shows a key, if a header
/// can't carry it.
pub fn show_ephemeral_key(headers: &mut HeaderMap, key: &[u8]) -> bool {
    strip_credentials(headers);
    let Ok(mut value) = HeaderValue::from_bytes(&[BEARER, key].concat()) else { return false };
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    true
}

const PREFIX: &[u8] = b"ek_";
const BEARER: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    type Lines = &'static [(&'static str, &'static str)];

    fn map(lines: Lines) -> HeaderMap {
        let fields = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        fields.collect()
    }

    const TARGET: &str = "/v1/realtime?model=m";

    #[test]
    fn an_ephemeral_key_is_found_in_each_form() {
        let cases: [(Lines, &str, Option<&str>); 11] = [
            (&[("authorization", "Bearer ek_1")], TARGET, Some("ek_1")),
            (&[("authorization", "bearer  ek_1 ")], TARGET, Some("ek_1")),
            (&[("api-key", "ek_2")], TARGET, Some("ek_2")),
            (
                &[("sec-websocket-protocol", "realtime, openai-insecure-api-key.ek_3")],
                TARGET,
                Some("ek_3"),
            ),
            (&[], "/openai/v1/realtime?api-key=ek_4&model=m", Some("ek_4")),
            (&[], "/openai/v1/realtime?API%2Dkey=ek%5F5", Some("ek_5")),
            (&[("authorization", "Bearer sk-1")], TARGET, None),
            (&[("authorization", "Bearer ek_")], TARGET, None),
            (&[("authorization", "Basic ek_1")], TARGET, None),
            (&[("api-key", "sk-1"), ("authorization", "Bearer ek_1")], TARGET, None),
            (&[], "/v1/realtime?model=ek_1", None),
        ];
        for (lines, target, expected) in cases {
            let headers = map(lines);
            let key = ephemeral_key(&headers, target);
            assert_eq!(key.as_deref(), expected.map(str::as_bytes), "{lines:?} {target}");
        }
    }

    #[test]
    fn the_region_gets_it_in_one_form_and_nothing_else() {
        let forms: [Lines; 4] = [
            &[("authorization", "Bearer ek_1")],
            &[("api-key", "ek_1"), ("x-api-key", "other")],
            &[("sec-websocket-protocol", "openai-insecure-api-key.ek_1")],
            &[("authorization", "Bearer own"), ("api-key", "own")],
        ];
        for lines in forms {
            let mut headers = map(lines);
            assert!(show_ephemeral_key(&mut headers, b"ek_1"));
            assert_eq!(headers, map(&[("authorization", "Bearer ek_1")]), "{lines:?}");
            assert!(headers.values().all(HeaderValue::is_sensitive));
        }
        let mut headers = map(&[("sec-websocket-protocol", "realtime,openai-insecure-api-key.k")]);
        assert!(show_ephemeral_key(&mut headers, b"ek_1"));
        assert_eq!(headers.get("sec-websocket-protocol").unwrap(), "realtime");
        assert!(!show_ephemeral_key(&mut headers, b"ek_\n"));
        assert!(!headers.contains_key("authorization"));
    }
}
