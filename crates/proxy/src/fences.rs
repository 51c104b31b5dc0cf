//! Who may send requests, and where they may go: what is left of the configured fences for the request path.
//!
//! The binary has asked every rule for every region; here are only the answers, by the region's place in
//! the settings. What is not listed is not allowed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use nearway_wire::client_key::KeyDigest;

use crate::identify::Identity;

/// Regions that requests may go to, by their places in the settings.
#[derive(Clone, Debug, Default)]
pub struct Places(Box<[bool]>);

/// Somebody who may send requests.
#[derive(Debug)]
pub struct Client {
    /// As configured, for metrics and logs.
    pub name: Arc<str>,
    /// No other client has one of them.
    pub keys: Vec<KeyDigest>,
    /// Where its requests may go.
    pub places: Places,
    /// The deployments that it may use, by the names that clients write. `None`: all.
    pub deployments: Option<HashSet<Box<str>>>,
}

/// All clients.
#[derive(Debug)]
pub struct Clients {
    list: Vec<Client>,
    by_key: HashMap<KeyDigest, usize>,
}

/// Fences around deployments, whoever asks.
#[derive(Debug, Default)]
pub struct Fences {
    of: Vec<(Box<str>, Places)>,
}

impl FromIterator<bool> for Places {
    /// For each region in turn whether requests may go there.
    fn from_iter<I: IntoIterator<Item = bool>>(allowed: I) -> Self {
        Self(allowed.into_iter().collect())
    }
}

impl FromIterator<(Box<str>, Places)> for Fences {
    /// For each deployment that has a fence, where its requests may go.
    fn from_iter<I: IntoIterator<Item = (Box<str>, Places)>>(fences: I) -> Self {
        Self { of: fences.into_iter().collect() }
    }
}

impl Places {
    pub(crate) fn holds(&self, place: usize) -> bool {
        self.0.get(place).copied().unwrap_or(false)
    }
}

impl Clients {
    /// In configured order; a client's place is that in this list.
    #[must_use]
    pub fn new(list: Vec<Client>) -> Self {
        let keys = list.iter().enumerate();
        let by_key =
            keys.flat_map(|(place, client)| client.keys.iter().map(move |key| (*key, place)));
        Self { by_key: by_key.collect(), list }
    }

    /// The place of the client who has this key.
    pub(crate) fn owner(&self, key: KeyDigest) -> Option<usize> {
        self.by_key.get(&key).copied()
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Client> {
        self.list.get(place)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.list.iter().map(|client| &client.name)
    }
}

impl Client {
    /// Whether it may ask for this: it is held to deployments only where a request uses one, and one
    /// whose name can't be read might be any.
    pub(crate) fn may_ask(&self, identity: &Identity) -> bool {
        match (&self.deployments, identity.only_deployment()) {
            (None, _) => true,
            (Some(allowed), Some(name)) => allowed.contains(name),
            (Some(_), None) => !identity.hides_deployment(),
        }
    }
}

impl Fences {
    /// Whether the request may go to the region at this place. One that uses a deployment whose name
    /// can't be read stays inside of every fence.
    pub(crate) fn admit(&self, identity: &Identity, place: usize) -> bool {
        // a region may take a name in any case
        let around = |name: &str| match identity.only_deployment() {
            Some(deployment) => deployment.eq_ignore_ascii_case(name),
            None => identity.hides_deployment(),
        };
        self.of.iter().filter(|(name, _)| around(name)).all(|(_, places)| places.holds(place))
    }

    pub(crate) fn are_none(&self) -> bool {
        self.of.is_empty()
    }
}
