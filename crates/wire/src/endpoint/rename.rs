//! One span of a target, replaced in place.
//!
//! The proxy calls this for each attempt whose region calls the deployment otherwise.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is encoded: all but the unreserved characters of RFC 3986 section 2.3, so that a name is the
/// same in a path and in a query.
pub(crate) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `target` with `span` replaced by the percent-encoded `to`, everything else byte for byte.
///
/// `span` is the one that [`read`](super::read) gave for this very target; a span that does not lie in
/// the target leaves it unchanged.
#[must_use]
pub fn rename(target: &str, span: &Range<usize>, to: &str) -> String {
    let (Some(before), Some(after)) = (target.get(..span.start), target.get(span.end..)) else {
        return target.to_owned();
    };
    let mut renamed = String::with_capacity(before.len() + to.len() + after.len());
    renamed.push_str(before);
    renamed.extend(utf8_percent_encode(to, RESERVED));
    renamed.push_str(after);
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_span_changes() {
        let target = "/openai/deployments/gpt%2D4o/chat/completions?api-version=1&x=%20";
        for (to, expected) in [
            ("east", "/openai/deployments/east/chat/completions?api-version=1&x=%20"),
            ("a/../b?", "/openai/deployments/a%2F..%2Fb%3F/chat/completions?api-version=1&x=%20"),
            ("ä b", "/openai/deployments/%C3%A4%20b/chat/completions?api-version=1&x=%20"),
            ("g_4.1-x~", "/openai/deployments/g_4.1-x~/chat/completions?api-version=1&x=%20"),
        ] {
            assert_eq!(rename(target, &(20..28), to), expected);
        }
    }

    #[test]
    fn a_span_outside_the_target_changes_nothing() {
        assert_eq!(rename("/v1", &(2..9), "x"), "/v1");
        assert_eq!(rename("/ä", &(2..3), "x"), "/ä");
    }
}
