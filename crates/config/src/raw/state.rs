//! `state`: what is remembered of objects that live in one region.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choice::{Choice as _, Word};
use crate::defaults;
use crate::model::Lists;
use crate::names::Name;
use crate::text::Text;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawState {
    /// Ids that are remembered at most, 16 bytes of memory each; then the one used least of late goes. A
    /// change needs a restart.
    #[schemars(transform = defaults::STATE_ENTRIES.in_schema())]
    pub(crate) entries: Option<Text<u32>>,
    /// For how long after its last use an id is remembered.
    #[schemars(transform = defaults::STATE_TTL.in_schema())]
    pub(crate) ttl: Option<Text<Duration>>,
    /// A file that keeps them over a restart. Each process needs one of its own. Left out, the next process
    /// asks the regions again. A change needs a restart.
    pub(crate) file: Option<Text<PathBuf>>,
    /// For how long it is remembered that no region knows an id; `0s`: not at all.
    #[schemars(transform = defaults::STATE_UNKNOWN_FOR.in_schema())]
    pub(crate) unknown_for: Option<Text<Duration>>,
    /// The region whose lists are read, and where new objects that belong to no other are made. Left out,
    /// the first of `regions`.
    pub(crate) home: Option<Text<Name>>,
    /// What a list of objects holds: those of the `home` region, or those of all regions (`merge`).
    #[schemars(extend("default" = defaults::STATE_LISTS.shown()))]
    pub(crate) lists: Option<Text<Word<Lists>>>,
}
