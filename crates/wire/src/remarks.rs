//! What an answer says at its end of how it came about: how long it is, and whether the time that it took
//! says something of its region.
//!
//! Looked for in the last piece of an answer that passes, or the last few of a stream: no parser, since a
//! key between two quotes can't stand inside of a JSON string.

use memchr::memmem;

/// What the end of a completion says. What is not said counts as usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Generated tokens, hidden reasoning included; 0 when unknown.
    pub output: u32,
    /// Tokens of hidden reasoning among them.
    pub reasoning: u32,
    /// Most of the prompt was read from a cache.
    pub cached: bool,
    /// The content filter cut it short.
    pub filtered: bool,
    /// It was served with another priority than usual (`service_tier`).
    pub other_tier: bool,
}

impl Remarks {
    /// Those in the last bytes of an answer, of which so many as [`TAIL`] are looked at.
    #[must_use]
    pub fn at_end(answer: &[u8]) -> Self {
        let tail = answer.get(answer.len().saturating_sub(TAIL)..).unwrap_or(answer);
        let count = |key: &[u8]| value(tail, key).map_or(0, number);
        let either = |one: &[u8], other: &[u8]| count(one).max(count(other));
        let prompt = either(b"\"prompt_tokens\"", b"\"input_tokens\"");
        let tier = value(tail, b"\"service_tier\"");
        Self {
            output: either(b"\"completion_tokens\"", b"\"output_tokens\""),
            reasoning: count(b"\"reasoning_tokens\""),
            cached: prompt > 0 && count(b"\"cached_tokens\"") > prompt / 2,
            filtered: value(tail, b"\"finish_reason\"")
                .is_some_and(|reason| reason.starts_with(b"\"content_filter\"")),
            other_tier: tier
                .is_some_and(|tier| !USUAL_TIERS.iter().any(|one| tier.starts_with(one))),
        }
    }

    /// These, completed by those of a piece that came before.
    #[must_use]
    pub fn or(self, earlier: Self) -> Self {
        Self {
            output: self.output.max(earlier.output),
            reasoning: self.reasoning.max(earlier.reasoning),
            cached: self.cached || earlier.cached,
            filtered: self.filtered || earlier.filtered,
            other_tier: self.other_tier || earlier.other_tier,
        }
    }
}

/// What follows the last such key.
fn value<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::rfind(text, key)?;
    let rest = text.get(at + key.len()..)?.trim_ascii_start();
    Some(rest.strip_prefix(b":")?.trim_ascii_start())
}

fn number(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_u32, |number, digit| {
        number.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    })
}

/// Values of `service_tier` that every request has.
const USUAL_TIERS: [&[u8]; 3] = [b"\"default\"", b"\"auto\"", b"null"];
/// Bytes that are looked at: a usage with all its details has less than one thousand.
const TAIL: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_whatever_api_says_it() {
        for (text, output, reasoning) in [
            (r#"{"usage":{"prompt_tokens":9,"completion_tokens":12}}"#, 12, 0),
            (
                r#"{"usage": {"completion_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 8}}}"#,
                12,
                8,
            ),
            (r#"data: {"response":{"usage":{"input_tokens":8,"output_tokens":16}}}"#, 16, 0),
            (r#"{"content":"\"completion_tokens\":7"}"#, 0, 0),
            (r#"{"usage":{"completion_tokens":99999999999}}"#, u32::MAX, 0),
            (r#"{"usage":{"completion_tokens":-4}}"#, 0, 0),
            (r#"{"usage":{"completion_tokens""#, 0, 0),
            (r#"{"usage":null}"#, 0, 0),
            ("", 0, 0),
        ] {
            let remarks = Remarks::at_end(text.as_bytes());
            assert_eq!((remarks.output, remarks.reasoning), (output, reasoning), "{text}");
        }
        let long = format!(r#"{{"completion_tokens":3,"x":"{}"}}"#, "x".repeat(TAIL));
        assert_eq!(Remarks::at_end(long.as_bytes()).output, 0, "too far from the end");
    }

    #[test]
    fn what_is_not_as_usual_says_so() {
        let usual = Remarks::default();
        for (text, expected) in [
            (r#""service_tier":"default""#, usual),
            (r#""service_tier":"auto""#, usual),
            (r#""service_tier":null"#, usual),
            (r#""service_tier": "flex""#, Remarks { other_tier: true, ..usual }),
            (r#""prompt_tokens":1500,"cached_tokens":1024"#, Remarks { cached: true, ..usual }),
            (r#""prompt_tokens":5000,"cached_tokens":1024"#, usual),
            (r#""input_tokens":0,"cached_tokens":0"#, usual),
            (r#""finish_reason":"content_filter""#, Remarks { filtered: true, ..usual }),
            (r#""finish_reason":"stop","content_filter_results":{}"#, usual),
        ] {
            assert_eq!(Remarks::at_end(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn pieces_complete_each_other() {
        let earlier = Remarks { output: 7, filtered: true, ..Remarks::default() };
        let later = Remarks { reasoning: 3, ..Remarks::default() };
        assert_eq!(later.or(earlier), Remarks { output: 7, reasoning: 3, filtered: true, ..later });
    }
}
