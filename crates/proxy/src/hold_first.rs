//! Holds a head back until its answer has begun well, so that a region that says 200 and then an error,
//! an end or nothing fails over unseen: a stream's until its first event, a short JSON answer's until
//! its end.
//!
//! What was read goes to the client before the rest, so nothing is lost or delayed but the head.

use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::body::Body;
use nearway_upstream::{Fault, FaultKind, Reply, Returned, Sent};
use nearway_wire::headers::is_event_stream;
use nearway_wire::model::{BodyKind, body_kind};
use nearway_wire::stream_error::{FirstEvent, Opening};
use tokio::time::timeout;

/// A stream that did not begin as it should.
pub(crate) struct BadStart {
    pub(crate) fault: Fault,
    /// It is an answer all the same: what the client gets when nobody does better.
    pub(crate) is_answer: bool,
}

/// How long a stream may take from its head to its first event.
///
/// `fixed` is what the operator says of its deployment, and then that is it. Else ten times the
/// `slowest` first token of the region's probes in the window, at least 15 s and at most `most`: a
/// tiny probe says little about a long prompt, hence the wide margins.
pub(crate) fn patience(
    fixed: Option<Duration>,
    slowest: Option<Duration>,
    most: Duration,
) -> Duration {
    let derived = || slowest.map_or(most, |slowest| (slowest * SLOWER_BY).max(FLOOR).min(most));
    fixed.unwrap_or_else(derived)
}

/// What an answer is held back until.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The first event of a stream.
    FirstEvent,
    /// The end of short JSON that is not all here yet.
    End,
}

/// What this one is held back until, if anything.
pub(crate) fn until(reply: &Reply) -> Option<Until> {
    let (headers, body) = (reply.response.headers(), reply.response.body());
    if is_event_stream(headers) {
        return (!headers.contains_key(CONTENT_ENCODING)).then_some(Until::FirstEvent);
    }
    let short = u64::try_from(SHORT).unwrap_or(u64::MAX);
    let content_type = headers.get(CONTENT_TYPE);
    let is_short_json = || {
        content_type.is_some()
            && body_kind(content_type) == BodyKind::Json
            && body.size_hint().lower() <= short
    };
    (!body.is_here() && is_short_json()).then_some(Until::End)
}

/// The reply once it has begun, which is as far as it is held back.
///
/// # Errors
/// What was wrong, with the reply where that is an answer all the same.
pub(crate) async fn begun(
    mut reply: Box<Reply>,
    patience: Duration,
) -> Result<Box<Reply>, (Option<Box<Reply>>, Fault)> {
    let begins = match until(&reply) {
        Some(Until::FirstEvent) => hold_first(&mut reply, patience, true).await,
        Some(Until::End) => hold_short(&mut reply).await,
        None => Ok(()),
    };
    match begins {
        Ok(()) => Ok(reply),
        Err(BadStart { fault, is_answer }) => Err((is_answer.then_some(reply), fault)),
    }
}

/// Waits for the end of a short answer; one that is longer or slower than it seemed goes on as it is.
///
/// # Errors
/// It broke off.
pub(crate) async fn hold_short(reply: &mut Reply) -> Result<(), BadStart> {
    let mut bytes = 0;
    let reading = reply.response.body_mut().read_until(|data| {
        bytes += data.len();
        bytes > SHORT
    });
    match timeout(SHORT_PATIENCE, reading).await {
        Ok(Err(cut)) => {
            let (kind, detail) = (FaultKind::Truncated, cut.to_string());
            Err(BadStart { fault: behind_the_head(kind, detail), is_answer: false })
        }
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// Waits for the first event. When time is up and no other region is left (`is_last`), the head goes
/// to the client as it is.
///
/// # Errors
/// What came in its place.
pub(crate) async fn hold_first(
    reply: &mut Reply,
    patience: Duration,
    is_last: bool,
) -> Result<(), BadStart> {
    let mut first = FirstEvent::new();
    let mut opening = Opening::Waiting;
    let reading = reply.response.body_mut().read_until(|data| {
        opening = first.feed(data);
        opening != Opening::Waiting
    });
    let (kind, detail, is_answer) = match timeout(patience, reading).await {
        Err(_elapsed) if is_last => return Ok(()),
        Err(_elapsed) => {
            let detail = format!("no first event within {patience:?} of its head");
            (FaultKind::FirstTokenTimeout, detail, false)
        }
        Ok(Err(cut)) => (FaultKind::Truncated, cut.to_string(), false),
        Ok(Ok(false)) => {
            (FaultKind::Truncated, "its stream ended before its first event".into(), true)
        }
        Ok(Ok(true)) if opening == Opening::Failed => {
            (FaultKind::ServerError, "its stream began with an error".into(), true)
        }
        Ok(Ok(true)) => return Ok(()),
    };
    Err(BadStart { fault: behind_the_head(kind, detail), is_answer })
}

fn behind_the_head(kind: FaultKind, detail: String) -> Fault {
    Fault { kind, sent: Sent::All, returned: Returned::Head, reused: false, detail }
}

/// The most bytes of a JSON answer that are held back.
const SHORT: usize = 64 * 1024;
/// From its head to its end: it was written before the head was sent, nearly always.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);
/// A first event may be so much later than the slowest one of the window.
const SLOWER_BY: u32 = 10;
/// However fast a region is, a stream has this long for its first event.
const FLOOR: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_fixed_or_follows_the_region_between_floor_and_ceiling() {
        let most = Duration::from_secs(60);
        for (fixed, slowest, seconds) in [
            (None, None, 60),
            (None, Some(0), 15),
            (None, Some(3), 30),
            (None, Some(9), 60),
            (Some(1), None, 1),
            (Some(1), Some(9), 1),
            (Some(120), Some(0), 120),
        ] {
            let [fixed, slowest] = [fixed, slowest].map(|given| given.map(Duration::from_secs));
            let patience = patience(fixed, slowest, most);
            assert_eq!(patience.as_secs(), seconds, "{fixed:?} {slowest:?}");
        }
    }
}
