//! One value of a JSON text: where something is looked for in it, it is walked; what can't hold any of that
//! is skipped by counting brackets, so that a long prompt costs one `memchr`.
//!
//! As strict as comes for free: numbers and literals are not read at all. What is broken where it is walked
//! is skipped from there on, so that where the value ends never depends on what is looked for in it.

mod reading;

use super::encoded::string_length;
use super::key::plain_key;
use crate::fields::{Fields, Found, Node};
use reading::{End, Reading};

/// How many brackets may be open around what is looked for. The deepest place of the API has eight.
const LEVELS_MOST: usize = 16;

/// The walk through one value after another.
#[derive(Debug)]
pub(crate) struct Walk {
    within: Within,
    /// Open brackets.
    depth: usize,
    /// How many of them, the outermost ones, are walked: what the others hold is skipped.
    walked: usize,
    levels: [Level; LEVELS_MOST],
    /// What may stand next inside of the innermost bracket that is walked.
    due: Due,
    /// Where the key that was read last leads.
    member: Option<Node>,
    /// The string under way is read, not skipped.
    is_reading: bool,
    /// Made when first needed: in nearly all bodies nothing is found, and keys are read in place.
    reading: Option<Box<Reading>>,
    keeps_texts: bool,
    is_broken: bool,
    /// Bytes of strings that are no text.
    encoded: u64,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// Brackets whose values are walked.
    Walked,
    /// Brackets that are counted.
    Skipped,
    /// A string.
    Text,
    /// A string, behind a backslash.
    Escape,
}

/// An open bracket that is walked.
#[derive(Clone, Copy, Debug)]
enum Level {
    Object(Node),
    /// Where an element leads.
    Array(Node),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A key, or the end of an object.
    Key,
    Colon,
    /// A value, or the end of an array. Behind a number or a literal as well, which are not read.
    Value,
    /// A comma or the end.
    Comma,
}

impl Walk {
    /// One that keeps the texts of what it finds, or only their digests.
    pub(crate) const fn new(keeps_texts: bool) -> Self {
        Self {
            within: Within::Skipped,
            depth: 0,
            walked: 0,
            levels: [Level::Object(Node::ROOT); LEVELS_MOST],
            due: Due::Value,
            member: None,
            is_reading: false,
            reading: None,
            keeps_texts,
            is_broken: false,
            encoded: 0,
        }
    }

    /// A value begins with this byte, a bracket or a quote; `at` is the node where it stands among what is
    /// looked for.
    pub(crate) fn begin(&mut self, byte: u8, at: Option<(&Fields, Node)>) {
        (self.depth, self.walked, self.is_reading) = (0, 0, false);
        let at = at.filter(|_| !self.is_broken);
        if byte == b'"' {
            self.begin_string(at);
        } else {
            self.open(byte, at);
        }
    }

    /// What was broken is behind: the next value is walked again.
    pub(crate) const fn mend(&mut self) {
        self.is_broken = false;
    }

    /// Walks on in what follows the first byte; how much of `bytes` that took, and whether the value has
    /// ended. Fewer bytes than `least` at the end of a chunk are not looked at.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        fields: Option<&Fields>,
        least: usize,
        found: &mut impl FnMut(Found),
    ) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= least.max(1)) {
            let (length, is_over) = match self.within {
                Within::Skipped => self.skip(rest, least),
                Within::Walked => self.walk(rest, fields),
                Within::Text => self.string(rest, fields, found),
                Within::Escape => {
                    self.read(rest.get(..1).unwrap_or_default());
                    self.within = Within::Text;
                    (1, false)
                }
            };
            at += length;
            if is_over {
                return (at, true);
            }
        }
        (at, false)
    }

    /// Bytes of strings that are no text: images and audio in base64.
    pub(crate) const fn encoded(&self) -> u64 {
        self.encoded
    }

    /// Whether something that was walked is no JSON. Nothing is found any more.
    pub(crate) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Through brackets that are counted, and the strings inside.
    fn skip(&mut self, bytes: &[u8], least: usize) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= least) {
            let tells = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
            let Some(skipped) = rest.iter().position(tells) else {
                return (bytes.len(), false);
            };
            at += skipped + 1;
            match rest.get(skipped) {
                Some(b'"') => match self.skip_string(bytes.get(at..).unwrap_or_default()) {
                    Some(length) => at += length,
                    None => break,
                },
                Some(b'{' | b'[') => self.depth += 1,
                _ => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == self.walked {
                        self.within = Within::Walked;
                        return (at, self.depth == 0);
                    }
                }
            }
        }
        (at, false)
    }

    /// How long a string is that ends in this chunk, its closing quote included; else it is gone through as
    /// such.
    fn skip_string(&mut self, string: &[u8]) -> Option<usize> {
        let mut encoded = self.encoded;
        let length = string_length(string, &mut encoded);
        if string.get(length) == Some(&b'"') {
            self.encoded = encoded;
            return Some(length + 1);
        }
        self.within = Within::Text;
        None
    }

    /// Through brackets that are walked, and the keys inside, up to what is to be read or skipped.
    fn walk(&mut self, bytes: &[u8], fields: Option<&Fields>) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|_| self.within == Within::Walked) {
            let tells = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b':' | b',');
            let Some((byte, after)) =
                rest.iter().position(tells).and_then(|skipped| rest.get(skipped..)?.split_first())
            else {
                return (bytes.len(), false);
            };
            let Some(length) = self.step(*byte, after, fields) else {
                self.break_off();
                return (bytes.len() - after.len() - 1, false);
            };
            at = bytes.len() - after.len() + length;
            if self.depth == 0 {
                return (at, true);
            }
        }
        (at, false)
    }

    /// A byte inside of a bracket that is walked, and how many of those after it belong to it; `None` if it
    /// may not stand there.
    fn step(&mut self, byte: u8, after: &[u8], fields: Option<&Fields>) -> Option<usize> {
        let level = *self.levels.get(self.walked.checked_sub(1)?)?;
        match (byte, self.due, level) {
            (b'"', Due::Key, Level::Object(of)) => {
                self.due = Due::Colon;
                if let Some(key) = plain_key(after) {
                    self.member = fields.and_then(|fields| fields.member(of, key));
                    return Some(key.len() + 1);
                }
                self.begin_reading(None);
            }
            (b':', Due::Colon, _) => self.due = Due::Value,
            (b',', Due::Value | Due::Comma, _) => self.due = level.first(),
            (b'"', Due::Value, _) => {
                self.due = Due::Comma;
                self.begin_string(fields.zip(self.value(level)));
                if !self.is_reading {
                    return Some(self.skip_string(after).unwrap_or_default());
                }
            }
            (b'{' | b'[', Due::Value, _) => {
                self.due = Due::Comma;
                self.open(byte, fields.zip(self.value(level)));
            }
            (b'}', Due::Key | Due::Value | Due::Comma, Level::Object(_))
            | (b']', Due::Value | Due::Comma, Level::Array(_)) => {
                self.due = Due::Comma;
                (self.depth, self.walked) = (self.depth.saturating_sub(1), self.walked - 1);
            }
            _ => return None,
        }
        Some(0)
    }

    /// Where the value that begins now leads.
    const fn value(&self, level: Level) -> Option<Node> {
        match level {
            Level::Object(_) => self.member,
            Level::Array(element) => Some(element),
        }
    }

    fn open(&mut self, byte: u8, at: Option<(&Fields, Node)>) {
        self.depth += 1;
        let level = at.and_then(|(fields, node)| match byte {
            b'{' => fields.has_members(node).then_some(Level::Object(node)),
            _ => fields.element(node).map(Level::Array),
        });
        if let Some(level) = level
            && let Some(place) = self.levels.get_mut(self.walked)
        {
            *place = level;
            self.walked += 1;
            self.due = level.first();
        }
        self.within = self.inside();
    }

    fn begin_string(&mut self, at: Option<(&Fields, Node)>) {
        match at.and_then(|(fields, node)| fields.place(node)) {
            Some(place) => self.begin_reading(Some(place)),
            None if self.depth == 0 => self.within = Within::Text,
            None => {}
        }
    }

    /// A key, or the id at this place.
    fn begin_reading(&mut self, place: Option<u16>) {
        let keeps_texts = self.keeps_texts;
        let reading = self.reading.get_or_insert_with(|| Box::new(Reading::new(keeps_texts)));
        reading.begin(place);
        (self.within, self.is_reading) = (Within::Text, true);
    }

    /// Through the string, as far as the chunk has it.
    fn string(
        &mut self,
        bytes: &[u8],
        fields: Option<&Fields>,
        found: &mut impl FnMut(Found),
    ) -> (usize, bool) {
        let length = string_length(bytes, &mut self.encoded);
        self.read(bytes.get(..length).unwrap_or_default());
        match bytes.get(length) {
            None => (length, false),
            Some(b'\\') => {
                self.read(b"\\");
                self.within = Within::Escape;
                (length + 1, false)
            }
            Some(_) => {
                self.end_reading(fields, found);
                self.within = self.inside();
                (length + 1, self.depth == 0)
            }
        }
    }

    fn read(&mut self, raw: &[u8]) {
        if let Some(reading) = self.reading.as_mut().filter(|_| self.is_reading) {
            reading.take(raw);
        }
    }

    fn end_reading(&mut self, fields: Option<&Fields>, found: &mut impl FnMut(Found)) {
        if !std::mem::take(&mut self.is_reading) {
            return;
        }
        let level = self.walked.checked_sub(1).and_then(|innermost| self.levels.get(innermost));
        match self.reading.as_mut().map_or(End::Nothing, |reading| reading.end()) {
            End::Nothing => {}
            End::Bad => self.break_off(),
            End::Id(id) => found(id),
            End::Key(key) => {
                self.member = match (level, fields.zip(key)) {
                    (Some(Level::Object(of)), Some((fields, key))) => fields.member(*of, key),
                    _ => None,
                };
            }
        }
    }

    /// It is no JSON: the rest of the value is skipped, and of what follows nothing is walked.
    const fn break_off(&mut self) {
        (self.walked, self.is_broken) = (0, true);
        self.within = self.inside();
    }

    /// What the inside of the innermost bracket is.
    const fn inside(&self) -> Within {
        if self.depth > self.walked { Within::Skipped } else { Within::Walked }
    }
}

impl Level {
    /// What may stand behind the bracket, and behind a comma.
    const fn first(self) -> Due {
        match self {
            Self::Object(_) => Due::Key,
            Self::Array(_) => Due::Value,
        }
    }
}
