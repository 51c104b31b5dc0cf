//! Finds the top-level members `model` and `stream` of a JSON object, how much of it is no text, and what
//! others have in common with it.
//!
//! Strict about the members of the object itself, where the answer is; strings and nested values are left
//! to the walk, which skips what nothing is looked for in. What is no JSON object has no model.

use super::finds::Finds;
use super::kin::KinScan;
use super::{Asked, MODEL_NAME_LIMIT, ModelField, Scan, Syntax};
use crate::json::encoded::ENCODED_MIN;
use crate::json::key::{Key, plain_key};
use crate::json::text::{Step, Text};
use crate::json::walk::Walk;

/// The byte order mark that many parsers pass over before a text (RFC 8259 section 8.1).
const MARK: &[u8] = "\u{feff}".as_bytes();

#[derive(Debug)]
pub(super) struct JsonScan {
    place: Place,
    /// Bytes of the body before this chunk.
    before: u64,
    text: Text,
    key: Key,
    name: Vec<u8>,
    start: u64,
    /// The model is what the search is for, and it is not known yet.
    wants_model: bool,
    /// Whether the search goes on behind the name, and what it has found there.
    to_the_end: bool,
    found: Option<ModelField>,
    asked: Asked,
    kin: Option<KinScan>,
    /// What goes through the strings and the nested values of the object.
    walk: Walk,
    /// The object has ended, or is none.
    is_over: bool,
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
    /// A string, or inside of brackets.
    InWalked,
    AfterValue,
}

/// What a byte brought beside the next place.
enum Answer {
    /// The object has ended, or is none.
    Over(Option<bool>),
    Found,
}

use Place::{
    AfterValue, BeforeColon, BeforeFirstKey, BeforeKey, BeforeObject, BeforeValue, InKey, InMark,
    InName, InScalar, InWalked,
};

impl JsonScan {
    pub(super) fn new(wants_model: bool) -> Self {
        Self {
            place: BeforeObject,
            before: 0,
            text: Text::default(),
            key: Key::EMPTY,
            name: Vec::new(),
            start: 0,
            wants_model,
            to_the_end: false,
            found: None,
            asked: Asked::default(),
            kin: None,
            walk: Walk::new(true),
            is_over: false,
        }
    }

    /// Only what is known at the end of the object counts.
    pub(super) fn search_to_the_end(&mut self) {
        self.to_the_end = true;
    }

    /// What the request has in common with others is looked for, too.
    pub(super) fn seek_kin(&mut self, kin: KinScan) {
        self.kin = Some(kin);
    }

    pub(super) const fn asked(&self) -> Asked {
        Asked { encoded: self.walk.encoded(), ..self.asked }
    }

    /// Whether the object may go on.
    pub(super) const fn goes_on(&self) -> bool {
        !self.is_over
    }

    /// Whether something that is looked for in values may still be found.
    pub(super) const fn may_find(&self) -> bool {
        !self.walk.is_broken()
    }

    /// The hash of what the request has in common with others, if that was seen.
    pub(super) fn kin(&self) -> Option<u64> {
        self.kin.as_ref()?.found()
    }

    /// Whether more of the object may tell that better.
    pub(super) fn seeks_kin(&self) -> bool {
        !self.is_over && self.kin.as_ref().is_some_and(|kin| !kin.is_best())
    }

    pub(super) fn feed(&mut self, chunk: &[u8], finds: Option<&mut Finds>) -> Scan {
        let scan = self.search(chunk, finds);
        if let Some(kin) = &mut self.kin {
            kin.fed(chunk);
        }
        scan
    }

    fn search(&mut self, chunk: &[u8], mut finds: Option<&mut Finds>) -> Scan {
        let mut scan = Scan::Searching;
        let mut at = 0;
        let mut least = self.least(finds.is_some());
        while let Some(rest) = chunk.get(at..).filter(|rest| rest.len() >= least) {
            if self.place == InWalked {
                at += self.walk(chunk, at, finds.as_deref_mut(), least);
                continue;
            }
            let skipped = match self.place {
                InKey if self.key.is_empty() && self.text.is_plain() => self.skip_key(rest),
                _ => 0,
            };
            at += skipped;
            let Some(byte) = rest.get(skipped) else { break };
            match self.step(*byte, at, finds.as_deref()) {
                Ok(place) => self.place = place,
                Err(Answer::Over(streams)) => {
                    self.is_over = true;
                    self.asked.streams = self.asked.streams.or(streams);
                    self.asked.seen += offset(at);
                    // what breaks off has no end
                    let found = self.found.take().filter(|_| streams.is_some());
                    return match scan {
                        Scan::Searching => found.map_or(Scan::Absent, Scan::Found),
                        scan => scan,
                    };
                }
                Err(Answer::Found) => {
                    let found = self.found(at);
                    if let (Some(finds), Scan::Found(field)) = (finds.as_deref_mut(), &found) {
                        finds.keep_model(&field.name);
                    }
                    match found {
                        Scan::Found(field) if self.to_the_end => self.found = Some(field),
                        found => scan = found,
                    }
                    (self.place, self.wants_model) = (AfterValue, false);
                }
            }
            at += 1;
            if self.place == BeforeKey {
                least = self.least(finds.is_some());
            }
        }
        self.before += offset(chunk.len());
        self.asked.seen += offset(at);
        scan
    }

    /// How many bytes of a chunk must be left to be worth a look: where all is known, as many as have room for
    /// what is no text.
    fn least(&self, seeks_fields: bool) -> usize {
        let knows_enough = !self.wants_model
            && !self.to_the_end
            && self.asked.streams.is_some()
            && self.kin.as_ref().is_none_or(KinScan::is_best)
            && !seeks_fields;
        if knows_enough { ENCODED_MIN } else { 1 }
    }

    /// How many bytes of the chunk from here on belong to the value that is walked.
    fn walk(&mut self, chunk: &[u8], at: usize, finds: Option<&mut Finds>, least: usize) -> usize {
        let rest = chunk.get(at..).unwrap_or_default();
        let (length, is_over) = match finds {
            None => self.walk.feed(rest, None, least, &mut |_| {}),
            Some(finds) => finds.walk(&mut self.walk, rest),
        };
        if is_over {
            self.place = AfterValue;
            if let Some(kin) = &mut self.kin {
                kin.ends(chunk, (at + length).saturating_sub(1));
            }
        }
        length
    }

    /// To the quote that closes the key, if it can be read at once.
    fn skip_key(&mut self, rest: &[u8]) -> usize {
        let key = plain_key(rest).unwrap_or_default();
        self.key.push(key);
        key.len()
    }

    fn step(&mut self, byte: u8, at: usize, finds: Option<&Finds>) -> Result<Place, Answer> {
        match (self.place, byte) {
            (InKey, _) => self.in_key(byte),
            (InName, _) => self.in_name(byte),
            (InScalar | AfterValue, b',') => Ok(BeforeKey),
            (InScalar, b' ' | b'\n' | b'\r' | b'\t') => Ok(AfterValue),
            (InScalar, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.') => Ok(InScalar),
            (InMark, _) => self.in_mark(byte, at),
            (place, b' ' | b'\n' | b'\r' | b'\t') => Ok(place),
            (BeforeObject, b'{') => Ok(BeforeFirstKey),
            (BeforeObject, _) if self.before + offset(at) == 0 => self.in_mark(byte, at),
            (BeforeFirstKey | BeforeKey, b'"') => {
                self.text = Text::default();
                self.key.clear();
                Ok(InKey)
            }
            (BeforeColon, b':') => Ok(BeforeValue),
            (BeforeValue, _) => self.value(byte, at, finds),
            // whoever does not ask for a stream wants none
            (BeforeFirstKey | InScalar | AfterValue, b'}') => Err(Answer::Over(Some(false))),
            _ => Err(BROKEN),
        }
    }

    fn in_mark(&self, byte: u8, at: usize) -> Result<Place, Answer> {
        let place = usize::try_from(self.before + offset(at)).unwrap_or(usize::MAX);
        match MARK.get(place) {
            Some(due) if *due == byte => {
                Ok(if place + 1 == MARK.len() { BeforeObject } else { InMark })
            }
            _ => Err(BROKEN),
        }
    }

    fn value(&mut self, byte: u8, at: usize, finds: Option<&Finds>) -> Result<Place, Answer> {
        if self.key.is(b"stream") && self.asked.streams.is_none() {
            self.asked.streams = Some(byte == b't');
        }
        if self.key.is(b"store") && self.asked.stores.is_none() {
            self.asked.stores = match byte {
                b't' => Some(true),
                b'f' => Some(false),
                _ => None,
            };
        }
        if let Some(kin) = &mut self.kin {
            kin.begins(&self.key, byte, at);
        }
        let is_second = self.found.is_some() || !self.key.is(b"model");
        if self.to_the_end && self.key.is_like(b"model") && is_second {
            return Err(BROKEN);
        }
        match byte {
            b'"' if self.seeks_this() => {
                self.text = Text::default();
                self.start = self.before + offset(at) + 1;
                Ok(InName)
            }
            // a model that is no string
            _ if self.seeks_this() => Err(BROKEN),
            b'"' | b'{' | b'[' => {
                self.walk.begin(byte, finds.and_then(|finds| finds.member(&self.key)));
                Ok(InWalked)
            }
            b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => Ok(InScalar),
            _ => Err(BROKEN),
        }
    }

    fn seeks_this(&self) -> bool {
        self.wants_model && self.key.is(b"model")
    }

    fn in_key(&mut self, byte: u8) -> Result<Place, Answer> {
        match self.text.step(byte) {
            Step::More => {}
            Step::Byte(byte) => self.key.push(&[byte]),
            Step::Char(character) => {
                self.key.push(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Step::End => return Ok(BeforeColon),
            Step::Bad => return Err(BROKEN),
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
            Step::Bad => return Err(BROKEN),
        }
        if self.name.len() > MODEL_NAME_LIMIT { Err(BROKEN) } else { Ok(InName) }
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

/// It is no JSON object, and what it asks for is unknown.
const BROKEN: Answer = Answer::Over(None);

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str) -> Scan {
        let whole = JsonScan::new(true).feed(body.as_bytes(), None);
        let mut bytewise = JsonScan::new(true);
        let mut pieces = body.as_bytes().chunks(1).map(|byte| bytewise.feed(byte, None));
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
            (r#"{"\n":"x","\\":1,"\"":2,"":3,"\u006d":4,"model":"y"}"#, "y", "y"),
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
        assert_eq!(JsonScan::new(true).feed(b"{\"model\":\"\xff\"}", None), Scan::Absent);
        assert_eq!(JsonScan::new(true).feed(b"\xef\xbb{\"model\":\"x\"}", None), Scan::Absent);
    }

    #[test]
    fn an_unfinished_body_is_still_searched() {
        for body in
            ["", "  ", "{", r#"{"model"#, r#"{"model":"#, r#"{"model":"gp"#, r#"{"a":[{"b":"\"#]
        {
            assert_eq!(scan(body), Scan::Searching, "{body}");
        }
    }

    fn asked(body: &str, wants_model: bool) -> Asked {
        let mut scan = JsonScan::new(wants_model);
        scan.feed(body.as_bytes(), None);
        scan.asked()
    }

    #[test]
    fn a_stream_is_asked_for_at_the_top_before_or_behind_the_model() {
        for (body, streams) in [
            (r#"{"model":"m","stream":true}"#, Some(true)),
            (r#"{"stream" : true,"model":"m"}"#, Some(true)),
            (r#"{"model":"m","str\u0065am":true}"#, Some(true)),
            (r#"{"model":"m","stream":false,"stream":true}"#, Some(false)),
            (r#"{"model":"m","stream":null}"#, Some(false)),
            (r#"{"model":"m","streams":true,"x":{"stream":true}}"#, Some(false)),
            ("{}", Some(false)),
            (r#"{"model":"m"}"#, Some(false)),
            (r#"{"model":"m","messages":[{"stream":true"#, None),
            (r#"{"model":"m""#, None),
            (r#"{"model":"m"]"#, None),
            ("", None),
        ] {
            assert_eq!(asked(body, true).streams, streams, "{body}");
            assert_eq!(asked(body, false).streams, streams, "{body}");
        }
    }

    #[test]
    fn whether_a_request_stores_is_what_it_says_first_and_at_the_top() {
        for (body, stores) in [
            (r#"{"model":"m","store":true}"#, Some(true)),
            (r#"{"store" : false,"model":"m"}"#, Some(false)),
            (r#"{"st\u006fre":false,"store":true,"model":"m"}"#, Some(false)),
            (r#"{"store":null,"model":"m"}"#, None),
            (r#"{"store":"true","x":{"store":true},"model":"m"}"#, None),
            (r#"{"stored":true,"Store":true}"#, None),
            ("{", None),
        ] {
            assert_eq!(asked(body, true).stores, stores, "{body}");
            assert_eq!(asked(body, false).stores, stores, "{body}");
        }
    }

    #[test]
    fn what_follows_a_model_does_not_unmake_it() {
        for rest in ["}", "]", ",\"stream\":true}", ",\"model\":1}", ",\"model\":\"b\"}", "\u{1}"] {
            let Scan::Found(field) =
                JsonScan::new(true).feed(format!(r#"{{"model":"a"{rest}"#).as_bytes(), None)
            else {
                panic!("{rest}")
            };
            assert_eq!(field.name, "a", "{rest}");
        }
    }

    #[test]
    fn images_and_audio_are_no_text_and_prose_is() {
        let image = format!("data:image/png;base64,{}", "iVBORw0KGgo/+".repeat(200));
        let audio = "SUQzBAAAAAAA".repeat(200);
        for (content, encoded) in [
            (image.as_str(), image.len()),
            (&audio, audio.len()),
            (&"lorem ipsum ".repeat(200), 0),
            (&"これは日本語".repeat(200), 0),
            (&"word".repeat(600), 0),
            (&"x".repeat(3_000), 0),
            (r#"{\"a\":1}"#, 0),
            ("data:image/png;base64,iVBORw0KGgo", 0),
        ] {
            let body = format!(r#"{{"model":"m","stream":true,"messages":[{{"x":"{content}"}}]}}"#);
            let asked = asked(&body, true);
            assert_eq!(asked.encoded, offset(encoded), "{content}");
            assert!(encoded == 0 || asked.seen + 1024 > offset(body.len()));
        }
    }
}
