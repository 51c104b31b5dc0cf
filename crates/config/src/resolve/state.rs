//! `state`: its home must be a region, and its file nobody else's.

use std::path::Path;

use crate::defaults;
use crate::model::State;
use crate::raw::RawState;
use crate::source::Source;

use super::fences::Map;

/// What is remembered of objects; `snapshot` is the file that other things are remembered in.
pub(super) fn state(
    raw: &RawState,
    snapshot: Option<&Path>,
    source: &Source<'_>,
    map: &Map<'_>,
) -> State {
    let home = source.scalar(raw.home);
    if home.as_ref().is_some_and(|name| map.surely_lacks(name)) {
        source.wrong(raw.home, "no region has this name: write that of one");
    }
    let file = source.scalar(raw.file);
    if file.is_some() && file.as_deref() == snapshot {
        source.wrong(raw.file, "routing.snapshot is kept there: name another file");
    }
    State {
        entries: source.quantity(raw.entries, &defaults::STATE_ENTRIES),
        ttl: source.quantity(raw.ttl, &defaults::STATE_TTL),
        file,
        unknown_for: source.quantity(raw.unknown_for, &defaults::STATE_UNKNOWN_FOR),
        home,
        lists: source.word(raw.lists, defaults::STATE_LISTS),
    }
}
