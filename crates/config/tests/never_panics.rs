//! No text makes `load` panic: arbitrary bytes, and the example file with pieces cut and moved.
#![cfg(test)]

use std::path::Path;

use nearway_config::{Env, Secrets, load};
use proptest::prelude::*;

struct Nothing;

impl Env for Nothing {
    fn get(&self, _: &str) -> Option<String> {
        None
    }
}

impl Secrets for Nothing {
    fn read(&self, _: &Path) -> Result<String, String> {
        Err("no such file".into())
    }
}

/// Either a configuration, or problems that say something on each line.
fn survives(text: &[u8]) {
    if let Err(problems) = load(text, &Nothing, &Nothing) {
        for line in problems.to_string().lines() {
            assert!(line.starts_with("config.yaml"), "{line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn the_example_cut_and_moved(
        cuts in proptest::collection::vec((0_usize..4000, 0_usize..4000, any::<u8>()), 1..6)
    ) {
        let mut text = include_bytes!("../../../config.example.yaml").to_vec();
        for (from, to, byte) in cuts {
            let (from, to) = (from % text.len(), to % text.len());
            let piece: Vec<u8> = text[from.min(to)..from.max(to)].iter().copied().take(40).collect();
            text.splice(to..to, piece);
            text[from] = byte;
        }
        survives(&text);
    }
}
