//! Who may send requests, and where they may go: what is left of the configured fences for the request path.
//!
//! The binary has asked every rule for every region; here are only the answers, by the region's place in
//! the settings. What is not listed is not allowed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use nearway_wire::client_key::KeyDigest;

use crate::identify::Identity;

/// Regions that requests may go to, by their places in the settings.
#[derive(Clone, Debug, Default)]
pub struct Places(Box<[Option<Rule>]>);

/// What of a fence keeps requests out, by the key that it has in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The region is not of these zones.
    Zones,
    /// It is none of these regions.
    Regions,
    /// Its deployments are of none of these types.
    Types,
    /// It is none of the client's deployments.
    Deployments,
}

/// The fence that keeps a request out of a region. Shown as the file has it: `clients.web.zones`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptOut<'a> {
    /// That of the client of this name.
    Client(&'a str, Rule),
    /// That of the deployment of this name.
    Deployment(&'a str, Rule),
}

/// The deployment that a request uses, as fences go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses<'a> {
    /// This one, as every reader sees it.
    Only(&'a str),
    /// One whose name can't be told: it might be any.
    Hidden,
    /// None.
    Nothing,
}

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

impl FromIterator<Option<Rule>> for Places {
    /// For each region in turn what keeps requests out; `None`: they may go there.
    fn from_iter<I: IntoIterator<Item = Option<Rule>>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl FromIterator<(Box<str>, Places)> for Fences {
    /// For each deployment that has a fence, where its requests may go.
    fn from_iter<I: IntoIterator<Item = (Box<str>, Places)>>(fences: I) -> Self {
        Self { of: fences.into_iter().collect() }
    }
}

impl Places {
    /// What keeps requests out of the region at this place.
    pub(crate) fn keep_out(&self, place: usize) -> Option<Rule> {
        self.0.get(place).copied().unwrap_or(Some(Rule::Regions))
    }
}

impl<'a> Uses<'a> {
    /// What a request uses that names `deployment`, if any, and maybe `more` than that one.
    #[must_use]
    pub fn of(deployment: Option<&'a str>, more: bool, uses_one: bool) -> Self {
        match deployment.filter(|_| !more) {
            Some(name) => Self::Only(name),
            None if uses_one => Self::Hidden,
            None => Self::Nothing,
        }
    }
}

impl<'a> From<&'a Identity> for Uses<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self::of(identity.only_deployment(), false, identity.hides_deployment())
    }
}

impl Rule {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Zones => "zones",
            Self::Regions => "regions",
            Self::Types => "types",
            Self::Deployments => "deployments",
        }
    }
}

impl fmt::Display for KeptOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(name, rule) => write!(f, "clients.{name}.{}", rule.as_str()),
            Self::Deployment(name, rule) => write!(f, "deployments.{name}.{}", rule.as_str()),
        }
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

    /// Of all of them, in configured order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.list.iter().map(|client| &client.name)
    }

    /// The client of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Client> {
        self.list.iter().find(|client| *client.name == *name)
    }
}

impl Client {
    /// Whether it may ask for this: it is held to deployments only where a request uses one, and one
    /// whose name can't be read might be any.
    pub(crate) fn may_ask(&self, uses: Uses<'_>) -> bool {
        self.deployments.as_ref().is_none_or(|allowed| match uses {
            Uses::Only(name) => allowed.contains(name),
            Uses::Hidden => false,
            Uses::Nothing => true,
        })
    }
}

impl Fences {
    /// The fence that keeps a request out of the region at this place. One that uses a deployment whose
    /// name can't be read stays inside of every fence.
    pub(crate) fn keep_out(&self, uses: Uses<'_>, place: usize) -> Option<KeptOut<'_>> {
        let around = |name: &str| match uses {
            // a region may take a name in any case
            Uses::Only(deployment) => deployment.eq_ignore_ascii_case(name),
            Uses::Hidden => true,
            Uses::Nothing => false,
        };
        let mut fences = self.of.iter().filter(|(name, _)| around(name));
        fences.find_map(|(name, places)| Some(KeptOut::Deployment(name, places.keep_out(place)?)))
    }

    pub(crate) fn are_none(&self) -> bool {
        self.of.is_empty()
    }
}
