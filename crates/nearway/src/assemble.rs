//! From the checked configuration to what each crate wants: the one place that knows both sides.
//!
//! `control.rs` calls it at start and at each reload. Everything is made before anything is put in
//! force, so a configuration that cannot be assembled changes nothing. Opens no socket.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nearway_config::{
    Affinity, AffinityMode, AuthHeader, Breaker, Client, Config, Fence, Lists, ProbeStyle, RankBy,
    Region, Rule, State, Strategy,
};
use nearway_route::{DeploymentSet, RegionId, RegionSpec, RoutingSettings, Switch};
use nearway_upstream::{Credential, Origin, RegionError, RegionSettings, TlsTrust};
use nearway_wire::probe_body::ApiStyle;

use crate::region_ids::RegionIds;

/// Assembles one configuration after the other and remembers the last.
#[derive(Debug)]
pub(crate) struct Assembly {
    workers: usize,
    ids: RegionIds,
    generation: u64,
    in_force: Vec<Assembled>,
}

/// A region with everything made from it.
#[derive(Clone, Debug)]
struct Assembled {
    id: RegionId,
    config: Region,
    region: Arc<nearway_upstream::Region>,
}

/// One configuration, ready to be put in force.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) proxy: nearway_proxy::Settings,
    pub(crate) probe: nearway_probe::Settings,
    /// The same with the regions that are no longer configured behind: what holds until the route
    /// table follows, which may still name them.
    pub(crate) meanwhile: nearway_proxy::Settings,
    regions: Vec<Assembled>,
}

impl Parts {
    /// The regions that are configured, by their numbers.
    pub(crate) fn regions(&self) -> impl Iterator<Item = (RegionId, &Region)> {
        self.regions.iter().map(|region| (region.id, &region.config))
    }
}

/// A region that cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// Its certificates, or the system's, or its host name.
    #[error("regions.{region}: {source}")]
    Region {
        /// As configured.
        region: String,
        /// What is wrong.
        source: RegionError,
    },
    /// No header can carry its key.
    #[error("regions.{region}.api_key: holds characters that no header can carry")]
    Key {
        /// As configured.
        region: String,
    },
}

impl Assembly {
    /// For a process with so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers, ids: RegionIds::default(), generation: 0, in_force: Vec::new() }
    }

    /// The number of the configuration that was put in force last; 0 before the first.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes everything. Nothing is in force before [`Assembly::commit`].
    pub(crate) fn make(&mut self, config: &Config) -> Result<Parts, AssembleError> {
        let old: Vec<_> = self.in_force.iter().map(|r| (r.id, r.config.clone())).collect();
        let ids = self.ids.assign(&old, &config.regions);
        let regions = ids
            .into_iter()
            .zip(&config.regions)
            .map(|(id, region)| self.region(id, region))
            .collect::<Result<Vec<_>, _>>()?;
        let generation = self.generation + 1;
        let gone = |former: &&Assembled| regions.iter().all(|kept| kept.id != former.id);
        let both: Vec<_> =
            regions.iter().chain(self.in_force.iter().filter(gone)).cloned().collect();
        Ok(Parts {
            proxy: proxy(config, &regions, generation, self.workers),
            probe: probe(config, &regions, generation),
            meanwhile: proxy(config, &both, generation, self.workers),
            regions,
        })
    }

    /// These parts are in force from now on.
    pub(crate) fn commit(&mut self, parts: &Parts) {
        self.generation = parts.proxy.generation;
        self.in_force.clone_from(&parts.regions);
    }

    /// An unchanged region stays the same object, with its TLS sessions.
    fn region(&self, id: RegionId, config: &Region) -> Result<Assembled, AssembleError> {
        if let Some(same) = self.in_force.iter().find(|r| r.id == id && r.config == *config) {
            return Ok(same.clone());
        }
        let region = nearway_upstream::Region::new(RegionSettings {
            id: id.0,
            name: config.name.as_str().into(),
            origin: Origin {
                https: config.url.https,
                host: config.url.host.clone(),
                port: config.url.port,
                prefix: config.url.prefix.clone(),
            },
            credential: credential(config)?,
            trust: match &config.ca_pem {
                Some(pem) => TlsTrust::Pem(pem.as_bytes().into()),
                None => TlsTrust::System,
            },
            http2: config.http2,
        })
        .map_err(|source| AssembleError::Region { region: config.name.clone(), source })?;
        Ok(Assembled { id, config: config.clone(), region })
    }
}

fn credential(config: &Region) -> Result<Option<Credential>, AssembleError> {
    let Some(key) = &config.api_key else { return Ok(None) };
    let credential = match config.auth_header {
        AuthHeader::ApiKey => Credential::api_key(key),
        AuthHeader::Bearer => Credential::bearer(key),
    };
    credential.map(Some).ok_or_else(|| AssembleError::Key { region: config.name.clone() })
}

fn proxy(
    config: &Config,
    regions: &[Assembled],
    generation: u64,
    workers: usize,
) -> nearway_proxy::Settings {
    let timeouts = &config.timeouts;
    nearway_proxy::Settings {
        generation,
        regions: regions.iter().map(|region| target(region, regions)).collect(),
        metric_deployments: named(config),
        clients: clients(config, regions),
        fences: fences(config, regions),
        affinity: affinity(config.affinity),
        state: state(&config.state, regions),
        attempts: config.failover.attempts,
        hold_body: usize::try_from(config.failover.hold_body).unwrap_or(usize::MAX),
        backoff: nearway_route::Backoff {
            least: config.failover.backoff_min,
            most: config.failover.backoff_max,
        },
        retry_share: config.failover.retry_percent / 100.0,
        hedge_share: config.failover.hedge.then_some(config.failover.hedge_percent / 100.0),
        rescue: config.failover.rescue,
        hold_first_event: config.failover.hold_first_event,
        hold_total: usize::try_from(config.failover.hold_total).unwrap_or(usize::MAX),
        read_ahead: config.limits.read_ahead,
        timeouts: nearway_proxy::Timeouts {
            connect: timeouts.connect,
            tls: timeouts.tls,
            write: timeouts.write,
            head: timeouts.head,
            first_token: timeouts.first_token,
            idle: timeouts.idle,
            total: timeouts.total,
            tunnel_idle: timeouts.tunnel_idle,
            tunnel: timeouts.tunnel,
            client_header: timeouts.client_header,
            client_body: timeouts.client_body,
            client_idle: timeouts.client_idle,
        },
        first_token_of: {
            let waits = timeouts.first_token_of.iter();
            waits.map(|(name, wait)| (name.as_str().into(), *wait)).collect()
        },
        body_max: config.limits.body,
        header_max: config.limits.header,
        connections_max: config.limits.connections.div_ceil(workers.max(1)),
        cooldown: nearway_route::Cooldown {
            default: config.cooldown.default,
            cap: config.cooldown.cap,
        },
        breaker: breaker(&config.breaker),
        unauthorized_for: config.cooldown.unauthorized,
        lacking_for: config.cooldown.lacking,
        last_resort: config.failover.last_resort,
        log_requests: config.log.requests,
    }
}

fn affinity(config: Affinity) -> Option<nearway_proxy::AffinitySettings> {
    let prompts_from = match config.mode {
        AffinityMode::Off => return None,
        AffinityMode::Prefix => Some(config.from_tokens),
        AffinityMode::Session => None,
    };
    Some(nearway_proxy::AffinitySettings {
        prompts_from,
        bound_per_1k_tokens: config.bound_per_1k_tokens,
        bound_max: config.bound_max,
        ttl: config.ttl,
    })
}

fn state(config: &State, regions: &[Assembled]) -> nearway_proxy::StateSettings {
    let is_home = |region: &&Assembled| config.home.as_ref() == Some(&region.config.name);
    let home = regions.iter().find(is_home).or_else(|| regions.first());
    nearway_proxy::StateSettings {
        unknown_for: config.unknown_for,
        home: home.map(|region| region.id),
        merges_lists: match config.lists {
            Lists::Home => false,
            Lists::Merge => true,
        },
    }
}

fn breaker(config: &Breaker) -> nearway_route::BreakerSettings {
    nearway_route::BreakerSettings {
        ratio: config.percent / 100.0,
        minimum: config.minimum,
        in_a_row: config.in_a_row,
        window: config.window,
        pause: nearway_route::Backoff { least: config.pause_min, most: config.pause_max },
        ramp: config.ramp,
    }
}

fn target(assembled: &Assembled, all: &[Assembled]) -> nearway_proxy::Target {
    let Assembled { id, config, region } = assembled;
    let same = all.iter().find(|other| other.config.is_same_resource(config));
    let deployments = (!config.deployments.is_empty()).then(|| {
        let names = config.deployments.iter();
        names.map(|(client, here)| (client.as_str().into(), here.as_str().into())).collect()
    });
    nearway_proxy::Target {
        region: region.clone(),
        id: *id,
        owner: same.map_or(*id, |same| same.id),
        zone: config.zone.as_deref().map(Arc::from),
        tier: config.tier,
        provisioned: config.kind.is_provisioned(),
        deployments,
    }
}

fn clients(config: &Config, regions: &[Assembled]) -> Option<nearway_proxy::Clients> {
    let client = |client: &Client| nearway_proxy::Client {
        name: client.name.as_str().into(),
        keys: client.keys.clone(),
        places: places(&client.fence, regions),
        deployments: client
            .deployments
            .as_ref()
            .map(|names| names.iter().map(|name| name.as_str().into()).collect()),
    };
    let clients = config.clients.as_ref()?;
    Some(nearway_proxy::Clients::new(clients.iter().map(client).collect()))
}

fn fences(config: &Config, regions: &[Assembled]) -> nearway_proxy::Fences {
    let fences = config.deployments.iter();
    fences.map(|(name, fence)| (name.as_str().into(), places(fence, regions))).collect()
}

fn places(fence: &Fence, regions: &[Assembled]) -> nearway_proxy::Places {
    regions.iter().map(|region| fence.keeps_out(&region.config).map(rule)).collect()
}

fn rule(rule: Rule) -> nearway_proxy::Rule {
    match rule {
        Rule::Zones => nearway_proxy::Rule::Zones,
        Rule::Regions => nearway_proxy::Rule::Regions,
        Rule::Types => nearway_proxy::Rule::Types,
    }
}

/// Every deployment that the file names: the only ones that may become labels.
fn named(config: &Config) -> Vec<Arc<str>> {
    let mapped = config.regions.iter().flat_map(|region| region.deployments.keys());
    let names: BTreeSet<&String> = config.probe.deployments.iter().chain(mapped).collect();
    names.into_iter().map(|name| name.as_str().into()).collect()
}

fn probe(config: &Config, regions: &[Assembled], generation: u64) -> nearway_probe::Settings {
    let probe = &config.probe;
    nearway_probe::Settings {
        interval: probe.interval,
        jitter: probe.jitter,
        timeout: probe.timeout,
        connect: config.timeouts.connect,
        tls: config.timeouts.tls,
        samples: probe.samples,
        style: match probe.style {
            ProbeStyle::Azure => ApiStyle::Azure,
            ProbeStyle::V1 => ApiStyle::V1,
            ProbeStyle::OpenAi => ApiStyle::OpenAi,
        },
        api_version: probe.api_version.clone(),
        prompt: probe.prompt.clone(),
        max_tokens: probe.max_tokens,
        tokens_per_day: probe.tokens_per_day,
        reachability: probe.reachability,
        generation,
        routing: routing(config),
        deployments: probe.deployments.iter().map(|name| name.as_str().into()).collect(),
        targets: regions.iter().map(|region| probed(region, config)).collect(),
    }
}

fn routing(config: &Config) -> RoutingSettings {
    let Config { routing, probe, .. } = config;
    RoutingSettings {
        strategy: match routing.strategy {
            Strategy::Average => nearway_route::Strategy::Average,
            Strategy::Adaptive => nearway_route::Strategy::Adaptive,
        },
        rank_by: match routing.rank_by {
            RankBy::FirstToken => nearway_route::RankBy::FirstToken,
            RankBy::Total => nearway_route::RankBy::Total,
        },
        window: routing.window,
        switch: Switch {
            percent: routing.switch.percent,
            at_least: routing.switch.at_least,
            hold: routing.switch.hold,
        },
        probe_interval: probe.interval,
        probe_timeout: probe.timeout,
        stale_after: (probe.interval * stale_after(routing.strategy)).max(STALE_AFTER_AT_LEAST),
    }
}

/// Nothing is probed in a region that no request for it may go to.
fn probed(assembled: &Assembled, config: &Config) -> nearway_probe::Target {
    let Assembled { id, config: region, region: made } = assembled;
    let names = config.probe.deployments.iter().filter(|name| config.admits(name, region));
    let deployments = names.filter_map(|client| {
        let here = region.deployment(client)?;
        Some((client.as_str().into(), here.into()))
    });
    nearway_probe::Target {
        region: made.clone(),
        id: *id,
        spec: spec(*id, region, ranked(region, config)),
        deployments: deployments.collect(),
    }
}

/// What the region stands in a ranking for: where it is not probed it would stay unknown for ever.
fn ranked(region: &Region, config: &Config) -> DeploymentSet {
    let probed = &config.probe.deployments;
    let is_admitted = |name: &&String| config.admits(name, region);
    if region.deployments.is_empty() && probed.iter().all(|name| is_admitted(&name)) {
        return DeploymentSet::All;
    }
    let names: BTreeSet<&String> = match region.deployments.is_empty() {
        true => probed.iter().filter(is_admitted).collect(),
        false => region.deployments.keys().filter(is_admitted).collect(),
    };
    DeploymentSet::Only(names.into_iter().map(|name| name.as_str().into()).collect())
}

fn spec(id: RegionId, config: &Region, deployments: DeploymentSet) -> RegionSpec {
    RegionSpec {
        id,
        name: config.name.as_str().into(),
        tier: config.tier,
        zone: config.zone.as_deref().map(Arc::from),
        deployments,
    }
}

/// Rounds without a sample after which what was measured is stale: one may be late, and one lost. A
/// region that is far from the best is asked in each third round only.
const fn stale_after(strategy: Strategy) -> u32 {
    match strategy {
        Strategy::Average => 3,
        Strategy::Adaptive => 7,
    }
}

/// With very short intervals, an ordinary slow answer must not make its region stale.
const STALE_AFTER_AT_LEAST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config, whole};

    #[test]
    fn a_resource_that_stands_in_the_list_twice_owns_what_either_has_made() {
        let config = whole(
            "regions:\n\
              - {name: bought, url: 'https://a.example', api_key: k, deployments: {o: ptu}}\n\
              - {name: metered, url: 'https://a.example', api_key: k, deployments: {o: std}}\n\
              - {name: account, url: 'https://a.example', api_key: other}\n\
              - {name: apart, url: 'https://b.example', api_key: k}\n",
        );
        let parts = Assembly::new(1).make(&config).unwrap();
        let regions = &parts.proxy.regions;
        let owners: Vec<_> = regions.iter().map(|target| target.owner).collect();
        let ids: Vec<_> = regions.iter().map(|target| target.id).collect();
        assert_eq!(owners, [ids[0], ids[0], ids[2], ids[3]]);
    }

    #[test]
    fn the_file_arrives_in_every_crate() {
        let config = config(
            "probe: {deployments: [gpt-4o], interval: 20s, samples: 5}\n\
             limits: {connections: 1001, read_ahead: 96MiB}\n\
             failover: {attempts: 2, hold_total: 64MiB, last_resort: false}\n\
             timeouts: {first_token_of: {o3: 2m}}\n\
             cooldown: {default: 1s, cap: 2s, unauthorized: 3s, lacking: 4s}\n\
             breaker: {percent: 50, minimum: 5, in_a_row: 6, window: 7s, pause_min: 8s, \
                       pause_max: 9s, ramp: 0s}",
        );
        let parts = Assembly::new(2).make(&config).unwrap();
        assert_eq!(parts.proxy.generation, 1);
        assert_eq!(parts.proxy.connections_max, 501);
        assert_eq!(parts.proxy.attempts, 2);
        assert_eq!(parts.proxy.hold_total, 64 << 20);
        assert!(!parts.proxy.last_resort);
        assert_eq!(parts.proxy.first_token_of, [("o3".into(), Duration::from_secs(120))].into());
        assert_eq!(parts.proxy.read_ahead, 96 << 20);
        assert_eq!(parts.proxy.metric_deployments, ["gpt-4o".into()]);
        let second = Duration::from_secs(1);
        assert_eq!((parts.proxy.cooldown.default, parts.proxy.cooldown.cap), (second, 2 * second));
        let rests = (parts.proxy.unauthorized_for, parts.proxy.lacking_for);
        assert_eq!(rests, (3 * second, 4 * second));
        let breaker = nearway_route::BreakerSettings {
            ratio: 0.5,
            minimum: 5,
            in_a_row: 6,
            window: 7 * second,
            pause: nearway_route::Backoff { least: 8 * second, most: 9 * second },
            ramp: Duration::ZERO,
        };
        assert_eq!(parts.proxy.breaker, breaker);
        assert_eq!(parts.probe.samples, 5);
        assert_eq!(parts.probe.routing.stale_after, 7 * config.probe.interval);
        let [target] = parts.probe.targets.as_slice() else { panic!("one region") };
        assert_eq!(target.deployments, [("gpt-4o".into(), "gpt-4o".into())]);
        assert_eq!(target.spec.deployments, DeploymentSet::All);
    }

    #[test]
    fn an_unchanged_region_stays_the_same_object_and_a_new_key_keeps_its_id() {
        let mut assembly = Assembly::new(1);
        let mut config = config("");
        let first = assembly.make(&config).unwrap();
        assembly.commit(&first);
        let second = assembly.make(&config).unwrap();
        assembly.commit(&second);
        assert_eq!((first.proxy.generation, second.proxy.generation), (1, 2));
        assert!(Arc::ptr_eq(&first.regions[0].region, &second.regions[0].region));
        config.regions[0].api_key = Some("rotated".into());
        let third = assembly.make(&config).unwrap();
        assert!(!Arc::ptr_eq(&first.regions[0].region, &third.regions[0].region));
        assert_eq!(first.regions[0].id, third.regions[0].id);
    }

    #[test]
    fn a_removed_region_stays_known_until_the_table_follows() {
        let mut assembly = Assembly::new(1);
        let parts = assembly.make(&config("")).unwrap();
        assembly.commit(&parts);
        let mut moved = config("");
        moved.regions[0].url.host = "b.example.com".into();
        let parts = assembly.make(&moved).unwrap();
        let hosts = |settings: &nearway_proxy::Settings| {
            let regions = settings.regions.iter();
            regions.map(|target| target.region.origin().host.clone()).collect::<Vec<_>>()
        };
        assert_eq!(hosts(&parts.meanwhile), ["b.example.com", "a.example.com"]);
        assert_eq!(hosts(&parts.proxy), ["b.example.com"]);
    }

    #[test]
    fn what_cannot_be_made_names_the_region_and_changes_nothing() {
        let mut assembly = Assembly::new(1);
        let good = config("");
        let parts = assembly.make(&good).unwrap();
        assembly.commit(&parts);
        let mut bad = good.clone();
        bad.regions[0].ca_pem = Some("no certificate".into());
        let error = assembly.make(&bad).unwrap_err().to_string();
        assert!(error.starts_with("regions.a: ca_file "), "{error}");
        assert_eq!(assembly.generation(), 1);
        let again = assembly.make(&good).unwrap();
        assert_eq!(again.regions[0].id, parts.regions[0].id);
    }

    #[test]
    fn what_no_fence_admits_is_neither_probed_nor_ranked() {
        let text = "regions:\n- {name: us, url: 'https://us', api_key: a, zone: us}\n\
                    - {name: eu, url: 'https://eu', api_key: b, zone: eu}\n\
                    probe: {deployments: [gpt-4o, o3]}\n\
                    deployments: {o3: {zones: [us]}}\n\
                    clients: [{name: web, keys: [k], zones: [eu], deployments: [gpt-4o]},\
                              {name: ops, keys: [l], zones: [us], deployments: [o3]}]\n";
        let nothing = |_: &str| None;
        let config = nearway_config::load(text.as_bytes(), &nothing, &NoFiles).unwrap();
        let parts = Assembly::new(1).make(&config).unwrap();
        let probed = parts.probe.targets.iter().map(|target| {
            let names = target.deployments.iter().map(|(client, _)| client.to_string());
            let DeploymentSet::Only(ranked) = &target.spec.deployments else { panic!("fenced") };
            (names.collect::<Vec<_>>(), ranked.iter().map(ToString::to_string).collect::<Vec<_>>())
        });
        let one = |name: &str| (vec![name.to_owned()], vec![name.to_owned()]);
        assert_eq!(probed.collect::<Vec<_>>(), [one("o3"), one("gpt-4o")]);
    }

    struct NoFiles;

    impl nearway_config::Secrets for NoFiles {
        fn read(&self, _: &std::path::Path) -> Result<String, String> {
            Err("no such file".into())
        }
    }

    #[test]
    fn affinity_looks_at_prompts_where_the_file_says_so() {
        let made = |text: &str| Assembly::new(1).make(&config(text)).unwrap().proxy.affinity;
        let default = made("").unwrap();
        assert_eq!(default.prompts_from, Some(1024));
        assert_eq!(default.ttl, Duration::from_secs(600));
        assert!(default.ttl <= nearway_route::Homes::TTL_MAX);
        let session = made("affinity: {mode: session, bound_per_1k_tokens: 1ms, bound_max: 2ms}");
        let session = session.unwrap();
        assert_eq!(session.prompts_from, None);
        let bounds = (session.bound_per_1k_tokens, session.bound_max);
        assert_eq!(bounds, (Duration::from_millis(1), Duration::from_millis(2)));
        assert!(made("affinity: {mode: off}").is_none());
    }

    #[test]
    fn the_home_of_objects_is_the_first_region_unless_the_file_names_another() {
        let text = |more: &str| {
            format!(
                "regions: [{{name: a, url: 'https://a'}}, {{name: b, url: 'https://b'}}]\n{more}\n"
            )
        };
        let mut assembly = Assembly::new(1);
        let parts = assembly.make(&whole(&text(""))).unwrap();
        let expected = nearway_proxy::StateSettings {
            unknown_for: Duration::from_secs(30),
            home: Some(RegionId(0)),
            merges_lists: false,
        };
        assert_eq!(parts.proxy.state, expected);
        assembly.commit(&parts);
        let more = "state: {home: b, lists: merge, unknown_for: 0s}";
        let state = assembly.make(&whole(&text(more))).unwrap().proxy.state;
        assert_eq!((state.home, state.merges_lists), (Some(RegionId(1)), true));
        assert_eq!(state.unknown_for, Duration::ZERO);
    }

    #[test]
    fn a_map_limits_what_a_region_serves_and_is_probed_for() {
        let mut config = config("probe: {deployments: [gpt-4o]}");
        config.regions[0].deployments = [("mini".to_owned(), "mini-eu".to_owned())].into();
        let parts = Assembly::new(1).make(&config).unwrap();
        assert!(parts.probe.targets[0].deployments.is_empty());
        assert_eq!(
            parts.probe.targets[0].spec.deployments,
            DeploymentSet::Only(["mini".into()].into())
        );
        assert_eq!(parts.proxy.regions[0].deployment("mini"), Some("mini-eu"));
        assert_eq!(parts.proxy.regions[0].deployment("gpt-4o"), None);
        assert_eq!(parts.proxy.metric_deployments, ["gpt-4o".into(), "mini".into()]);
    }
}
