//! What an answer says at its end of how it came about: how long it is, and whether the time that it took
//! says something of its region.
//!
//! Looked for in the last piece of an answer that passes, or the last few of a stream: no parser, since a
//! key between two quotes can't stand inside of a JSON string.

use memchr::memchr_iter;

/// What the end of a completion says. What is not said counts as usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Tokens of the prompt; 0 when unknown.
    pub prompt: u32,
    /// Generated tokens, hidden reasoning included; 0 when unknown.
    pub output: u32,
    /// Tokens of hidden reasoning among them.
    pub reasoning: u32,
    /// Tokens of the prompt that were read from a cache.
    pub cached: u32,
    /// The content filter cut it short.
    pub filtered: bool,
    /// It was served with another priority than usual (`service_tier`).
    pub other_tier: bool,
}

impl Remarks {
    /// Those in the last bytes of an answer, of which only the last 1,536 are looked at. Of several such
    /// keys the last one counts.
    #[must_use]
    pub fn at_end(answer: &[u8]) -> Self {
        let tail = answer.get(answer.len().saturating_sub(TAIL)..).unwrap_or(answer);
        let mut remarks = Self::default();
        // one search for what all these keys have, and hardly anything else
        for at in memchr_iter(b'_', tail) {
            let Some((before, [_, behind @ ..])) = tail.split_at_checked(at) else { break };
            remarks.read(before, behind);
        }
        remarks
    }

    /// A key that is cut in two by an underscore, and what follows it.
    fn read(&mut self, before: &[u8], behind: &[u8]) {
        let value = |key: &[u8]| after_colon(behind.strip_prefix(key)?);
        if let Some(count) = value(b"tokens\"") {
            let place = match before {
                before if before.ends_with(b"\"prompt") => &mut self.prompt,
                before if before.ends_with(b"\"input") => &mut self.prompt,
                before if before.ends_with(b"\"completion") => &mut self.output,
                before if before.ends_with(b"\"output") => &mut self.output,
                before if before.ends_with(b"\"reasoning") => &mut self.reasoning,
                before if before.ends_with(b"\"cached") => &mut self.cached,
                _ => return,
            };
            *place = number(count);
        } else if let Some(tier) = value(b"tier\"").filter(|_| before.ends_with(b"\"service")) {
            self.other_tier = !USUAL_TIERS.iter().any(|usual| tier.starts_with(usual));
        } else if let Some(reason) = value(b"reason\"").filter(|_| before.ends_with(b"\"finish")) {
            self.filtered = reason.starts_with(b"\"content_filter\"");
        }
    }

    /// Whether most of the prompt was read from a cache.
    #[must_use]
    pub const fn is_cached(&self) -> bool {
        self.prompt > 0 && self.cached > self.prompt / 2
    }

    /// These, completed by those of a piece that came before.
    #[must_use]
    pub fn or(self, earlier: Self) -> Self {
        Self {
            prompt: self.prompt.max(earlier.prompt),
            output: self.output.max(earlier.output),
            reasoning: self.reasoning.max(earlier.reasoning),
            cached: self.cached.max(earlier.cached),
            filtered: self.filtered || earlier.filtered,
            other_tier: self.other_tier || earlier.other_tier,
        }
    }
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
            (r#"{"completion_tokens":5,"other_completion_tokens":7,"completion_tokens":6}"#, 6, 0),
            ("_", 0, 0),
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
            (r#""finish_reason":"content_filter""#, Remarks { filtered: true, ..usual }),
            (r#""finish_reason":"stop","content_filter_results":{}"#, usual),
        ] {
            assert_eq!(Remarks::at_end(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_prompt_is_cached_when_most_of_it_is() {
        for (text, cached) in [
            (r#""prompt_tokens":1500,"cached_tokens":1024"#, true),
            (r#""prompt_tokens":5000,"cached_tokens":1024"#, false),
            (r#""input_tokens":0,"cached_tokens":0"#, false),
            (r#""cached_tokens":9"#, false),
        ] {
            assert_eq!(Remarks::at_end(text.as_bytes()).is_cached(), cached, "{text}");
        }
    }

    #[test]
    fn pieces_complete_each_other() {
        let earlier = Remarks { output: 7, filtered: true, ..Remarks::default() };
        let later = Remarks { reasoning: 3, ..Remarks::default() };
        assert_eq!(later.or(earlier), Remarks { output: 7, reasoning: 3, filtered: true, ..later });
    }
}
