//! The ids in JSON bodies, found by the places where they stand.
//!
//! Which places hold ids is the caller's to know ([`Fields`]); this finds the strings there, in one pass
//! over chunks that are cut anywhere: of a request in the pass that finds its model
//! ([`ModelScan::seeking_fields`](crate::model::ModelScan::seeking_fields)), of an answer with
//! [`AnswerScan`]. What stands elsewhere is skipped, not read, whatever it looks like.

mod answer;
mod events;
mod places;

use std::fmt;

use crate::id::IdDigest;

pub use answer::AnswerScan;
pub use places::Fields;

pub(crate) use places::Node;

/// How many characters of an id are kept as a text. Ids are shorter; encrypted reasoning is not, and its
/// beginning is enough to tell a person which one it is.
pub const TEXT_LIMIT: usize = 128;

/// A string at a place that is looked for. An empty one names nothing and is never found: some regions send
/// `"id":""` (API fact sheet 5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// The number of the place: its index in the list that the [`Fields`] were made of.
    pub place: u16,
    /// Of the whole string, unescaped, however long.
    pub digest: IdDigest,
    /// Its first [`TEXT_LIMIT`] characters; `None` in an answer, whose ids need none, and where it is no
    /// UTF-8.
    pub text: Option<Box<str>>,
}

impl fmt::Debug for Found {
    /// Some ids are keys (`ek_`): nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The first characters of an id of which these are the first bytes; `None` if they are no UTF-8. The last
/// character may be cut.
pub(crate) fn text(begin: &[u8]) -> Option<Box<str>> {
    let text = match str::from_utf8(begin) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(begin.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let end = text.char_indices().nth(TEXT_LIMIT).map_or(text.len(), |(at, _)| at);
    text.get(..end).map(Into::into)
}

/// So many bytes hold [`TEXT_LIMIT`] characters, whichever they are.
pub(crate) const TEXT_BYTES: usize = TEXT_LIMIT * 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_where_a_character_does() {
        let long = "😀".repeat(TEXT_LIMIT);
        assert_eq!(text(long.as_bytes()).as_deref(), Some(&*long));
        assert_eq!(text(&[long.as_bytes(), b"x"].concat()).as_deref(), Some(&*long));
        assert_eq!(text("aä".as_bytes()).as_deref(), Some("aä"));
        assert_eq!(text(b"a\xc3").as_deref(), Some("a"));
        assert_eq!(text(b"a\xff").as_deref(), None);
    }

    #[test]
    fn nothing_of_an_id_is_printed() {
        let digest = IdDigest::of(b"ek_1");
        let found = Found { place: 3, digest, text: Some("ek_1".into()) };
        assert_eq!(format!("{found:?}"), "Found { place: 3, .. }");
    }
}
