//! The operations of the API, and what each means for a proxy.
//!
//! A closed set, so that it can be a metric label; what is not listed is [`Operation::Other`] and is
//! forwarded all the same. Methods and paths below an operation (`/files/{id}`) do not make another one.

use http::Method;

use super::target::decoded;

/// What a request wants done (API fact sheet 1.2, 6, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the name is the API's own")]
pub enum Operation {
    ChatCompletions,
    Completions,
    Embeddings,
    Responses,
    AudioTranscriptions,
    AudioTranslations,
    AudioSpeech,
    ImagesGenerations,
    ImagesEdits,
    Files,
    Uploads,
    Batches,
    FineTuning,
    Assistants,
    Threads,
    VectorStores,
    Conversations,
    Containers,
    Videos,
    Evals,
    Models,
    Realtime,
    Other,
}

impl Operation {
    /// Every operation, at the index that `as usize` gives.
    pub const ALL: [Self; Self::Other as usize + 1] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::AudioTranscriptions,
        Self::AudioTranslations,
        Self::AudioSpeech,
        Self::ImagesGenerations,
        Self::ImagesEdits,
        Self::Files,
        Self::Uploads,
        Self::Batches,
        Self::FineTuning,
        Self::Assistants,
        Self::Threads,
        Self::VectorStores,
        Self::Conversations,
        Self::Containers,
        Self::Videos,
        Self::Evals,
        Self::Models,
        Self::Realtime,
        Self::Other,
    ];

    /// The label of this operation in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::AudioTranscriptions => "audio_transcriptions",
            Self::AudioTranslations => "audio_translations",
            Self::AudioSpeech => "audio_speech",
            Self::ImagesGenerations => "images_generations",
            Self::ImagesEdits => "images_edits",
            Self::Files => "files",
            Self::Uploads => "uploads",
            Self::Batches => "batches",
            Self::FineTuning => "fine_tuning",
            Self::Assistants => "assistants",
            Self::Threads => "threads",
            Self::VectorStores => "vector_stores",
            Self::Conversations => "conversations",
            Self::Containers => "containers",
            Self::Videos => "videos",
            Self::Evals => "evals",
            Self::Models => "models",
            Self::Realtime => "realtime",
            Self::Other => "other",
        }
    }

    /// Whether the body may name the deployment at its top level, as JSON `model` or as the multipart
    /// field `model` (API fact sheet 1.2). A name in the target goes before it.
    ///
    /// False where `model` is something else (the base model of a fine-tuning job) or lies deeper
    /// (evals, realtime sessions). True for [`Operation::Other`]: a route that is newer than this
    /// list most likely follows the rule.
    #[must_use]
    pub fn model_in_body(self) -> bool {
        match self {
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Responses
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::AudioSpeech
            | Self::ImagesGenerations
            | Self::ImagesEdits
            | Self::Assistants
            | Self::Threads
            | Self::Videos
            | Self::Other => true,
            Self::Files
            | Self::Uploads
            | Self::Batches
            | Self::FineTuning
            | Self::VectorStores
            | Self::Conversations
            | Self::Containers
            | Self::Evals
            | Self::Models
            | Self::Realtime => false,
        }
    }

    /// Whether it has a deployment answer, be it named in the body, deeper, in another object or not at all.
    /// What only reads, lists or deletes does not, nor does what only stores; an unknown operation may.
    #[must_use]
    pub fn uses_deployment(self, method: &Method) -> bool {
        let acts = *method != Method::GET && *method != Method::HEAD && *method != Method::DELETE;
        match self {
            Self::Files
            | Self::Uploads
            | Self::VectorStores
            | Self::Conversations
            | Self::Containers
            | Self::Models => false,
            Self::Realtime | Self::Other => true,
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Responses
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::AudioSpeech
            | Self::ImagesGenerations
            | Self::ImagesEdits
            | Self::Batches
            | Self::FineTuning
            | Self::Assistants
            | Self::Threads
            | Self::Videos
            | Self::Evals => acts,
        }
    }

    /// Whether a second try could leave a second object behind, so that the request is repeated only if
    /// it surely did not reach the region (API fact sheet 4.3, 6; idempotent methods: RFC 9110 section
    /// 9.2.2).
    ///
    /// A Responses POST counts, since `store` defaults to true. A chat completion does not: it is stored
    /// only on request. An unknown operation or method counts.
    #[must_use]
    pub fn creates_state(self, method: &Method) -> bool {
        if method.is_idempotent() {
            return false;
        }
        match self {
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::AudioSpeech
            | Self::ImagesGenerations
            | Self::ImagesEdits => method != Method::POST,
            Self::Responses
            | Self::Files
            | Self::Uploads
            | Self::Batches
            | Self::FineTuning
            | Self::Assistants
            | Self::Threads
            | Self::VectorStores
            | Self::Conversations
            | Self::Containers
            | Self::Videos
            | Self::Evals
            | Self::Models
            | Self::Realtime
            | Self::Other => true,
        }
    }

    /// Whether its event streams have a first content token that [`FirstToken`] finds (API fact sheet
    /// 5.3).
    ///
    /// [`FirstToken`]: crate::first_token::FirstToken
    #[must_use]
    pub fn streams_tokens(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions | Self::Responses)
    }

    /// The operation that the raw segments `first/second` name, whatever their case and encoding.
    pub(super) fn of(first: &str, second: &str) -> Self {
        let operation = Self::spelled(first, second);
        if operation == Self::Other && (is_odd(first) || is_odd(second)) {
            let plain = |raw| decoded(raw).to_ascii_lowercase();
            return Self::spelled(&plain(first), &plain(second));
        }
        operation
    }

    fn spelled(first: &str, second: &str) -> Self {
        match (first, second) {
            ("chat", "completions") => Self::ChatCompletions,
            ("completions", _) => Self::Completions,
            ("embeddings", _) => Self::Embeddings,
            ("responses", _) => Self::Responses,
            ("audio", "transcriptions") => Self::AudioTranscriptions,
            ("audio", "translations") => Self::AudioTranslations,
            ("audio", "speech") => Self::AudioSpeech,
            ("images", "generations") => Self::ImagesGenerations,
            ("images", "edits") => Self::ImagesEdits,
            ("files", _) => Self::Files,
            ("uploads", _) => Self::Uploads,
            ("batches", _) => Self::Batches,
            ("fine_tuning", _) => Self::FineTuning,
            ("assistants", _) => Self::Assistants,
            ("threads", _) => Self::Threads,
            ("vector_stores", _) => Self::VectorStores,
            ("conversations", _) => Self::Conversations,
            ("containers", _) => Self::Containers,
            ("videos", _) => Self::Videos,
            ("evals", _) => Self::Evals,
            ("models", _) => Self::Models,
            ("realtime", _) => Self::Realtime,
            _ => Self::Other,
        }
    }
}

fn is_odd(raw: &str) -> bool {
    raw.bytes().any(|byte| byte == b'%' || byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::Operation::{
        Assistants, AudioSpeech, Batches, ChatCompletions, Embeddings, Files, FineTuning, Models,
        Other, Realtime, Responses, Threads, Videos,
    };
    use super::*;

    #[test]
    fn the_place_of_an_operation_is_its_index() {
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index, "{operation:?}");
        }
    }

    #[test]
    fn labels_follow_the_path() {
        for (first, second, label) in [
            ("chat", "completions", "chat_completions"),
            ("audio", "translations", "audio_translations"),
            ("fine_tuning", "jobs", "fine_tuning"),
            ("vector_stores", "vs_1", "vector_stores"),
            ("CHAT", "completion%53", "chat_completions"),
            ("chat", "", "other"),
            ("audio", "voices", "other"),
            ("", "", "other"),
        ] {
            assert_eq!(Operation::of(first, second).as_str(), label, "{first}/{second}");
        }
    }

    #[test]
    fn posts_that_leave_an_object_behind_create_state() {
        for (operation, method, creates) in [
            (ChatCompletions, Method::POST, false),
            (Embeddings, Method::POST, false),
            (AudioSpeech, Method::POST, false),
            (Responses, Method::POST, true),
            (Responses, Method::GET, false),
            (Files, Method::POST, true),
            (Files, Method::DELETE, false),
            (Batches, Method::PUT, false),
            (Realtime, Method::POST, true),
            (Models, Method::GET, false),
            (Other, Method::POST, true),
            (ChatCompletions, Method::PATCH, true),
        ] {
            assert_eq!(operation.creates_state(&method), creates, "{method} {operation:?}");
        }
    }

    #[test]
    fn what_only_reads_or_stores_uses_no_deployment() {
        for (operation, method, uses) in [
            (ChatCompletions, Method::POST, true),
            (Responses, Method::GET, false),
            (Batches, Method::POST, true),
            (Threads, Method::DELETE, false),
            (Files, Method::POST, false),
            (Models, Method::GET, false),
            (Realtime, Method::GET, true),
            (Other, Method::GET, true),
        ] {
            assert_eq!(operation.uses_deployment(&method), uses, "{method} {operation:?}");
        }
    }

    #[test]
    fn the_model_is_in_the_body_where_it_means_a_deployment() {
        let named = [ChatCompletions, Responses, Assistants, Threads, Videos, Other];
        assert!(named.into_iter().all(Operation::model_in_body));
        let elsewhere = [Files, FineTuning, Batches, Realtime, Models];
        assert!(!elsewhere.into_iter().any(Operation::model_in_body));
    }

    #[test]
    fn only_text_streams_have_a_first_token() {
        assert!([ChatCompletions, Responses].into_iter().all(Operation::streams_tokens));
        assert!(
            ![Embeddings, Realtime, AudioSpeech, Other].into_iter().any(Operation::streams_tokens)
        );
    }
}
