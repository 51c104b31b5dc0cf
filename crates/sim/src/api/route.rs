//! Which operation a target names, in the URL forms of API fact sheet sections 1.1 and 1.2.
//!
//! Pure. The classic forms need an `api-version`, as Azure's do, so a proxy that loses the query
//! is noticed.

use std::borrow::Cow;

use http::Uri;
use percent_encoding::percent_decode_str;

use super::operation::Operation;

/// How the URL is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/openai/deployments/{d}/…` and `/openai/…` with `api-version`.
    Classic,
    /// `/openai/v1/…`, also below `/api/projects/{p}`.
    V1,
    /// `/v1/…`.
    OpenAi,
}

/// A target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) dialect: Dialect,
    pub(crate) operation: Operation,
    /// Named in the path.
    pub(crate) deployment: Option<String>,
    /// What follows the operation, such as `file-1` and `content`, decoded.
    pub(crate) rest: Vec<String>,
    query: Vec<(String, String)>,
}

impl Route {
    pub(crate) fn read(uri: &Uri) -> Self {
        let query = uri.query().map(pairs).unwrap_or_default();
        let segments: Vec<&str> = uri.path().split('/').skip(1).collect();
        let (dialect, deployment, rest) = match segments.as_slice() {
            ["status-0123456789abcdef"] => return Self::keyless(Operation::Status, &[], query),
            ["sim", rest @ ..] => return Self::keyless(Operation::Raw, rest, query),
            ["openai", "deployments", deployment, rest @ ..] => {
                (Dialect::Classic, Some(decoded(deployment)), rest)
            }
            ["openai", "v1", rest @ ..] | ["api", "projects", _, "openai", "v1", rest @ ..] => {
                (Dialect::V1, None, rest)
            }
            ["openai", rest @ ..] => (Dialect::Classic, None, rest),
            ["v1", rest @ ..] => (Dialect::OpenAi, None, rest),
            _ => (Dialect::Classic, None, [].as_slice()),
        };
        let (mut operation, rest) = operation(rest);
        // what is stored has no deployment any more
        if (dialect, operation) == (Dialect::Classic, Operation::ChatCompletions)
            && deployment.is_none()
        {
            operation = Operation::StoredCompletions;
        }
        let versioned = query.iter().any(|(name, _)| name == "api-version");
        if dialect == Dialect::Classic && !(versioned && operation.is_at(deployment.is_some())) {
            operation = Operation::Other;
        }
        let rest = rest.iter().copied().map(decoded).collect();
        Self { dialect, operation, deployment, rest, query }
    }

    /// The first value of a query parameter, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    /// A number in the query; what is no number counts as left out.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.query(name)?.parse().ok()
    }

    /// What follows the operation, as a pattern to match.
    pub(crate) fn rest(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
    }

    /// Azure adds filter results and its own headers; OpenAI does not.
    pub(crate) fn is_azure(&self) -> bool {
        self.dialect != Dialect::OpenAi
    }

    fn keyless(operation: Operation, rest: &[&str], query: Vec<(String, String)>) -> Self {
        let rest = rest.iter().copied().map(decoded).collect();
        Self { dialect: Dialect::Classic, operation, deployment: None, rest, query }
    }
}

fn operation<'a, 's>(segments: &'a [&'s str]) -> (Operation, &'a [&'s str]) {
    match segments {
        ["chat", "completions"] => (Operation::ChatCompletions, &[]),
        ["chat", "completions", rest @ ..] => (Operation::StoredCompletions, rest),
        ["completions"] => (Operation::Completions, &[]),
        ["embeddings"] => (Operation::Embeddings, &[]),
        ["audio", "transcriptions"] => (Operation::AudioTranscriptions, &[]),
        ["audio", "translations"] => (Operation::AudioTranslations, &[]),
        ["realtime", rest @ ..] => (Operation::Realtime, rest),
        ["responses", rest @ ..] => (Operation::Responses, rest),
        ["files", rest @ ..] => (Operation::Files, rest),
        ["uploads", rest @ ..] => (Operation::Uploads, rest),
        ["batches", rest @ ..] => (Operation::Batches, rest),
        ["fine_tuning", rest @ ..] => (Operation::FineTuning, rest),
        ["assistants", rest @ ..] => (Operation::Assistants, rest),
        ["threads", rest @ ..] => (Operation::Threads, rest),
        ["vector_stores", rest @ ..] => (Operation::VectorStores, rest),
        ["conversations", rest @ ..] => (Operation::Conversations, rest),
        ["containers", rest @ ..] => (Operation::Containers, rest),
        ["evals", rest @ ..] => (Operation::Evals, rest),
        ["videos", rest @ ..] => (Operation::Videos, rest),
        ["models", rest @ ..] => (Operation::Models, rest),
        _ => (Operation::Other, &[]),
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(&value.replace('+', " ")))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> String {
    Cow::into_owned(percent_decode_str(text).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str) -> Route {
        Route::read(&target.parse().unwrap())
    }

    #[test]
    fn the_three_dialects_name_the_same_operations() {
        let table = [
            ("/openai/deployments/gpt-4o/chat/completions?api-version=1", Dialect::Classic),
            ("/openai/v1/chat/completions", Dialect::V1),
            ("/api/projects/p/openai/v1/chat/completions", Dialect::V1),
            ("/v1/chat/completions", Dialect::OpenAi),
        ];
        for (target, dialect) in table {
            let route = read(target);
            assert_eq!((route.dialect, route.operation), (dialect, Operation::ChatCompletions));
        }
        assert_eq!(read("/openai/responses?api-version=1").operation, Operation::Responses);
        assert_eq!(read("/v1/files/file-1/content").rest(), ["file-1", "content"]);
    }

    #[test]
    fn objects_are_at_their_places() {
        for (target, operation, rest) in [
            ("/openai/threads/t/runs?api-version=1", Operation::Threads, vec!["t", "runs"]),
            ("/openai/batches?api-version=1", Operation::Batches, vec![]),
            ("/openai/deployments/d/batches?api-version=1", Operation::Batches, vec![]),
            ("/v1/fine_tuning/jobs/j", Operation::FineTuning, vec!["jobs", "j"]),
            ("/v1/chat/completions/c", Operation::StoredCompletions, vec!["c"]),
            ("/openai/chat/completions?api-version=1", Operation::StoredCompletions, vec![]),
            ("/openai/deployments/d/threads?api-version=1", Operation::Other, vec![]),
        ] {
            let route = read(target);
            assert_eq!((route.operation, route.rest()), (operation, rest), "{target}");
        }
    }

    #[test]
    fn a_deployment_is_decoded_and_a_query_is_found() {
        let route = read("/openai/deployments/gpt%204o/embeddings?x=1&api-version=2024-10-21");
        assert_eq!(route.deployment.as_deref(), Some("gpt 4o"));
        assert_eq!(route.query("api-version"), Some("2024-10-21"));
        assert_eq!(route.number("x"), Some(1));
    }

    #[test]
    fn what_azure_does_not_serve_is_other() {
        for target in [
            "/openai/deployments/gpt-4o/chat/completions",
            "/openai/deployments/gpt-4o/responses?api-version=1",
            "/openai/v1/nonsense",
            "/",
            "/chat/completions",
        ] {
            assert_eq!(read(target).operation, Operation::Other, "{target}");
        }
    }
}
