//! The key of a member, unescaped, as far as it matters.

/// How many bytes of a key are kept. A longer one is none that is looked for.
pub(crate) const KEY_LIMIT: usize = 48;

/// The key at the beginning of `string` that ends in it, if it is short and holds no escape, as nearly all do.
pub(crate) fn plain_key(string: &[u8]) -> Option<&[u8]> {
    let ends = |byte: &u8| matches!(byte, 0..b' ' | b'"' | b'\\');
    let end = string.iter().take(KEY_LIMIT).position(ends)?;
    let (key, after) = string.split_at_checked(end)?;
    (after.first() == Some(&b'"')).then_some(key)
}

/// The key that was read last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    bytes: [u8; KEY_LIMIT],
    length: usize,
}

impl Key {
    pub(crate) const EMPTY: Self = Self { bytes: [0; KEY_LIMIT], length: 0 };

    pub(crate) const fn clear(&mut self) {
        self.length = 0;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        let end = self.length + piece.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(piece);
        }
        self.length = end;
    }

    /// All of it, `None` if it is too long.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length)
    }

    pub(crate) fn is(&self, key: &[u8]) -> bool {
        self.whole() == Some(key)
    }

    /// In any case, as some readers match keys.
    pub(crate) fn is_like(&self, key: &[u8]) -> bool {
        self.whole().is_some_and(|whole| whole.eq_ignore_ascii_case(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_arrives_in_pieces_and_a_long_one_is_none() {
        let mut key = Key::EMPTY;
        assert!(key.is_empty() && key.is(b""));
        [&b"mo"[..], b"", b"del"].iter().for_each(|piece| key.push(piece));
        assert!(key.is(b"model") && key.is_like(b"MODEL") && !key.is(b"mode"));
        key.push(&[b'x'; KEY_LIMIT]);
        key.push(b"y");
        assert_eq!(key.whole(), None);
        key.clear();
        key.push(b"id");
        assert!(key.is(b"id"));
    }
}
