//! The lines of an event stream, read in place: a line of data may have megabytes, and none is held back.
//!
//! Follows the WHATWG HTML standard section 9.2, for `data` and `event` alone.

use memchr::{memchr, memchr2};

use super::answer::Document;
use super::{Fields, Found};
use crate::json::key::Key;

/// Where in its events and lines a stream is.
#[derive(Debug)]
pub(super) struct Events {
    line: Line,
    /// The field that the line under way is, as far as it is known.
    field: Key,
    /// The name of the event so far.
    event: Key,
    /// The last byte was a CR: a LF now belongs to it.
    after_cr: bool,
}

/// What the line under way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Not known before its colon.
    Field,
    Data,
    Event,
    /// Of no interest.
    Other,
}

impl Events {
    pub(super) const fn new() -> Self {
        Self { line: Line::Field, field: Key::EMPTY, event: Key::EMPTY, after_cr: false }
    }

    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        document: &mut Document,
        fields: &Fields,
        found: &mut impl FnMut(Found),
    ) {
        let mut rest = chunk;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr) {
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (text, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            let value = self.value(text);
            match self.line {
                Line::Data if !self.is_delta() => document.feed(value, fields, found),
                Line::Event => self.event.push(value),
                Line::Data | Line::Field | Line::Other => {}
            }
            let Some((end, after)) = after.split_first() else { return };
            rest = after;
            self.after_cr = *end == b'\r';
            self.end_line(document, fields, found);
        }
    }

    /// What this piece of a line has of the field's value.
    fn value<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        if self.line != Line::Field {
            return text;
        }
        let colon = memchr(b':', text);
        let (name, value) = text.split_at_checked(colon.unwrap_or(text.len())).unwrap_or_default();
        self.field.push(name);
        if colon.is_some() {
            self.line = match self.field.whole() {
                Some(b"data") => Line::Data,
                Some(b"event") => {
                    self.event.clear();
                    Line::Event
                }
                _ => Line::Other,
            };
        }
        value.get(1..).unwrap_or_default()
    }

    /// Whether the event repeats what others tell. A name that is too long to be kept is none of those.
    fn is_delta(&self) -> bool {
        self.event.whole().is_some_and(|name| name.ends_with(b".delta"))
    }

    fn end_line(
        &mut self,
        document: &mut Document,
        fields: &Fields,
        found: &mut impl FnMut(Found),
    ) {
        match self.line {
            Line::Field if self.field.is_empty() => {
                document.begin_anew();
                self.event.clear();
            }
            // what joins the data of one event
            Line::Data => document.feed(b"\n", fields, found),
            Line::Field | Line::Event | Line::Other => {}
        }
        self.line = Line::Field;
        self.field.clear();
    }
}
