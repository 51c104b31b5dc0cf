//! Learns from an answer that passes which objects its region owns: no byte of it is held or changed.
//!
//! What is compressed is unpacked on the side, as far as SDKs ask for it: their users did not choose that.
//! In a session of the Responses API each message of the region is such an answer ([`SessionLearner`]).

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
use nearway_telemetry::StateMetrics;
use nearway_wire::endpoint::Operation;
use nearway_wire::fields::{AnswerScan, Fields};
use nearway_wire::headers::is_event_stream;
use nearway_wire::id::IdDigest;
use nearway_wire::model::{BodyKind, body_kind};
use nearway_wire::websocket::Texts;

use crate::identify::Identity;
use crate::settle::{Settle, minute};
use crate::worker::Shared;

/// The most ids that are learned of one answer, or of one message; more than the longest list has.
const LEARNED_MOST: usize = 32_768;
/// The most bytes of one packed answer that are looked at, unpacked: a region could make them of next to
/// nothing, and they take the time of other requests.
const UNPACKED_MOST: usize = 16 * 1024 * 1024;
/// Bytes that are unpacked at a time.
const UNPACKED_AT_ONCE: usize = 4 * 1024;

/// The search in one answer.
pub(crate) struct Learner {
    unpacking: Unpacking,
    // told if not all of the answer can be read; `None`: that is no news
    shared: Option<Rc<Shared>>,
}

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
        let shared = (!is_one).then(|| settle.shared().clone());
        Some(Box::new(Self { unpacking, shared }))
    }

    /// A piece of the answer passes.
    pub(crate) fn passed(&mut self, data: &Bytes) {
        let went_well = match &mut self.unpacking {
            Unpacking::Not(finder) => finder.write_all(data),
            Unpacking::Gzip(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Unpacking::Deflate(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Unpacking::Brotli(decoder) => decoder.write_all(data).and_then(|()| decoder.flush()),
            Unpacking::Over => return,
        };
        if went_well.is_err() {
            self.unpacking = Unpacking::Over;
            if let Some(shared) = &self.shared {
                shared.state.unread();
            }
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

/// The search in what a region says in one session of the Responses API: each message of text is an event of
/// its own, in JSON. Nothing is compressed, as Nearway has offered no extension.
pub(crate) struct SessionLearner {
    fields: &'static Arc<Fields>,
    texts: Texts,
    // of the message under way; `None` behind a bound
    scan: Option<AnswerScan>,
    // the same
    ids_left: usize,
    learn: Box<dyn FnMut(IdDigest)>,
    state: StateMetrics,
}

impl SessionLearner {
    /// For the session with the region that has answered.
    pub(crate) fn of(settle: &Settle) -> Option<Box<Self>> {
        let (region, shared) = (settle.region()?, settle.shared().clone());
        let state = shared.state.clone();
        Self::new(state, Box::new(move |id| shared.learn(id, region, minute())))
    }

    /// Tells `learn` of each id.
    pub(crate) fn new(state: StateMetrics, learn: Box<dyn FnMut(IdDigest)>) -> Option<Box<Self>> {
        let fields = fields(Operation::Responses, "", false)?;
        let (texts, scan, ids_left) = (Texts::default(), None, LEARNED_MOST);
        Some(Box::new(Self { fields, texts, scan, ids_left, learn, state }))
    }

    /// The region has said this: heads and payloads, cut anywhere.
    pub(crate) fn said(&mut self, mut bytes: &[u8]) {
        while let Some(piece) = self.texts.next(&mut bytes) {
            if piece.is_first {
                self.scan = Some(AnswerScan::json(self.fields.clone()));
                self.ids_left = LEARNED_MOST;
            }
            let Self { scan: Some(scan), ids_left, learn, .. } = self else { continue };
            let mut is_too_much = false;
            scan.feed(piece.bytes, &mut |found| match ids_left.checked_sub(1) {
                Some(left) => {
                    *ids_left = left;
                    learn(found.digest);
                }
                None => is_too_much = true,
            });
            if is_too_much {
                self.scan = None;
                self.state.unread();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use nearway_telemetry::{Build, Metrics};
    use nearway_wire::websocket::text;

    use super::*;

    #[test]
    fn a_message_with_too_many_ids_is_counted_and_the_next_one_is_read() {
        let metrics = Metrics::new(Build { version: "0", commit: None }).unwrap();
        let count = Rc::new(Cell::new(0));
        let counting = count.clone();
        let learn = Box::new(move |_id| counting.set(counting.get() + 1));
        let mut learner = SessionLearner::new(metrics.state(), learn).unwrap();
        let said = |ids: usize| {
            let items = vec![r#"{"id":"a"}"#; ids].join(",");
            text(format!(r#"{{"response":{{"output":[{items}]}}}}"#).as_bytes())
        };
        let unread = |count| format!("nearway_state_unread_total {count}\n");
        learner.said(&said(LEARNED_MOST));
        assert_eq!(count.take(), LEARNED_MOST);
        assert!(metrics.render().contains(&unread(0)));
        for piece in said(LEARNED_MOST + 10).chunks(1000) {
            learner.said(piece);
        }
        assert_eq!(count.take(), LEARNED_MOST);
        assert!(metrics.render().contains(&unread(1)));
        learner.said(&said(1));
        assert_eq!(count.take(), 1);
    }
}
