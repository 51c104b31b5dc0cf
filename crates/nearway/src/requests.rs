//! What the proxy would make of a request that somebody asks about: the admin listener explains the
//! choice of a region, and knows neither paths nor the configuration.

use std::sync::Arc;

use http::Method;
use nearway_admin::{Requests, Target};
use nearway_proxy::Settings;
use nearway_route::{Lack, Live, RegionId};
use nearway_wire::endpoint;

/// By the settings in force.
#[derive(Debug)]
pub(crate) struct InForceRequests {
    pub(crate) settings: Arc<Live<Settings>>,
}

impl Requests for InForceRequests {
    fn read(&self, path: &str) -> Result<Target, String> {
        let endpoint = endpoint::read(path)
            .map_err(|_bad| "write it as a client sends it, such as /v1/chat/completions")?;
        Ok(Target {
            operation: endpoint.operation.as_str(),
            lack: Lack::operation(endpoint.operation as u8),
            deployment: endpoint.deployment.map(|named| named.name.into_owned()),
            creates_state: endpoint.operation.creates_state(&Method::POST),
        })
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
        let target = requests().read("/openai/deployments/gpt%2D4o/files?api-version=1").unwrap();
        assert_eq!(target.operation, "files");
        assert_eq!((target.deployment.as_deref(), target.creates_state), (Some("gpt-4o"), true));
        let target = requests().read("/v1/chat/completions").unwrap();
        assert_eq!((target.lack, target.creates_state), (Lack::operation(0), false));
        for bad in ["/a/../b", "v1/files", ""] {
            assert!(requests().read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_serves_what_is_as_configured() {
        let requests = requests();
        assert!(requests.serves(RegionId(0), "gpt-4o") && !requests.serves(RegionId(0), "here"));
        assert!(!requests.serves(RegionId(1), "gpt-4o") && !requests.last_resort());
    }
}
