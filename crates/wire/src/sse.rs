//! Server-sent events, cut out of a stream that arrives in any pieces.
//!
//! [`EventSplitter`] is for readers that want whole events (the prober); the first-token search uses
//! the lines below it. Neither holds the stream back or changes it: the proxy forwards the same bytes
//! at once. Follows the WHATWG HTML standard section 9.2, for `data` alone.

use bytes::Bytes;
use memchr::{memchr2, memmem};

/// How many bytes of data an event may have; a longer one is left out.
pub const EVENT_LIMIT: usize = 1024 * 1024;

/// Finds whole events in a stream.
#[derive(Debug)]
pub struct EventSplitter {
    lines: Lines,
    data: Vec<u8>,
    /// The event so far has a `data` field, which may be empty.
    begun: bool,
    /// The event so far is beyond the bound.
    overlong: bool,
}

impl EventSplitter {
    /// A splitter at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self { lines: Lines::new(EVENT_LIMIT), data: Vec::new(), begun: false, overlong: false }
    }

    /// The `data` of every event that ends in this chunk, several `data` lines joined by a line feed.
    /// An event that the stream leaves unfinished is not an event.
    pub fn feed(&mut self, chunk: &[u8]) -> impl Iterator<Item = Bytes> + use<> {
        let mut complete = Vec::new();
        let mut rest = chunk;
        while let Some(line) = self.lines.next(&mut rest) {
            if line.text.is_empty() && line.whole {
                if self.begun && !self.overlong {
                    complete.push(Bytes::copy_from_slice(&self.data));
                }
                self.data.clear();
                (self.begun, self.overlong) = (false, false);
            } else if let Some(value) = line.field(b"data") {
                let joint: &[u8] = if self.begun { b"\n" } else { b"" };
                self.begun = true;
                self.overlong |=
                    !line.whole || self.data.len() + joint.len() + value.len() > EVENT_LIMIT;
                if !self.overlong {
                    self.data.extend_from_slice(joint);
                    self.data.extend_from_slice(value);
                }
            }
        }
        complete.into_iter()
    }
}

impl Default for EventSplitter {
    fn default() -> Self {
        Self::new()
    }
}

/// How many events with data begin in this chunk: as good as exact, since chunks are cut between events.
#[must_use]
pub fn events_in(chunk: &[u8]) -> u32 {
    let events = memmem::find_iter(chunk, b"data: ").take(EVENT_LIMIT);
    events.fold(0, |count, _| count + 1)
}

/// Cuts a stream into lines that end in LF, CR or CRLF, holding back at most `limit` bytes of one.
#[derive(Debug)]
pub(crate) struct Lines {
    held: Vec<u8>,
    limit: usize,
    /// The line under way is longer than `limit`.
    cut: bool,
    /// `held` was given out as a line by the last call.
    spent: bool,
    /// The last byte was a CR: a LF now belongs to it.
    after_cr: bool,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The line, or as much of its beginning as the bound allows.
    pub(crate) text: &'a [u8],
    /// Whether that is all of it.
    pub(crate) whole: bool,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { held: Vec::new(), limit, cut: false, spent: false, after_cr: false }
    }

    /// The next complete line in `rest`, which is moved on; what is left of a chunk is held for the
    /// next. Copies only lines that span chunks.
    pub(crate) fn next<'a, 'c: 'a>(&'a mut self, rest: &mut &'c [u8]) -> Option<Line<'a>> {
        if self.spent {
            self.held.clear();
            (self.spent, self.cut) = (false, false);
        }
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            *rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        let Some((text, end, after)) = split_line(rest) else {
            self.hold(rest);
            *rest = &[];
            return None;
        };
        *rest = after;
        self.after_cr = end == b'\r';
        if self.held.is_empty() {
            let kept = text.get(..self.limit).unwrap_or(text);
            return Some(Line { text: kept, whole: text.len() <= self.limit });
        }
        self.hold(text);
        self.spent = true;
        Some(Line { text: &self.held, whole: !self.cut })
    }

    fn hold(&mut self, text: &[u8]) {
        let room = self.limit - self.held.len().min(self.limit);
        let kept = text.get(..room).unwrap_or(text);
        self.cut |= kept.len() < text.len();
        self.held.extend_from_slice(kept);
    }
}

impl<'a> Line<'a> {
    /// The value of this line if it is the field `name`, without the one space that may precede it.
    pub(crate) fn field(&self, name: &[u8]) -> Option<&'a [u8]> {
        let rest = self.text.strip_prefix(name)?;
        if rest.is_empty() {
            return Some(rest);
        }
        let value = rest.strip_prefix(b":")?;
        Some(value.strip_prefix(b" ").unwrap_or(value))
    }
}

/// The text before the first line end, that end's first byte, and what follows it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (text, rest) = bytes.split_at_checked(memchr2(b'\n', b'\r', bytes)?)?;
    let (end, after) = rest.split_first()?;
    Some((text, *end, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&str]) -> Vec<Bytes> {
        let mut splitter = EventSplitter::new();
        chunks.iter().flat_map(|chunk| splitter.feed(chunk.as_bytes())).collect()
    }

    #[test]
    fn events_are_whole_however_the_stream_is_cut() {
        for (chunks, expected) in [
            (&["data: a\n\ndata: b\n\n"][..], &["a", "b"][..]),
            (&["da", "ta: a", "\n", "\n"], &["a"]),
            (&["data: a\r\n\r\ndata: b\r\r"], &["a", "b"]),
            (&["data: a\r", "\n\r", "\ndata: b\r", "\r"], &["a", "b"]),
            (&["data: a\ndata: b\n\n"], &["a\nb"]),
            (&["data: a\r", "\ndata: b\n\n"], &["a\nb"]),
            (&[": ping\n\nevent: x\nid: 1\ndata:a\n\n"], &["a"]),
            (&["data\n\ndata:  a\n\n"], &["", " a"]),
            (&["database: x\n\n", "event: ping\n\n", "\n\n\n"], &[]),
            (&["data: unfinished\n", "data: still"], &[]),
        ] {
            assert_eq!(events(chunks), expected, "{chunks:?}");
        }
    }

    #[test]
    fn an_event_beyond_the_bound_is_left_out_and_the_next_is_not() {
        let long = "x".repeat(EVENT_LIMIT);
        let one_line = format!("data: {long}\n\n");
        let two_lines = format!("data: {}\ndata: y\n\n", "x".repeat(EVENT_LIMIT - 1));
        for event in [&one_line, &two_lines] {
            let (start, end) = event.split_at(7);
            assert_eq!(events(&[event, "data: a\n\n"]), ["a"]);
            assert_eq!(events(&[start, end, "data: a\n\n"]), ["a"]);
        }
        let fits = format!("data:{}\n\n", "x".repeat(EVENT_LIMIT - 5));
        assert_eq!(events(&[&fits])[0].len(), EVENT_LIMIT - 5);
    }

    #[test]
    fn events_are_counted() {
        for (chunk, events) in [
            ("data: {}\n\ndata: {}\n\ndata: [DONE]\n\n", 3),
            ("event: x\ndata: {}\n\n: ping\n\n", 1),
            ("", 0),
        ] {
            assert_eq!(events_in(chunk.as_bytes()), events, "{chunk}");
        }
    }

    #[test]
    fn a_long_line_is_cut_alike_in_one_piece_and_in_many() {
        for chunks in [&["abcdef\n"][..], &["ab", "cd", "ef\n"], &["abcd", "ef", "\n"]] {
            let mut lines = Lines::new(4);
            let mut found = Vec::new();
            for chunk in chunks {
                let mut rest = chunk.as_bytes();
                while let Some(line) = lines.next(&mut rest) {
                    found.push((line.text.to_vec(), line.whole));
                }
            }
            assert_eq!(found, [(b"abcd".to_vec(), false)], "{chunks:?}");
        }
    }
}
