//! Which region a request belongs to: where the objects live that it names, else the home region where that
//! matters. What is a place, a bond, an owner, `nearway_affinity` says; here it meets this request, its
//! client's fences and the regions that are configured now.

use http::Method;
use nearway_affinity::home::{Wants, wants};
use nearway_affinity::request::{Bond, bond, place_of};
use nearway_affinity::target::ids_in;
use nearway_affinity::{Named, Whereabouts, whereabouts};
use nearway_route::RegionId;
use nearway_wire::endpoint::{Operation, decoded};
use nearway_wire::fields::Found;
use nearway_wire::id::IdDigest;

use crate::identify::Identity;
use crate::refuse::Bound;
use crate::settle::Settle;
use crate::{Refusal, Settings};

/// What a request is bound to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bonds {
    /// The objects that it names.
    pub(crate) named: Vec<Named>,
    /// Nobody else can answer.
    pub(crate) only: Option<RegionId>,
    /// Because of the object at this place of `named`; `None` if it is because of none.
    pub(crate) because: Option<usize>,
    /// Asked first, while it is fit.
    pub(crate) near: Option<RegionId>,
    /// Regions are asked until one knows what it names.
    pub(crate) searches: bool,
    /// All were asked, and none does.
    pub(crate) is_nobodys: bool,
}

impl Bonds {
    /// Of a request for one object, which says for itself whether a region knows it.
    pub(crate) fn told(one: Named) -> Self {
        let named = vec![Named { bond: Bond::Told(None), ..one }];
        Self { named, searches: true, ..Self::default() }
    }

    /// Of a request that only this region can answer, for no object's sake.
    pub(crate) fn only(region: RegionId) -> Self {
        Self { only: Some(region), ..Self::default() }
    }

    /// Whether a region that does not know what the request names is the wrong one, and says so before it
    /// does anything.
    pub(crate) fn may_be_elsewhere(&self) -> bool {
        self.searches || self.object().is_some_and(|one| matches!(one.bond, Bond::Told(_)))
    }

    /// Regions were asked for the object at this place of `named`; without an `owner` none knows it.
    pub(crate) fn found(&mut self, place: usize, owner: Option<RegionId>) {
        (self.only, self.because) = (owner, owner.map(|_| place));
    }

    /// The object that binds the request to one region.
    pub(crate) fn object(&self) -> Option<&Named> {
        self.named.get(self.because?)
    }

    /// What the request can't do without, to be shown.
    pub(crate) fn shown(&self) -> Box<str> {
        let firm = || self.named.iter().find(|one| one.bond.is_firm());
        let one = self.object().or_else(firm).or_else(|| self.named.first());
        one.map_or_else(|| "The list".into(), |one| one.shown.clone())
    }
}

/// What must be done before the request can go anywhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// Find out who knows the object at this place of [`Bonds::named`], by asking for it below this path.
    Ask(usize, &'static str),
}

/// The objects that the target names. Nothing is allocated where it names none.
pub(crate) fn named_in_target(target: &str, operation_at: usize) -> Vec<Named> {
    let named = |raw| {
        let id = decoded(raw);
        Named { id: IdDigest::of(id.as_bytes()), shown: id.into(), bond: Bond::Told(None) }
    };
    ids_in(target, operation_at).map(named).collect()
}

/// The objects that its body names, too.
pub(crate) fn named_in_body(operation: Operation, found: &[Found]) -> impl Iterator<Item = Named> {
    found.iter().map(move |found| {
        let place = place_of(operation, found.place);
        // what has no id is called by its place
        let shown = found.text.as_deref().filter(|_| !place.ends_with(ENCRYPTED));
        Named {
            id: found.digest,
            shown: shown.unwrap_or(place).into(),
            bond: bond(operation, found.place),
        }
    })
}

const ENCRYPTED: &str = "encrypted_content";

/// Finds out where the request belongs, as far as that is known.
///
/// # Errors
/// It can go nowhere: its objects live in several regions, or where it may not go.
pub(crate) fn belong(
    identity: &mut Identity,
    method: &Method,
    settings: &Settings,
    settle: &mut Settle,
) -> Result<Before, Refusal> {
    // whoever says where to go knows better
    if identity.pin.is_some() {
        return Ok(Before::Nothing);
    }
    let Bonds { named, .. } = &identity.bonds;
    if named.is_empty() {
        stay_home(identity, method, settings);
        return Ok(Before::Nothing);
    }
    let owner = |id| settle.owner(id).filter(|region| settings.target(*region).is_some());
    let (mut only, mut near, mut unknown) = (None, None, None);
    match whereabouts(named, owner) {
        Whereabouts::Anywhere => {}
        Whereabouts::Near(region) => near = Some(region),
        Whereabouts::Only(region, one) => {
            check(one, region, identity, settings)?;
            only = Some((region, place(named, one)));
        }
        Whereabouts::Nowhere(owners) => {
            let each = owners.into_iter().filter_map(|(one, region)| {
                let (_, target) = settings.target(region)?;
                Some((one.shown.clone(), target.region.name().clone()))
            });
            settle.owners_conflict();
            return Err(Bound::Conflict(each.collect()).into());
        }
        Whereabouts::Told(one) => {
            // a handshake is taken by any region
            let path = match one.bond {
                Bond::Told(path) if identity.in_messages => path,
                _ => None,
            };
            unknown = Some((one, path));
        }
        Whereabouts::Ask(one, path) => unknown = Some((one, Some(path))),
    }
    let unknown = unknown.map(|(one, path)| (place(named, one), path, settle.is_nobodys(one.id)));
    settle.looked_up(only.is_some(), unknown.map(|(.., nobodys)| nobodys));
    let loose = only.is_none() && unknown.is_none();
    let bonds = &mut identity.bonds;
    (bonds.only, bonds.because) = only.unzip();
    bonds.near = near;
    // what is loose may turn out to be firm
    bonds.searches = loose || matches!(unknown, Some((_, None, false)));
    let before = match unknown {
        Some((place, Some(path), false)) => Before::Ask(place, path),
        // if it was searched for a moment ago, any region's answer is the right one
        _ => Before::Nothing,
    };
    if only.is_none() && near.is_none() {
        stay_home(identity, method, settings);
    }
    Ok(before)
}

fn place(named: &[Named], one: &Named) -> usize {
    named.iter().position(|other| std::ptr::eq(other, one)).unwrap_or_default()
}

/// Whether the request may go to the one region that it belongs to, and can be served there.
fn check(
    one: &Named,
    region: RegionId,
    identity: &Identity,
    settings: &Settings,
) -> Result<(), Refusal> {
    let Some((place, target)) = settings.target(region) else { return Ok(()) };
    let (shown, name) = (one.shown.clone(), target.region.name().clone());
    if !settings.admit(identity, place) {
        return Err(Bound::NotAllowed(shown).into());
    }
    match &identity.deployment {
        Some(deployment) if target.deployment(deployment).is_none() => {
            Err(Bound::Lacking(shown, name, deployment.as_ref().into()).into())
        }
        _ => Ok(()),
    }
}

/// Where nothing is named, the home region may matter all the same.
fn stay_home(identity: &mut Identity, method: &Method, settings: &Settings) {
    let (only, near) = match wants(identity.operation, method) {
        Wants::Nothing => return,
        // an object below which it lists may be anywhere
        Wants::List if !identity.bonds.named.is_empty() => return,
        Wants::List => (home(identity, settings), None),
        Wants::New | Wants::Catalogue => (None, home(identity, settings)),
    };
    identity.bonds.only = only;
    identity.bonds.near = near;
}

/// The home region, or where that is out of bounds for this request the first one that is not.
fn home(identity: &Identity, settings: &Settings) -> Option<RegionId> {
    let admitted = |id: &RegionId| {
        settings.target(*id).is_some_and(|(place, _)| settings.admit(identity, place))
    };
    let first = || settings.regions.iter().map(|target| target.id).find(admitted);
    settings.state.home.filter(admitted).or_else(first)
}
