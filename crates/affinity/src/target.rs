//! The ids in a request's target: by their places, not by how they look (API fact sheet section 6).

use nearway_wire::endpoint::is;

/// Where ids stand in paths, from the operation on. `{}` is one; a path may end, or go on, anywhere.
const PLACES: [&str; 20] = [
    "responses/{}",
    "files/{}",
    "uploads/{}",
    "batches/{}",
    "fine_tuning/jobs/{}",
    "fine_tuning/checkpoints/{}",
    "assistants/{}",
    "threads/{}/messages/{}/files/{}",
    "threads/{}/runs/{}/steps/{}",
    "vector_stores/{}/files/{}",
    "vector_stores/{}/file_batches/{}",
    "conversations/{}/items/{}",
    "containers/{}/files/{}",
    "evals/{}/runs/{}/output_items/{}",
    "videos/characters/{}",
    "videos/{}",
    "skills/{}/versions/{}",
    "realtime/calls/{}",
    "chat/completions/{}",
    "chatkit/sessions/{}",
];

/// Words that stand where ids do, and are none.
const WORDS: [&str; 6] = ["runs", "input_tokens", "compact", "characters", "edits", "extensions"];

/// Parameters of the query that name an object (API fact sheet section 7).
const PARAMETERS: [&str; 1] = ["call_id"];

/// The ids that a target names, the outermost first, raw as they stand there; with each the path below which it
/// can be asked for, if it can. `operation_at` is where in the target the operation begins, as
/// [`nearway_wire::endpoint::read`] says.
pub fn ids_in(
    target: &str,
    operation_at: usize,
) -> impl Iterator<Item = (&str, Option<&'static str>)> {
    let from_operation = target.get(operation_at..).unwrap_or_default();
    let (path, query) = from_operation.split_once('?').unwrap_or((from_operation, ""));
    let most = PLACES.iter().max_by_key(|place| in_path(path, place).count());
    let in_query = query.split('&').filter_map(|pair| pair.split_once('='));
    let in_query = in_query.filter(|(key, _)| PARAMETERS.iter().any(|word| is(key, word)));
    let outermost = most.and_then(|place| asked_below(place));
    let ids = most.into_iter().flat_map(|place| in_path(path, place)).enumerate();
    let ids = ids.map(move |(at, id)| (id, outermost.filter(|_| at == 0)));
    ids.chain(in_query.map(|(_, id)| (id, None))).filter(|(id, _)| !id.is_empty())
}

/// What stands before the first id of a place, if a `GET` of that and the id tells of it.
fn asked_below(place: &'static str) -> Option<&'static str> {
    let path = place.split("/{}").next()?;
    // the API has no such question
    (path != "uploads" && path != "realtime/calls").then_some(path)
}

/// The ids of a path as far as it is as `place` says.
fn in_path<'p>(path: &'p str, place: &'static str) -> impl Iterator<Item = &'p str> {
    let segments = path.split('/').zip(place.split('/'));
    let matching = segments.take_while(|(segment, word)| match *word {
        ID => !segment.is_empty() && !WORDS.iter().any(|word| is(segment, word)),
        word => is(segment, word),
    });
    matching.filter(|(_, word)| *word == ID).map(|(segment, _)| segment)
}

const ID: &str = "{}";

#[cfg(test)]
mod tests {
    use nearway_wire::endpoint;

    use super::*;

    fn ids(target: &str) -> Vec<&str> {
        let at = endpoint::read(target).unwrap().operation_at;
        ids_in(target, at).map(|(id, _)| id).collect()
    }

    #[test]
    fn every_object_of_the_fact_sheet_is_found_in_the_path() {
        for (target, expected) in [
            ("/v1/responses/resp_1", &["resp_1"][..]),
            ("/openai/responses/resp_1/input_items?api-version=1", &["resp_1"]),
            ("/openai/v1/responses/resp_1/cancel", &["resp_1"]),
            ("/v1/files/file-1/content", &["file-1"]),
            ("/openai/files/assistant-1?api-version=1", &["assistant-1"]),
            ("/v1/uploads/upload_1/parts", &["upload_1"]),
            ("/v1/batches/batch_1/cancel", &["batch_1"]),
            ("/v1/fine_tuning/jobs/ftjob-1/events", &["ftjob-1"]),
            ("/v1/fine_tuning/checkpoints/ft:m:o:n:1/permissions", &["ft:m:o:n:1"]),
            ("/v1/assistants/asst_1", &["asst_1"]),
            ("/v1/threads/thread_1", &["thread_1"]),
            ("/v1/threads/thread_1/messages/msg_1", &["thread_1", "msg_1"]),
            ("/v1/threads/t/runs/run_1/steps/step_1", &["t", "run_1", "step_1"]),
            ("/v1/threads/t/runs/run_1/submit_tool_outputs", &["t", "run_1"]),
            ("/v1/vector_stores/vs_1/search", &["vs_1"]),
            ("/v1/vector_stores/vs_1/files/file-1/content", &["vs_1", "file-1"]),
            ("/v1/vector_stores/vs_1/file_batches/vsfb_1/files", &["vs_1", "vsfb_1"]),
            ("/v1/conversations/conv_1/items/msg_1", &["conv_1", "msg_1"]),
            ("/v1/containers/cntr_1/files/cfile_1/content", &["cntr_1", "cfile_1"]),
            ("/v1/evals/e/runs/r/output_items/o", &["e", "r", "o"]),
            ("/v1/videos/video_1/remix", &["video_1"]),
            ("/v1/skills/skill_1", &["skill_1"]),
            ("/v1/realtime/calls/rtc_1/hangup", &["rtc_1"]),
            ("/v1/realtime?call_id=rtc_1&x=y", &["rtc_1"]),
            ("/v1/chat/completions/chatcmpl-1/messages", &["chatcmpl-1"]),
            ("/RESPONSES/resp_1", &["resp_1"]),
            ("/api/projects/p/openai/v1/vector_stores/vs_1/files/f/content", &["vs_1", "f"]),
        ] {
            assert_eq!(ids(target), expected, "{target}");
        }
    }

    #[test]
    fn the_outermost_can_be_asked_for_where_the_api_has_a_question() {
        for (target, expected) in [
            ("containers/c/files/f", &[("c", Some("containers")), ("f", None)][..]),
            ("fine_tuning/jobs/j/events", &[("j", Some("fine_tuning/jobs"))]),
            ("uploads/u/parts", &[("u", None)]),
            ("realtime?call_id=r", &[("r", None)]),
        ] {
            assert_eq!(ids_in(target, 0).collect::<Vec<_>>(), expected, "{target}");
        }
    }

    #[test]
    fn what_stands_elsewhere_is_no_id() {
        for target in [
            "/v1/responses",
            "/v1/responses/",
            "/v1/responses/compact",
            "/v1/responses/input_tokens",
            "/v1/threads/runs",
            "/v1/fine_tuning/jobs",
            "/v1/files?after=file-1&purpose=batch",
            "/v1/models/gpt-4o",
            "/v1/chat/completions",
            "/openai/deployments/file-1/chat/completions",
            "/v1/embeddings/file-1",
            "/v1/realtime?model=rtc_1",
            "/",
        ] {
            assert_eq!(ids(target), [""; 0], "{target}");
        }
    }
}
