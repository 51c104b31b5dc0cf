//! One span of a target, replaced in place.
//!
//! The proxy calls this for each attempt whose region calls the deployment otherwise.

use std::borrow::Cow;
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

/// The target of the object `id` below `path`, in the form and with the query of `target`: for
/// `/openai/batches?api-version=1`, `files` and `file-1` that is `/openai/files/file-1?api-version=1`. `None`
/// for a target that can't be read.
#[must_use]
pub fn sibling(target: &str, path: &str, id: &str) -> Option<String> {
    let at = super::read(target).ok()?.operation_at;
    let (form, rest) = target.split_at_checked(at)?;
    // one deployment's own operations have no objects below them
    let form = match form.rsplit('/').nth(2) {
        Some(word) if super::is(word, "deployments") => {
            let end =
                form.len() - form.rsplit('/').take(3).map(|part| part.len() + 1).sum::<usize>();
            form.get(..=end)?
        }
        _ => form,
    };
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let mut sibling = format!("{form}{path}/");
    sibling.extend(utf8_percent_encode(id, RESERVED));
    if !query.is_empty() {
        sibling.push('?');
        sibling.push_str(query);
    }
    Some(sibling)
}

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
    fn a_sibling_has_the_same_form_and_query() {
        for (target, expected) in [
            ("/openai/batches?api-version=1", "/openai/files/file-1?api-version=1"),
            ("/v1/responses", "/v1/files/file-1"),
            ("/api/projects/p/openai/v1/assistants", "/api/projects/p/openai/v1/files/file-1"),
            ("/threads/t/runs?a=b", "/files/file-1?a=b"),
            ("/openai/deployments/d/chat/completions?x=1", "/openai/files/file-1?x=1"),
            ("/deployments/d/chat/completions", "/files/file-1"),
        ] {
            assert_eq!(sibling(target, "files", "file-1").as_deref(), Some(expected), "{target}");
        }
        assert_eq!(
            sibling("/v1/evals", "files", "a/../b?").as_deref(),
            Some("/v1/files/a%2F..%2Fb%3F")
        );
        assert_eq!(sibling("/a/../b", "files", "x"), None);
    }

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

    #[test]
    fn a_span_outside_the_target_changes_nothing() {
        assert_eq!(rename("/v1", &(2..9), "x"), "/v1");
        assert_eq!(rename("/ä", &(2..3), "x"), "/ä");
    }
}
