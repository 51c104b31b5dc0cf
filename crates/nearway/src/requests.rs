//! What the proxy would make of a request that somebody asks about: the admin listener explains the
//! choice of a region, and knows neither paths nor the configuration.

use std::sync::Arc;

use http::Method;
use nearway_admin::{Fenced, Fences, Requests, Target, UnknownClient};
use nearway_proxy::{Clients, Settings, Uses};
use nearway_route::{Lack, Live, RegionId};
use nearway_wire::endpoint;

/// By the settings in force.
#[derive(Debug)]
pub(crate) struct InForceRequests {
    pub(crate) settings: Arc<Live<Settings>>,
}

impl Requests for InForceRequests {
    fn read(&self, method: &Method, path: &str) -> Result<Target, String> {
        let endpoint = endpoint::read(path)
            .map_err(|_bad| "write it as a client sends it, such as /v1/chat/completions")?;
        Ok(Target {
            operation: endpoint.operation.as_str(),
            lack: Lack::operation(endpoint.operation as u8),
            deployment: endpoint.deployment.map(|named| named.name.into_owned()),
            creates_state: endpoint.operation.creates_state(method),
        })
    }

    fn fences(&self, request: &Fenced<'_>) -> Result<Fences, UnknownClient> {
        let settings = self.settings.load();
        let clients = settings.clients.as_ref();
        let names =
            || clients.into_iter().flat_map(Clients::names).map(ToString::to_string).collect();
        let (client, unasked) = match request.client {
            None => (None, names()),
            Some(name) => match clients.and_then(|clients| clients.named(name)) {
                None => return Err(UnknownClient { known: names() }),
                client => (client, Vec::new()),
            },
        };
        let uses = uses(request);
        let kept_out = settings.regions.iter().filter_map(|target| {
            let fence = settings.keep_out(client, uses, target.id)?;
            Some((target.id, fence.to_string()))
        });
        Ok(Fences { kept_out: kept_out.collect(), unasked })
    }

    fn serves(&self, region: RegionId, deployment: &str) -> bool {
        let settings = self.settings.load();
        let target = settings.regions.iter().find(|target| target.id == region);
        target.is_some_and(|target| target.deployment(deployment).is_some())
    }

    fn last_resort(&self) -> bool {
        self.settings.load().last_resort
    }
}

/// What the request uses, as the proxy would see it; its body is taken to name no second deployment.
fn uses<'a>(request: &Fenced<'a>) -> Uses<'a> {
    let Fenced { method, path, deployment, .. } = *request;
    let endpoint = endpoint::read(path);
    let uses_one = endpoint.is_ok_and(|endpoint| endpoint.operation.uses_deployment(method));
    Uses::of(deployment, endpoint::names_another(path, deployment), uses_one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::Assembly;
    use crate::testing::config;

    fn requests() -> InForceRequests {
        let mut config = config("failover: {last_resort: false}");
        config.regions[0].deployments = [("gpt-4o".into(), "here".into())].into();
        let parts = Assembly::new(1).make(&config).unwrap();
        InForceRequests { settings: Arc::new(Live::new(Arc::new(parts.proxy))) }
    }

    #[test]
    fn a_path_is_read_as_the_proxy_reads_it() {
        let read = |method, path| requests().read(&method, path);
        let files = "/openai/deployments/gpt%2D4o/files?api-version=1";
        let target = read(Method::POST, files).unwrap();
        assert_eq!(target.operation, "files");
        assert_eq!((target.deployment.as_deref(), target.creates_state), (Some("gpt-4o"), true));
        assert!(!read(Method::GET, files).unwrap().creates_state);
        let target = read(Method::POST, "/v1/chat/completions").unwrap();
        assert_eq!((target.lack, target.creates_state), (Lack::operation(0), false));
        for bad in ["/a/../b", "v1/files", ""] {
            assert!(read(Method::POST, bad).is_err(), "{bad}");
        }
    }

    /// `any` is a region in Europe whose deployments are global.
    const FENCED: &str = "regions:\n\
        - {name: eu, url: 'https://eu.example.com', api_key: k, zone: eu}\n\
        - {name: us, url: 'https://us.example.com', api_key: k, zone: us}\n\
        - {name: any, url: 'https://any.example.com', api_key: k, zone: eu, type: global}\n\
        clients:\n\
        - {name: web, keys: [w], zones: [eu], deployments: [gpt-4o]}\n\
        - {name: ops, keys: [o], regions: [us, any]}\n\
        deployments: {gpt-4o: {types: [standard]}}\n";

    #[test]
    fn each_fence_is_told_by_its_key_in_the_file() {
        let parts = Assembly::new(1).make(&crate::testing::whole(FENCED)).unwrap();
        let requests = InForceRequests { settings: Arc::new(Live::new(Arc::new(parts.proxy))) };
        let kept_out = |client, method, path, deployment| {
            let request = Fenced { client, method: &method, path, deployment };
            let fences = requests.fences(&request).unwrap();
            let told: Vec<_> =
                fences.kept_out.into_iter().map(|(id, key)| format!("{} {key}", id.0)).collect();
            (told.join(", "), fences.unasked.len())
        };
        let (web, ops, chat) = (Some("web"), Some("ops"), "/v1/chat/completions");
        for (client, method, path, deployment, expected) in [
            (web, Method::POST, chat, Some("gpt-4o"), "1 clients.web.zones, 2 clients.web.zones"),
            (
                web,
                Method::POST,
                chat,
                Some("o3"),
                "0 clients.web.deployments, 1 clients.web.deployments, 2 clients.web.deployments",
            ),
            (web, Method::GET, "/v1/models", None, "1 clients.web.zones, 2 clients.web.zones"),
            (
                ops,
                Method::POST,
                chat,
                Some("GPT-4o"),
                "0 clients.ops.regions, 2 deployments.gpt-4o.types",
            ),
            (ops, Method::POST, chat, Some("o3"), "0 clients.ops.regions"),
            // it might be any
            (ops, Method::POST, chat, None, "0 clients.ops.regions, 2 deployments.gpt-4o.types"),
            (
                ops,
                Method::POST,
                "/v1/chat/completions?model=gpt-4o",
                Some("o3"),
                "0 clients.ops.regions, 2 deployments.gpt-4o.types",
            ),
        ] {
            let told = kept_out(client, method, path, deployment);
            assert_eq!(told, (expected.to_owned(), 0), "{client:?} {path} {deployment:?}");
        }
        let told = kept_out(None, Method::POST, chat, Some("gpt-4o"));
        assert_eq!(told, ("2 deployments.gpt-4o.types".to_owned(), 2), "two clients are not asked");
    }

    #[test]
    fn a_client_that_is_not_there_is_no_client() {
        let fences = |requests: InForceRequests| {
            let path = "/v1/chat/completions";
            let (client, deployment) = (Some("nobody"), None);
            requests.fences(&Fenced { client, method: &Method::POST, path, deployment })
        };
        assert_eq!(fences(requests()), Err(UnknownClient { known: Vec::new() }));
        let parts = Assembly::new(1).make(&crate::testing::whole(FENCED)).unwrap();
        let requests = InForceRequests { settings: Arc::new(Live::new(Arc::new(parts.proxy))) };
        assert_eq!(
            fences(requests),
            Err(UnknownClient { known: vec!["web".into(), "ops".into()] })
        );
    }

    #[test]
    fn who_serves_what_is_as_configured() {
        let requests = requests();
        assert!(requests.serves(RegionId(0), "gpt-4o") && !requests.serves(RegionId(0), "here"));
        assert!(!requests.serves(RegionId(1), "gpt-4o") && !requests.last_resort());
    }
}
