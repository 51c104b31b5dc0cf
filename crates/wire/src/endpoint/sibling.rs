//! The target of one object beside another target: same form, same query.
//!
//! The proxy calls this to ask who knows an object that a request names.

use percent_encoding::utf8_percent_encode;

use super::rename::RESERVED;

/// The target of the object `id` below `path`, in the form and with the query of `target`: for
/// `/openai/batches?api-version=1`, `files` and `file-1` that is `/openai/files/file-1?api-version=1`. `None`
/// for a target that can't be read.
#[must_use]
pub fn sibling(target: &str, path: &str, id: &str) -> Option<String> {
    let at = super::read(target).ok()?.operation_at;
    let (form, rest) = target.split_at_checked(at)?;
    // one deployment's own operations have no objects below them
    let form = match form.rsplit('/').nth(2) {
        Some(word) if super::is(word, "deployments") => {
            let end =
                form.len() - form.rsplit('/').take(3).map(|part| part.len() + 1).sum::<usize>();
            form.get(..=end)?
        }
        _ => form,
    };
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let mut sibling = format!("{form}{path}/");
    sibling.extend(utf8_percent_encode(id, RESERVED));
    if !query.is_empty() {
        sibling.push('?');
        sibling.push_str(query);
    }
    Some(sibling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sibling_has_the_same_form_and_query() {
        for (target, expected) in [
            ("/openai/batches?api-version=1", "/openai/files/file-1?api-version=1"),
            ("/v1/responses", "/v1/files/file-1"),
            ("/api/projects/p/openai/v1/assistants", "/api/projects/p/openai/v1/files/file-1"),
            ("/threads/t/runs?a=b", "/files/file-1?a=b"),
            ("/openai/deployments/d/chat/completions?x=1", "/openai/files/file-1?x=1"),
            ("/deployments/d/chat/completions", "/files/file-1"),
        ] {
            assert_eq!(sibling(target, "files", "file-1").as_deref(), Some(expected), "{target}");
        }
        assert_eq!(
            sibling("/v1/evals", "files", "a/../b?").as_deref(),
            Some("/v1/files/a%2F..%2Fb%3F")
        );
        assert_eq!(sibling("/a/../b", "files", "x"), None);
    }
}
