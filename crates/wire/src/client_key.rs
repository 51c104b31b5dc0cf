//! The key that a client shows to Nearway, kept as its SHA-256 alone.
//!
//! The configuration makes these of the keys that it names, the proxy of those that requests carry; only
//! digests meet. Never holds, prints or compares a key itself.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The SHA-256 of a client's key.
///
/// Two are compared in constant time. A look-up by [`Hash`] may tell by its time which digest it was,
/// which helps nobody: whoever has a digest is no nearer to its key.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; LENGTH]);

/// Bytes of a digest.
const LENGTH: usize = 32;

impl KeyDigest {
    /// Of a key as clients send it.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// From its 64 hexadecimal digits; `None` if it is not written so.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut digest = [0; LENGTH];
        if text.len() != 2 * LENGTH {
            return None;
        }
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = digits else { return None };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(digest))
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyDigest {}

impl Hash for KeyDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for KeyDigest {
    /// Nothing of it: a key of few letters can be guessed from its digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, the example of one block.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_key_and_its_digest_in_hexadecimal_are_the_same() {
        assert_eq!(KeyDigest::from_hex(ABC), Some(KeyDigest::of(b"abc")));
        assert_eq!(KeyDigest::from_hex(&ABC.to_uppercase()), Some(KeyDigest::of(b"abc")));
        assert_ne!(KeyDigest::of(b"abc"), KeyDigest::of(b"abd"));
    }

    #[test]
    fn what_is_no_digest_is_none() {
        let short = "0".repeat(63);
        let odd = format!("{short}g");
        for text in ["", "abc", &short, &format!("{ABC}0"), &odd, &"ä".repeat(32)] {
            assert_eq!(KeyDigest::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert_eq!(format!("{:?}", KeyDigest::of(b"abc")), "KeyDigest");
    }
}
