//! Where objects live, apart from the numbers that regions have in one process.
//!
//! A place is a region's name and what its URL says: behind another URL are other objects. Its credential,
//! its fences and what it calls its deployments change nothing of that, though the region may get another
//! number for it.

use nearway_config::Region;
use nearway_route::RegionId;
use nearway_wire::id::IdDigest;

/// Where a region's objects live.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The region's name.
    pub(crate) name: String,
    /// Of scheme, host, port and prefix: 128 bits.
    pub(crate) url: u128,
}

impl Place {
    fn of(region: &Region) -> Self {
        let url = &region.url;
        let scheme = if url.https { "https" } else { "http" };
        let url = format!("{scheme}://{}:{}{}", url.host, url.port, url.prefix);
        Self { name: region.name.clone(), url: number(IdDigest::of(url.as_bytes())) }
    }
}

/// Every place that this process has known, by the numbers of its regions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// A number stands for one place for ever, a place may have had several numbers; the one of now comes
    /// last. One more for each region that a reload changes.
    known: Vec<(RegionId, Place)>,
}

impl Places {
    /// Takes in the regions of another configuration; tells which of the numbers so far stand for a place
    /// that has another number now, each with that.
    pub(crate) fn follow<'r>(
        &mut self,
        regions: impl Iterator<Item = (RegionId, &'r Region)>,
    ) -> Vec<(RegionId, RegionId)> {
        let mut moved = Vec::new();
        for (id, region) in regions {
            if self.known.iter().any(|(known, _)| *known == id) {
                continue;
            }
            let place = Place::of(region);
            let same = self.known.iter().filter(|(_, known)| *known == place);
            moved.extend(same.map(|(former, _)| (*former, id)));
            self.known.push((id, place));
        }
        moved
    }

    /// Where the objects of a region live, be it configured now or earlier in this process.
    pub(super) fn of(&self, id: RegionId) -> Option<&Place> {
        self.known.iter().find(|(known, _)| *known == id).map(|(_, place)| place)
    }

    /// The number that a place has now, or had last.
    pub(super) fn id(&self, place: &Place) -> Option<RegionId> {
        self.known.iter().rfind(|(_, known)| known == place).map(|(id, _)| *id)
    }
}

/// A digest as a number, its first byte the highest.
pub(super) fn number(digest: IdDigest) -> u128 {
    let [high, low] = digest.halves();
    u128::from(high) << 64 | u128::from(low)
}

/// The digest that is this number.
pub(super) fn digest(number: u128) -> IdDigest {
    let [a, b, c, d, e, f, g, h, rest @ ..] = number.to_be_bytes();
    IdDigest::from_halves([u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(rest)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::region;

    fn follow(places: &mut Places, regions: &[(u32, Region)]) -> Vec<(u32, u32)> {
        let regions = regions.iter().map(|(id, region)| (RegionId(*id), region));
        places.follow(regions).into_iter().map(|(old, new)| (old.0, new.0)).collect()
    }

    #[test]
    fn a_place_that_gets_another_number_is_told_by_all_that_it_had() {
        let mut places = Places::default();
        assert_eq!(follow(&mut places, &[(0, region("a")), (1, region("b"))]), []);
        assert_eq!(follow(&mut places, &[(2, region("a")), (1, region("b"))]), [(0, 2)]);
        assert_eq!(follow(&mut places, &[(1, region("b"))]), [], "gone for a while");
        assert_eq!(follow(&mut places, &[(3, region("a"))]), [(0, 3), (2, 3)]);
    }

    #[test]
    fn a_digest_is_a_number_and_back() {
        let id = IdDigest::of(b"file-1");
        assert_eq!((digest(number(id)), number(digest(5))), (id, 5));
    }

    #[test]
    fn another_url_is_another_place_and_another_key_is_not() {
        let of = |change: fn(&mut Region)| {
            let mut region = region("a");
            change(&mut region);
            Place::of(&region)
        };
        let place = of(|_| {});
        assert_eq!(of(|region| region.api_key = Some("other".into())), place);
        assert_eq!(of(|region| region.http2 = true), place);
        let changes: [fn(&mut Region); 5] = [
            |region| region.name = "b".into(),
            |region| region.url.https = false,
            |region| region.url.host = "b.example.com".into(),
            |region| region.url.port = 8443,
            |region| region.url.prefix = "/b".into(),
        ];
        assert!(changes.iter().all(|change| of(*change) != place));
    }
}
