//! The parts of an uploaded form.
//!
//! Used for files, audio and videos; the body was read and bounded by `handle.rs`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt, Full};

use super::errors::ApiError;

/// One part of a form.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content: Bytes,
}

/// All parts, in order.
#[derive(Debug)]
pub(crate) struct Form(Vec<Part>);

impl Form {
    /// Whether the body is a form.
    pub(crate) fn is_sent(head: &Parts) -> bool {
        let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("multipart/form-data"))
    }

    pub(crate) async fn read(head: &Parts, body: Bytes) -> Result<Self, ApiError> {
        let malformed = |error: multer::Error| ApiError::Malformed(error.to_string());
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = multer::parse_boundary(content_type.unwrap_or("")).map_err(malformed)?;
        let mut form = multer::Multipart::new(Full::new(body).into_data_stream(), boundary);
        let mut parts = Vec::new();
        while let Some(field) = form.next_field().await.map_err(malformed)? {
            if parts.len() == PARTS_MOST {
                return Err(ApiError::Malformed("too many parts".to_owned()));
            }
            let name = field.name().unwrap_or("").to_owned();
            let file_name = field.file_name().map(str::to_owned);
            let content = field.bytes().await.map_err(malformed)?;
            parts.push(Part { name, file_name, content });
        }
        Ok(Self(parts))
    }

    /// The first part of this name.
    pub(crate) fn part(&self, name: &'static str) -> Result<&Part, ApiError> {
        self.0.iter().find(|part| part.name == name).ok_or(ApiError::Missing(name))
    }

    /// Its content as text, if it is there and is text.
    pub(crate) fn text(&self, name: &'static str) -> Option<&str> {
        let part = self.part(name).ok()?;
        std::str::from_utf8(&part.content).ok()
    }
}

const PARTS_MOST: usize = 1_000;
