//! Responses over WebSocket: each message of text asks for one, and its events come as messages (API fact
//! sheet section 5.2).
//!
//! A turn is what the same body posted with `stream` would be, so that both say the same.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};

use crate::api::errors::ApiError;
use crate::api::responses;
use crate::api::route::Route;
use crate::body::RegionBody;
use crate::exchange::Exchange;
use crate::region::Region;
use crate::ticket::Ticket;

/// Who is asked, and the head with which.
#[derive(Debug)]
pub(super) struct Turns {
    region: Arc<Region>,
    head: Parts,
}

impl Turns {
    pub(super) fn new(region: Arc<Region>, opened: &Parts) -> Self {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = opened.uri.clone();
        Self { region, head: request.into_parts().0 }
    }

    /// The answer to one message, whose [`next_event`] are to be sent on.
    pub(super) async fn take(&self, text: &str) -> RegionBody {
        let route = Route::read(&self.head.uri);
        let ticket = Ticket::take(&self.region, route.operation.as_str(), &self.head);
        let mut exchange = Exchange::begin(&self.region, &ticket, route);
        let answered = match asked(text) {
            Ok(body) => responses::answer(&mut exchange, &self.head, &body).await,
            Err(error) => Err(error),
        };
        let response = answered.unwrap_or_else(|error| error.answer(&mut exchange));
        ticket.answer(response).into_body()
    }
}

/// The body that asks for the same as the message.
fn asked(text: &str) -> Result<Bytes, ApiError> {
    let malformed = |what: String| ApiError::Malformed(what);
    let mut message: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    if message.remove("type") != Some(json!("response.create")) {
        return Err(malformed("expected the type response.create".to_owned()));
    }
    message.insert("stream".to_owned(), json!(true));
    Ok(Value::Object(message).to_string().into())
}

/// The next event of an answer as a message; `None` at its end. An error is a body, not a stream.
pub(super) async fn next_event(answer: &mut RegionBody) -> Option<String> {
    let frame = answer.frame().await?.ok()?.into_data().ok()?;
    let text = std::str::from_utf8(&frame).ok()?;
    if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) {
        return Some(data.to_owned());
    }
    let mut error: Map<String, Value> = serde_json::from_str(text).ok()?;
    error.insert("type".to_owned(), json!("error"));
    Some(Value::Object(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_asks_for_a_stream() {
        let body = asked(r#"{"type":"response.create","model":"m","stream":false}"#).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({"model": "m", "stream": true}));
        for bad in ["", "[]", "{}", r#"{"type":"session.update"}"#] {
            assert!(matches!(asked(bad), Err(ApiError::Malformed(_))), "{bad}");
        }
    }
}
