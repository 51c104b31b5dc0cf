//! What a reload changes, for the log, and which changes a running process cannot follow.

use crate::model::Config;

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
    ] {
        if !same {
            diff.needs_restart.push(key);
        }
    }
    for region in &new.regions {
        let list = match old.regions.iter().find(|former| former.name == region.name) {
            None => &mut diff.added,
            Some(former) if former == region => &mut diff.unchanged,
            Some(_) => &mut diff.changed,
        };
        list.push(region.name.clone());
    }
    let gone = |name: &str| new.regions.iter().all(|kept| kept.name != name);
    let former = old.regions.iter().map(|region| &region.name);
    diff.removed.extend(former.filter(|name| gone(name)).cloned());
    diff
}
