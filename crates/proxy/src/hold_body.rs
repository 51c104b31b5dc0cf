//! Takes as much of the body as must be seen before a region can be chosen, and keeps it for replay.
//!
//! A small body is read whole: it then leaves in one write with its head, and can go to any number
//! of regions if there was room to keep it, else to one. A larger one streams from the start; only
//! while its deployment is not known yet is it read ahead, in one pass and up to the configured limit.
//! Beyond as much as a small body has, it waits until there is room for all that it may need; meanwhile
//! nothing is read of it, so that its client waits too. Of one that streams no more is looked at for whom it
//! belongs to than has arrived; one that may name objects of a region is read ahead to its end. Where fences go by the deployment's name, it is
//! read ahead to its end, since a second name there would be another reader's.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use nearway_affinity::request::{fields, may_name};
use nearway_upstream::{BodyLimits, Failed, Held, LazyTimer, Replay, ReplayLimits, Reserved};
use nearway_wire::endpoint::Operation;
use nearway_wire::fields::Found;
use nearway_wire::model::{Asked, BodyKind, ModelField, ModelScan, Scan, body_kind};
use tokio::time::{Instant, timeout};

use crate::admit::Admitted;
use crate::affinity::Affinity;
use crate::identify::Identity;
use crate::{Refusal, Settings};

/// A body up to this size is read whole before a region is chosen, and as much of any other that is
/// searched.
const SMALL: usize = 64 * 1024;

/// The client's body, as far as the attempts are concerned.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Not looked at yet.
    Unread(Incoming),
    /// There is none.
    Empty,
    /// All of it, and its share of what may be kept; without one it is given away, not lent.
    Whole(Bytes, Option<Reserved>),
    /// Streaming, and back here between two attempts.
    Held(Held),
    /// With a connection, or lost there.
    Away,
}

/// What was seen of a body.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Where it names its deployment.
    pub(crate) model: Option<ModelField>,
    pub(crate) asked: Asked,
    /// The hash of what it has in common with others, where that is looked for.
    pub(crate) kin: Option<u64>,
    /// What it names that lives in a region.
    pub(crate) found: Vec<Found>,
    /// It may name more.
    pub(crate) is_cut: bool,
    /// How long it is; as far as it was read where its head does not say so.
    pub(crate) bytes: u64,
}

/// What holding a body takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) replay: &'a Arc<Replay>,
    pub(crate) affinity: &'a Affinity,
}

/// Reads what must be read.
pub(crate) async fn hold_body(
    outgoing: &mut Outgoing,
    admitted: &Admitted,
    identity: &Identity,
    means: Means<'_>,
) -> Result<Seen, Refusal> {
    let Means { settings, replay, .. } = means;
    let Outgoing::Unread(incoming) = outgoing else { return Ok(Seen::default()) };
    if incoming.is_end_stream() {
        *outgoing = Outgoing::Empty;
        return Ok(Seen::default());
    }
    let limits = BodyLimits { max: settings.body_max, idle: settings.timeouts.client_body };
    let keep = ReplayLimits { body: settings.hold_body, total: settings.hold_total };
    let search = Search::new(admitted, identity, means);
    let length =
        admitted.length.map_or(usize::MAX, |length| length.try_into().unwrap_or(usize::MAX));
    if length <= SMALL {
        let whole = read_whole(incoming, limits).await?;
        let mut search = search.seeking_named(identity, Some(&whole));
        search.feed(&whole);
        let (bytes, reserved) = (whole.len(), replay.reserve(whole.len(), keep));
        *outgoing = Outgoing::Whole(whole, reserved);
        return Ok(search.seen(bytes, false));
    }
    let mut search = search.seeking_named(identity, None);
    let mut kept = replay.keep(keep);
    let most = settings.hold_body.min(settings.read_ahead);
    let mut read = 0;
    while search.goes_on() && read < most {
        if read >= SMALL && !kept.has_room_ahead() {
            let room = timeout(limits.idle, replay.ahead(length.min(most), settings.read_ahead));
            kept.room_ahead(room.await.map_err(|_elapsed| Refusal::Overloaded)?);
        }
        let Some(chunk) = next_chunk(incoming, limits).await? else { break };
        search.feed(&chunk);
        read += chunk.len();
        check_size(read, limits)?;
        kept.read_ahead(&chunk);
    }
    while search.may_tell_more() && read < most.min(SMALL) && !admitted.waits_to_send() {
        let Some(chunk) = arrived_chunk(incoming).await? else { break };
        search.feed(&chunk);
        read += chunk.len();
        check_size(read, limits)?;
        kept.read_ahead(&chunk);
    }
    let is_cut = read >= most && search.goes_on();
    kept.read_enough();
    if let Outgoing::Unread(rest) = std::mem::replace(outgoing, Outgoing::Away) {
        *outgoing = Outgoing::Held(Held::new(kept, rest, limits));
    }
    Ok(search.seen(if admitted.length.is_some() { length } else { read }, is_cut))
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
    let mut timer = LazyTimer::default();
    let mut stalled_at = None;
    let frame = poll_fn(|cx| match Pin::new(&mut *incoming).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        Poll::Pending => {
            let deadline = *stalled_at.get_or_insert_with(|| Instant::now() + limits.idle);
            timer.poll(cx, deadline).map(|()| Err(Refusal::BodyStalled(limits.idle)))
        }
    });
    match frame.await? {
        None => Ok(None),
        // trailers come after the last chunk: there is nothing more to search
        Some(Ok(frame)) => Ok(frame.into_data().ok()),
        Some(Err(_broken)) => Err(Refusal::BodyBroken),
    }
}

/// The next chunk if it is here already: whoever reads the connection gets one turn to hand it over.
/// `None`: it is not, or there is none.
async fn arrived_chunk(incoming: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    let mut had_turn = false;
    let frame = poll_fn(|cx| match Pin::new(&mut *incoming).poll_frame(cx) {
        Poll::Pending if !had_turn => {
            had_turn = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(None),
        ready @ Poll::Ready(_) => ready,
    });
    match frame.await {
        None => Ok(None),
        Some(Ok(frame)) => Ok(frame.into_data().ok()),
        Some(Err(_broken)) => Err(Refusal::BodyBroken),
    }
}

fn check_size(read: usize, limits: BodyLimits) -> Result<(), Refusal> {
    match limits.max {
        Some(max) if u64::try_from(read).unwrap_or(u64::MAX) > max => {
            Err(Refusal::BodyTooLarge(max))
        }
        _ => Ok(()),
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

/// The search for the deployment, and for what else the body asks for.
struct Search {
    scan: ModelScan,
    goes_on: bool,
    // what it names decides where it may go: all of it is looked at
    to_the_end: bool,
    model: Option<ModelField>,
}

/// The scan of what a request says, of its body or of a session's first message, for all that is looked for
/// in it but for what it names; and whether that is the model, too, and whether it is JSON.
pub(crate) fn scan_for(
    admitted: &Admitted,
    identity: &Identity,
    means: Means<'_>,
) -> (ModelScan, bool, bool) {
    let Means { settings, affinity, .. } = means;
    let kind = match identity.in_messages {
        true => BodyKind::Json,
        false => body_kind(admitted.content_type()),
    };
    let is_json = kind == BodyKind::Json;
    let wants_model = identity.wants_body() && kind != BodyKind::Opaque;
    let scan = match wants_model {
        true if settings.go_by_name(identity) => ModelScan::of_the_only(kind),
        true => ModelScan::new(kind),
        false => ModelScan::without_model(&kind),
    };
    (affinity.seek(scan, admitted, identity, settings), wants_model, is_json)
}

/// What the request names is looked for as well, unless the client says where it goes. Of a `whole` body it is
/// known that it may name something, of others that they must be read for it.
pub(crate) fn seeking_named(
    scan: ModelScan,
    identity: &Identity,
    whole: Option<&[u8]>,
) -> ModelScan {
    let operation = identity.operation;
    let may_name = match whole {
        Some(whole) => may_name(operation, whole),
        // a chat is long and hardly ever names anything
        None => operation != Operation::ChatCompletions,
    };
    match fields(operation).filter(|_| may_name && identity.pin.is_none()) {
        Some(fields) => scan.seeking_fields(fields.clone()),
        None => scan,
    }
}

impl Search {
    fn new(admitted: &Admitted, identity: &Identity, means: Means<'_>) -> Self {
        let (scan, goes_on, is_json) = scan_for(admitted, identity, means);
        Self { scan, goes_on, to_the_end: is_json, model: None }
    }

    fn seeking_named(self, identity: &Identity, whole: Option<&[u8]>) -> Self {
        Self { scan: seeking_named(self.scan, identity, whole), ..self }
    }

    /// Whether more must be read for the deployment, or for what it names.
    fn goes_on(&self) -> bool {
        self.goes_on || (self.to_the_end && self.scan.seeks_fields())
    }

    /// Whether more of the body may tell where it belongs.
    fn may_tell_more(&self) -> bool {
        self.scan.lacks_kin() || self.scan.seeks_fields()
    }

    fn feed(&mut self, chunk: &[u8]) {
        match self.scan.feed(chunk) {
            Scan::Searching => return,
            // said again after an answer, too
            Scan::Absent => {}
            Scan::Found(field) => self.model = Some(field),
        }
        self.goes_on = false;
    }

    fn seen(self, bytes: usize, is_cut: bool) -> Seen {
        let (asked, kin, found) = (self.scan.asked(), self.scan.kin(), self.scan.found().to_vec());
        let (model, is_cut) = (self.model, is_cut || !self.scan.found_all());
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Seen { model, asked, kin, found, is_cut, bytes }
    }
}
