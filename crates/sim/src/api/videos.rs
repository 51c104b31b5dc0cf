//! Videos: create, look up, list, remix, delete. Their content is a few bytes.
//!
//! Called by `api.rs` (API fact sheet section 6). A video is made when somebody looks at it.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::files;
use super::multipart::Form;
use super::objects::{Collection, given, required, text, with};
use super::request::posted;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::kind::Kind;

/// Answers `…/videos` and what is below it.
pub(crate) async fn answer(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Response<RegionBody>, ApiError> {
    exchange.admit(None).await?;
    let route = exchange.route.clone();
    let videos = Collection::of(Kind::Video);
    let object = match (&head.method, route.rest().as_slice()) {
        (&Method::POST, []) => {
            let request = asked(head, body).await?;
            required(&request, "prompt")?;
            create(exchange, &request)
        }
        (&Method::GET, []) => videos.list(exchange)?,
        (&Method::GET, [id]) => videos.look(exchange, id)?,
        (&Method::GET, [id, "content"]) => {
            let video = videos.peek(exchange, id)?;
            return Ok(files::bytes(format!("the video {}", text(&video, "id")).into()));
        }
        (&Method::POST, [id, "remix"]) => {
            let request = asked(head, body).await?;
            required(&request, "prompt")?;
            let original = given(&videos.peek(exchange, id)?, &["model", "seconds", "size"]);
            let remix = with(with(original, request), json!({"remixed_from_video_id": id}));
            create(exchange, &remix)
        }
        (&Method::DELETE, [id]) => videos.delete(exchange, id)?,
        _ => return Err(ApiError::NoRoute),
    };
    Ok(exchange.json(StatusCode::OK, &object))
}

/// The members of a request, which the SDKs send as a form, others as JSON.
async fn asked(head: &Parts, body: Bytes) -> Result<Value, ApiError> {
    if !Form::is_sent(head) {
        return posted(head, &body);
    }
    let form = Form::read(head, body).await?;
    let members = MEMBERS.iter().filter_map(|name| Some((*name).to_owned()).zip(form.text(name)));
    Ok(Value::Object(members.map(|(name, text)| (name, json!(text))).collect()))
}

fn create(exchange: &mut Exchange, request: &Value) -> Value {
    let now = exchange.created();
    let usual = json!({
        "model": "sora-2", "seconds": "4", "size": "720x1280", "status": "queued", "progress": 0,
        "error": null, "completed_at": null, "expires_at": null, "remixed_from_video_id": null,
    });
    let members = with(usual, given(request, MEMBERS));
    let members = with(members, given(request, &["remixed_from_video_id"]));
    let done = json!({"status": "completed", "progress": 100, "completed_at": now});
    Collection::of(Kind::Video).begin(exchange, members, done)
}

const MEMBERS: &[&str] = &["model", "prompt", "seconds", "size"];
