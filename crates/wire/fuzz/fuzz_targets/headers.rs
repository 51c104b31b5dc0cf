//! Any header lines (`name: value`, one a line) are stripped without a panic, and what is dangerous to
//! lose stays.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use nearway_wire::error_body::read_error;
use nearway_wire::headers::{strip_credentials, strip_hop_by_hop, upgrade_requested};
use nearway_wire::model::body_kind;
use nearway_wire::retry_hint::retry_hint;

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts.next().and_then(|value| HeaderValue::from_bytes(value).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let _ = upgrade_requested(&headers);
    let _ = body_kind(headers.get("content-type"));
    let _ = retry_hint(&headers, Some(&read_error(data)), std::time::UNIX_EPOCH);
    let before = headers.clone();
    strip_hop_by_hop(&mut headers);
    assert!(!headers.contains_key("connection") && !headers.contains_key("transfer-encoding"));
    assert_eq!(headers.get("host"), before.get("host"));
    assert_eq!(headers.get("content-length"), before.get("content-length"));
    strip_credentials(&mut headers);
    assert!(!headers.contains_key("api-key") && !headers.contains_key("authorization"));
});
