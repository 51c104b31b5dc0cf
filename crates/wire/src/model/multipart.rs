//! Finds the field `model`, and others that are looked for, of a `multipart/form-data` body (RFC 7578,
//! RFC 2046 section 5.1).
//!
//! Audio and image requests of the v1 style name their deployment this way (API fact sheet 1.2). Files
//! are skipped with `memchr`; only the heads of parts and the values that are looked for are kept.

use memchr::memchr;

use super::finds::Finds;
use super::json::offset;
use super::parameter::parameter;
use super::{MODEL_NAME_LIMIT, ModelField, Scan, Syntax};

/// How many bytes the head of one part may have; a body with a longer one has no model.
const PART_HEAD_LIMIT: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct MultipartScan {
    /// CR LF and the dashes before the boundary included. A CR stands only at its beginning, so after a
    /// mismatch a match can begin anew with the present byte alone.
    delimiter: Vec<u8>,
    /// How much of the delimiter the last bytes match.
    matched: usize,
    place: Place,
    /// Bytes of the body before this chunk.
    before: u64,
    /// The head or the value under way.
    kept: Vec<u8>,
    start: u64,
    /// The model is looked for, and it is not known yet.
    wants_model: bool,
    /// Whether the search goes on behind the name, and what it has found there.
    to_the_end: bool,
    found: Option<ModelField>,
    /// The form has ended, or is none.
    is_over: bool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The preamble, or a part that is skipped.
    Skipped,
    /// Behind a delimiter.
    Delimited,
    /// The rest of the delimiter's line.
    LineEnd,
    /// The head of a part.
    Head,
    /// The part that names the model.
    Name,
    /// The field at the place of this number.
    Field(u16),
}

impl MultipartScan {
    pub(super) fn new(boundary: &[u8], wants_model: bool) -> Self {
        Self {
            delimiter: [b"\r\n--", boundary].concat(),
            // the first delimiter needs no line end before it
            matched: 2,
            place: Place::Skipped,
            before: 0,
            kept: Vec::new(),
            start: 0,
            wants_model,
            to_the_end: false,
            found: None,
            is_over: false,
        }
    }

    /// Only what is known at the end of the form counts.
    pub(super) fn search_to_the_end(&mut self) {
        self.to_the_end = true;
    }

    /// Whether the form may go on.
    pub(super) const fn goes_on(&self) -> bool {
        !self.is_over
    }

    pub(super) fn feed(&mut self, chunk: &[u8], mut finds: Option<&mut Finds>) -> Scan {
        let mut scan = if self.wants_model { Scan::Searching } else { Scan::Absent };
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            if finds.is_none() && scan != Scan::Searching {
                return scan;
            }
            if self.place == Place::Skipped && self.matched == 0 {
                match memchr(b'\r', rest) {
                    None => break,
                    Some(skipped) => at += skipped,
                }
            }
            let byte = chunk.get(at).copied().unwrap_or_default();
            at += 1;
            match self.step(byte, self.before + offset(at), &mut finds) {
                None => {}
                Some(Scan::Found(field)) => {
                    self.wants_model = false;
                    scan = Scan::Found(field);
                }
                Some(absent) => {
                    self.is_over = true;
                    return if scan == Scan::Searching { absent } else { scan };
                }
            }
        }
        self.before += offset(chunk.len());
        scan
    }

    /// One byte, `after` which so much of the body has been seen.
    fn step(&mut self, byte: u8, after: u64, finds: &mut Option<&mut Finds>) -> Option<Scan> {
        match self.place {
            Place::Skipped => {
                if self.delimits(byte) {
                    self.place = Place::Delimited;
                }
                None
            }
            Place::Delimited if byte == b'-' => {
                Some(self.found.take().map_or(Scan::Absent, Scan::Found))
            }
            Place::Delimited | Place::LineEnd => self.line_end(byte),
            Place::Head => self.head(byte, after, finds.as_deref()),
            Place::Name => self.name(byte, finds),
            Place::Field(place) => {
                self.field(byte, place, finds);
                None
            }
        }
    }

    /// Whether `byte` completes a delimiter.
    fn delimits(&mut self, byte: u8) -> bool {
        if self.delimiter.get(self.matched) == Some(&byte) {
            self.matched += 1;
        } else {
            self.matched = usize::from(byte == b'\r');
        }
        let complete = self.matched == self.delimiter.len();
        if complete {
            self.matched = 0;
        }
        complete
    }

    /// Behind a delimiter only white space may stand (RFC 2046 section 5.1.1).
    fn line_end(&mut self, byte: u8) -> Option<Scan> {
        self.place = match byte {
            b'\n' => Place::Head,
            b' ' | b'\t' | b'\r' => Place::LineEnd,
            _ => return Some(Scan::Absent),
        };
        self.kept.clear();
        None
    }

    fn head(&mut self, byte: u8, after: u64, finds: Option<&Finds>) -> Option<Scan> {
        self.kept.push(byte);
        if self.kept.len() > PART_HEAD_LIMIT {
            return Some(Scan::Absent);
        }
        if self.kept == b"\r\n" || self.kept.ends_with(b"\r\n\r\n") {
            let is_model = names_model(&self.kept, |name| name == KEY);
            let is_second = self.found.is_some() || !is_model;
            if self.to_the_end
                && is_second
                && names_model(&self.kept, |name| name.eq_ignore_ascii_case(KEY))
            {
                return Some(Scan::Absent);
            }
            self.place = if is_model && self.wants_model {
                Place::Name
            } else {
                let place = finds.and_then(|finds| sought(&self.kept, finds));
                place.map_or(Place::Skipped, Place::Field)
            };
            // an empty part ends with the line end that closed its head
            self.matched = 2;
            self.kept.clear();
            self.start = after;
        }
        None
    }

    fn name(&mut self, byte: u8, finds: &mut Option<&mut Finds>) -> Option<Scan> {
        self.kept.push(byte);
        if self.delimits(byte) {
            let scan = self.found();
            if let (Some(finds), Scan::Found(field)) = (finds, &scan) {
                finds.keep_model(&field.name);
            }
            self.place = Place::Delimited;
            return match scan {
                Scan::Found(field) if self.to_the_end => {
                    self.found = Some(field);
                    None
                }
                scan => Some(scan),
            };
        }
        let bound = MODEL_NAME_LIMIT + self.delimiter.len();
        (self.kept.len() > bound).then_some(Scan::Absent)
    }

    /// A byte of a field. Its value counts if it is no longer than a name may be.
    fn field(&mut self, byte: u8, place: u16, finds: &mut Option<&mut Finds>) {
        self.kept.push(byte);
        if self.delimits(byte) {
            self.place = Place::Delimited;
            self.cut_delimiter();
            if let Some(finds) = finds
                && self.kept.len() <= MODEL_NAME_LIMIT
            {
                finds.keep(place, &self.kept);
            }
        } else if self.kept.len() > MODEL_NAME_LIMIT + self.delimiter.len() {
            self.place = Place::Skipped;
        }
    }

    /// Less than the delimiter is there if it borrowed its line end from the head of an empty part.
    fn cut_delimiter(&mut self) {
        self.kept.truncate(self.kept.len().saturating_sub(self.delimiter.len()));
    }

    /// The name that the delimiter just read closes.
    fn found(&mut self) -> Scan {
        self.cut_delimiter();
        match String::from_utf8(std::mem::take(&mut self.kept)) {
            Ok(name) if name.len() <= MODEL_NAME_LIMIT => Scan::Found(ModelField {
                end: self.start + offset(name.len()),
                start: self.start,
                name,
                syntax: Syntax::Multipart,
            }),
            _ => Scan::Absent,
        }
    }
}

const KEY: &[u8] = b"model";

/// Whether the head of a part says `Content-Disposition: form-data; name="model"`, or what `is_key` takes
/// for that name.
fn names_model(head: &[u8], is_key: impl Fn(&[u8]) -> bool) -> bool {
    let is_it = |of: &[u8]| parameter(of, b"name").is_some_and(|name| is_key(&name));
    dispositions(head).any(is_it)
}

/// The number of the place that a part with this head is, unless it is a file.
fn sought(head: &[u8], finds: &Finds) -> Option<u16> {
    let is_file =
        |of: &[u8]| parameter(of, b"filename").or_else(|| parameter(of, b"filename*")).is_some();
    if dispositions(head).any(is_file) {
        return None;
    }
    dispositions(head).find_map(|of| finds.place(&parameter(of, b"name")?))
}

/// The parameters of `Content-Disposition` in the head of a part.
fn dispositions(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let value = parts.next().unwrap_or_default();
        let is_disposition = name.eq_ignore_ascii_case(b"content-disposition");
        is_disposition.then(|| value.splitn(2, |byte| *byte == b';').nth(1).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str) -> Scan {
        let whole = MultipartScan::new(b"xyz", true).feed(body.as_bytes(), None);
        let mut bytewise = MultipartScan::new(b"xyz", true);
        let mut pieces = body.as_bytes().chunks(1).map(|byte| bytewise.feed(byte, None));
        let cut = pieces.find(|scan| *scan != Scan::Searching).unwrap_or(Scan::Searching);
        assert_eq!(whole, cut, "{body:?}");
        whole
    }

    /// A part with this disposition and content, its delimiter before it.
    fn part(disposition: &str, content: &str) -> String {
        format!("--xyz\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn the_field_and_its_span_are_found() {
        let file =
            part("name=\"file\"; filename=\"a; name=\\\"model\\\".wav\"", "\r\n--xy\r\r\n-\r\n--x");
        let model = part("name=\"model\"", "whisper");
        for (body, name) in [
            (format!("{model}--xyz--\r\n"), "whisper"),
            (format!("{model}{file}"), "whisper"),
            (format!("{file}{model}--xyz--"), "whisper"),
            (format!("preamble\r\n{model}--xyz"), "whisper"),
            (format!("{}--xyz", part("NAME=model; x", "w\r\n--xy z")), "w\r\n--xy z"),
            (format!("{}--xyz", part("name=\"mo\\del\"", "")), ""),
            ("--xyz \r\ncontent-type: a\r\ncontent-disposition:form-data;name=model\r\n\r\n--xyz".to_owned(), ""),
        ] {
            let Scan::Found(field) = scan(&body) else { panic!("{body:?}") };
            let span = usize::try_from(field.start).unwrap()..usize::try_from(field.end).unwrap();
            assert_eq!((field.name.as_str(), body.get(span).unwrap()), (name, name), "{body:?}");
        }
    }

    #[test]
    fn what_has_no_model_says_so() {
        let other = part("name=\"prompt\"", "model");
        let long = part("name=model", &"x".repeat(MODEL_NAME_LIMIT + 1));
        for body in [
            "--xyz--".to_owned(),
            format!("{other}--xyz--\r\n{}", part("name=model", "x")),
            format!("--xyzz\r\n{other}"),
            format!("{long}--xyz"),
            format!("--xyz\r\n{}", "x".repeat(PART_HEAD_LIMIT + 1)),
        ] {
            assert_eq!(scan(&body), Scan::Absent, "{body:?}");
        }
        let binary = [part("name=model", "").as_bytes(), b"\xff\r\n--xyz"].concat();
        assert_eq!(MultipartScan::new(b"xyz", true).feed(&binary, None), Scan::Absent);
    }

    #[test]
    fn an_unfinished_body_is_still_searched() {
        let model = part("name=model", "whisper");
        for body in ["", "preamble", "--xyz", "--xyz\r\nContent-", &model, &format!("{model}--xy")]
        {
            assert_eq!(scan(body), Scan::Searching, "{body:?}");
        }
    }
}
