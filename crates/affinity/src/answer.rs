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
/// `stores` tells whether the request wants a chat completion to be kept, as far as it says so.
#[must_use]
pub fn fields(operation: Operation, stores: bool) -> Option<&'static Arc<Fields>> {
    let teaches = match operation {
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
    teaches.then(|| if operation == Operation::ChatCompletions { &*CHAT } else { &*OBJECTS })
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

/// Of a chat completion that is kept, or a list of such.
static CHAT: LazyLock<Arc<Fields>> = LazyLock::new(|| Arc::new(Fields::new(&["id", "data[].id"])));
