//! One JSON string, unescaped byte by byte (RFC 8259 section 7).
//!
//! Keys, names and ids are read with this; strings in between are skipped, not read.

/// What a byte of a string brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing yet: part of an escape.
    More,
    /// A byte that stands for itself.
    Byte(u8),
    /// The character that an escape stands for.
    Char(char),
    /// The closing quote.
    End,
    /// Not a JSON string.
    Bad,
}

/// A string from behind its opening quote on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Text {
    escape: Escape,
    /// The high half of a surrogate pair, whose low half must follow at once.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Begun,
    Hex {
        digits: u8,
        value: u16,
    },
}

impl Text {
    /// Whether the next byte belongs to no escape.
    pub(crate) const fn is_plain(self) -> bool {
        matches!(self.escape, Escape::None) && self.high.is_none()
    }

    pub(crate) fn step(&mut self, byte: u8) -> Step {
        match (self.escape, byte) {
            (Escape::None, b'\\') => {
                self.escape = Escape::Begun;
                Step::More
            }
            (Escape::Begun, b'u') => {
                self.escape = Escape::Hex { digits: 0, value: 0 };
                Step::More
            }
            (Escape::Hex { digits, value }, _) => self.hex(digits, value, byte),
            // anything but a low half after a high one
            _ if self.high.is_some() => Step::Bad,
            (Escape::None, b'"') => Step::End,
            (Escape::None, 0..b' ') => Step::Bad,
            (Escape::None, _) => Step::Byte(byte),
            (Escape::Begun, _) => {
                self.escape = Escape::None;
                short(byte)
            }
        }
    }

    fn hex(&mut self, digits: u8, value: u16, byte: u8) -> Step {
        let Some(digit) = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok())
        else {
            return Step::Bad;
        };
        let value = value << 4 | digit;
        if digits < 3 {
            self.escape = Escape::Hex { digits: digits + 1, value };
            return Step::More;
        }
        self.escape = Escape::None;
        if self.high.is_none() && (0xD800..0xDC00).contains(&value) {
            self.high = Some(value);
            return Step::More;
        }
        let units = self.high.take().into_iter().chain([value]);
        let mut chars = char::decode_utf16(units);
        match (chars.next(), chars.next()) {
            (Some(Ok(character)), None) => Step::Char(character),
            _ => Step::Bad,
        }
    }
}

fn short(byte: u8) -> Step {
    match byte {
        b'"' | b'\\' | b'/' => Step::Byte(byte),
        b'b' => Step::Byte(0x08),
        b'f' => Step::Byte(0x0c),
        b'n' => Step::Byte(b'\n'),
        b'r' => Step::Byte(b'\r'),
        b't' => Step::Byte(b'\t'),
        _ => Step::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The string up to its closing quote, `None` when it is bad or does not end.
    fn read(raw: &[u8]) -> Option<String> {
        let mut text = Text::default();
        let mut bytes = Vec::new();
        for byte in raw {
            match text.step(*byte) {
                Step::More => {}
                Step::Byte(byte) => bytes.push(byte),
                Step::Char(char) => bytes.extend(char.to_string().bytes()),
                Step::End => return String::from_utf8(bytes).ok(),
                Step::Bad => return None,
            }
        }
        None
    }

    #[test]
    fn strings_are_read_as_serde_json_reads_them() {
        for raw in [
            "\"",
            "plain\"",
            "ä€😀\"",
            r#"\"\\\/\b\f\n\r\t""#,
            r#"m\u006fdel\u00E4""#,
            r#"\ud83d\ude00""#,
            r#"\uD83Dx""#,
            r#"\ud83d\n""#,
            r#"\ud83d""#,
            r#"\ud83d\ud83d""#,
            r#"\ude00""#,
            r#"\u00g0""#,
            r#"\u00""#,
            r#"\x""#,
            "\n\"",
            "\u{7f}\"",
            "open",
            "open\\",
        ] {
            let expected = serde_json::from_str::<String>(&format!("\"{raw}")).ok();
            assert_eq!(read(raw.as_bytes()), expected, "{raw:?}");
        }
    }
}
