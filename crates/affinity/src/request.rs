//! What in a request's body names an object of a region, and what that means for where the request may go
//! (API fact sheet section 6).
//!
//! By place, never by how an id looks: free-form members such as `metadata` and the schemas of tools hold
//! whatever their owner likes.

use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;
use nearway_wire::endpoint::Operation;
use nearway_wire::fields::Fields;

/// What naming an object means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// Nobody but its owner can answer, and another region says that it does not know the object before it
    /// does anything. It can be asked for as well, where the request can't be sent twice, if there is a path.
    Told(Option<&'static str>),
    /// Nobody but its owner can answer; another region might begin all the same and fail later, or never say
    /// so. Whether it knows the object can be asked, without a side effect, with a `GET` of this path and
    /// the id.
    Askable(&'static str),
    /// Nobody but its owner can answer, and nobody can be asked.
    Silent,
    /// Its owner answers for sure, and others may.
    Loose,
}

impl Bond {
    /// Whether the request can go nowhere but to the owner.
    #[must_use]
    pub const fn is_firm(self) -> bool {
        !matches!(self, Self::Loose)
    }
}

/// A place in a body, and what an id there means.
type Place = (&'static str, Bond);

const RESPONSE: Bond = Bond::Told(Some("responses"));
const CONVERSATION: Bond = Bond::Told(Some("conversations"));
const SEALED: Bond = Bond::Told(None);
const FILE: Bond = Bond::Askable("files");
const STORE: Bond = Bond::Askable("vector_stores");
const ASSISTANT: Bond = Bond::Askable("assistants");
const CONTAINER: Bond = Bond::Askable("containers");
const VIDEO: Bond = Bond::Askable("videos");

const RESPONSES: &[Place] = &[
    ("previous_response_id", RESPONSE),
    ("conversation", CONVERSATION),
    ("conversation.id", CONVERSATION),
    ("input[].encrypted_content", SEALED),
    ("prompt.id", Bond::Loose),
    ("input[].id", Bond::Loose),
    ("input[].approval_request_id", Bond::Loose),
    ("input[].container_id", Bond::Loose),
    ("input[].content[].file_id", FILE),
    ("input[].output[].file_id", FILE),
    ("tools[].vector_store_ids[]", STORE),
    ("tools[].container", CONTAINER),
    ("tools[].container.file_ids[]", FILE),
    ("tools[].input_image_mask.file_id", FILE),
];

const CHAT: &[Place] =
    &[("messages[].content[].file.file_id", FILE), ("messages[].audio.id", Bond::Loose)];

const BATCHES: &[Place] = &[("input_file_id", FILE)];

const FINE_TUNING: &[Place] = &[("training_file", FILE), ("validation_file", FILE)];

const ASSISTANTS: &[Place] = &[
    ("tool_resources.code_interpreter.file_ids[]", FILE),
    ("tool_resources.file_search.vector_store_ids[]", STORE),
    ("tool_resources.file_search.vector_stores[].file_ids[]", FILE),
    ("file_ids[]", FILE),
];

const THREADS: &[Place] = &[
    ("assistant_id", ASSISTANT),
    ("tool_resources.code_interpreter.file_ids[]", FILE),
    ("tool_resources.file_search.vector_store_ids[]", STORE),
    ("tool_resources.file_search.vector_stores[].file_ids[]", FILE),
    ("attachments[].file_id", FILE),
    ("content[].image_file.file_id", FILE),
    ("file_ids[]", FILE),
    ("messages[].attachments[].file_id", FILE),
    ("messages[].content[].image_file.file_id", FILE),
    ("messages[].file_ids[]", FILE),
    ("additional_messages[].attachments[].file_id", FILE),
    ("additional_messages[].content[].image_file.file_id", FILE),
    ("thread.messages[].attachments[].file_id", FILE),
    ("thread.messages[].content[].image_file.file_id", FILE),
    ("thread.messages[].file_ids[]", FILE),
    ("thread.tool_resources.code_interpreter.file_ids[]", FILE),
    ("thread.tool_resources.file_search.vector_store_ids[]", STORE),
    ("thread.tool_resources.file_search.vector_stores[].file_ids[]", FILE),
];

const VECTOR_STORES: &[Place] =
    &[("file_ids[]", FILE), ("file_id", FILE), ("files[].file_id", FILE)];

const CONVERSATIONS: &[Place] = &[
    ("items[].id", Bond::Loose),
    ("items[].encrypted_content", SEALED),
    ("items[].content[].file_id", FILE),
];

const CONTAINERS: &[Place] = &[("file_ids[]", FILE), ("file_id", FILE)];

const UPLOADS: &[Place] = &[("part_ids[]", Bond::Silent)];

const EVALS: &[Place] =
    &[("data_source.source.id", FILE), ("data_source.input_messages.source.id", FILE)];

const VIDEOS: &[Place] = &[("video.id", VIDEO), ("input_reference.file_id", FILE)];

const IMAGES: &[Place] = &[("images[].file_id", FILE), ("mask.file_id", FILE)];

const fn places(operation: Operation) -> &'static [Place] {
    match operation {
        Operation::Responses => RESPONSES,
        Operation::ChatCompletions => CHAT,
        Operation::Batches => BATCHES,
        Operation::FineTuning => FINE_TUNING,
        Operation::Assistants => ASSISTANTS,
        Operation::Threads => THREADS,
        Operation::VectorStores => VECTOR_STORES,
        Operation::Conversations => CONVERSATIONS,
        Operation::Containers => CONTAINERS,
        Operation::Uploads => UPLOADS,
        Operation::Evals => EVALS,
        Operation::Videos => VIDEOS,
        Operation::ImagesEdits => IMAGES,
        Operation::Completions
        | Operation::Embeddings
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::AudioSpeech
        | Operation::ImagesGenerations
        | Operation::Files
        | Operation::Models
        | Operation::Realtime
        | Operation::Other => &[],
    }
}

/// The places to search in the body of such a request; `None`: it names no object.
#[must_use]
pub fn fields(operation: Operation) -> Option<&'static Arc<Fields>> {
    FIELDS.get(operation as usize)?.as_ref()
}

/// Whether a body that is here may name an object, by a look that costs next to nothing. For requests whose
/// bodies hardly ever do, and are long.
#[must_use]
pub fn may_name(operation: Operation, body: &[u8]) -> bool {
    operation != Operation::ChatCompletions || IN_CHAT.iter().any(|word| word.find(body).is_some())
}

/// What stands in the body of a chat that names an object.
static IN_CHAT: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("\"file_id\""), Finder::new("\"audio\"")]);

/// What an id means that was found at this one of [`fields`].
#[must_use]
pub fn bond(operation: Operation, place: u16) -> Bond {
    places(operation).get(usize::from(place)).map_or(Bond::Loose, |(_, bond)| *bond)
}

/// The place as the API writes it, for a reader.
#[must_use]
pub fn place_of(operation: Operation, place: u16) -> &'static str {
    places(operation).get(usize::from(place)).map_or("", |(place, _)| *place)
}

static FIELDS: LazyLock<Vec<Option<Arc<Fields>>>> = LazyLock::new(|| {
    let compiled = |operation: &Operation| {
        let places: Vec<&str> = places(*operation).iter().map(|(place, _)| *place).collect();
        (!places.is_empty()).then(|| Arc::new(Fields::new(&places)))
    };
    Operation::ALL.iter().map(compiled).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_compiled_and_means_something() {
        for operation in Operation::ALL {
            assert_eq!(fields(operation).is_some(), !places(operation).is_empty(), "{operation:?}");
            for (number, (place, bond_there)) in (0..).zip(places(operation)) {
                let found = (bond(operation, number), place_of(operation, number));
                assert_eq!(found, (*bond_there, *place), "{operation:?}");
            }
        }
        assert_eq!(bond(Operation::Embeddings, 0), Bond::Loose);
    }

    #[test]
    fn a_chat_is_looked_into_only_if_it_may_name_something() {
        let chat = Operation::ChatCompletions;
        for (body, expected) in [
            (r#"{"messages":[{"content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#, true),
            (r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#, true),
            (r#"{"messages":[{"content":"my audio, file_id"}]}"#, false),
        ] {
            assert_eq!(may_name(chat, body.as_bytes()), expected, "{body}");
        }
        assert!(may_name(Operation::Responses, b"{}"));
    }
}
