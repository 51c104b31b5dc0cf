//! What the proxy needs to know; the binary fills it in from the configuration and swaps it whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nearway_route::{Backoff, BreakerSettings, Cooldown, RegionId};
use nearway_upstream::Region;

use crate::affinity::AffinitySettings;
use crate::fences::{Client, Clients, Fences, KeptOut, Rule, Uses};
use crate::identify::Identity;

/// One generation of settings. A request reads it once and keeps it to its end.
#[derive(Debug)]
pub struct Settings {
    /// Number of the configuration that these come from.
    pub generation: u64,
    /// The regions in configured order.
    pub regions: Vec<Target>,
    /// Deployments that have metrics of their own; any other counts as `other`.
    pub metric_deployments: Vec<Arc<str>>,
    /// Who may send requests, each with a key of its own, which goes to no region. `None`: anybody.
    pub clients: Option<Clients>,
    /// Where requests for a deployment may go, whoever sends them.
    pub fences: Fences,
    /// Requests that belong together stay in one region. `None`: each goes where it is best.
    pub affinity: Option<AffinitySettings>,
    /// Objects that live in one region.
    pub state: StateSettings,
    /// The most regions tried for one request, at least 1.
    pub attempts: u32,
    /// The most bytes of a request body kept for a second attempt, and read before the first one
    /// while the deployment is searched in it.
    pub hold_body: usize,
    /// Before the same regions are asked again, when no other is left.
    pub backoff: Backoff,
    /// Retries for each request of late, 0 to 1; a few more are always allowed.
    pub retry_share: f64,
    /// Streams whose first content is late are asked for in a second region too, at most this share
    /// of the requests of late, 0 to 1. `None`: never.
    pub hedge_share: Option<f64>,
    /// A request that may be repeated and is stuck is sent to a second region too, where the ranking
    /// knows what it should take.
    pub rescue: bool,
    /// A stream's head waits for its first event.
    pub hold_first_event: bool,
    /// The most bytes that all requests of the process together keep for a second attempt. A body
    /// beyond it is sent once.
    pub hold_total: usize,
    /// The most bytes that all requests of the process together read before their deployment is
    /// known, beyond the first 64 KiB of each and beyond `hold_total`. More wait for their turn.
    pub read_ahead: usize,
    /// Every wait has an end.
    pub timeouts: Timeouts,
    /// Client's name of a deployment -> how long its streams may take from the head to the first
    /// event, in place of what [`Timeouts::first_token`] and the region's probes say.
    pub first_token_of: HashMap<Box<str>, Duration>,
    /// The most bytes of a request body; `None`: no limit of Nearway's own.
    pub body_max: Option<u64>,
    /// The most bytes of a request head.
    pub header_max: usize,
    /// The most client connections of one worker; more wait in the listener's backlog.
    pub connections_max: usize,
    /// How long a (region, deployment) rests after it refused.
    pub cooldown: Cooldown,
    /// When failures keep requests away from a region, or from one deployment of it.
    pub breaker: BreakerSettings,
    /// How long a region that refuses Nearway's credential is left out, unless a probe is answered.
    pub unauthorized_for: Duration,
    /// How long a region counts as lacking a deployment or an operation.
    pub lacking_for: Duration,
    /// When every region is out, ask the least bad one rather than refuse.
    pub last_resort: bool,
    /// One log line a request.
    pub log_requests: bool,
}

/// Where requests go that have to do with objects that live in one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// How long it counts that no region knew an id; zero: not at all.
    pub unknown_for: Duration,
    /// Where lists are read, and objects are made that belong to no other one. `None`: there is no region.
    pub home: Option<RegionId>,
    /// A list holds the objects of all regions, not those of [`Self::home`] alone.
    pub merges_lists: bool,
}

/// A region as the request path sees it.
#[derive(Debug)]
pub struct Target {
    /// Where requests go.
    pub region: Arc<Region>,
    /// The name of the same region in the route table.
    pub id: RegionId,
    /// That of the first region of the list that is the same resource, maybe itself: what one of them has
    /// made, all of them have.
    pub owner: RegionId,
    /// The fence it belongs to.
    pub zone: Option<Arc<str>>,
    /// Lower tiers come first.
    pub tier: u32,
    /// Its capacity is bought: what it says of that is a reason to go elsewhere (API fact sheet 4.3, 9.3).
    pub provisioned: bool,
    /// Client's name to this region's name of a deployment; it serves these only. `None`: it
    /// serves any name unchanged.
    pub deployments: Option<HashMap<Box<str>, Arc<str>>>,
}

/// The longest waits. Each begins anew with what it waits for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Name and TCP of a new connection to a region.
    pub connect: Duration,
    /// Its TLS handshake.
    pub tls: Duration,
    /// While bytes of a request lie ready and the region takes none.
    pub write: Duration,
    /// From the request sent until the response head.
    pub head: Duration,
    /// From a stream's head to its first event, at most; less where the region's probes are fast.
    pub first_token: Duration,
    /// Between two pieces of a response body.
    pub idle: Duration,
    /// The whole request, all attempts together.
    pub total: Duration,
    /// A connection that was switched to another protocol, with no byte in either direction.
    pub tunnel_idle: Duration,
    /// The whole of such a session.
    pub tunnel: Duration,
    /// A client's request head, from its first byte.
    pub client_header: Duration,
    /// Between two pieces of a client's body.
    pub client_body: Duration,
    /// A client's connection without a request.
    pub client_idle: Duration,
}

impl Target {
    /// The region's name for a deployment: itself unless its map says otherwise, `None` if the
    /// region does not serve it.
    #[must_use]
    pub fn deployment<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        match &self.deployments {
            None => Some(name),
            Some(map) => map.get(name).map(AsRef::as_ref),
        }
    }
}

impl Settings {
    /// Whether this request may go to the region at this place: the one question that every choice asks.
    pub(crate) fn admit(&self, identity: &Identity, place: usize) -> bool {
        let by_client = match (&self.clients, identity.client) {
            (None, _) => true,
            (Some(clients), Some(client)) => {
                clients.get(client).is_some_and(|client| client.places.keep_out(place).is_none())
            }
            (Some(_), None) => false,
        };
        by_client && self.fences.keep_out(identity.into(), place).is_none()
    }

    /// How many regions the client at this place may use, for whatever it asks.
    pub(crate) fn reachable(&self, client: Option<usize>) -> usize {
        let client = self.clients.as_ref().zip(client).and_then(|(all, place)| all.get(place));
        let places = 0..self.regions.len();
        let may = |place: &usize| client.is_none_or(|one| one.places.keep_out(*place).is_none());
        places.filter(may).count()
    }

    /// The fence that keeps a request out of this region, for whoever looks and sends none. Without a
    /// client, no client's fence is asked.
    #[must_use]
    pub fn keep_out<'a>(
        &'a self,
        client: Option<&'a Client>,
        uses: Uses<'_>,
        region: RegionId,
    ) -> Option<KeptOut<'a>> {
        let (place, _) = self.target(region)?;
        let by_client = client.and_then(|client| {
            let rule = if client.may_ask(uses) {
                client.places.keep_out(place)?
            } else {
                Rule::Deployments
            };
            Some(KeptOut::Client(&client.name, rule))
        });
        by_client.or_else(|| self.fences.keep_out(uses, place))
    }

    /// Whether it matters for this request that no region reads another deployment's name in it.
    pub(crate) fn go_by_name(&self, identity: &Identity) -> bool {
        let client = self.clients.as_ref().zip(identity.client);
        let client = client.and_then(|(clients, place)| clients.get(place));
        !self.fences.are_none() || client.is_some_and(|client| client.deployments.is_some())
    }

    /// Whether the client may ask for this at all, wherever.
    pub(crate) fn may_ask(&self, identity: &Identity) -> bool {
        let client =
            |clients: &Clients| Some(clients.get(identity.client?)?.may_ask(identity.into()));
        self.clients.as_ref().is_none_or(|clients| client(clients).unwrap_or(false))
    }

    /// The region of a table entry; `None` in the moment between two swaps.
    pub(crate) fn target(&self, id: RegionId) -> Option<(usize, &Target)> {
        self.regions.iter().enumerate().find(|(_, target)| target.id == id)
    }
}
