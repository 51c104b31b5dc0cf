//! Which page a request gets. No state, no waiting: everything is in the snapshots.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::Full;
use nearway_telemetry::CONTENT_TYPE as METRICS;
use serde::Serialize;

use crate::App;
use crate::changes::Changes;
use crate::explain::{Explanation, Form, Question, Wrong};
use crate::health::ready;
use crate::regions::Regions;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All paths that are of use to a person.
const KNOWN: &str =
    "/, /healthz, /readyz, /metrics, /api/regions, /api/explain?deployment=NAME, /api/changes";

/// The status page: three files, nothing loaded from elsewhere.
const PAGE: &str = include_str!("page/page.html");
const PAGE_CSS: &str = include_str!("page/page.css");
const PAGE_SCRIPT: &str = include_str!("page/page.js");

/// Only the page's own files may run or be shown, nothing inline, and it may ask only this listener.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The answer to a request.
pub(crate) fn answer(method: &Method, uri: &Uri, app: &App) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response =
            page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD are served here\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match uri.path() {
        "/" => {
            let mut response = page(StatusCode::OK, HTML, PAGE);
            let policy = HeaderValue::from_static(POLICY);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
        "/page.css" => page(StatusCode::OK, CSS, PAGE_CSS),
        "/page.js" => page(StatusCode::OK, SCRIPT, PAGE_SCRIPT),
        "/healthz" => page(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => match ready(&app.status.load(), &app.table.load(), app.now()) {
            Ok(()) => page(StatusCode::OK, TEXT, "ready\n"),
            Err(why) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{}\n", why.as_str())),
        },
        "/metrics" => page(StatusCode::OK, METRICS, app.metrics.render()),
        "/api/regions" => {
            let (status, table) = (app.status.load(), app.table.load());
            json(&Regions::new(&status, &table, app.now()))
        }
        "/api/explain" => explain(uri, app),
        "/api/changes" => changes(uri, app),
        _ => failure(StatusCode::NOT_FOUND, &format!("not found; there are {KNOWN}")),
    }
}

fn explain(uri: &Uri, app: &App) -> Response<Full<Bytes>> {
    let table = app.table.load();
    let question = match Question::read(uri.query(), &*app.requests) {
        Ok(question) => question,
        Err(Wrong::Unreadable(wrong)) => return failure(StatusCode::BAD_REQUEST, &wrong),
        Err(Wrong::Client(wrong)) => return failure(StatusCode::NOT_FOUND, &wrong),
    };
    let explained = Explanation::new(&question, &table, &*app.requests, app.now());
    match question.form {
        Form::Json => json(&explained),
        Form::Text => page(StatusCode::OK, TEXT, explained.to_string()),
    }
}

fn changes(uri: &Uri, app: &App) -> Response<Full<Bytes>> {
    let table = app.table.load();
    match Changes::new(uri.query(), &table, app.now()) {
        Ok(changes) => json(&changes),
        Err(wrong) => failure(StatusCode::BAD_REQUEST, &wrong),
    }
}

fn json(answer: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(answer) {
        Ok(json) => page(StatusCode::OK, JSON, json),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

/// An error in one line of JSON.
fn failure(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    page(status, JSON, format!("{}\n", serde_json::json!({ "error": error })))
}

fn page(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(NO_SNIFF, HeaderValue::from_static("nosniff"));
    response
}

const NO_SNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
