//! Finds the top-level string member `model` of a JSON object.
//!
//! Strict about the members of the object itself, where the answer is; inside nested values it only
//! counts brackets and skips strings, so that a long prompt costs one `memchr`. What is no JSON object
//! has no model.

use memchr::memchr2;

use super::text::{Step, Text};
use super::{MODEL_NAME_LIMIT, ModelField, Scan, Syntax};

const KEY: &[u8] = b"model";
/// The byte order mark that many parsers pass over before a text (RFC 8259 section 8.1).
const MARK: &[u8] = "\u{feff}".as_bytes();

#[derive(Debug)]
pub(super) struct JsonScan {
    place: Place,
    /// Bytes of the body before this chunk.
    before: u64,
    /// Open brackets around this place, not counting the object's own.
    depth: u64,
    text: Text,
    key: KeyMatch,
    name: Vec<u8>,
    start: u64,
    /// Whether the search goes on behind the name, and what it has found there.
    to_the_end: bool,
    found: Option<ModelField>,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    BeforeObject,
    /// In a byte order mark, which only the very beginning can be.
    InMark,
    /// Where a key or the end of an empty object is due.
    BeforeFirstKey,
    BeforeKey,
    InKey,
    BeforeColon,
    BeforeValue,
    InName,
    /// A number or a literal.
    InScalar,
    /// Inside of brackets.
    InNested,
    /// A string that is skipped.
    InString,
    InEscape,
    AfterValue,
}

/// How a byte ended the search.
enum Answer {
    Absent,
    Found,
    /// The object has ended.
    Over,
}

use Place::{
    AfterValue, BeforeColon, BeforeFirstKey, BeforeKey, BeforeObject, BeforeValue, InEscape, InKey,
    InMark, InName, InNested, InScalar, InString,
};

impl JsonScan {
    pub(super) fn new() -> Self {
        Self {
            place: BeforeObject,
            before: 0,
            depth: 0,
            text: Text::default(),
            key: KeyMatch::default(),
            name: Vec::new(),
            start: 0,
            to_the_end: false,
            found: None,
        }
    }

    /// Only what is known at the end of the object counts.
    pub(super) fn search_to_the_end(&mut self) {
        self.to_the_end = true;
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) -> Scan {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..)
            && let Some(byte) = rest.first()
        {
            if self.place == InString {
                match memchr2(b'"', b'\\', rest) {
                    None => break,
                    Some(skipped) => at += skipped,
                }
            }
            let byte = chunk.get(at).unwrap_or(byte);
            match self.step(*byte, at) {
                Ok(place) => self.place = place,
                Err(Answer::Absent) => return Scan::Absent,
                Err(Answer::Over) => return self.found.take().map_or(Scan::Absent, Scan::Found),
                Err(Answer::Found) => match self.found(at) {
                    Scan::Found(field) if self.to_the_end => {
                        self.found = Some(field);
                        self.place = AfterValue;
                    }
                    scan => return scan,
                },
            }
            at += 1;
        }
        self.before += offset(chunk.len());
        Scan::Searching
    }

    fn step(&mut self, byte: u8, at: usize) -> Result<Place, Answer> {
        match (self.place, byte) {
            (InString, b'\\') => Ok(InEscape),
            (InString, _) => Ok(if self.depth == 0 { AfterValue } else { InNested }),
            (InEscape, _) => Ok(InString),
            (InNested, _) => Ok(self.nested(byte)),
            (InKey, _) => self.in_key(byte),
            (InName, _) => self.in_name(byte),
            (InScalar | AfterValue, b',') => Ok(BeforeKey),
            (InScalar | AfterValue, b'}') => Err(Answer::Over),
            (InScalar, b' ' | b'\n' | b'\r' | b'\t') => Ok(AfterValue),
            (InScalar, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.') => Ok(InScalar),
            (InMark, _) => self.in_mark(byte, at),
            (place, b' ' | b'\n' | b'\r' | b'\t') => Ok(place),
            (BeforeObject, b'{') => Ok(BeforeFirstKey),
            (BeforeObject, _) if self.before + offset(at) == 0 => self.in_mark(byte, at),
            (BeforeFirstKey | BeforeKey, b'"') => {
                (self.text, self.key) = (Text::default(), KeyMatch::default());
                Ok(InKey)
            }
            (BeforeColon, b':') => Ok(BeforeValue),
            (BeforeValue, _) => self.value(byte, at),
            _ => Err(Answer::Absent),
        }
    }

    fn in_mark(&self, byte: u8, at: usize) -> Result<Place, Answer> {
        let place = usize::try_from(self.before + offset(at)).unwrap_or(usize::MAX);
        match MARK.get(place) {
            Some(due) if *due == byte => {
                Ok(if place + 1 == MARK.len() { BeforeObject } else { InMark })
            }
            _ => Err(Answer::Absent),
        }
    }

    fn value(&mut self, byte: u8, at: usize) -> Result<Place, Answer> {
        let is_second = self.found.is_some() || !self.key.is_model();
        if self.to_the_end && self.key.is_like_model() && is_second {
            return Err(Answer::Absent);
        }
        match byte {
            b'"' if self.key.is_model() => {
                self.text = Text::default();
                self.start = self.before + offset(at) + 1;
                Ok(InName)
            }
            // a model that is no string
            _ if self.key.is_model() => Err(Answer::Absent),
            b'"' => Ok(InString),
            b'{' | b'[' => {
                self.depth = 1;
                Ok(InNested)
            }
            b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => Ok(InScalar),
            _ => Err(Answer::Absent),
        }
    }

    fn nested(&mut self, byte: u8) -> Place {
        match byte {
            b'"' => return InString,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if self.depth == 0 { AfterValue } else { InNested }
    }

    fn in_key(&mut self, byte: u8) -> Result<Place, Answer> {
        match self.text.step(byte) {
            Step::More => {}
            Step::Byte(byte) => self.key.push(byte),
            Step::Char(character) => {
                character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.key.push(byte));
            }
            Step::End => return Ok(BeforeColon),
            Step::Bad => return Err(Answer::Absent),
        }
        Ok(InKey)
    }

    fn in_name(&mut self, byte: u8) -> Result<Place, Answer> {
        match self.text.step(byte) {
            Step::More => {}
            Step::Byte(byte) => self.name.push(byte),
            Step::Char(character) => {
                self.name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Step::End => return Err(Answer::Found),
            Step::Bad => return Err(Answer::Absent),
        }
        if self.name.len() > MODEL_NAME_LIMIT { Err(Answer::Absent) } else { Ok(InName) }
    }

    /// The name that the quote at `at` closes.
    fn found(&mut self, at: usize) -> Scan {
        let Ok(name) = String::from_utf8(std::mem::take(&mut self.name)) else {
            return Scan::Absent;
        };
        let (start, end) = (self.start, self.before + offset(at));
        Scan::Found(ModelField { name, start, end, syntax: Syntax::Json })
    }
}

/// A position in a chunk as one in a body.
pub(super) fn offset(position: usize) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}

/// Compares a key with `model` as it is read, without keeping it.
#[derive(Debug, Default)]
struct KeyMatch {
    matched: usize,
    other: bool,
    unlike: bool,
}

impl KeyMatch {
    fn push(&mut self, byte: u8) {
        let due = KEY.get(self.matched);
        self.other |= due != Some(&byte);
        self.unlike |= !due.is_some_and(|due| due.eq_ignore_ascii_case(&byte));
        self.matched += 1;
    }

    /// In any case, as some readers match keys.
    fn is_like_model(&self) -> bool {
        !self.unlike && self.matched == KEY.len()
    }

    fn is_model(&self) -> bool {
        !self.other && self.matched == KEY.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str) -> Scan {
        let whole = JsonScan::new().feed(body.as_bytes());
        let mut bytewise = JsonScan::new();
        let mut pieces = body.as_bytes().chunks(1).map(|byte| bytewise.feed(byte));
        let cut = pieces.find(|scan| *scan != Scan::Searching).unwrap_or(Scan::Searching);
        assert_eq!(whole, cut, "{body}");
        whole
    }

    #[test]
    fn the_name_and_its_span_are_found() {
        for (body, name, raw) in [
            (r#"{"model":"gpt-4o"}"#, "gpt-4o", "gpt-4o"),
            (r#"{"model":"gpt-4o","#, "gpt-4o", "gpt-4o"),
            (" {\r\n\t\"model\" : \"a\"", "a", "a"),
            (r#"{"m\u006fdel":"gpt\u002d4\"o"}"#, "gpt-4\"o", r#"gpt\u002d4\"o"#),
            (r#"{"model":""}"#, "", ""),
            (r#"{"a":[{"model":"x"},"]"],"b":{"model":"x","c":"}\"}"},"model":"y"}"#, "y", "y"),
            (
                r#"{"a":"\\","b":-1.5e+3,"c":true,"d":null,"e": 1 ,"":{},"f":[],"model":"y"}"#,
                "y",
                "y",
            ),
            (r#"{"models":"x","Model":"x","mode":"x","model\u0000":"x","model":"y"}"#, "y", "y"),
            (r#"{"model":"first","model":"second"}"#, "first", "first"),
            (r#"{"a":"model","model":"😀\ud83d\ude00"}"#, "😀😀", r"😀\ud83d\ude00"),
            ("\u{feff}{\"model\":\"y\"}", "y", "y"),
            ("\u{feff} {\"model\":\"y\"}", "y", "y"),
        ] {
            let Scan::Found(field) = scan(body) else { panic!("{body}") };
            let span = usize::try_from(field.start).unwrap()..usize::try_from(field.end).unwrap();
            assert_eq!((field.name.as_str(), body.get(span).unwrap()), (name, raw), "{body}");
        }
    }

    #[test]
    fn what_has_no_model_says_so() {
        for body in [
            "{}",
            r#"{"messages":[{"model":"x"}]}"#,
            r#"{"a":1}{"model":"x"}"#,
            r#"{"model":1}"#,
            r#"{"model":null}"#,
            r#"{"model":{"model":"x"}}"#,
            r#"{"model":"\x"}"#,
            r#"{"model":"\ud800"}"#,
            "{\"model\":\"a\nb\"}",
            r#"["model","x"]"#,
            r#""model""#,
            r#"{"a" "b","model":"x"}"#,
            r#"{"a":"b" "model":"x"}"#,
            r#"{"a":1:"model":"x"}"#,
            r#"{,"model":"x"}"#,
            r#"{"a":],"model":"x"}"#,
            r#"{model:"x"}"#,
            "model=x",
            "\u{feff}{}",
            "\u{feff}\u{feff}{\"model\":\"x\"}",
            " \u{feff}{\"model\":\"x\"}",
        ] {
            assert_eq!(scan(body), Scan::Absent, "{body}");
        }
        let long = format!(r#"{{"model":"{}"}}"#, "x".repeat(MODEL_NAME_LIMIT + 1));
        assert_eq!(scan(&long), Scan::Absent);
        assert_eq!(JsonScan::new().feed(b"{\"model\":\"\xff\"}"), Scan::Absent);
        assert_eq!(JsonScan::new().feed(b"\xef\xbb{\"model\":\"x\"}"), Scan::Absent);
    }

    #[test]
    fn an_unfinished_body_is_still_searched() {
        for body in
            ["", "  ", "{", r#"{"model"#, r#"{"model":"#, r#"{"model":"gp"#, r#"{"a":[{"b":"\"#]
        {
            assert_eq!(scan(body), Scan::Searching, "{body}");
        }
    }
}
