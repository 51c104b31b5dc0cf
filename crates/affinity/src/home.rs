//! Requests that belong to a region without naming an object of it: lists, and what makes a new object.
//!
//! Objects that are used together must live together, so whatever no session and no object binds is made in
//! one region, the home; there its lists are read as well (API fact sheet section 6).

use http::Method;
use nearway_wire::endpoint::Operation;

/// What such a request wants of the home region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Nothing: it goes where it is best.
    Nothing,
    /// A new object: at home as long as that is fit, since objects are used together.
    New,
    /// A list of objects: at home, whatever happens, since other regions have other objects.
    List,
    /// A list that reads alike everywhere: at home as long as that is fit.
    Catalogue,
}

/// What a request wants that names no object in its target.
#[must_use]
pub fn wants(operation: Operation, method: &Method) -> Wants {
    match operation {
        Operation::Files
        | Operation::Uploads
        | Operation::Batches
        | Operation::FineTuning
        | Operation::Assistants
        | Operation::Threads
        | Operation::VectorStores
        | Operation::Conversations
        | Operation::Containers
        | Operation::Evals => {
            if is_read(method) {
                Wants::List
            } else {
                Wants::New
            }
        }
        // what a deployment makes goes where that is fast
        Operation::ChatCompletions | Operation::Videos => {
            if is_read(method) {
                Wants::List
            } else {
                Wants::Nothing
            }
        }
        Operation::Models if is_read(method) => Wants::Catalogue,
        // there is no list of responses: a GET without an id opens a session
        Operation::Responses
        | Operation::Models
        | Operation::Completions
        | Operation::Embeddings
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::AudioSpeech
        | Operation::ImagesGenerations
        | Operation::ImagesEdits
        | Operation::Realtime
        | Operation::Other => Wants::Nothing,
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_are_used_together_are_made_and_listed_at_home() {
        for (operation, method, expected) in [
            (Operation::Files, Method::POST, Wants::New),
            (Operation::Files, Method::GET, Wants::List),
            (Operation::Threads, Method::POST, Wants::New),
            (Operation::Responses, Method::POST, Wants::Nothing),
            (Operation::Responses, Method::GET, Wants::Nothing),
            (Operation::Videos, Method::POST, Wants::Nothing),
            (Operation::Videos, Method::GET, Wants::List),
            (Operation::ChatCompletions, Method::GET, Wants::List),
            (Operation::Models, Method::GET, Wants::Catalogue),
            (Operation::Embeddings, Method::POST, Wants::Nothing),
            (Operation::Realtime, Method::GET, Wants::Nothing),
        ] {
            assert_eq!(wants(operation, &method), expected, "{method} {operation:?}");
        }
    }
}
