//! What a request may ask of a region, and its label in the counters.
//!
//! Read from the target by `route.rs`; the API and `handle.rs` dispatch on it.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    ChatCompletions,
    Completions,
    Responses,
    Embeddings,
    Files,
    Uploads,
    Batches,
    FineTuning,
    Assistants,
    Threads,
    VectorStores,
    Conversations,
    Containers,
    Evals,
    Videos,
    /// Chat completions that were stored.
    StoredCompletions,
    Models,
    AudioTranscriptions,
    AudioTranslations,
    Realtime,
    /// The front end's status path; needs no key.
    Status,
    /// The routes below `/sim/`; need no key.
    Raw,
    Other,
}

impl Operation {
    /// The label in [`crate::Stats::operations`].
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Files => "files",
            Self::Uploads => "uploads",
            Self::Batches => "batches",
            Self::FineTuning => "fine_tuning",
            Self::Assistants => "assistants",
            Self::Threads => "threads",
            Self::VectorStores => "vector_stores",
            Self::Conversations => "conversations",
            Self::Containers => "containers",
            Self::Evals => "evals",
            Self::Videos => "videos",
            Self::StoredCompletions => "stored_completions",
            Self::Models => "models",
            Self::AudioTranscriptions => "audio_transcriptions",
            Self::AudioTranslations => "audio_translations",
            Self::Realtime => "realtime",
            Self::Status => "status",
            Self::Raw => "raw",
            Self::Other => "other",
        }
    }

    /// Whether Azure has the route below `/deployments/{d}`, or else beside it: where its SDKs
    /// put it (API fact sheet section 1.2).
    pub(crate) fn is_at(self, deployment: bool) -> bool {
        // Node's SDK has batches below its deployment if it was given one
        self == Self::Batches || self.takes_deployment() == deployment
    }

    fn takes_deployment(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions
                | Self::Completions
                | Self::Embeddings
                | Self::AudioTranscriptions
                | Self::AudioTranslations
        )
    }
}
