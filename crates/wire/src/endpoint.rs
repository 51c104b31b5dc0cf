//! What a request target asks for: dialect, operation and deployment name.
//!
//! `identify` in the proxy calls [`read`] once a request, before anything else is decided, and
//! [`rename`] where the chosen region calls the deployment otherwise. Nothing here rewrites, decodes
//! or tidies a target that is sent on; a target that could mean two things to two readers is refused.

mod operation;
mod parameter;
mod rename;
mod sibling;
mod target;

use std::borrow::Cow;
use std::ops::Range;

pub use operation::Operation;
pub use parameter::{parameter, with_parameter};
pub use rename::rename;
pub use sibling::sibling;
pub use target::BadTarget;

pub(crate) use rename::RESERVED;
use target::Segments;
pub use target::{decoded, is};

/// Whose URL form a target has (API fact sheet 1.1, 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/openai/deployments/{deployment}/{operation}` and `/openai/{operation}`.
    Azure,
    /// `/openai/v1/{operation}`, also below `/api/projects/{project}`.
    V1,
    /// `/v1/{operation}`, and a bare `/{operation}` that is known.
    OpenAi,
    /// Anything else: forwarded all the same.
    Unknown,
}

/// Where the deployment's name stood in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// A path segment: `/deployments/{name}/…`.
    Path,
    /// The query of a realtime request: `?model={name}` or `?deployment={name}`.
    Query,
}

/// A deployment's name as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Percent-decoded; bytes that are no UTF-8 become U+FFFD and so match no configured name.
    pub name: Cow<'a, str>,
    /// Byte range of the raw (still encoded) name in the target; what [`rename`] replaces.
    pub span: Range<usize>,
}

/// What a target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Whose URL form it is.
    pub dialect: Dialect,
    /// What is to be done.
    pub operation: Operation,
    /// The deployment that the target names. `None` does not mean that the request names none: see
    /// [`Operation::model_in_body`].
    pub deployment: Option<Named<'a>>,
    /// Where that name stood; `Some` exactly when `deployment` is.
    pub via: Option<Via>,
    /// Where in the target the operation begins: what stands before it says whose form it is, what
    /// follows names objects.
    pub operation_at: usize,
}

/// Reads an origin-form target (`/path?query`) as it came on the wire.
///
/// Words of the API are compared without case and after percent-decoding, so that another spelling of
/// the same path does not escape the deployment map.
///
/// # Errors
///
/// [`BadTarget`] when the target has no path, or holds a dot segment, a control byte or a fragment.
pub fn read(target: &str) -> Result<Endpoint<'_>, BadTarget> {
    let segments = Segments::split(target)?;
    let route = Route::of(&segments);
    let operation =
        Operation::of(segments.text(route.operation), segments.text(route.operation + 1));
    let dialect = match (route.dialect, operation) {
        (Some(dialect), _) => dialect,
        (None, Operation::Other) => Dialect::Unknown,
        (None, _) => Dialect::OpenAi,
    };
    let (deployment, via) = match route.deployment.and_then(|index| in_path(&segments, index)) {
        Some(named) => (Some(named), Some(Via::Path)),
        None if operation == Operation::Realtime => {
            let named = segments.query().and_then(|start| in_query(target, start));
            let via = named.as_ref().map(|_| Via::Query);
            (named, via)
        }
        None => (None, None),
    };
    let operation_at = match segments.span(route.operation) {
        // a path without an operation
        span if span.is_empty() => target.len(),
        span => span.start,
    };
    Ok(Endpoint { dialect, operation, deployment, via, operation_at })
}

/// Whether the query names a deployment that is not this one, for a reader who takes another pair than
/// [`read`] does.
#[must_use]
pub fn names_another(target: &str, deployment: Option<&str>) -> bool {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').filter_map(|pair| pair.split_once('=').filter(names_deployment));
    names.map(|(_, name)| decoded(name)).any(|name| deployment != Some(&name))
}

/// Whether a pair of a query names a deployment (API fact sheet 7).
fn names_deployment((key, value): &(&str, &str)) -> bool {
    !value.is_empty() && (is(key, "model") || is(key, "deployment"))
}

/// Which segments of a path mean what; indices into [`Segments`].
struct Route {
    /// `None`: a bare path, which is `OpenAI`'s if the operation is known.
    dialect: Option<Dialect>,
    deployment: Option<usize>,
    operation: usize,
}

impl Route {
    fn of(segments: &Segments<'_>) -> Self {
        let root = if segments.is(0, "api") && segments.is(1, "projects") { 3 } else { 0 };
        let openai = segments.is(root, "openai");
        let after = if openai { root + 1 } else { 0 };
        let v1 = segments.is(after, "v1");
        let next = if v1 { after + 1 } else { after };
        let dialect = match (openai, v1) {
            (true, true) => Some(Dialect::V1),
            (true, false) => Some(Dialect::Azure),
            (false, true) => Some(Dialect::OpenAi),
            (false, false) => None,
        };
        // an AzureOpenAI client puts this under any base URL (API fact sheet 1.2)
        if segments.is(next, "deployments") {
            return Self {
                dialect: dialect.or(Some(Dialect::Azure)),
                deployment: Some(next + 1),
                operation: next + 2,
            };
        }
        Self { dialect, deployment: None, operation: next }
    }
}

fn in_path<'a>(segments: &Segments<'a>, index: usize) -> Option<Named<'a>> {
    let raw = segments.text(index);
    (!raw.is_empty()).then(|| Named { name: decoded(raw), span: segments.span(index) })
}

/// The first pair that names one, of the query that begins at `start`.
fn in_query(target: &str, start: usize) -> Option<Named<'_>> {
    let mut at = start;
    for pair in target.get(start..)?.split('&') {
        let end = at + pair.len();
        if let Some((_, value)) = pair.split_once('=').filter(names_deployment) {
            return Some(Named { name: decoded(value), span: end - value.len()..end });
        }
        at = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static str, Dialect, Operation, Option<&'static str>, Option<Via>);

    fn check(rows: &[Row]) {
        for (target, dialect, operation, deployment, via) in rows {
            let read = read(target).unwrap();
            let name = read.deployment.as_ref().map(|named| named.name.as_ref());
            assert_eq!((read.dialect, read.operation), (*dialect, *operation), "{target}");
            assert_eq!((name, read.via), (*deployment, *via), "{target}");
        }
    }

    #[test]
    fn another_name_in_the_query_is_noticed() {
        for target in ["/v1/realtime?model=a", "/r?Model=%61&deployment=a&model=", "/r", "/model=b"]
        {
            assert!(!names_another(target, Some("a")), "{target}");
        }
        for target in ["/r?model=a&model=b", "/r?model=a&deploymen%74=b", "/r?model=A"] {
            assert!(names_another(target, Some("a")), "{target}");
        }
        assert!(names_another("/r?model=a", None) && !names_another("/r?x=a", None));
    }

    #[test]
    fn every_url_form_of_the_fact_sheet_is_read() {
        use Dialect::{Azure, OpenAi, V1};
        use Operation::{
            AudioSpeech, ChatCompletions, Embeddings, Files, ImagesEdits, Models, Other, Responses,
        };
        let path = Some(Via::Path);
        check(&[
            (
                "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
                Azure,
                ChatCompletions,
                Some("gpt-4o"),
                path,
            ),
            ("/openai/deployments/e/embeddings", Azure, Embeddings, Some("e"), path),
            ("/openai/deployments/img/images/edits", Azure, ImagesEdits, Some("img"), path),
            ("/openai/deployments/gpt%2D4o/audio/speech", Azure, AudioSpeech, Some("gpt-4o"), path),
            ("/openai/responses?api-version=2025-04-01-preview", Azure, Responses, None, None),
            ("/openai/v1/chat/completions", V1, ChatCompletions, None, None),
            ("/openai/v1/chat/completions?model=a", V1, ChatCompletions, None, None),
            ("/openai/v1/deployments/d/chat/completions", V1, ChatCompletions, Some("d"), path),
            ("/api/projects/p/openai/v1/responses", V1, Responses, None, None),
            ("/v1/chat/completions", OpenAi, ChatCompletions, None, None),
            ("/v1/files/file-1/content", OpenAi, Files, None, None),
            ("/chat/completions", OpenAi, ChatCompletions, None, None),
            ("/models", OpenAi, Models, None, None),
            ("/deployments/d/chat/completions", Azure, ChatCompletions, Some("d"), path),
            ("/openai/deployments", Azure, Other, None, None),
            ("/openai/deployments/d", Azure, Other, Some("d"), path),
        ]);
    }

    #[test]
    fn odd_spellings_do_not_escape_and_unknown_paths_pass() {
        use Dialect::{Azure, OpenAi, Unknown};
        use Operation::{ChatCompletions, Other};
        let path = Some(Via::Path);
        check(&[
            ("/", Unknown, Other, None, None),
            ("/healthz", Unknown, Other, None, None),
            ("/v1", OpenAi, Other, None, None),
            ("/api/projects/p/agents", Unknown, Other, None, None),
            ("/OpenAI/Deployments/D/Chat/Completions", Azure, ChatCompletions, Some("D"), path),
            (
                "/open%61i/deploymen%74s/d/chat/completion%73",
                Azure,
                ChatCompletions,
                Some("d"),
                path,
            ),
            ("//openai/deployments/d/chat/completions", Azure, ChatCompletions, Some("d"), path),
            ("/v1/chat/completions/", OpenAi, ChatCompletions, None, None),
            ("/openai/deployments//chat/completions", Azure, ChatCompletions, None, None),
            (
                "/openai/deployments/a%2Fb/chat/completions",
                Azure,
                ChatCompletions,
                Some("a/b"),
                path,
            ),
            (
                "/openai/deployments/%ff/chat/completions",
                Azure,
                ChatCompletions,
                Some("\u{fffd}"),
                path,
            ),
            ("/openai/deployments/%zz/chat/completions", Azure, ChatCompletions, Some("%zz"), path),
        ]);
    }

    #[test]
    fn realtime_names_its_deployment_in_the_query() {
        use Dialect::{Azure, OpenAi, V1};
        use Operation::Realtime;
        let query = Some(Via::Query);
        check(&[
            ("/openai/v1/realtime?model=rt", V1, Realtime, Some("rt"), query),
            ("/openai/realtime?api-version=1&deployment=r%74", Azure, Realtime, Some("rt"), query),
            ("/v1/realtime?intent=transcription", OpenAi, Realtime, None, None),
            ("/v1/realtime?model=", OpenAi, Realtime, None, None),
            ("/v1/realtime?mod%65l=rt", OpenAi, Realtime, Some("rt"), query),
            ("/v1/realtime?call_id=rtc_1&&model=rt", OpenAi, Realtime, Some("rt"), query),
            ("/v1/realtime", OpenAi, Realtime, None, None),
        ]);
    }

    #[test]
    fn the_operation_begins_behind_whose_form_it_is() {
        for (target, operation) in [
            ("/openai/v1/files/file-1/content?x=1", "files/file-1/content?x=1"),
            ("/openai/threads/t/runs?api-version=1", "threads/t/runs?api-version=1"),
            ("/api/projects/p/openai/v1/files", "files"),
            ("/openai/deployments/d/chat/completions", "chat/completions"),
            ("/responses/resp_1", "responses/resp_1"),
            ("//v1/files", "files"),
            ("/v1", ""),
            ("/", ""),
        ] {
            assert_eq!(
                target.get(read(target).unwrap().operation_at..),
                Some(operation),
                "{target}"
            );
        }
    }

    #[test]
    fn the_span_is_the_raw_name() {
        for (target, raw) in [
            ("/openai/deployments/gpt%2D4o/chat/completions", "gpt%2D4o"),
            ("/openai/realtime?a=b&deployment=r%74&c", "r%74"),
        ] {
            let read = read(target).unwrap();
            assert_eq!(target.get(read.deployment.unwrap().span), Some(raw));
        }
    }
}
