//! Base64 of RFC 4648 section 4, writing only: what embeddings need.

/// The text of these bytes, padded.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(if at <= group.len() { symbol((bits >> shift) & 63) } else { '=' });
        }
    }
    text
}

fn symbol(sextet: u32) -> char {
    let symbol = match sextet {
        0..=25 => u32::from('A') + sextet,
        26..=51 => u32::from('a') + sextet - 26,
        52..=61 => u32::from('0') + sextet - 52,
        62 => u32::from('+'),
        _ => u32::from('/'),
    };
    char::from_u32(symbol).unwrap_or('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_section_10() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), coded);
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xbf]), "+/+/");
    }
}
