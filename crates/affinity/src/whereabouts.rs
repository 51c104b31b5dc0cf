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

/// What is known of who owns an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// This region does.
    Owner(RegionId),
    /// All regions were asked of late, and none does.
    Nobodys,
    /// Nothing.
    Nothing,
}

/// Where a request belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts<'n> {
    /// It names no object that lives anywhere, or only such as are nobody's: any region's answer is right.
    Anywhere,
    /// Best here, where something it names was made, or where that is not known anywhere; others may do. A
    /// region may turn out not to know what it needs.
    Loose(Option<RegionId>),
    /// Only here, because of this object.
    Only(RegionId, &'n Named),
    /// Nowhere: its objects live in several regions. One of each, in the order in which they are named.
    Nowhere(Vec<(&'n Named, RegionId)>),
    /// Only with the owner of this object, and it is not known who that is. The region that gets the request
    /// says so itself if it is not the one.
    Told(&'n Named),
    /// A region must be asked for the object before any gets the request, that one first.
    Ask(&'n Named, &'static str, Option<RegionId>),
}

/// Where a request belongs that names these, by what is `known` of each.
///
/// Of several objects that only their owner can serve, one that is known decides, but for those that must be
/// asked for: where one of them lives elsewhere, nothing may be sent.
pub fn whereabouts<'n>(named: &'n [Named], known: impl Fn(&Named) -> Known) -> Whereabouts<'n> {
    let mut owners: Vec<(&Named, RegionId)> = Vec::new();
    let (mut near, mut loose, mut told, mut ask) = (None, false, None, None);
    for one in named {
        match (known(one), one.bond) {
            (Known::Owner(region), Bond::Loose) => (near, loose) = (near.or(Some(region)), true),
            (Known::Owner(region), _) => {
                if owners.iter().all(|(_, other)| *other != region) {
                    owners.push((one, region));
                }
            }
            (Known::Nobodys, _) => {}
            (Known::Nothing, Bond::Told(_) | Bond::Silent) => told = told.or(Some(one)),
            (Known::Nothing, Bond::Askable(path)) => ask = ask.or(Some((one, path))),
            (Known::Nothing, Bond::Loose) => loose = true,
        }
    }
    let first = owners.first().map(|(_, region)| *region);
    match (owners.as_slice(), ask, told) {
        ([_, _, ..], ..) => Whereabouts::Nowhere(owners),
        // the request itself is as good a question, unless it is known where that goes
        (_, Some((one, path)), None) => Whereabouts::Ask(one, path, first),
        ([_], Some((one, path)), Some(_)) => Whereabouts::Ask(one, path, first),
        ([(one, region)], None, _) => Whereabouts::Only(*region, one),
        ([], _, Some(told)) => Whereabouts::Told(told),
        ([], None, None) if loose => Whereabouts::Loose(near),
        ([], None, None) => Whereabouts::Anywhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Bond = Bond::Askable("files");
    const TOLD: Bond = Bond::Told(None);

    fn named(list: &[(&str, Bond)]) -> Vec<Named> {
        let one = |(id, bond): &(&str, Bond)| Named {
            id: IdDigest::of(id.as_bytes()),
            shown: (*id).into(),
            bond: *bond,
        };
        list.iter().map(one).collect()
    }

    /// `a…` lives in region 1, `b…` in region 2, `n…` is nobody's, all else is unknown.
    fn told(list: &[(&str, Bond)]) -> String {
        let named = named(list);
        let known = |one: &Named| match one.shown.as_bytes()[0] {
            b'a' => Known::Owner(RegionId(1)),
            b'b' => Known::Owner(RegionId(2)),
            b'n' => Known::Nobodys,
            _ => Known::Nothing,
        };
        match whereabouts(&named, known) {
            Whereabouts::Anywhere => "anywhere".to_owned(),
            Whereabouts::Loose(None) => "loose".to_owned(),
            Whereabouts::Loose(Some(region)) => format!("near {}", region.0),
            Whereabouts::Only(region, one) => format!("only {} for {}", region.0, one.shown),
            Whereabouts::Nowhere(list) => {
                let each = list.iter().map(|(one, region)| format!("{} {}", one.shown, region.0));
                format!("nowhere: {}", each.collect::<Vec<_>>().join(", "))
            }
            Whereabouts::Told(one) => format!("told of {}", one.shown),
            Whereabouts::Ask(one, path, None) => format!("ask for {path}/{}", one.shown),
            Whereabouts::Ask(one, path, Some(first)) => {
                format!("ask {} first for {path}/{}", first.0, one.shown)
            }
        }
    }

    #[test]
    fn firm_objects_decide_and_what_must_be_asked_for_is() {
        use Bond::{Loose, Silent};
        for (list, expected) in [
            (&[][..], "anywhere"),
            (&[("n1", TOLD), ("n2", FILE), ("n3", Loose)], "anywhere"),
            (&[("x", Loose)], "loose"),
            (&[("b1", Loose), ("a1", Loose)], "near 2"),
            (&[("b1", Loose), ("a1", TOLD)], "only 1 for a1"),
            (&[("x", TOLD), ("a1", FILE)], "only 1 for a1"),
            (&[("n1", FILE), ("a1", FILE)], "only 1 for a1"),
            (&[("a1", FILE), ("a2", TOLD)], "only 1 for a1"),
            (&[("a1", FILE), ("a2", FILE), ("b1", TOLD)], "nowhere: a1 1, b1 2"),
            (&[("a1", FILE), ("x", FILE)], "ask 1 first for files/x"),
            (&[("a1", TOLD), ("y", TOLD), ("x", FILE)], "ask 1 first for files/x"),
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
