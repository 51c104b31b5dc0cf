//! What in an answer names an object of the region that gave it (API fact sheet section 6).
//!
//! An object, a list of them, and an event of a stream each hold ids at the same places below their own.

use std::sync::{Arc, LazyLock};

use nearway_wire::endpoint::Operation;
use nearway_wire::fields::Fields;

/// Where ids stand in an object.
const IN_OBJECT: &[&str] = &[
    "id",
    "encrypted_content",
    "conversation.id",
    "session.id",
    "file.id",
    // the key of a realtime session, which is one region's as well
    "value",
    "client_secret.value",
    "output[].id",
    "output[].encrypted_content",
    "output[].container_id",
    "output[].content[].annotations[].file_id",
    "output[].content[].annotations[].container_id",
    "content[].annotations[].file_id",
    "content[].annotations[].container_id",
    "content[].image_file.file_id",
    "content[].text.annotations[].file_path.file_id",
    "content[].text.annotations[].file_citation.file_id",
    "attachments[].file_id",
    "container_id",
    "input_file_id",
    "output_file_id",
    "error_file_id",
    "training_file",
    "validation_file",
    "result_files[]",
    "file_id",
    "file_ids[]",
    "assistant_id",
    "thread_id",
    "run_id",
    "vector_store_id",
    "eval_id",
    "upload_id",
    "tool_resources.code_interpreter.file_ids[]",
    "tool_resources.file_search.vector_store_ids[]",
];

/// What objects stand in: alone, in a list, in an event of a stream of the Responses API.
const AROUND: [&str; 4] = ["", "data[].", "response.", "item."];

/// The places to search in the answer to such a request; `None`: it names no object that is the region's own.
///
/// `last` is the last word of its path; `stores` tells whether a chat completion is kept.
#[must_use]
pub fn fields(operation: Operation, last: &str, stores: bool) -> Option<&'static Arc<Fields>> {
    let teaches = match operation {
        // a file's own text
        _ if last == "content" => false,
        Operation::Responses
        | Operation::Files
        | Operation::Uploads
        | Operation::Batches
        | Operation::FineTuning
        | Operation::Assistants
        | Operation::Threads
        | Operation::VectorStores
        | Operation::Conversations
        | Operation::Containers
        | Operation::Videos
        | Operation::Evals
        | Operation::Realtime
        | Operation::Other => true,
        Operation::ChatCompletions => stores,
        Operation::Completions
        | Operation::Embeddings
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::AudioSpeech
        | Operation::ImagesGenerations
        | Operation::ImagesEdits
        | Operation::Models => false,
    };
    // items hold what clients have sent, with ids of wherever they like
    let only_ids = operation == Operation::ChatCompletions || ITEMS.contains(&last);
    teaches.then(|| if only_ids { &*IDS } else { &*OBJECTS })
}

static OBJECTS: LazyLock<Arc<Fields>> = LazyLock::new(|| {
    let each = |around: &&str| {
        let around = (*around).to_owned();
        IN_OBJECT.iter().map(move |place| format!("{around}{place}"))
    };
    let places: Vec<String> = AROUND.iter().flat_map(each).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    Arc::new(Fields::new(&places))
});

/// Where items are listed.
const ITEMS: [&str; 2] = ["input_items", "items"];

/// Of one object, or of a list of them, and of nothing that they hold.
static IDS: LazyLock<Arc<Fields>> = LazyLock::new(|| Arc::new(Fields::new(&["id", "data[].id"])));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_regions_own_teaches() {
        for (operation, last, stores, expected) in [
            (Operation::Files, "files", false, true),
            (Operation::Files, "content", true, false),
            (Operation::ChatCompletions, "completions", false, false),
            (Operation::ChatCompletions, "completions", true, true),
            (Operation::Models, "models", true, false),
            (Operation::Embeddings, "embeddings", true, false),
        ] {
            assert_eq!(fields(operation, last, stores).is_some(), expected, "{operation:?} {last}");
        }
        let of = |last| fields(Operation::Responses, last, false).unwrap();
        assert!(Arc::ptr_eq(of("input_items"), &IDS) && Arc::ptr_eq(of("responses"), &OBJECTS));
    }
}
