//! Reasoning that only the region which made it can read: `encrypted_content`.
//!
//! A few KiB of text that looks like base64 and ends in its own signature by the region's key.
//! Another region, or a changed text, is `invalid_encrypted_content` (API fact sheet section 6).

use aws_lc_rs::hmac;

use super::base64::encode;
use super::errors::ApiError;
use crate::exchange::Exchange;

/// New reasoning, sealed.
pub(crate) fn seal(exchange: &mut Exchange) -> String {
    let random = std::iter::repeat_with(|| exchange.rng.alphanumeric()).take(TEXT_CHARS);
    let text: String = BEGINNING.chars().chain(random).collect();
    let signature = signature(&exchange.region.seal, &text);
    text + &signature
}

/// Refuses what this region has not sealed.
pub(crate) fn open(exchange: &Exchange, sealed: &str) -> Result<(), ApiError> {
    let cut = sealed.len().checked_sub(SIGNATURE_CHARS);
    let parts = cut.and_then(|cut| sealed.split_at_checked(cut));
    match parts {
        Some((text, end)) if signature(&exchange.region.seal, text) == end => Ok(()),
        _ => Err(ApiError::Undecryptable(sealed.chars().take(SHOWN_CHARS).collect())),
    }
}

fn signature(key: &hmac::Key, text: &str) -> String {
    encode(hmac::sign(key, text.as_bytes()).as_ref())
}

/// As Fernet tokens begin.
const BEGINNING: &str = "gAAAAABo";
/// About what a short thought takes in practice.
const TEXT_CHARS: usize = 3_000;
/// 32 bytes in base64.
const SIGNATURE_CHARS: usize = 44;
const SHOWN_CHARS: usize = 12;
