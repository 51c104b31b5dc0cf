//! How much of a string is no text but bytes in base64.

use memchr::memchr2;

/// How many bytes of a string stand before the quote that closes it, before an escape that the chunk cuts,
/// or before the chunk's end. Pieces that are no text are added to `encoded`.
pub(crate) fn string_length(string: &[u8], encoded: &mut u64) -> usize {
    let mut at = 0;
    while let Some(rest) = string.get(at..) {
        let run = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        if run >= ENCODED_MIN && rest.get(..ENCODED_LOOK).is_some_and(is_encoded) {
            *encoded += u64::try_from(run).unwrap_or(u64::MAX);
        }
        at += run;
        match string.get(at..at + 2) {
            Some([b'\\', _]) => at += 2,
            _ => break,
        }
    }
    at
}

/// Whether a piece begins like base64, or like a `data:` URL. Prose has a space, a bracket or a letter beyond
/// ASCII soon, and what repeats one word has no letters of both cases.
fn is_encoded(begin: &[u8]) -> bool {
    let may_stand = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_:;,.".contains(byte);
    begin.iter().all(may_stand)
        && begin.iter().any(u8::is_ascii_uppercase)
        && begin.iter().any(u8::is_ascii_lowercase)
}

/// A shorter piece without quotes or escapes is never taken for an encoded one.
pub(crate) const ENCODED_MIN: usize = 1024;
/// As many bytes of a piece tell whether it is an encoded one.
const ENCODED_LOOK: usize = 128;
