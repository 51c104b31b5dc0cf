//! Which id a region has in this process: kept over a reload while what was measured still holds.
//!
//! Samples, cool-downs and open connections hang on the id. So an id is kept while the name means
//! the same endpoint, and is never given to another one. Used by `assemble.rs` alone; no state but
//! the counter.

use std::collections::BTreeSet;

use nearway_config::Region;
use nearway_route::RegionId;

/// Gives out ids.
#[derive(Debug, Default)]
pub(crate) struct RegionIds {
    next: u32,
}

impl RegionIds {
    /// An id for each of `new`, in its order; `old` is what was in force so far.
    pub(crate) fn assign(&mut self, old: &[(RegionId, Region)], new: &[Region]) -> Vec<RegionId> {
        new.iter()
            .map(|region| {
                old.iter()
                    .find(|(_, former)| is_same_place(former, region))
                    .map_or_else(|| self.fresh(), |(id, _)| *id)
            })
            .collect()
    }

    /// 2^32 regions are more than any process sees; the last id would be given twice.
    fn fresh(&mut self) -> RegionId {
        let id = RegionId(self.next);
        self.next = self.next.saturating_add(1);
        id
    }
}

/// Whether measurements of the one hold for the other: same name, same endpoint over the same kind
/// of connection, and no client's name stands for another deployment than before. Key, fences and
/// added or removed names change nothing of what was measured.
fn is_same_place(former: &Region, region: &Region) -> bool {
    let names: BTreeSet<&String> =
        former.deployments.keys().chain(region.deployments.keys()).collect();
    let means_the_same = |name: &String| match (former.deployment(name), region.deployment(name)) {
        (Some(before), Some(after)) => before == after,
        (None, _) | (_, None) => true,
    };
    former.name == region.name
        && former.url == region.url
        && former.ca_pem == region.ca_pem
        && former.http2 == region.http2
        && names.into_iter().all(means_the_same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::region;

    fn in_force(ids: &mut RegionIds, regions: &[Region]) -> Vec<(RegionId, Region)> {
        ids.assign(&[], regions).into_iter().zip(regions.iter().cloned()).collect()
    }

    fn with_names(mut region: Region, names: &[(&str, &str)]) -> Region {
        region.deployments =
            names.iter().map(|(client, here)| ((*client).into(), (*here).into())).collect();
        region
    }

    #[test]
    fn unchanged_regions_keep_their_ids_whatever_their_order() {
        let mut ids = RegionIds::default();
        let old = in_force(&mut ids, &[region("a"), region("b"), region("c")]);
        let new = ids.assign(&old, &[region("c"), region("d"), region("a")]);
        assert_eq!(new, [RegionId(2), RegionId(3), RegionId(0)]);
    }

    #[test]
    fn an_id_is_never_used_again() {
        let mut ids = RegionIds::default();
        let first = in_force(&mut ids, &[region("a")]);
        let gone = in_force(&mut ids, &[region("b")]);
        assert_eq!(ids.assign(&gone, &[region("a")]), [RegionId(2)]);
        assert_eq!(ids.assign(&first, &[region("a")]), [RegionId(0)]);
    }

    #[test]
    fn another_endpoint_under_the_same_name_is_another_region() {
        let mut ids = RegionIds::default();
        let old = in_force(&mut ids, &[region("a")]);
        let mut moved = region("a");
        moved.url.port = 444;
        let mut trusting = region("a");
        trusting.ca_pem = Some("pem".into());
        let mut faster = region("a");
        faster.http2 = true;
        for (n, changed) in [moved, trusting, faster].into_iter().enumerate() {
            let expected = RegionId(u32::try_from(n).unwrap() + 1);
            assert_eq!(ids.assign(&old, &[changed]), [expected]);
        }
    }

    #[test]
    fn a_rotated_key_and_moved_fences_keep_what_was_measured() {
        let mut ids = RegionIds::default();
        let old = in_force(&mut ids, &[region("a")]);
        let mut changed = region("a");
        changed.api_key = Some("other".into());
        changed.zone = Some("eu".into());
        changed.tier = 1;
        assert_eq!(ids.assign(&old, &[changed]), [RegionId(0)]);
    }

    #[test]
    fn a_name_that_means_another_deployment_makes_another_region() {
        let mut ids = RegionIds::default();
        let old = in_force(&mut ids, &[with_names(region("a"), &[("gpt", "gpt-1")])]);
        let more = with_names(region("a"), &[("gpt", "gpt-1"), ("mini", "mini-1")]);
        assert_eq!(ids.assign(&old, &[more]), [RegionId(0)]);
        let other = with_names(region("a"), &[("gpt", "gpt-2")]);
        assert_eq!(ids.assign(&old, &[other]), [RegionId(1)]);
        // without a map `gpt` would mean `gpt`
        assert_eq!(ids.assign(&old, &[region("a")]), [RegionId(2)]);
    }
}
