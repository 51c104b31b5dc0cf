//! The top-level `model` of a request body, and what else it says of the request's size and kind and of the
//! objects that it names, found in one pass while the body arrives.
//!
//! The proxy feeds a body here as far as it must read it to know the deployment, which usually stands in
//! the first chunk, and a small one that is here anyway as far as that tells more. The body itself is neither parsed as a whole nor rewritten: where
//! a region calls the deployment otherwise, the span of the name is replaced and the rest goes as it came.

mod finds;
mod json;
mod kin;
mod multipart;
mod parameter;

use std::hash::RandomState;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

pub use kin::PROMPT_BEGINS;

use crate::fields::{Fields, Found};
use finds::Finds;
use json::JsonScan;
use kin::KinScan;
use multipart::MultipartScan;
use parameter::parameter;

/// How many bytes a name may have; a longer one counts as absent. Deployment names are far shorter.
pub const MODEL_NAME_LIMIT: usize = 512;

/// How many ids of one body are kept; what follows them is dropped, and said to be
/// ([`ModelScan::found_all`]). A long conversation has one or two a turn.
pub const FOUND_MOST: usize = 256;

/// How long a boundary may be (RFC 2046 section 5.1.1).
const BOUNDARY_LIMIT: usize = 70;

/// How a body is to be searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// One JSON object.
    Json,
    /// `multipart/form-data` with this boundary.
    Multipart(Box<[u8]>),
    /// Nothing to be found in it.
    Opaque,
}

/// The kind of body that a `Content-Type` announces.
///
/// A body without one is tried as JSON: what is none is known by its first byte.
#[must_use]
pub fn body_kind(content_type: Option<&HeaderValue>) -> BodyKind {
    let Some(content_type) = content_type else {
        return BodyKind::Json;
    };
    let mut parts = content_type.as_bytes().splitn(2, |byte| *byte == b';');
    let media = parts.next().unwrap_or_default().trim_ascii();
    if is_json(media) {
        return BodyKind::Json;
    }
    if media.eq_ignore_ascii_case(b"multipart/form-data")
        && let Some(boundary) = parts.next().and_then(boundary)
    {
        return BodyKind::Multipart(boundary);
    }
    BodyKind::Opaque
}

fn is_json(media: &[u8]) -> bool {
    let suffix = media.len().checked_sub(b"+json".len()).and_then(|at| media.get(at..));
    media.eq_ignore_ascii_case(b"application/json")
        || media.eq_ignore_ascii_case(b"text/json")
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

fn boundary(parameters: &[u8]) -> Option<Box<[u8]>> {
    let boundary = parameter(parameters, b"boundary")?;
    let fits = (1..=BOUNDARY_LIMIT).contains(&boundary.len());
    (fits && !boundary.iter().any(u8::is_ascii_control)).then(|| boundary.into())
}

/// What a scan knows so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Feed the next chunk. At the end of the body this means that there is no model.
    Searching,
    /// There is no model: the body names none, or is not what it should be.
    Absent,
    /// The name, and where it stands.
    Found(ModelField),
}

/// What a body asks for beside its model, as far as it was looked at. Of a multipart body nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whether the answer is to be streamed; `None` while that is not known.
    pub streams: Option<bool>,
    /// What it says of `store`; `None` while it has said nothing, or where it says neither. For certain only
    /// where [fields are sought](ModelScan::seeking_fields): else what stands behind `stream` may be unseen.
    pub stores: Option<bool>,
    /// Bytes that were looked at.
    pub seen: u64,
    /// Those of them that are no text: images and audio in base64.
    pub encoded: u64,
}

/// The model that a body names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelField {
    /// The name, unescaped.
    pub name: String,
    /// Offset in the whole body of the first byte that a replacement replaces; in JSON the one after
    /// the opening quote.
    pub start: u64,
    /// Offset behind the last such byte; in JSON that of the closing quote.
    pub end: u64,
    /// How a replacement is to be written.
    pub syntax: Syntax,
}

/// What surrounds a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// The quotes of a JSON string.
    Json,
    /// The delimiters of a multipart field.
    Multipart,
}

/// The bytes that stand for `to` between `field.start` and `field.end`.
///
/// A multipart field takes them as they are, so `to` must be a configured name, never a client's text.
#[must_use]
pub fn renamed(field: &ModelField, to: &str) -> Bytes {
    match field.syntax {
        Syntax::Multipart => Bytes::copy_from_slice(to.as_bytes()),
        // a string always serialises
        Syntax::Json => {
            let quoted = Bytes::from(serde_json::to_vec(to).unwrap_or_default());
            quoted.slice(1..quoted.len().saturating_sub(1).max(1))
        }
    }
}

/// The search in one body.
#[derive(Debug)]
pub struct ModelScan {
    search: Search,
    /// The model is known, or that there is none.
    is_answered: bool,
    asked: Asked,
    kin: Option<u64>,
    finds: Option<Finds>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all bodies are JSON: a box would cost each one"
)]
enum Search {
    Json(JsonScan),
    Multipart(Box<MultipartScan>),
    Over,
}

impl ModelScan {
    /// A search at the beginning of a body.
    #[must_use]
    pub fn new(kind: BodyKind) -> Self {
        Self::of(match kind {
            BodyKind::Json => Search::Json(JsonScan::new(true)),
            BodyKind::Multipart(boundary) => {
                Search::Multipart(Box::new(MultipartScan::new(&boundary, true)))
            }
            BodyKind::Opaque => Search::Over,
        })
    }

    /// The same, but to the end of the body: of several names, or of keys that only some readers take for
    /// `model` (`Model`), none counts. For whoever must know that no reader sees another name.
    #[must_use]
    pub fn of_the_only(kind: BodyKind) -> Self {
        let mut scan = Self::new(kind);
        match &mut scan.search {
            Search::Json(scan) => scan.search_to_the_end(),
            Search::Multipart(scan) => scan.search_to_the_end(),
            Search::Over => {}
        }
        scan
    }

    /// One that finds no model, only what else the body asks for.
    #[must_use]
    pub fn without_model(kind: &BodyKind) -> Self {
        Self::of(match kind {
            BodyKind::Json => Search::Json(JsonScan::new(false)),
            BodyKind::Multipart(boundary) => {
                Search::Multipart(Box::new(MultipartScan::new(boundary, false)))
            }
            BodyKind::Opaque => Search::Over,
        })
    }

    fn of(search: Search) -> Self {
        Self { search, is_answered: false, asked: Asked::default(), kin: None, finds: None }
    }

    /// The same, and what requests that belong together have in common is looked for as well: the value of
    /// `prompt_cache_key`, else of `user`, and else, if it is wanted `of_prompt`, the first
    /// [`PROMPT_BEGINS`] bytes of the prompt. All workers need the same seed.
    #[must_use]
    pub fn seeking_kin(mut self, seed: &RandomState, of_prompt: bool) -> Self {
        if let Search::Json(scan) = &mut self.search {
            scan.seek_kin(KinScan::new(seed, of_prompt));
        }
        self
    }

    /// The same, and the strings at these places are found as well, to the end of what is fed. Of a form,
    /// those are the fields, and no files, of the names that have neither `.` nor `[]`.
    ///
    /// A body that is broken where it matters to the model, or in a value in which something is looked for,
    /// tells no more of them.
    #[must_use]
    pub fn seeking_fields(mut self, fields: Arc<Fields>) -> Self {
        self.finds = Some(Finds::new(fields));
        self
    }

    /// Looks at the next chunk of the body. The first answer that is not [`Scan::Searching`] is the
    /// answer; after it, every call says [`Scan::Absent`], and may still tell more of kin and of fields.
    ///
    /// Of several members `model` the first counts, unless it must be [the only one](Self::of_the_only).
    /// The search itself has no bound: the caller decides how much of a body it holds back.
    pub fn feed(&mut self, chunk: &[u8]) -> Scan {
        let finds = self.finds.as_mut();
        let scan = match &mut self.search {
            Search::Json(scan) => {
                let found = scan.feed(chunk, finds);
                (self.asked, self.kin) = (scan.asked(), scan.kin());
                found
            }
            Search::Multipart(scan) => scan.feed(chunk, finds),
            Search::Over => Scan::Absent,
        };
        let was_answered = self.is_answered;
        self.is_answered |= scan != Scan::Searching;
        if self.is_answered && !self.goes_on() {
            self.search = Search::Over;
        }
        if was_answered { Scan::Absent } else { scan }
    }

    /// Whether the search goes on behind its answer.
    fn goes_on(&self) -> bool {
        let seeks_fields = self.finds.is_some();
        match &self.search {
            Search::Json(scan) => scan.seeks_kin() || seeks_fields && scan.goes_on(),
            Search::Multipart(scan) => seeks_fields && scan.goes_on(),
            Search::Over => false,
        }
    }

    /// What the body asks for beside its model, as far as it was fed.
    #[must_use]
    pub const fn asked(&self) -> Asked {
        self.asked
    }

    /// The hash of what the request has in common with others, as far as the body was fed: of its best key,
    /// whatever the cuts, else of a beginning that is whole. A key that is not here yet is none.
    #[must_use]
    pub const fn kin(&self) -> Option<u64> {
        self.kin
    }

    /// What was found at the [places that are sought](Self::seeking_fields), in the order of the body; at most
    /// [`FOUND_MOST`].
    #[must_use]
    pub fn found(&self) -> &[Found] {
        self.finds.as_ref().map_or(&[], Finds::found)
    }

    /// Whether that is all that stands there in what was fed.
    #[must_use]
    pub fn found_all(&self) -> bool {
        !self.finds.as_ref().is_some_and(Finds::is_full)
    }

    /// Whether more of the body may bring more of that.
    #[must_use]
    pub fn seeks_fields(&self) -> bool {
        let may_come = match &self.search {
            Search::Json(scan) => scan.may_find(),
            Search::Multipart(_) => true,
            Search::Over => false,
        };
        self.finds.is_some() && self.found_all() && may_come
    }

    /// Whether nothing is known of kin, and more of the body may tell.
    #[must_use]
    pub fn lacks_kin(&self) -> bool {
        self.kin.is_none() && matches!(&self.search, Search::Json(scan) if scan.seeks_kin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(content_type: &'static str) -> BodyKind {
        body_kind(Some(&HeaderValue::from_static(content_type)))
    }

    #[test]
    fn the_content_type_tells_the_kind() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/json",
            "application/x+json",
        ] {
            assert_eq!(kind(json), BodyKind::Json, "{json}");
        }
        assert_eq!(body_kind(None), BodyKind::Json);
        for (multipart, boundary) in [
            ("multipart/form-data; boundary=abc", "abc"),
            ("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\\\"c\"", "a b\"c"),
            ("multipart/form-data; boundary=----x; x=y", "----x"),
        ] {
            let boundary = boundary.as_bytes().into();
            assert_eq!(kind(multipart), BodyKind::Multipart(boundary), "{multipart}");
        }
        for opaque in [
            "",
            "json",
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; xboundary=abc",
            "multipart/mixed; boundary=abc",
            "application/sdp",
        ] {
            assert_eq!(kind(opaque), BodyKind::Opaque, "{opaque}");
        }
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert_eq!(body_kind(HeaderValue::try_from(long).ok().as_ref()), BodyKind::Opaque);
    }

    #[test]
    fn a_replacement_is_written_as_its_place_demands() {
        let field = |syntax| ModelField { name: "a".to_owned(), start: 0, end: 1, syntax };
        for (to, json) in [("b", "b"), ("", ""), ("a\"\\\n", "a\\\"\\\\\\n"), ("ä", "ä")] {
            assert_eq!(renamed(&field(Syntax::Json), to), json);
            assert_eq!(renamed(&field(Syntax::Multipart), to), to);
        }
    }

    #[test]
    fn an_answered_scan_is_over() {
        let mut scan = ModelScan::new(BodyKind::Json);
        let body = br#"{"model":"a"}"#;
        assert!(matches!(scan.feed(body), Scan::Found(_)));
        assert_eq!(scan.feed(body), Scan::Absent);
        assert_eq!(ModelScan::new(BodyKind::Opaque).feed(body), Scan::Absent);
    }

    fn only(kind: &BodyKind, body: &str) -> Option<String> {
        let name = |scan| match scan {
            Scan::Found(field) => Some(field.name),
            Scan::Searching | Scan::Absent => None,
        };
        let whole = name(ModelScan::of_the_only(kind.clone()).feed(body.as_bytes()));
        let mut bytewise = ModelScan::of_the_only(kind.clone());
        let pieces = body.as_bytes().chunks(1).map(|byte| bytewise.feed(byte));
        assert_eq!(whole, pieces.filter_map(name).next(), "{body}");
        whole
    }

    #[test]
    fn the_only_name_of_a_json_body_is_known_at_its_end() {
        for body in [
            r#"{"model":"a"}"#,
            r#"{"x":{"model":"b"},"model":"a","n":1}"#,
            r#"{"model": "a", "messages": [{"model": "b"}] } "#,
        ] {
            assert_eq!(only(&BodyKind::Json, body).as_deref(), Some("a"), "{body}");
        }
        for body in [
            r#"{"model":"a","model":"b"}"#,
            r#"{"model":"a","x":1,"mod\u0065l":"b"}"#,
            r#"{"model":"a","model":null}"#,
            r#"{"model":"a","MODEL":"b"}"#,
            r#"{"Model":"b","model":"a"}"#,
            r#"{"model":"a""#,
            r#"{"model":"a" "model":"b"}"#,
            r#"{"model":"a",}"#,
            r#"{"x":1}"#,
        ] {
            assert_eq!(only(&BodyKind::Json, body), None, "{body}");
        }
    }

    #[test]
    fn the_only_name_of_a_form_is_known_at_its_end() {
        let kind = BodyKind::Multipart((*b"B").into());
        let part = |name: &str, value: &str| {
            format!("--B\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let form = |parts: &[(&str, &str)]| {
            parts.iter().map(|(name, value)| part(name, value)).collect::<String>() + "--B--\r\n"
        };
        for parts in [&[("model", "a")][..], &[("file", "b"), ("model", "a"), ("x", "")]] {
            assert_eq!(only(&kind, &form(parts)).as_deref(), Some("a"), "{parts:?}");
        }
        for parts in [
            &[("model", "a"), ("model", "b")][..],
            &[("model", "a"), ("x", "1"), ("Model", "b")],
            &[("MODEL", "b"), ("model", "a")],
            &[("x", "a")],
        ] {
            assert_eq!(only(&kind, &form(parts)), None, "{parts:?}");
        }
        assert_eq!(only(&kind, &part("model", "a")), None, "it does not end");
    }
}
