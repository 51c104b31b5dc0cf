//! Header fields that a proxy may not pass on as they came.
//!
//! Called by the proxy on every request and response, in both directions: hop-by-hop fields always,
//! credentials where the region has one of its own. Everything that is not named here passes unchanged.

mod credentials;
mod ephemeral;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap,
    HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};

pub use credentials::{client_keys, offered_protocol, strip_credentials, strip_key_query};
pub use ephemeral::{ephemeral_key, is_ephemeral, show_ephemeral_key};

/// In a request: the region that the client pins itself to. In a response: the region that answered.
pub const REGION_HEADER: HeaderName = HeaderName::from_static("x-nearway-region");

/// In a response: how many regions were tried.
pub const ATTEMPTS_HEADER: HeaderName = HeaderName::from_static("x-nearway-attempts");

/// In a request: the client wants to know why it is sent where it is. In a response: that.
pub const REASON_HEADER: HeaderName = HeaderName::from_static("x-nearway-reason");

/// In a request: its session. Those of one session go to the region that has answered it, while that is not
/// much slower than the best.
pub const SESSION_HEADER: HeaderName = HeaderName::from_static("x-nearway-session");

/// Where Azure takes a resource's key (API fact sheet 2.1).
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("api-key");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removed whether `Connection` nominates them or not (RFC 9110 section 7.6.1). `Trailer` is not among
/// them: it describes trailer fields, which pass.
const HOP_BY_HOP: [HeaderName; 8] = [
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    CONNECTION,
];

/// Never removed on a client's word: without one of these the message would mean something else.
const END_TO_END: [HeaderName; 6] =
    [HOST, CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, AUTHORIZATION, API_KEY];

/// Whether a request names a further deployment: one to go on to where the first is full, or one that
/// makes its images (API fact sheet 1.1, 9.3).
#[must_use]
pub fn names_further_deployment(headers: &HeaderMap) -> bool {
    FURTHER_DEPLOYMENTS.iter().any(|name| headers.contains_key(name))
}

const FURTHER_DEPLOYMENTS: [HeaderName; 2] = [
    HeaderName::from_static("x-ms-spillover-deployment"),
    HeaderName::from_static("x-ms-oai-image-generation-deployment"),
];

/// Whether the body is a stream of server-sent events; media types know no case (RFC 9110 8.3.1).
#[must_use]
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let start = value.and_then(|value| value.get(..EVENT_STREAM.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(EVENT_STREAM))
}

const EVENT_STREAM: &[u8] = b"text/event-stream";

/// Removes the fields that belong to one connection (RFC 9110 section 7.6.1): those in a fixed list and
/// those that `Connection` nominates, apart from a few that no sender may nominate.
///
/// One look at the names, and no allocation unless `Connection` nominates something of its own.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let present = headers.keys().fold(0, |seen, name| seen | bit(name));
    if present == 0 {
        return;
    }
    if present & bit(&CONNECTION) != 0 {
        for nominated in nominations(headers) {
            headers.remove(nominated);
        }
    }
    for name in &HOP_BY_HOP {
        if present & bit(name) != 0 {
            headers.remove(name);
        }
    }
}

/// The value of `Upgrade`, if `Connection` says that it is meant (RFC 9110 section 7.8).
#[must_use]
pub fn upgrade_requested(headers: &HeaderMap) -> Option<HeaderValue> {
    let upgrade = headers.get(UPGRADE)?;
    connection_options(headers)
        .any(|option| option.eq_ignore_ascii_case(b"upgrade"))
        .then(|| upgrade.clone())
}

/// One bit for each name in [`HOP_BY_HOP`], 0 for any other. Built on a string match because that looks
/// at the length first, and nearly every name fails there.
fn bit(name: &HeaderName) -> u8 {
    match name.as_str() {
        "keep-alive" => 1,
        "proxy-connection" => 1 << 1,
        "proxy-authenticate" => 1 << 2,
        "proxy-authorization" => 1 << 3,
        "te" => 1 << 4,
        "transfer-encoding" => 1 << 5,
        "upgrade" => 1 << 6,
        "connection" => 1 << 7,
        _ => 0,
    }
}

/// The fields that `Connection` nominates beyond the fixed list; options that name no field are left
/// out (`close`), and so is what is not there.
fn nominations(headers: &HeaderMap) -> Vec<HeaderName> {
    connection_options(headers)
        .filter(|option| !option.eq_ignore_ascii_case(b"keep-alive"))
        .filter(|option| !option.eq_ignore_ascii_case(b"close"))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| bit(name) == 0 && !END_TO_END.contains(name) && headers.contains_key(name))
        .collect()
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn left(lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = map(lines);
        strip_hop_by_hop(&mut headers);
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn the_fixed_list_goes_and_the_rest_stays() {
        assert_eq!(left(&[]), [""; 0]);
        assert_eq!(left(&[("host", "h"), ("accept", "*/*")]), ["accept", "host"]);
        let all = [
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("trailer", "x-sum"),
            ("x-request-id", "1"),
        ];
        assert_eq!(left(&all), ["trailer", "x-request-id"]);
        for name in &HOP_BY_HOP {
            assert_ne!(bit(name), 0, "{name}");
        }
    }

    #[test]
    fn nominated_fields_go_from_every_connection_line() {
        let lines = [
            ("connection", " x-a ,close,, X-B"),
            ("connection", "x-c, not a name"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-b", "1"),
            ("x-c", "1"),
            ("x-d", "1"),
        ];
        assert_eq!(left(&lines), ["x-d"]);
    }

    #[test]
    fn a_nomination_cannot_take_away_what_the_message_means() {
        let lines = [
            (
                "connection",
                "host, content-length, content-type, content-encoding, authorization, api-key",
            ),
            ("host", "h"),
            ("content-length", "1"),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("authorization", "Bearer x"),
            ("api-key", "x"),
        ];
        let kept = [
            "api-key",
            "authorization",
            "content-encoding",
            "content-length",
            "content-type",
            "host",
        ];
        assert_eq!(left(&lines), kept);
    }

    #[test]
    fn nothing_is_collected_for_a_plain_keep_alive() {
        assert_eq!(nominations(&map(&[("connection", "Keep-Alive")])).capacity(), 0);
        assert_eq!(nominations(&map(&[("connection", "x-gone")])).capacity(), 0);
    }

    #[test]
    fn an_upgrade_needs_both_fields() {
        for (lines, wanted) in [
            (vec![("connection", "Upgrade"), ("upgrade", "websocket")], Some("websocket")),
            (vec![("connection", "keep-alive, upgrade"), ("upgrade", "h2c")], Some("h2c")),
            (vec![("connection", "x"), ("connection", "upgrade"), ("upgrade", "a")], Some("a")),
            (vec![("connection", "keep-alive"), ("upgrade", "websocket")], None),
            (vec![("connection", "upgrade")], None),
            (vec![("upgrade", "websocket")], None),
        ] {
            let value = upgrade_requested(&map(&lines));
            assert_eq!(value.as_ref().map(|value| value.to_str().unwrap()), wanted, "{lines:?}");
        }
    }
}
