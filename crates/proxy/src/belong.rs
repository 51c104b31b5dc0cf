//! Which region a request belongs to: where the objects live that it names, else the home region where that
//! matters. What is a place, a bond, an owner, `nearway_affinity` says; here it meets this request, its
//! client's fences and the regions that are configured now.

use http::Method;
use nearway_affinity::home::{Wants, wants};
use nearway_affinity::request::{Bond, bond, place_of};
use nearway_affinity::target::ids_in;
use nearway_affinity::{Known, Named, Whereabouts, whereabouts};
use nearway_route::{RegionId, Why};
use nearway_telemetry::Lookup;
use nearway_wire::endpoint::{Operation, decoded};
use nearway_wire::fields::Found;
use nearway_wire::id::IdDigest;

use crate::identify::Identity;
use crate::refuse::Bound;
use crate::settle::Settle;
use crate::{Refusal, Settings, Target};

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
    /// One of those is the home region, for no object's sake.
    pub(crate) is_home: bool,
    /// Regions are asked until one knows what it names.
    pub(crate) searches: bool,
    /// All were asked, and none does.
    pub(crate) is_nobodys: bool,
    /// What was asked for already, for this request, and found nowhere.
    pub(crate) in_vain: Vec<IdDigest>,
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
        let told = || self.object().is_some_and(|one| matches!(one.bond, Bond::Told(_)));
        // where several are named, any of them may be meant
        self.searches || (self.only_firm().is_some() && told())
    }

    /// Why this region is asked, if it is for one of these.
    pub(crate) fn why(&self, region: RegionId) -> Option<Why> {
        let is_bound = self.only == Some(region) || self.near == Some(region);
        is_bound.then_some(if self.is_home { Why::StateHome } else { Why::Owner })
    }

    /// The one object that only its owner can serve; `None` if there are none, or several.
    pub(crate) fn only_firm(&self) -> Option<&Named> {
        let mut firm = self.named.iter().filter(|one| one.bond.is_firm());
        firm.next().filter(|_| firm.next().is_none())
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

/// The most objects that are asked for, and found nowhere, before a request is sent all the same.
const ASKED_FOR_MOST: usize = 16;

/// What must be done before the request can go anywhere.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// Find out who knows the object at this `place` of [`Bonds::named`], by asking for it below this `path`,
    /// one region `first`.
    Ask {
        place: usize,
        path: &'static str,
        first: Option<RegionId>,
    },
}

/// The objects that the target names. Nothing is allocated where it names none.
pub(crate) fn named_in_target(target: &str, operation_at: usize) -> Vec<Named> {
    let named = |(raw, path)| {
        let id = decoded(raw);
        Named { id: IdDigest::of(id.as_bytes()), shown: id.into(), bond: Bond::Told(path) }
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

/// Finds out where the request belongs, as far as that is known. `goes_again` tells whether it can be sent to
/// several regions, one after the other.
///
/// # Errors
/// It can go nowhere: its objects live in several regions, or where it may not go.
pub(crate) fn belong(
    identity: &mut Identity,
    (method, goes_again): (&Method, bool),
    settings: &Settings,
    settle: &mut Settle,
) -> Result<Before, Refusal> {
    // whoever says where to go knows better
    if identity.pin.is_some() {
        return Ok(Before::Nothing);
    }
    if identity.bonds.named.is_empty() {
        stay_home(identity, method, settings);
        return Ok(Before::Nothing);
    }
    let Bonds { named, in_vain, .. } = &identity.bonds;
    let known = |one: &Named| match settle.owner(one.id) {
        Some(region) => Known::Owner(region),
        _ if in_vain.contains(&one.id) || settle.is_nobodys(one.id) => Known::Nobodys,
        _ => Known::Nothing,
    };
    let (mut only, mut near, mut searches, mut before) = (None, None, false, Before::Nothing);
    match whereabouts(named, known) {
        Whereabouts::Anywhere => settle.looked_up(Lookup::Nobody),
        Whereabouts::Loose(region) => (near, searches) = (region, true),
        Whereabouts::Only(region, one) => {
            settle.looked_up(Lookup::Hit);
            check(one, region, identity, settings)?;
            only = Some((region, place(named, one)));
        }
        Whereabouts::Nowhere(owners) => {
            settle.looked_up(Lookup::Conflict);
            let each = owners.into_iter().filter_map(|(one, region)| {
                let (_, target) = settings.target(region)?;
                Some((one.shown.clone(), target.region.name().clone()))
            });
            return Err(Bound::Conflict(each.collect()).into());
        }
        Whereabouts::Told(one) => {
            settle.looked_up(Lookup::Unknown);
            match one.bond {
                // a handshake is taken by any region, and what is sent once finds only the first one
                Bond::Told(Some(path)) if identity.in_messages || !goes_again => {
                    before = Before::Ask { place: place(named, one), path, first: None };
                }
                _ => searches = true,
            }
        }
        Whereabouts::Ask(one, path, first) if in_vain.len() < ASKED_FOR_MOST => {
            settle.looked_up(Lookup::Unknown);
            before = Before::Ask { place: place(named, one), path, first };
        }
        Whereabouts::Ask(_, _, first) => near = first,
    }
    let bonds = &mut identity.bonds;
    (bonds.only, bonds.because) = only.unzip();
    (bonds.near, bonds.searches) = (near, searches);
    if only.is_none() && near.is_none() && before == Before::Nothing {
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
    let places = settings.regions.iter().enumerate();
    // one resource may stand in the list more than once
    let mut there =
        places.filter(|(place, target)| target.owner == region && settings.admit(identity, *place));
    let Some((_, first)) = there.next() else {
        return Err(Bound::NotAllowed(one.shown.clone()).into());
    };
    let Some(deployment) = identity.deployment.as_deref() else { return Ok(()) };
    let serves = |target: &Target| target.deployment(deployment).is_some();
    if serves(first) || there.any(|(_, target)| serves(target)) {
        return Ok(());
    }
    let (shown, name) = (one.shown.clone(), first.region.name().clone());
    Err(Bound::Lacking(shown, name, deployment.into()).into())
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
    let bonds = &mut identity.bonds;
    (bonds.only, bonds.near, bonds.is_home) = (only, near, true);
}

/// The home region, or where that is out of bounds for this request the first one that is not.
fn home(identity: &Identity, settings: &Settings) -> Option<RegionId> {
    let places = || settings.regions.iter().enumerate();
    let admitted = |(place, _): &(usize, &Target)| settings.admit(identity, *place);
    let is_home = |(_, target): &(usize, &Target)| Some(target.id) == settings.state.home;
    let home = places().filter(admitted).find(is_home).or_else(|| places().find(admitted));
    home.map(|(_, target)| target.owner)
}
