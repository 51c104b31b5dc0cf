//! Byte strings cut into pieces of any length.

use proptest::collection::vec;
use proptest::prelude::*;

/// How a byte string is cut: at these offsets, those beyond its end left out.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(0_usize..200, 0..24)
}

/// The pieces of `bytes` between the cuts, empty ones included.
pub(crate) fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts = cuts.to_vec();
    cuts.sort_unstable();
    let mut rest = bytes;
    let mut taken = 0;
    let mut pieces = Vec::new();
    for cut in cuts {
        if let Some((piece, after)) = rest.split_at_checked(cut - taken) {
            (rest, taken) = (after, cut);
            pieces.push(piece);
        }
    }
    pieces.push(rest);
    pieces
}
