//! Any body gives one answer and the same ids, whole or byte by byte, and its span lies in the body. The
//! answer is the same where no ids are sought. The first byte chooses JSON or multipart.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use nearway_wire::fields::Fields;
use nearway_wire::model::{BodyKind, ModelScan, Scan, renamed};

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let kind = match choice % 2 {
        0 => BodyKind::Json,
        _ => BodyKind::Multipart(b"x".as_slice().into()),
    };
    let whole = ModelScan::new(kind.clone()).feed(body);
    let mut bytewise = ModelScan::new(kind.clone());
    let answers = body.chunks(1).map(|byte| bytewise.feed(byte));
    let cut = answers.into_iter().find(|scan| *scan != Scan::Searching).unwrap_or(Scan::Searching);
    assert_eq!(cut, whole);
    let fields = Arc::new(Fields::new(&["id", "a[].id", "a[].b[]", "a.b.id", "file_id"]));
    let mut seeking = ModelScan::new(kind.clone()).seeking_fields(Arc::clone(&fields));
    assert_eq!(seeking.feed(body), whole);
    let mut bytewise = ModelScan::new(kind).seeking_fields(fields);
    let cut = body.chunks(1).map(|byte| bytewise.feed(byte)).fold(Scan::Searching, first);
    assert_eq!((cut, bytewise.found()), (whole.clone(), seeking.found()));
    if let Scan::Found(field) = whole {
        assert!(field.start <= field.end && field.end <= body.len() as u64);
        let _ = renamed(&field, &field.name);
    }
});

fn first(one: Scan, next: Scan) -> Scan {
    if one == Scan::Searching { next } else { one }
}
