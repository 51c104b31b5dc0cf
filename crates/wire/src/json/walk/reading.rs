//! A string that is read: a key, or an id of which only the digest and the first characters are kept.

use memchr::memchr;

use crate::fields::{Found, TEXT_BYTES, text};
use crate::id::IdHasher;
use crate::json::key::Key;
use crate::json::text::{Step, Text};

/// The string under way.
#[derive(Debug)]
pub(super) struct Reading {
    keeps_texts: bool,
    text: Text,
    is_bad: bool,
    key: Key,
    /// If it is no key.
    id: Option<Id>,
}

#[derive(Debug)]
struct Id {
    place: u16,
    hasher: IdHasher,
    is_empty: bool,
    /// Its first bytes, if the text is kept.
    begin: Vec<u8>,
}

impl Reading {
    pub(super) fn new(keeps_texts: bool) -> Self {
        Self { keeps_texts, text: Text::default(), is_bad: false, key: Key::EMPTY, id: None }
    }

    /// A string begins: the id at this place, or else a key.
    pub(super) fn begin(&mut self, place: Option<u16>) {
        (self.text, self.is_bad) = (Text::default(), false);
        self.key.clear();
        self.id = place.map(|place| Id {
            place,
            hasher: IdHasher::default(),
            is_empty: true,
            begin: Vec::new(),
        });
    }

    /// The next bytes between the quotes.
    pub(super) fn take(&mut self, mut raw: &[u8]) {
        while let Some((byte, rest)) = raw.split_first().filter(|_| !self.is_bad) {
            if self.text.is_plain() && *byte != b'\\' {
                let plain = memchr(b'\\', raw).unwrap_or(raw.len());
                let (plain, rest) = raw.split_at_checked(plain).unwrap_or((raw, &[]));
                // bare control characters make it no string
                self.is_bad = plain.iter().fold(false, |is_bad, byte| is_bad | (*byte < b' '));
                self.write(plain);
                raw = rest;
                continue;
            }
            match self.text.step(*byte) {
                Step::More => {}
                Step::Byte(byte) => self.write(&[byte]),
                Step::Char(character) => {
                    self.write(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Step::End | Step::Bad => self.is_bad = true,
            }
            raw = rest;
        }
    }

    fn write(&mut self, piece: &[u8]) {
        let Some(id) = &mut self.id else { return self.key.push(piece) };
        id.hasher.write(piece);
        id.is_empty &= piece.is_empty();
        if self.keeps_texts {
            let room = TEXT_BYTES - id.begin.len();
            id.begin.extend_from_slice(piece.get(..room).unwrap_or(piece));
        }
    }

    /// What it is, now that its closing quote stands.
    pub(super) fn end(&mut self) -> End<'_> {
        if self.is_bad || !self.text.is_plain() {
            return End::Bad;
        }
        match self.id.take() {
            None => End::Key(self.key.whole()),
            Some(Id { is_empty: true, .. }) => End::Nothing,
            Some(Id { place, hasher, begin, .. }) => {
                let text = if self.keeps_texts { text(&begin) } else { None };
                End::Id(Found { place, digest: hasher.finish(), text })
            }
        }
    }
}

/// What a string that was read is.
#[derive(Debug)]
pub(super) enum End<'a> {
    /// An empty id.
    Nothing,
    /// No JSON string.
    Bad,
    /// A key, `None` if it is too long.
    Key(Option<&'a [u8]>),
    Id(Found),
}
