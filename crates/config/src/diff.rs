//! What a reload changes, for the log, and which changes a running process cannot follow.

use std::collections::HashMap;

use crate::model::{Config, Region};

/// The difference between two configurations.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Keys that act only after a restart, as the file names them.
    pub needs_restart: Vec<&'static str>,
    /// Names of regions that only the new one has.
    pub added: Vec<String>,
    /// Names of regions that only the old one has.
    pub removed: Vec<String>,
    /// Names of regions that both have, with any difference: also a rotated key.
    pub changed: Vec<String>,
    /// Names of regions that are the same in both.
    pub unchanged: Vec<String>,
}

/// Compares what is in force with what a file asks for.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Diff {
    let mut diff = Diff::default();
    for (key, same) in [
        ("listen.address", old.listen == new.listen),
        ("admin.address", old.admin == new.admin),
        ("workers", old.workers == new.workers),
        ("log.format", old.log.format == new.log.format),
        ("routing.snapshot", old.routing.snapshot == new.routing.snapshot),
        ("state.entries", old.state.entries == new.state.entries),
        ("state.file", old.state.file == new.state.file),
    ] {
        if !same {
            diff.needs_restart.push(key);
        }
    }
    let mut former: HashMap<&str, &Region> =
        old.regions.iter().map(|region| (region.name.as_str(), region)).collect();
    for region in &new.regions {
        let list = match former.remove(region.name.as_str()) {
            None => &mut diff.added,
            Some(former) if former == region => &mut diff.unchanged,
            Some(_) => &mut diff.changed,
        };
        list.push(region.name.clone());
    }
    // what is left was not found again
    let gone = old.regions.iter().filter(|region| former.contains_key(region.name.as_str()));
    diff.removed.extend(gone.map(|region| region.name.clone()));
    diff
}
