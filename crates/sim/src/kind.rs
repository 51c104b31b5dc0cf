//! The kinds of objects that a region keeps: how their ids begin, how many there may be, and what
//! the region says of an id that it does not know.
//!
//! Pure. Used by `store.rs` for the bounds and by the API for the texts (API fact sheet section
//! 6). Ids name no region: which one knows an object is found out by asking.

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    File,
    Upload,
    Part,
    Batch,
    FineTuningJob,
    FineTuningEvent,
    Checkpoint,
    Assistant,
    Thread,
    Message,
    Run,
    Step,
    VectorStore,
    VectorStoreFile,
    FileBatch,
    Response,
    /// What a stored response was asked with.
    InputItem,
    /// Whatever may be named by its id alone in the input of a response.
    Item,
    Conversation,
    ConversationItem,
    Container,
    ContainerFile,
    Eval,
    EvalRun,
    OutputItem,
    Video,
    ChatCompletion,
}

impl Kind {
    /// What new ids begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::File | Self::VectorStoreFile => "file-",
            Self::Upload => "upload_",
            Self::Part => "part_",
            Self::Batch => "batch_",
            Self::FineTuningJob => "ftjob-",
            Self::FineTuningEvent => "ftevent-",
            Self::Checkpoint => "ftckpt_",
            Self::Assistant => "asst_",
            Self::Thread => "thread_",
            Self::Message | Self::InputItem | Self::Item | Self::ConversationItem => "msg_",
            Self::Run => "run_",
            Self::Step => "step_",
            Self::VectorStore => "vs_",
            Self::FileBatch => "vsfb_",
            Self::Response => "resp_",
            Self::Conversation => "conv_",
            Self::Container => "cntr_",
            Self::ContainerFile => "cfile_",
            Self::Eval => "eval_",
            Self::EvalRun => "evalrun_",
            Self::OutputItem => "outputitem_",
            Self::Video => "video_",
            Self::ChatCompletion => "chatcmpl-",
        }
    }

    /// The member `object` of one.
    pub(crate) fn object(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Upload => "upload",
            Self::Part => "upload.part",
            Self::Batch => "batch",
            Self::FineTuningJob => "fine_tuning.job",
            Self::FineTuningEvent => "fine_tuning.job.event",
            Self::Checkpoint => "fine_tuning.job.checkpoint",
            Self::Assistant => "assistant",
            Self::Thread => "thread",
            Self::Message => "thread.message",
            Self::Run => "thread.run",
            Self::Step => "thread.run.step",
            Self::VectorStore => "vector_store",
            Self::VectorStoreFile => "vector_store.file",
            Self::FileBatch => "vector_store.files_batch",
            Self::Response => "response",
            Self::InputItem | Self::Item | Self::ConversationItem => "item",
            Self::Conversation => "conversation",
            Self::Container => "container",
            Self::ContainerFile => "container.file",
            Self::Eval => "eval",
            Self::EvalRun => "eval.run",
            Self::OutputItem => "eval.run.output_item",
            Self::Video => "video",
            Self::ChatCompletion => "chat.completion",
        }
    }

    /// The member `object` of the answer to a deletion.
    pub(crate) fn deleted(self) -> String {
        match self {
            Self::File | Self::Response => self.object().to_owned(),
            _ => format!("{}.deleted", self.object()),
        }
    }

    /// What a region says of an id of this kind that it does not know.
    pub(crate) fn not_here(self, id: &str) -> String {
        match self {
            Self::File | Self::VectorStoreFile => format!("No such File object: {id}"),
            Self::Assistant => format!("No assistant found with id '{id}'."),
            Self::Thread => format!("No thread found with id '{id}'."),
            Self::Message => format!("No message found with id '{id}'."),
            Self::Run => format!("No run found with id '{id}'."),
            Self::Step => format!("No run step found with id '{id}'."),
            Self::Batch => format!("No batch found with id '{id}'."),
            Self::VectorStore => format!("Vector store with id [{id}] not found."),
            Self::FileBatch => format!("File batch with id '{id}' not found."),
            Self::Upload => format!("Upload with id '{id}' not found."),
            Self::Part => format!("Upload part with id '{id}' not found."),
            Self::FineTuningJob | Self::FineTuningEvent | Self::Checkpoint => {
                format!("Fine-tuning job with id '{id}' not found.")
            }
            Self::Response => format!("Response with id '{id}' not found."),
            Self::InputItem | Self::Item | Self::ConversationItem => {
                format!("Item with id '{id}' not found.")
            }
            Self::Conversation => format!("Conversation with id '{id}' not found."),
            Self::Container => format!("Container with id '{id}' not found."),
            Self::ContainerFile => format!("Container file with id '{id}' not found."),
            Self::Eval => format!("Eval with id '{id}' not found."),
            Self::EvalRun => format!("Eval run with id '{id}' not found."),
            Self::OutputItem => format!("Output item with id '{id}' not found."),
            Self::Video => format!("Video with id '{id}' not found."),
            Self::ChatCompletion => format!("Chat completion with id '{id}' not found."),
        }
    }

    /// How many of them a region keeps. What may hold bytes beside its JSON is fewer: with
    /// `handle.rs`'s bound on a body this bounds a region's memory.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::File | Self::Part | Self::ContainerFile => 256,
            _ => 10_000,
        }
    }

    /// Objects on a page: when the request does not say, and at the most.
    pub(crate) fn page(self) -> (usize, usize) {
        match self {
            Self::File => (10_000, 10_000),
            _ => (20, 100),
        }
    }
}
