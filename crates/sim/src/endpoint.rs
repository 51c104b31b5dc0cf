//! The control endpoint of `nearway sim`: the world over HTTP, while it runs.
//!
//! A thin layer over [`Control`]; started by [`crate::Sim::serve_control`].

use std::convert::Infallible;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::control::{Control, ControlError};
use crate::region::Tasks;

/// Serves until the simulator ends.
pub(crate) async fn serve(control: Control, listener: TcpListener, tasks: Tasks) {
    loop {
        let accepted = tokio::select! {
            () = tasks.cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (control, cancel) = (control.clone(), tasks.cancel.clone());
        tasks.tracker.spawn(async move {
            let service = service_fn(move |request| answer(control.clone(), request));
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new());
            let served = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = cancel.cancelled() => {}
                // whoever asks sees the failure; there is nobody else to tell
                _ = served => {}
            }
        });
    }
}

async fn answer(
    control: Control,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    Ok(match (head.method, segments.as_slice()) {
        (Method::GET, ["world"]) => json_answer(StatusCode::OK, &control.world()),
        (Method::GET, ["regions", name]) => found(control.region(name), name),
        (Method::GET, ["regions", name, "stats"]) => found(control.stats(name), name),
        (Method::PATCH, ["regions", name]) => {
            match Limited::new(body, PATCH_MOST).collect().await {
                Ok(patch) => match control.patch(name, &patch.to_bytes()) {
                    Ok(()) => found(control.region(name), name),
                    Err(error) => refusal(&error),
                },
                Err(_) => message(StatusCode::PAYLOAD_TOO_LARGE, "the patch was not read"),
            }
        }
        _ => message(
            StatusCode::NOT_FOUND,
            "ask GET /world, GET or PATCH /regions/{name}, GET /regions/{name}/stats",
        ),
    })
}

fn found<T: Serialize>(value: Option<T>, name: &str) -> Response<Full<Bytes>> {
    match value {
        Some(value) => json_answer(StatusCode::OK, &value),
        None => refusal(&ControlError::NoRegion(name.to_owned())),
    }
}

fn refusal(error: &ControlError) -> Response<Full<Bytes>> {
    let status = match error {
        ControlError::NoRegion(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    message(status, &error.to_string())
}

fn message(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    json_answer(status, &json!({"error": text}))
}

fn json_answer<T: Serialize>(status: StatusCode, value: &T) -> Response<Full<Bytes>> {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const PATCH_MOST: usize = 1024 * 1024;
