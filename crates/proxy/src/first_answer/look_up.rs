//! Asks regions for an object before a request goes anywhere that would do something in the wrong one: a `GET`
//! has no side effect.

use nearway_route::{Ranking, RegionId};
use nearway_upstream::{Fault, FaultKind, Transport};
use nearway_wire::endpoint;
use nearway_wire::id::IdDigest;

use super::first_answer;
use crate::Refusal;
use crate::attempt::Original;
use crate::belong::Bonds;
use crate::identify::Identity;
use crate::refuse::{Bound, Tried};
use crate::settle::Settle;

/// Finds out which region knows the object at this place of what the request names, one region first: it is
/// remembered who, or for this request that none does.
///
/// # Errors
/// Not all regions answered, and none of those that did knows it.
pub(crate) async fn look_up<T: Transport>(
    transport: &T,
    ranking: &Ranking,
    original: &mut Original,
    (place, path, first): (usize, &'static str, Option<RegionId>),
    settle: &mut Settle,
) -> Result<(), Refusal> {
    let Some(id) = original.identity.bonds.named.get(place).map(|one| one.id) else {
        return Ok(());
    };
    let Some(mut question) = question(original, place, path) else {
        original.identity.bonds.in_vain.push(id);
        return Ok(());
    };
    question.identity.bonds.near = first;
    let elapsed = settle.elapsed();
    let reply = first_answer(transport, ranking, &mut question, settle, elapsed).await?;
    let region = settle.question_answered();
    let bonds = &question.identity.bonds;
    match (Fault::from_status(reply.response.status()), region) {
        (None, Some(region)) => {
            settle.found(id, region);
            Ok(())
        }
        (Some(_), _) if bonds.is_nobodys => {
            original.identity.bonds.in_vain.push(id);
            Ok(())
        }
        (fault, _) => {
            let kind = fault.map_or(FaultKind::Rejected, |fault| fault.kind);
            let region = settle.region_name().unwrap_or_default();
            let (hint, goes_on, may_have_created) = (None, false, false);
            let tried = Tried { region, kind, hint, goes_on, may_have_created };
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
