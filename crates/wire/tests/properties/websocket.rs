//! Frames: heads, payloads and ends are the same however they arrive, and every byte is somebody's.

use nearway_wire::websocket::{FrameHead, Frames};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::pieces::{cuts, pieces};

/// Frames with every form of length, in order or not, or anything.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let frame = (any::<u8>(), any::<bool>(), 0_usize..200).prop_map(|(first, masked, length)| {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match u8::try_from(length) {
            Ok(short @ ..126) => frame.push(mask | short),
            _ => frame.extend([mask | 126, 0, u8::try_from(length).unwrap()]),
        }
        frame.extend(masked.then_some([7; 4]).into_iter().flatten());
        frame.extend(vec![b'x'; length]);
        frame
    });
    let frames = vec(frame, 0..6).prop_map(|frames| frames.concat());
    prop_oneof![4 => frames, 1 => vec(any::<u8>(), 0..120)]
}

/// The heads, the bytes taken, and what is known in the end.
fn seen(stream: &[u8], cuts: &[usize]) -> (Vec<FrameHead>, usize, [bool; 3]) {
    let mut frames = Frames::default();
    let (mut heads, mut taken) = (Vec::new(), 0);
    for mut piece in pieces(stream, cuts) {
        while let Some(part) = frames.next(&mut piece) {
            taken += part.bytes.len();
            if part.offset.is_none() {
                heads.extend(part.frame);
            }
        }
        assert!(piece.is_empty() || frames.is_lost());
    }
    (heads, taken, [frames.is_between(), frames.has_closed(), frames.is_lost()])
}

proptest! {
    #[test]
    fn what_is_seen_does_not_depend_on_the_cuts(stream in streams(), cuts in cuts()) {
        prop_assert_eq!(seen(&stream, &cuts), seen(&stream, &[]));
    }
}
