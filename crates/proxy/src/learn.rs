//! Learns from an answer that passes which objects its region owns: no byte of it is held or changed.
//!
//! What is compressed is unpacked on the side, as far as SDKs ask for it: their users did not choose that.

use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method};
use nearway_affinity::answer::fields;
use nearway_route::RegionId;
use nearway_wire::endpoint::Operation;
use nearway_wire::fields::AnswerScan;
use nearway_wire::headers::is_event_stream;
use nearway_wire::id::IdDigest;
use nearway_wire::model::{BodyKind, body_kind};

use crate::identify::Identity;
use crate::settle::{Settle, minute};
use crate::worker::Shared;

/// The most ids that are learned of one answer; more than the longest list has.
const LEARNED_MOST: usize = 32_768;
/// The most bytes of one packed answer that are looked at, unpacked: a region could make them of next to
/// nothing, and they take the time of other requests.
const UNPACKED_MOST: usize = 16 * 1024 * 1024;
/// Bytes that are unpacked at a time.
const UNPACKED_AT_ONCE: usize = 4 * 1024;

/// The search in one answer.
pub(crate) struct Learner(Unpacking);

/// How the answer is packed.
enum Unpacking {
    Not(Finder),
    Gzip(MultiGzDecoder<Finder>),
    Deflate(ZlibDecoder<Finder>),
    Brotli(Box<DecompressorWriter<Finder>>),
    /// What came was not packed as it says, or enough was seen.
    Over,
}

/// Remembers what is found in what is written to it.
#[derive(Debug)]
struct Finder {
    scan: AnswerScan,
    region: RegionId,
    shared: Rc<Shared>,
    // the client of what may be a key that was minted
    minted_for: Option<Arc<str>>,
    ids_left: usize,
    bytes_left: usize,
}

impl Learner {
    /// For the answer of this region to such a request, with these headers; `None` if it names nothing that
    /// lives there, or can't be read.
    pub(crate) fn of(
        (identity, method): (&Identity, &Method),
        region: RegionId,
        headers: &HeaderMap,
        settle: &Settle,
    ) -> Option<Box<Self>> {
        // what is read back was kept
        let stores = identity.stores || *method == Method::GET;
        let path = identity.target.path().trim_end_matches('/');
        let fields =
            fields(identity.operation, path.rsplit('/').next().unwrap_or_default(), stores)?;
        if let Some(made) = headers.get(LOCATION).and_then(|location| location.to_str().ok()) {
            // a call that was made names itself nowhere else (API fact sheet section 7)
            let id = made.rsplit('/').next().unwrap_or_default();
            settle.learn(IdDigest::of(id.as_bytes()), region);
        }
        let is_stream = is_event_stream(headers);
        let scan = if is_stream {
            AnswerScan::events(fields.clone())
        } else if is_json(headers.get(CONTENT_TYPE)) {
            AnswerScan::json(fields.clone())
        } else {
            return None;
        };
        // each chunk of a chat repeats its one id
        let is_one = is_stream && identity.operation == Operation::ChatCompletions;
        let ids_left = if is_one { 1 } else { LEARNED_MOST };
        let shared = settle.shared().clone();
        let is_packed = headers.contains_key(CONTENT_ENCODING);
        let bytes_left = if is_packed { UNPACKED_MOST } else { usize::MAX };
        let is_minting = identity.operation == Operation::Realtime;
        let minted_for = settle.client_name().filter(|_| is_minting);
        let finder = Finder { scan, region, shared, minted_for, ids_left, bytes_left };
        let Some(unpacking) = Unpacking::of(headers.get(CONTENT_ENCODING), finder) else {
            settle.shared().state.unread();
            return None;
        };
        Some(Box::new(Self(unpacking)))
    }

    /// A piece of the answer passes.
    pub(crate) fn passed(&mut self, data: &Bytes) {
        let went_well = match &mut self.0 {
            Unpacking::Not(finder) => finder.write_all(data),
            Unpacking::Gzip(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Unpacking::Deflate(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Unpacking::Brotli(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Unpacking::Over => return,
        };
        if went_well.is_err() {
            self.0 = Unpacking::Over;
        }
    }
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    content_type.is_some() && body_kind(content_type) == BodyKind::Json
}

impl Unpacking {
    /// `None` for an encoding that is not known.
    fn of(encoding: Option<&HeaderValue>, finder: Finder) -> Option<Self> {
        let encoding = encoding.map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
        Some(match encoding.as_deref() {
            None | Some(b"identity") => Self::Not(finder),
            Some(b"gzip" | b"x-gzip") => Self::Gzip(MultiGzDecoder::new(finder)),
            Some(b"deflate") => Self::Deflate(ZlibDecoder::new(finder)),
            Some(b"br") => {
                Self::Brotli(Box::new(DecompressorWriter::new(finder, UNPACKED_AT_ONCE)))
            }
            Some(_) => return None,
        })
    }
}

impl Write for Finder {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.bytes_left =
            self.bytes_left.checked_sub(data.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let Self { scan, region, shared, minted_for, ids_left, .. } = self;
        let now = minute();
        scan.feed(data, &mut |found| {
            if *ids_left > 0 {
                *ids_left -= 1;
                shared.learn(found.digest, *region, now);
                if let Some(client) = &minted_for {
                    shared.minted.remember(found.digest, client.clone());
                }
            }
        });
        if *ids_left > 0 { Ok(data.len()) } else { Err(io::ErrorKind::FileTooLarge.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Learner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Learner")
    }
}
