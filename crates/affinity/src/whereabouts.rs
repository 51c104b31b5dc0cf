//! Where a request belongs, from the objects that it names and who is known to own them.

use nearway_route::RegionId;
use nearway_wire::id::IdDigest;

use crate::request::Bond;

/// An object that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Of its id.
    pub id: IdDigest,
    /// The id, or what stands for it, to be shown to the client who sent it.
    pub shown: Box<str>,
    /// What naming it means.
    pub bond: Bond,
}

/// Where a request belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts<'n> {
    /// It names no object that lives anywhere.
    Anywhere,
    /// Best here, where something it names was made; others may do.
    Near(RegionId),
    /// Only here, because of this object.
    Only(RegionId, &'n Named),
    /// Nowhere: its objects live in several regions. One of each, in the order in which they are named.
    Nowhere(Vec<(&'n Named, RegionId)>),
    /// Only with the owner of this object, and it is not known who that is. The region that gets the request
    /// says so itself if it is not the one.
    Told(&'n Named),
    /// The same, but a region must be asked for the object before it gets the request.
    Ask(&'n Named, &'static str),
}

/// Where a request belongs that names these, by what `owner` knows.
///
/// One firm object whose owner is known decides: others that are not known are taken to live there too, and
/// the region says so if not.
pub fn whereabouts<'n>(
    named: &'n [Named],
    owner: impl Fn(IdDigest) -> Option<RegionId>,
) -> Whereabouts<'n> {
    let mut owners: Vec<(&Named, RegionId)> = Vec::new();
    let (mut near, mut told, mut ask, mut silent) = (None, None, None, None);
    for one in named {
        match (owner(one.id), one.bond) {
            (Some(region), Bond::Loose) => near = near.or(Some(region)),
            (Some(region), _) => {
                if owners.iter().all(|(_, other)| *other != region) {
                    owners.push((one, region));
                }
            }
            (None, Bond::Told(_)) => told = told.or(Some(one)),
            (None, Bond::Askable(path)) => ask = ask.or(Some((one, path))),
            (None, Bond::Silent) => silent = silent.or(Some(one)),
            (None, Bond::Loose) => {}
        }
    }
    match (owners.as_slice(), told, ask, silent, near) {
        ([(one, region)], ..) => Whereabouts::Only(*region, one),
        ([_, _, ..], ..) => Whereabouts::Nowhere(owners),
        (_, Some(told), ..) => Whereabouts::Told(told),
        (_, _, Some((ask, path)), ..) => Whereabouts::Ask(ask, path),
        (_, _, _, Some(silent), _) => Whereabouts::Told(silent),
        (.., Some(near)) => Whereabouts::Near(near),
        _ => Whereabouts::Anywhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Bond = Bond::Askable("files");

    fn named(list: &[(&str, Bond)]) -> Vec<Named> {
        let one = |(id, bond): &(&str, Bond)| Named {
            id: IdDigest::of(id.as_bytes()),
            shown: (*id).into(),
            bond: *bond,
        };
        list.iter().map(one).collect()
    }

    /// `a…` lives in region 1, `b…` in region 2, all else is unknown.
    fn told(list: &[(&str, Bond)]) -> String {
        let named = named(list);
        let shown = |id: IdDigest| named.iter().find(|one| one.id == id).unwrap().shown.clone();
        let owner = |id| match shown(id).as_bytes()[0] {
            b'a' => Some(RegionId(1)),
            b'b' => Some(RegionId(2)),
            _ => None,
        };
        match whereabouts(&named, owner) {
            Whereabouts::Anywhere => "anywhere".to_owned(),
            Whereabouts::Near(region) => format!("near {}", region.0),
            Whereabouts::Only(region, one) => format!("only {} for {}", region.0, one.shown),
            Whereabouts::Nowhere(list) => {
                let each = list.iter().map(|(one, region)| format!("{} {}", one.shown, region.0));
                format!("nowhere: {}", each.collect::<Vec<_>>().join(", "))
            }
            Whereabouts::Told(one) => format!("told of {}", one.shown),
            Whereabouts::Ask(one, path) => format!("ask for {path}/{}", one.shown),
        }
    }

    #[test]
    fn firm_objects_decide_known_ones_first() {
        use Bond::{Loose, Silent};
        const TOLD: Bond = Bond::Told(None);
        for (list, expected) in [
            (&[][..], "anywhere"),
            (&[("x", Loose)], "anywhere"),
            (&[("b1", Loose), ("a1", Loose)], "near 2"),
            (&[("b1", Loose), ("a1", TOLD)], "only 1 for a1"),
            (&[("x", TOLD), ("a1", FILE)], "only 1 for a1"),
            (&[("a1", FILE), ("a2", TOLD)], "only 1 for a1"),
            (&[("a1", FILE), ("a2", FILE), ("b1", TOLD)], "nowhere: a1 1, b1 2"),
            (&[("a1", Loose), ("x", TOLD)], "told of x"),
            (&[("x", FILE), ("y", TOLD)], "told of y"),
            (&[("x", FILE), ("y", FILE), ("a1", Loose)], "ask for files/x"),
            (&[("x", Silent)], "told of x"),
            (&[("x", Silent), ("b1", TOLD)], "only 2 for b1"),
        ] {
            assert_eq!(told(list), expected, "{list:?}");
        }
    }
}
