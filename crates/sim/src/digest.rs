//! SHA-256 of a body as it passes, with its length and its beginning.
//!
//! Used for the bodies of API requests and of the raw routes; keeps at most [`TEXT_KEPT`] bytes
//! whatever the body's size.

use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;

/// What is known of a body after it passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenBody {
    /// Bytes, framing excluded.
    pub len: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// The body itself if it is UTF-8 and at most 64 KiB.
    pub text: Option<String>,
}

/// A body in passing.
pub(crate) struct Digest {
    context: Context,
    len: u64,
    start: Vec<u8>,
}

impl Digest {
    pub(crate) fn new() -> Self {
        Self { context: Context::new(&SHA256), len: 0, start: Vec::new() }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        self.context.update(chunk);
        self.len += chunk.len() as u64;
        let room = TEXT_KEPT.saturating_sub(self.start.len()).min(chunk.len());
        self.start.extend(chunk.iter().take(room));
    }

    pub(crate) fn finish(self) -> SeenBody {
        let sha256 = self.context.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let whole = self.len == self.start.len() as u64;
        let text = whole.then(|| String::from_utf8(self.start).ok()).flatten();
        SeenBody { len: self.len, sha256, text }
    }
}

const TEXT_KEPT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_does_not_depend_on_the_chunks() {
        let mut whole = Digest::new();
        whole.feed(b"abc");
        let mut parts = Digest::new();
        parts.feed(b"a");
        parts.feed(b"bc");
        let whole = whole.finish();
        assert_eq!(whole, parts.finish());
        assert_eq!(
            whole.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(whole.text.as_deref(), Some("abc"));
    }

    #[test]
    fn a_large_body_is_counted_but_not_kept() {
        let mut digest = Digest::new();
        digest.feed(&vec![b'x'; TEXT_KEPT]);
        digest.feed(b"y");
        let seen = digest.finish();
        assert_eq!(seen.len, TEXT_KEPT as u64 + 1);
        assert_eq!(seen.text, None);
    }
}
