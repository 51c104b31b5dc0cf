//! The world of `nearway sim` without a script: some regions, each next one a little slower.
//!
//! Pure. Nothing changes by itself in it; the control URL changes it.

use nearway_sim::{Deployment, RegionWorld, World};

/// So many regions, nearest first.
pub(super) fn world(count: u16) -> World {
    World { seed: 1, repeat_every_s: None, regions: (0..count).map(region).collect() }
}

fn region(place: u16) -> RegionWorld {
    let name = name(place);
    let mut region = RegionWorld::new(&name, &format!("sim-key-{name}"))
        .with_base_ms(NEAREST_MS + f64::from(place) * STEP_MS);
    region.network_ms = region.base_ms / 4.0;
    region.jitter_ms = 5.0;
    region.per_token_ms = 5.0;
    region.deployments = deployments();
    region
}

fn name(place: u16) -> String {
    match NAMES.get(usize::from(place)) {
        Some(name) => (*name).to_owned(),
        None => format!("region-{}", place + 1),
    }
}

/// What every region serves: one of each kind that the API treats differently.
fn deployments() -> Vec<Deployment> {
    let plain = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "whisper", "gpt-realtime"];
    let mut deployments: Vec<_> = plain.into_iter().map(Deployment::new).collect();
    deployments.insert(2, Deployment::reasoning("o4-mini"));
    deployments
}

/// Azure's names, the example's first.
const NAMES: [&str; 12] = [
    "eastus",
    "westus",
    "westeurope",
    "northeurope",
    "swedencentral",
    "francecentral",
    "uksouth",
    "switzerlandnorth",
    "canadaeast",
    "japaneast",
    "australiaeast",
    "southindia",
];

/// Milliseconds to the first token in the nearest region: fast enough for tests, slow enough to
/// tell the regions apart.
const NEAREST_MS: f64 = 40.0;
/// What each next region takes longer.
const STEP_MS: f64 = 40.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_known_and_unique_and_the_order_is_by_latency() {
        let world = world(20);
        world.check().unwrap();
        let names: Vec<_> = world.regions.iter().map(|region| region.name.as_str()).collect();
        assert_eq!(names[..3], ["eastus", "westus", "westeurope"]);
        assert_eq!(names[19], "region-20");
        assert!(world.regions.windows(2).all(|pair| pair[0].base_ms < pair[1].base_ms));
    }

    #[test]
    fn every_region_has_the_documented_deployments() {
        let world = world(1);
        let names: Vec<_> = world.regions[0].deployments.iter().map(|d| d.name.as_str()).collect();
        let expected = [
            "gpt-4o",
            "gpt-4o-mini",
            "o4-mini",
            "text-embedding-3-small",
            "whisper",
            "gpt-realtime",
        ];
        assert_eq!(names, expected);
        assert!(world.regions[0].deployment("o4-mini").unwrap().reasoning);
    }
}
