//! Header maps: whatever they hold, what has to go goes and what has to stay stays.

use http::{HeaderMap, HeaderName, HeaderValue};
use nearway_wire::error_body::{ERROR_BODY_LIMIT, read_error};
use nearway_wire::headers::{strip_credentials, strip_hop_by_hop, upgrade_requested};
use nearway_wire::model::body_kind;
use nearway_wire::retry_hint::retry_hint;
use nearway_wire::usage::usage_in;
use proptest::collection::vec;
use proptest::prelude::*;

const NAMES: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "trailer",
    "host",
    "content-length",
    "authorization",
    "api-key",
    "sec-websocket-protocol",
    "retry-after",
    "x-a",
];

fn maps() -> impl Strategy<Value = HeaderMap> {
    let name =
        prop_oneof![proptest::sample::select(&NAMES[..]).prop_map(str::to_owned), "[a-z-]{1,8}"];
    let value = prop_oneof![
        "(close|keep-alive|upgrade|x-a|host|api-key|realtime|openai-insecure-api-key\\.k)(, ?(x-a|te|Host|b))?"
            .prop_map(String::into_bytes),
        vec(any::<u8>(), 0..12),
    ];
    vec((name, value), 0..12).prop_map(|lines| {
        let parse = |(name, value): (String, Vec<u8>)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.into_iter().filter_map(parse) {
            headers.append(name, value);
        }
        headers
    })
}

proptest! {
    #[test]
    fn hop_by_hop_fields_go_and_the_message_stays(before in maps()) {
        let mut after = before.clone();
        strip_hop_by_hop(&mut after);
        for gone in ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"] {
            prop_assert!(!after.contains_key(gone), "{gone}");
        }
        for kept in ["host", "content-length", "authorization", "api-key"] {
            prop_assert!(after.get_all(kept).iter().eq(before.get_all(kept)), "{kept}");
        }
        let nominated: Vec<_> = before.get_all("connection").iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(|option| option.trim_ascii().to_ascii_lowercase()).collect();
        let is_nominated = |name: &str| nominated.iter().any(|option| option == name.as_bytes());
        prop_assert_eq!(after.contains_key("x-a"), before.contains_key("x-a") && !is_nominated("x-a"));
        prop_assert_eq!(after.contains_key("trailer"), before.contains_key("trailer") && !is_nominated("trailer"));
        let again = after.clone();
        strip_hop_by_hop(&mut after);
        prop_assert_eq!(after, again);
    }

    #[test]
    fn no_credential_stays(before in maps()) {
        let mut after = before.clone();
        strip_credentials(&mut after);
        prop_assert!(!after.contains_key("api-key") && !after.contains_key("authorization"));
        let protocols = after.get_all("sec-websocket-protocol");
        let has_key = |value: &HeaderValue| {
            value.as_bytes().split(|byte| *byte == b',').any(|entry| entry.trim_ascii().starts_with(b"openai-insecure-api-key."))
        };
        prop_assert!(!protocols.iter().any(has_key));
        prop_assert!(after.get_all("x-a").iter().eq(before.get_all("x-a")));
    }

    #[test]
    fn no_bytes_panic(headers in maps(), value in vec(any::<u8>(), 0..40), message in any::<String>()) {
        let _ = upgrade_requested(&headers);
        let facts = nearway_wire::error_body::ErrorFacts { message: Some(message), ..read_error(&value) };
        let _ = retry_hint(&headers, Some(&facts), std::time::UNIX_EPOCH);
        let _ = usage_in(&value);
        let _ = body_kind(HeaderValue::try_from(value).ok().as_ref());
    }
}

#[test]
fn deep_nesting_is_no_stack_overflow() {
    let deep = "[".repeat(ERROR_BODY_LIMIT - 16);
    assert_eq!(read_error(format!(r#"{{"error":{deep}"#).as_bytes()), read_error(b""));
    assert_eq!(usage_in(format!(r#"{{"usage":{deep}"#).as_bytes()), None);
}
