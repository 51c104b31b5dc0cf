//! One parameter of a target's query, read or replaced.
//!
//! The proxy calls this where it makes one list of those of all regions, and goes on in each behind another
//! item.

use std::borrow::Cow;

use percent_encoding::utf8_percent_encode;

use super::rename::RESERVED;

/// `target` with one pair `key` in its query, and this `value`, or with none; the other pairs byte for byte.
#[must_use]
pub fn with_parameter(target: &str, key: &str, value: Option<&str>) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_other = |pair: &&str| !super::is(pair.split('=').next().unwrap_or_default(), key);
    let others = query.split('&').filter(|pair| !pair.is_empty()).filter(is_other);
    let value = value.map(|value| format!("{key}={}", utf8_percent_encode(value, RESERVED)));
    let pairs: Vec<&str> = others.chain(value.as_deref()).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The first value of a parameter in the query of `target`, decoded.
#[must_use]
pub fn parameter<'t>(target: &'t str, key: &str) -> Option<Cow<'t, str>> {
    let (_, query) = target.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| super::is(name, key)).map(|(_, value)| super::decoded(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_parameter_is_read_and_replaced() {
        for (target, value, expected) in [
            ("/v1/files", Some("a b"), "/v1/files?after=a%20b"),
            ("/f?limit=2&after=x&%61fter=y&z", Some("f-1"), "/f?limit=2&z&after=f-1"),
            ("/f?after=x", None, "/f"),
            ("/f?a=b", None, "/f?a=b"),
        ] {
            assert_eq!(with_parameter(target, "after", value), expected, "{target}");
        }
        assert_eq!(parameter("/f?x=1&%61fter=a%20b&after=c", "after").as_deref(), Some("a b"));
        for target in ["/f?after", "/after=1", "/f"] {
            assert_eq!(parameter(target, "after"), None, "{target}");
        }
    }
}
