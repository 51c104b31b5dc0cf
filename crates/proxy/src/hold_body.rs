//! Takes as much of the body as must be seen before a region can be chosen, and keeps it for replay.
//!
//! A small body is read whole: it then leaves in one write with its head, and can go to any number
//! of regions. A larger one streams from the start; only while its deployment is not known yet is
//! it read ahead, in one pass and up to the configured limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use nearway_upstream::{BodyLimits, Failed, Held};
use nearway_wire::model::{BodyKind, ModelField, ModelScan, Scan, body_kind};
use tokio::time::timeout;

use crate::admit::Admitted;
use crate::identify::Identity;
use crate::{Refusal, Settings};

/// A body up to this size is read whole before a region is chosen.
const SMALL: u64 = 64 * 1024;

/// The client's body, as far as the attempts are concerned.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// There is none.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// Streaming, and back here between two attempts.
    Held(Held),
    /// With a connection, or lost there.
    Away,
}

/// A body ready for the first attempt.
#[derive(Debug)]
pub(crate) struct Readied {
    pub(crate) outgoing: Outgoing,
    /// Where the body names its deployment.
    pub(crate) model: Option<ModelField>,
}

/// Reads what must be read.
pub(crate) async fn hold_body(
    admitted: &Admitted,
    identity: &Identity,
    mut incoming: Incoming,
    settings: &Settings,
) -> Result<Readied, Refusal> {
    if incoming.is_end_stream() {
        return Ok(Readied { outgoing: Outgoing::Empty, model: None });
    }
    let limits = BodyLimits {
        hold: settings.hold_body,
        max: settings.body_max,
        idle: settings.timeouts.client_body,
    };
    let mut search = Search::new(admitted, identity);
    if admitted.length.is_some_and(|length| length <= SMALL) {
        let whole = read_whole(&mut incoming, limits).await?;
        search.feed(&whole);
        return Ok(Readied { outgoing: Outgoing::Whole(whole), model: search.found() });
    }
    let mut chunks = Vec::new();
    let mut read = 0;
    while search.goes_on() && read < limits.hold {
        let Some(chunk) = next_chunk(&mut incoming, limits).await? else { break };
        search.feed(&chunk);
        read += chunk.len();
        chunks.push(chunk);
    }
    let held = Held::new(chunks, incoming, limits);
    Ok(Readied { outgoing: Outgoing::Held(held), model: search.found() })
}

async fn read_whole(incoming: &mut Incoming, limits: BodyLimits) -> Result<Bytes, Refusal> {
    let Some(first) = next_chunk(incoming, limits).await? else { return Ok(Bytes::new()) };
    if incoming.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(chunk) = next_chunk(incoming, limits).await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

async fn next_chunk(incoming: &mut Incoming, limits: BodyLimits) -> Result<Option<Bytes>, Refusal> {
    let frame = timeout(limits.idle, incoming.frame())
        .await
        .map_err(|_elapsed| Refusal::BodyStalled(limits.idle))?;
    match frame {
        None => Ok(None),
        // trailers come after the last chunk: there is nothing more to search
        Some(Ok(frame)) => Ok(frame.into_data().ok()),
        Some(Err(_broken)) => Err(Refusal::BodyBroken),
    }
}

/// How a client's failure to deliver its body is answered.
pub(crate) fn refusal(failed: Failed, settings: &Settings) -> Refusal {
    match failed {
        Failed::Broken => Refusal::BodyBroken,
        Failed::Stalled => Refusal::BodyStalled(settings.timeouts.client_body),
        Failed::TooLarge => Refusal::BodyTooLarge(settings.body_max.unwrap_or(u64::MAX)),
    }
}

/// The search for the deployment; nothing where the target names it.
enum Search {
    Off,
    On(ModelScan),
    Found(ModelField),
}

impl Search {
    fn new(admitted: &Admitted, identity: &Identity) -> Self {
        if !identity.wants_body() {
            return Self::Off;
        }
        match body_kind(admitted.headers.get(http::header::CONTENT_TYPE)) {
            BodyKind::Opaque => Self::Off,
            kind => Self::On(ModelScan::new(kind)),
        }
    }

    fn goes_on(&self) -> bool {
        matches!(self, Self::On(_))
    }

    fn feed(&mut self, chunk: &[u8]) {
        if let Self::On(scan) = self {
            match scan.feed(chunk) {
                Scan::Searching => {}
                Scan::Absent => *self = Self::Off,
                Scan::Found(field) => *self = Self::Found(field),
            }
        }
    }

    fn found(self) -> Option<ModelField> {
        match self {
            Self::Found(field) => Some(field),
            Self::Off | Self::On(_) => None,
        }
    }
}
