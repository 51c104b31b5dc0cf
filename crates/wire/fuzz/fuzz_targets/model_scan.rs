//! Any body gives one answer, whole or byte by byte, and its span lies in the body. The first byte
//! chooses JSON or multipart.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nearway_wire::model::{BodyKind, ModelScan, Scan, renamed};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let kind = match choice % 2 {
        0 => BodyKind::Json,
        _ => BodyKind::Multipart(b"x".as_slice().into()),
    };
    let whole = ModelScan::new(kind.clone()).feed(body);
    let mut bytewise = ModelScan::new(kind);
    let answers = body.chunks(1).map(|byte| bytewise.feed(byte));
    let cut = answers.into_iter().find(|scan| *scan != Scan::Searching).unwrap_or(Scan::Searching);
    assert_eq!(cut, whole);
    if let Scan::Found(field) = whole {
        assert!(field.start <= field.end && field.end <= body.len() as u64);
        let _ = renamed(&field, &field.name);
    }
});
