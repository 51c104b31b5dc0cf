//! Asks regions for an object before a request goes anywhere that would do something in the wrong one: a `GET`
//! has no side effect.

use nearway_route::{Ranking, RegionId};
use nearway_upstream::{Fault, Transport};
use nearway_wire::endpoint;
use nearway_wire::id::IdDigest;

use super::first_answer;
use crate::Refusal;
use crate::attempt::Original;
use crate::belong::Bonds;
use crate::identify::Identity;
use crate::refuse::{Bound, Tried};
use crate::settle::Settle;

/// The region that knows the object at this place of what the request names; `None` if none does.
///
/// # Errors
/// Not all regions answered, and none of those that did knows it.
pub(crate) async fn look_up<T: Transport>(
    transport: &T,
    ranking: &Ranking,
    original: &mut Original,
    (place, path): (usize, &'static str),
    settle: &mut Settle,
) -> Result<Option<RegionId>, Refusal> {
    let Some(mut question) = question(original, place, path) else { return Ok(None) };
    let elapsed = settle.elapsed();
    let reply = first_answer(transport, ranking, &mut question, settle, elapsed).await?;
    let region = settle.question_answered();
    let bonds = &question.identity.bonds;
    match Fault::from_status(reply.response.status()) {
        None => Ok(region),
        Some(_) if bonds.is_nobodys => Ok(None),
        Some(fault) => {
            let region = settle.region_name().unwrap_or_default();
            let (hint, goes_on, may_have_created) = (None, false, false);
            let tried = Tried { region, kind: fault.kind, hint, goes_on, may_have_created };
            Err(Bound::Unfound(bonds.shown(), vec![tried]).into())
        }
    }
}

/// Asks for the object at this place of what the request names; `None` if that can't be written.
fn question(original: &Original, place: usize, path: &str) -> Option<Box<Original>> {
    let Identity { target, bonds, .. } = &original.identity;
    let one = bonds.named.get(place)?;
    // an id that was cut for its length is none
    (IdDigest::of(one.shown.as_bytes()) == one.id).then_some(())?;
    let target = endpoint::sibling(target.as_str(), path, &one.shown)?;
    original.reading(target, Bonds::told(one.clone()))
}
