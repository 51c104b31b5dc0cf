//! A target's path, cut into segments and checked in the same pass.
//!
//! Only [`read`](super::read) calls this. What is refused here never reaches a region: a path that
//! another reader would normalise into a different one (RFC 3986 section 5.2.4), bytes that end or
//! split a request line (RFC 9112 section 3), and fragments, which no client may send.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};
use percent_encoding::percent_decode_str;

/// Why a target is refused. The client's fault: 400 and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// Not in origin form: empty, `*`, an authority, or a path without its slash.
    #[error("the request target does not begin with a slash")]
    NoPath,
    /// A `.` or `..` segment, also with `%2e`, and with `%2f`, `\` or `%5c` as the separator.
    #[error("the request target holds a dot segment")]
    DotSegment,
    /// A control byte or a space, in the path also percent-encoded ones (`%00`).
    #[error("the request target holds a control byte")]
    ControlByte,
    /// A `#`.
    #[error("the request target holds a fragment")]
    Fragment,
}

/// `/api/projects/{p}/openai/v1/deployments/{d}/chat/completions` is the longest form that is read.
const SEGMENTS: usize = 9;

/// The first segments of a path. Empty ones count, except those before the first word.
pub(super) struct Segments<'a> {
    target: &'a str,
    spans: [(usize, usize); SEGMENTS],
    len: usize,
    query: Option<usize>,
    // no segment holds a `%`
    plain: bool,
}

impl<'a> Segments<'a> {
    pub(super) fn split(target: &'a str) -> Result<Self, BadTarget> {
        let bytes = target.as_bytes();
        if bytes.first() != Some(&b'/') {
            return Err(BadTarget::NoPath);
        }
        let query = memchr2(b'?', b'#', bytes);
        let (path, behind) = target.split_at(query.unwrap_or(target.len()));
        if memchr(b'#', behind.as_bytes()).is_some() {
            return Err(BadTarget::Fragment);
        }
        if has_control(bytes) {
            return Err(BadTarget::ControlByte);
        }
        let plain = memchr2(b'%', b'\\', path.as_bytes()).is_none();
        if !plain {
            check_encoded(path)?;
        }
        let query = query.map(|mark| mark + 1);
        let mut segments = Self { target, spans: [(0, 0); SEGMENTS], len: 0, query, plain };
        let mut start = 1;
        for end in memchr_iter(b'/', path.as_bytes()).skip(1).chain([path.len()]) {
            segments.close(start, end)?;
            start = end + 1;
        }
        Ok(segments)
    }

    /// The raw segment, empty when there is none.
    pub(super) fn text(&self, index: usize) -> &'a str {
        self.target.get(self.span(index)).unwrap_or_default()
    }

    /// Whether the segment is `word`, whatever its case and encoding.
    pub(super) fn is(&self, index: usize, word: &str) -> bool {
        let raw = self.text(index);
        raw.eq_ignore_ascii_case(word) || (!self.plain && is(raw, word))
    }

    pub(super) fn span(&self, index: usize) -> Range<usize> {
        let (start, end) = self.spans.get(index).copied().unwrap_or_default();
        start..end
    }

    /// Where the query begins, behind the question mark.
    pub(super) fn query(&self) -> Option<usize> {
        self.query
    }

    fn close(&mut self, start: usize, end: usize) -> Result<(), BadTarget> {
        if matches!(self.target.as_bytes().get(start..end), Some(b"." | b"..")) {
            return Err(BadTarget::DotSegment);
        }
        if self.len == 0 && start == end {
            return Ok(());
        }
        if let Some(slot) = self.spans.get_mut(self.len) {
            *slot = (start, end);
            self.len += 1;
        }
        Ok(())
    }
}

/// Whether a raw word of a target is `word`, whatever its case and encoding.
#[must_use]
pub fn is(raw: &str, word: &str) -> bool {
    raw.eq_ignore_ascii_case(word)
        || (memchr(b'%', raw.as_bytes()).is_some() && decoded(raw).eq_ignore_ascii_case(word))
}

/// Percent-decoded; allocates only when there is something to decode.
#[must_use]
pub fn decoded(raw: &str) -> Cow<'_, str> {
    if memchr(b'%', raw.as_bytes()).is_some() {
        percent_decode_str(raw).decode_utf8_lossy()
    } else {
        Cow::Borrowed(raw)
    }
}

/// A path that holds `%` or `\`, as a reader would see it that decodes before it splits.
fn check_encoded(path: &str) -> Result<(), BadTarget> {
    let seen: Vec<u8> = percent_decode_str(path).collect();
    if seen.iter().any(u8::is_ascii_control) {
        return Err(BadTarget::ControlByte);
    }
    let mut words = seen.split(|byte| matches!(byte, b'/' | b'\\'));
    if words.any(|word| matches!(word, b"." | b"..")) {
        return Err(BadTarget::DotSegment);
    }
    Ok(())
}

/// A control byte or a space. No branch in the loop, so that many bytes are looked at at once.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |seen, byte| seen | (*byte <= b' ') | (*byte == 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(target: &str) -> Option<BadTarget> {
        Segments::split(target).err()
    }

    #[test]
    fn what_two_readers_would_read_differently_is_refused() {
        for (target, refused) in [
            ("", BadTarget::NoPath),
            ("*", BadTarget::NoPath),
            ("v1/models", BadTarget::NoPath),
            ("http://host/v1/models", BadTarget::NoPath),
            ("/..", BadTarget::DotSegment),
            ("/a/./b", BadTarget::DotSegment),
            ("/a/../b?c", BadTarget::DotSegment),
            ("/a/..?c", BadTarget::DotSegment),
            ("/a/%2e%2E/b", BadTarget::DotSegment),
            ("/a/.%2e", BadTarget::DotSegment),
            ("/a%2f..%2Fb", BadTarget::DotSegment),
            ("/a\\..\\b", BadTarget::DotSegment),
            ("/a%5c..", BadTarget::DotSegment),
            ("/1/2/3/4/5/6/7/8/9/10/11/..", BadTarget::DotSegment),
            ("/a\r\nb", BadTarget::ControlByte),
            ("/a b", BadTarget::ControlByte),
            ("/a%00", BadTarget::ControlByte),
            ("/a%7f", BadTarget::ControlByte),
            ("/a?b\tc", BadTarget::ControlByte),
            ("/a?b\x7f", BadTarget::ControlByte),
            ("/a#b", BadTarget::Fragment),
            ("/a?b#c", BadTarget::Fragment),
        ] {
            assert_eq!(refusal(target), Some(refused), "{target:?}");
        }
    }

    #[test]
    fn dots_in_names_and_encoded_bytes_in_queries_pass() {
        for target in
            ["/", "/...", "/a.b/.c", "/a/..b", "/a?x=../..", "/a?x=%0a%00", "/a%2Fb", "/ä"]
        {
            assert_eq!(refusal(target), None, "{target:?}");
        }
    }

    #[test]
    fn segments_beyond_the_last_that_is_read_are_left_out() {
        let segments = Segments::split("//a//b/1/2/3/4/5/6/7?q").unwrap();
        let texts: Vec<&str> = (0..SEGMENTS + 1).map(|index| segments.text(index)).collect();
        assert_eq!(texts, ["a", "", "b", "1", "2", "3", "4", "5", "6", ""]);
        assert_eq!(segments.query(), Some("//a//b/1/2/3/4/5/6/7?".len()));
    }

    #[test]
    fn decoding_allocates_only_where_needed() {
        assert!(matches!(decoded("gpt-4o"), Cow::Borrowed("gpt-4o")));
        assert_eq!(decoded("gpt%2d4o"), "gpt-4o");
        assert!(is("Mod%45L", "model") && is("MODEL", "model") && !is("models", "model"));
    }
}
