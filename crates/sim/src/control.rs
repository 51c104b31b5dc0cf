//! The handle that changes running regions and tells what they saw.
//!
//! Used in-process by the demo and the tests, and by `endpoint.rs` for `nearway sim`.

use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use crate::change::Change;
use crate::region::Region;
use crate::soundness::WorldError;
use crate::stats::Stats;
use crate::world::{RegionWorld, World};

/// Changes and watches the regions of one simulator.
#[derive(Clone, Debug)]
pub struct Control {
    seed: u64,
    repeat_every_s: Option<f64>,
    regions: Arc<[Arc<Region>]>,
}

/// Why a change was not made. The region is as before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The world has no such region.
    #[error("there is no region `{0}`")]
    NoRegion(String),
    /// The region would no longer be sound.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A patch is not JSON or does not give a region.
    #[error("the patch does not fit a region: {0}")]
    Patch(#[from] serde_json::Error),
    /// A region keeps its name: listeners and random numbers belong to it.
    #[error("a region cannot be renamed")]
    Renamed,
}

impl Control {
    pub(crate) fn new(seed: u64, repeat_every_s: Option<f64>, regions: Vec<Arc<Region>>) -> Self {
        Self { seed, repeat_every_s, regions: regions.into() }
    }

    /// Makes one change, in force for requests that arrive from now on.
    ///
    /// # Errors
    /// [`ControlError`] for an unknown region or a value out of range.
    pub fn set(&self, region: &str, change: Change) -> Result<(), ControlError> {
        let script_s = self.find(region)?.script_s();
        self.update(region, |world| change.apply(world, script_s))
    }

    /// Makes any change.
    ///
    /// # Errors
    /// [`ControlError`] for an unknown region, another name or a value out of range.
    pub fn update(
        &self,
        region: &str,
        change: impl FnOnce(&mut RegionWorld),
    ) -> Result<(), ControlError> {
        let region = self.find(region)?;
        let mut world = RegionWorld::clone(&region.world());
        change(&mut world);
        replace(region, world)
    }

    /// Applies a JSON merge patch (RFC 7396) to a region as it is written in a world file. Another
    /// `base_ms` holds from now on, as with [`Change::Base`].
    ///
    /// # Errors
    /// [`ControlError`] for an unknown region and for whatever is no region afterwards.
    pub fn patch(&self, region: &str, patch: &[u8]) -> Result<(), ControlError> {
        let region = self.find(region)?;
        let patch: Value = serde_json::from_slice(patch)?;
        let changes_base = patch.get("base_ms").is_some() && patch.get("steps").is_none();
        let mut world = serde_json::to_value(&*region.world())?;
        merge(&mut world, patch);
        let mut world: RegionWorld = serde_json::from_value(world)?;
        if changes_base {
            world.forget_steps_until(region.script_s());
        }
        replace(region, world)
    }

    /// The world as it is now.
    #[must_use]
    pub fn world(&self) -> World {
        let regions = self.regions.iter().map(|region| RegionWorld::clone(&region.world()));
        World { seed: self.seed, repeat_every_s: self.repeat_every_s, regions: regions.collect() }
    }

    /// One region as it is now.
    #[must_use]
    pub fn region(&self, region: &str) -> Option<RegionWorld> {
        self.find(region).ok().map(|region| RegionWorld::clone(&region.world()))
    }

    /// What a region has seen so far.
    #[must_use]
    pub fn stats(&self, region: &str) -> Option<Stats> {
        self.find(region).ok().map(|region| region.stats.with(|stats| stats.clone()))
    }

    fn find(&self, name: &str) -> Result<&Arc<Region>, ControlError> {
        self.regions
            .iter()
            .find(|region| region.name == name)
            .ok_or_else(|| ControlError::NoRegion(name.to_owned()))
    }
}

fn replace(region: &Region, world: RegionWorld) -> Result<(), ControlError> {
    if world.name != region.name {
        return Err(ControlError::Renamed);
    }
    world.check()?;
    region.replace_world(world);
    Ok(())
}

/// RFC 7396 section 2; `serde_json` bounds the depth.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_adds_replaces_removes_and_goes_deep() {
        let mut value = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]});
        merge(&mut value, json!({"a": null, "b": {"c": 9}, "e": [2, 3], "f": {"g": null}}));
        assert_eq!(value, json!({"b": {"c": 9, "d": 3}, "e": [2, 3], "f": {}}));
    }
}
