//! The scripted world: which regions there are and how each behaves, as data for YAML and JSON.
//!
//! Read once by [`crate::Sim::start`]; each region then owns its [`RegionWorld`], which
//! [`crate::Control`] changes while it runs. Nothing here computes: times come from
//! `latency.rs` and `script.rs`. Unknown keys are errors, so a typo in a script is noticed.

use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::faults::{Failures, Mode, Throttle};
use crate::script::{Brownout, Drift, Hang, Step, Tail};
use crate::soundness::WorldError;

/// The whole script: a seed and the regions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Same seed, same request numbers: same delays, same failures, same ids.
    #[serde(default)]
    pub seed: u64,
    /// After this many seconds steps and brown-outs begin again; left out, they happen once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_every_s: Option<f64>,
    /// In the order of the listeners given to [`crate::Sim::start`].
    pub regions: Vec<RegionWorld>,
}

/// One region: its credential, what it serves, how fast, and how it fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionWorld {
    /// Short name, unique in the world, such as `eastus`.
    pub name: String,
    /// What `x-ms-region` says, such as `East US`; left out, the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// The only credential this region accepts.
    pub key: String,
    /// What this region calls its deployments; all others answer 404 `DeploymentNotFound`.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// Milliseconds for which a new connection is not read: what far handshakes cost. They pass from
    /// the accept on, so that a connection opened ahead of need costs nothing.
    #[serde(default)]
    pub connect_ms: f64,
    /// Milliseconds after its latest request, or after its beginning, at which a connection is closed,
    /// behind the answers under way; left out, it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_close_ms: Option<f64>,
    /// Milliseconds to the response head of every answer, the status path included.
    #[serde(default)]
    pub network_ms: f64,
    /// Milliseconds from the request to the first content token, `network_ms` included.
    #[serde(default)]
    pub base_ms: f64,
    /// The first token comes up to this many milliseconds earlier or later, evenly spread.
    #[serde(default)]
    pub jitter_ms: f64,
    /// Milliseconds from one token to the next.
    #[serde(default)]
    pub per_token_ms: f64,
    /// Tokens of an answer that no limit of the request cuts short.
    #[serde(default = "default_tokens")]
    pub tokens: u32,
    /// Milliseconds that each request already in flight adds to the first token.
    #[serde(default)]
    pub per_in_flight_ms: f64,
    /// Milliseconds that a thousand prompt tokens of a chat add to the first token.
    #[serde(default)]
    pub per_thousand_prompt_ms: f64,
    /// Some of the first tokens come much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// A slow swing around `base_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// New values of `base_ms` from given times on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Spells in which the region is slower and may fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brownouts: Vec<Brownout>,
    /// Spells in which nothing is answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hangs: Vec<Hang>,
    /// Some of the requests fail with a status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// A limit of requests per minute and deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// Every API request is answered with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How the region treats connections and streams.
    #[serde(default)]
    pub mode: Mode,
    /// For [`Mode::CutBody`], [`Mode::Stall`] and [`Mode::ErrorEvent`]: events that still pass.
    #[serde(default = "default_mode_after")]
    pub mode_after: u32,
}

impl World {
    /// Reads YAML (and so JSON) and checks it.
    ///
    /// # Errors
    /// [`WorldError`] for text of another shape, repeated names and numbers out of range.
    pub fn from_yaml(text: &str) -> Result<Self, WorldError> {
        let world: Self = serde_yaml::from_str(text)?;
        world.check()?;
        Ok(world)
    }
}

impl RegionWorld {
    /// A region that answers at once, with ten tokens and no deployments.
    #[must_use]
    pub fn new(name: &str, key: &str) -> Self {
        Self {
            name: name.to_owned(),
            display: None,
            key: key.to_owned(),
            deployments: Vec::new(),
            connect_ms: 0.0,
            idle_close_ms: None,
            network_ms: 0.0,
            base_ms: 0.0,
            jitter_ms: 0.0,
            per_token_ms: 0.0,
            tokens: default_tokens(),
            per_in_flight_ms: 0.0,
            per_thousand_prompt_ms: 0.0,
            tail: None,
            drift: None,
            steps: Vec::new(),
            brownouts: Vec::new(),
            hangs: Vec::new(),
            failures: None,
            throttle: None,
            status: None,
            mode: Mode::Up,
            mode_after: default_mode_after(),
        }
    }

    /// The same region with these deployments.
    #[must_use]
    pub fn with_deployments(mut self, names: &[&str]) -> Self {
        self.deployments = names.iter().map(|name| Deployment::new(name)).collect();
        self
    }

    /// The same region with this time to the first token, in milliseconds.
    #[must_use]
    pub fn with_base_ms(mut self, base_ms: f64) -> Self {
        self.base_ms = base_ms;
        self
    }

    /// Forgets the steps up to this second of the script, so that `base_ms` holds from there on.
    pub(crate) fn forget_steps_until(&mut self, script_s: f64) {
        self.steps.retain(|step| step.at_s > script_s);
    }

    /// What `x-ms-region` says.
    #[must_use]
    pub fn display(&self) -> &str {
        self.display.as_deref().unwrap_or(&self.name)
    }

    /// The deployment of this name, if the region has it.
    #[must_use]
    pub fn deployment(&self, name: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.name == name)
    }
}

fn default_tokens() -> u32 {
    10
}

fn default_mode_after() -> u32 {
    3
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "
seed: 7
regions:
  - name: eastus
    display: East US
    key: k1
    deployments: [gpt-4o, {name: o4, reasoning: true, base_ms: 900}]
    base_ms: 120
    steps: [{at_s: 60, base_ms: 400}]
    brownouts: [{from_s: 90, for_s: 10, factor: 5}]
    failures: {rate: 0.1}
    throttle: {per_minute: 60, hint: seconds}
    mode: cut_body
";

    #[test]
    fn a_world_is_read_and_written_back() {
        let world = World::from_yaml(SMALL).unwrap();
        let region = &world.regions[0];
        assert_eq!(region.deployment("gpt-4o").unwrap().model, "gpt-4o-sim");
        assert!(region.deployment("o4").unwrap().reasoning);
        assert_eq!((region.mode, region.mode_after), (Mode::CutBody, 3));
        assert_eq!(region.failures.unwrap().status, 503);
        let yaml = serde_yaml::to_string(&world).unwrap();
        assert_eq!(World::from_yaml(&yaml).unwrap(), world);
        let json = serde_json::to_string(&world).unwrap();
        assert_eq!(World::from_yaml(&json).unwrap(), world);
    }
}
