//! What an answer says at its end of how it came about: how long it is, and whether the time that it took
//! says something of its region.
//!
//! Looked for in the last piece of an answer that passes, or the last few of a stream: no parser, since a
//! key between two quotes can't stand inside of a JSON string.

use std::sync::LazyLock;

use memchr::memmem::Finder;

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
    /// Those in the last bytes of an answer, of which only the last few kilobytes are looked at.
    #[must_use]
    pub fn at_end(answer: &[u8]) -> Self {
        let tail = answer.get(answer.len().saturating_sub(TAIL)..).unwrap_or(answer);
        let counts = Counts::of(tail);
        let tier = value(tail, &TIER);
        Self {
            output: counts.output,
            reasoning: counts.reasoning,
            cached: counts.prompt > 0 && counts.cached > counts.prompt / 2,
            filtered: value(tail, &FINISH)
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

/// Tokens by what they are counted for; of several such keys the last one counts.
#[derive(Default)]
struct Counts {
    prompt: u32,
    output: u32,
    reasoning: u32,
    cached: u32,
}

impl Counts {
    /// One search for what the keys have in common: most answers have none, and each search costs as much
    /// as the rest.
    fn of(tail: &[u8]) -> Self {
        let mut counts = Self::default();
        for at in TOKENS.find_iter(tail) {
            let (before, behind) = tail.split_at(at);
            let place = match before {
                before if before.ends_with(b"\"prompt") => &mut counts.prompt,
                before if before.ends_with(b"\"input") => &mut counts.prompt,
                before if before.ends_with(b"\"completion") => &mut counts.output,
                before if before.ends_with(b"\"output") => &mut counts.output,
                before if before.ends_with(b"\"reasoning") => &mut counts.reasoning,
                before if before.ends_with(b"\"cached") => &mut counts.cached,
                _ => continue,
            };
            *place = after_colon(behind.get(TOKENS.needle().len()..).unwrap_or_default())
                .map_or(0, number);
        }
        counts
    }
}

/// The end of a key that counts.
static TOKENS: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"_tokens\""));
static TIER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"service_tier\""));
static FINISH: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"finish_reason\""));

/// What follows the last such key.
fn value<'a>(text: &'a [u8], key: &Finder<'_>) -> Option<&'a [u8]> {
    // forwards: backwards there is no fast search
    let at = key.find_iter(text).last()?;
    after_colon(text.get(at + key.needle().len()..)?)
}

fn after_colon(text: &[u8]) -> Option<&[u8]> {
    Some(text.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
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
const TAIL: usize = 1536;

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
