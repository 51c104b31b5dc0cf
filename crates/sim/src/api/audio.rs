//! Audio to text: a form with a file and, outside the classic path, the field `model`.
//!
//! Called by `api.rs` for transcriptions and translations. Nobody listens to the file.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::errors::ApiError;
use super::multipart::Form;
use super::request::deployment;
use crate::body::{RegionBody, whole};
use crate::exchange::Exchange;

/// Answers `POST …/audio/transcriptions` and `…/audio/translations`.
pub(crate) async fn hear(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    if head.method != Method::POST {
        return Err(ApiError::NoRoute);
    }
    let form = Form::read(head, body).await?;
    let model = deployment(exchange, form.text("model"))?;
    exchange.admit(Some(&model)).await?;
    form.part("file")?;
    exchange.until(exchange.delays.first_token).await;
    let text = format!("Hello from {}.", exchange.world.display());
    if form.text("response_format") == Some("text") {
        let mut response = Response::new(whole(text));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        return Ok(response);
    }
    Ok(exchange.json(StatusCode::OK, &json!({"text": text})))
}
