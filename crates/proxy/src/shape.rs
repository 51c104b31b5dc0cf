//! What a request is like, from what is seen of it before a region is chosen.

use nearway_route::Shape;
use nearway_wire::endpoint::Operation;
use nearway_wire::model::Asked;

/// The size and kind of a request to `operation` with a body of so many bytes, of which `asked` was looked
/// at. Where it does not say whether it streams, it does if it can.
pub(crate) fn shape(operation: Operation, bytes: u64, asked: Asked) -> Shape {
    let streams = bytes > 0 && operation.streams_tokens() && asked.streams.unwrap_or(true);
    let tokens = match operation {
        Operation::AudioTranscriptions | Operation::AudioTranslations => bytes / BYTES_OF_SOUND,
        // pictures and files are no prompt
        Operation::ImagesEdits | Operation::Videos | Operation::Files | Operation::Uploads => 0,
        _ => text(bytes, asked).saturating_sub(FRAME) / BYTES_OF_TEXT,
    };
    let prompt = u32::try_from(tokens).unwrap_or(u32::MAX).min(PROMPT_MAX);
    Shape { prompt, streams }
}

/// The most tokens that the prompt of such a body can have, seen by its length alone.
pub(crate) fn most_prompt(operation: Operation, bytes: u64) -> u32 {
    shape(operation, bytes, Asked::default()).prompt
}

/// Bytes that are text, if the rest is like what was looked at.
fn text(bytes: u64, asked: Asked) -> u64 {
    let encoded = u128::from(bytes) * u128::from(asked.encoded);
    let encoded = encoded.checked_div(u128::from(asked.seen)).unwrap_or_default();
    bytes.saturating_sub(u64::try_from(encoded).unwrap_or(u64::MAX))
}

/// Bytes of JSON that each token of a prompt has.
const BYTES_OF_TEXT: u64 = 4;
/// Bytes of a recording for each token, at fifty tokens a second and a common rate of compression.
const BYTES_OF_SOUND: u64 = 320;
/// Bytes of a body that are there whatever the prompt.
const FRAME: u64 = 100;
/// A longer body is none of text: hardly a model takes more.
const PROMPT_MAX: u32 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::Operation::{AudioTranscriptions, ChatCompletions, Embeddings, ImagesEdits};
    use super::*;

    #[test]
    fn a_prompt_is_as_long_as_its_text() {
        let nothing = Asked::default();
        let half = Asked { seen: 1_000, encoded: 500, ..Asked::default() };
        for (operation, bytes, asked, prompt) in [
            (ChatCompletions, 0, nothing, 0),
            (ChatCompletions, 90, nothing, 0),
            (ChatCompletions, 4_100, nothing, 1_000),
            (Embeddings, 4_100, nothing, 1_000),
            (ChatCompletions, 1_000, half, 100),
            (ChatCompletions, 200_100, half, 24_987),
            (ChatCompletions, u64::MAX, nothing, PROMPT_MAX),
            (ChatCompletions, u64::MAX, Asked { encoded: u64::MAX, ..half }, 0),
            (AudioTranscriptions, 960_000, nothing, 3_000),
            (ImagesEdits, 4_000_000, nothing, 0),
        ] {
            assert_eq!(shape(operation, bytes, asked).prompt, prompt, "{operation:?} {bytes}");
        }
    }

    #[test]
    fn what_does_not_say_so_streams_if_it_can() {
        for (operation, bytes, streams, expected) in [
            (ChatCompletions, 10, Some(true), true),
            (ChatCompletions, 10, Some(false), false),
            (ChatCompletions, 10, None, true),
            (ChatCompletions, 0, None, false),
            (Embeddings, 10, None, false),
            (Embeddings, 10, Some(true), false),
        ] {
            let asked = Asked { streams, ..Asked::default() };
            assert_eq!(
                shape(operation, bytes, asked).streams,
                expected,
                "{operation:?} {streams:?}"
            );
        }
    }
}
