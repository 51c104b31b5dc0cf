//! The id of an object of the API, kept as a part of its SHA-256 alone.
//!
//! Readers of bodies and targets make these; who owns one is remembered by it. Encrypted reasoning has no id:
//! its text stands for one (API fact sheet section 6).

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The first 128 bits of the SHA-256 of an id, as the API writes it (unescaped). The same in every process, so
/// that it can be kept in a file; so many bits that two ids never share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdDigest([u8; LENGTH]);

/// Bytes of a digest.
const LENGTH: usize = 16;

impl IdDigest {
    /// Of a whole id.
    #[must_use]
    pub fn of(id: &[u8]) -> Self {
        Self::cut(&Sha256::digest(id))
    }

    /// The two halves, equally well mixed.
    #[must_use]
    pub const fn halves(self) -> [u64; 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p])]
    }

    /// The digest of these [`Self::halves`].
    #[must_use]
    pub const fn from_halves([high, low]: [u64; 2]) -> Self {
        let [a, b, c, d, e, f, g, h] = high.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = low.to_be_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    fn cut(whole: &[u8]) -> Self {
        let mut digest = [0; LENGTH];
        digest.iter_mut().zip(whole).for_each(|(byte, of)| *byte = *of);
        Self(digest)
    }
}

impl fmt::Debug for IdDigest {
    /// Some ids are keys (`ek_`): nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdDigest")
    }
}

/// The digest of an id that arrives in pieces.
#[derive(Clone, Default)]
pub struct IdHasher(Sha256);

impl IdHasher {
    /// The next piece.
    pub fn write(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Of all pieces.
    #[must_use]
    pub fn finish(self) -> IdDigest {
        IdDigest::cut(&self.0.finalize())
    }
}

impl fmt::Debug for IdHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_beginning_of_the_hash_however_the_id_arrives() {
        // FIPS 180-4, the example of one block
        let abc = [0xba78_16bf_8f01_cfea, 0x4141_40de_5dae_2223];
        assert_eq!(IdDigest::of(b"abc").halves(), abc);
        assert_eq!(IdDigest::from_halves(abc), IdDigest::of(b"abc"));
        let mut hasher = IdHasher::default();
        [&b"a"[..], b"", b"bc"].iter().for_each(|piece| hasher.write(piece));
        assert_eq!(hasher.finish(), IdDigest::of(b"abc"));
        assert_ne!(IdDigest::of(b"abc"), IdDigest::of(b"abd"));
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert_eq!(format!("{:?}", IdDigest::of(b"abc")), "IdDigest");
    }
}
