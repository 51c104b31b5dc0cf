//! One change of a running region, as the demo and the tests make them.
//!
//! Applied by [`crate::Control::set`]; what is not here can be done by [`crate::Control::update`].
//! Pure: a world and the script's time give another world.

use std::time::Duration;

use crate::deployment::Deployment;
use crate::faults::{Failures, Mode, Throttle};
use crate::world::RegionWorld;

/// What becomes different.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Time to the first token, from now on: steps of the script that are past are forgotten.
    Base(Duration),
    /// How connections and streams are treated; [`Mode::Up`] and [`Mode::Refuse`] are up and down.
    Mode(Mode),
    /// Every API request is answered with this status; `None` lifts it.
    Status(Option<u16>),
    /// Some of the requests fail; `None` lifts it.
    Failures(Option<Failures>),
    /// A limit of requests per minute; `None` lifts it.
    Throttle(Option<Throttle>),
    /// A deployment is there, in place of one of the same name.
    AddDeployment(Deployment),
    /// A deployment is gone.
    DropDeployment(String),
    /// Another credential is the only one accepted.
    Key(String),
}

impl Change {
    /// The region after the change, `script_s` seconds into its script.
    pub(crate) fn apply(self, region: &mut RegionWorld, script_s: f64) {
        match self {
            Self::Base(base) => {
                region.base_ms = base.as_secs_f64() * 1000.0;
                region.forget_steps_until(script_s);
            }
            Self::Mode(mode) => region.mode = mode,
            Self::Status(status) => region.status = status,
            Self::Failures(failures) => region.failures = failures,
            Self::Throttle(throttle) => region.throttle = throttle,
            Self::AddDeployment(deployment) => {
                region.deployments.retain(|there| there.name != deployment.name);
                region.deployments.push(deployment);
            }
            Self::DropDeployment(name) => region.deployments.retain(|there| there.name != name),
            Self::Key(key) => region.key = key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{self, Step};

    #[test]
    fn a_new_base_outlives_past_steps_but_not_coming_ones() {
        let mut region = RegionWorld::new("eastus", "k");
        region.steps =
            vec![Step { at_s: 10.0, base_ms: 500.0 }, Step { at_s: 60.0, base_ms: 900.0 }];
        Change::Base(Duration::from_millis(70)).apply(&mut region, 30.0);
        let base_at = |s| script::weather(&region, None, Duration::from_secs(s)).base_ms;
        assert!((base_at(30) - 70.0).abs() < 1e-6);
        assert!((base_at(60) - 900.0).abs() < 1e-6);
    }

    #[test]
    fn deployments_come_and_go() {
        let mut region = RegionWorld::new("eastus", "k").with_deployments(&["gpt", "mini"]);
        Change::DropDeployment("gpt".to_owned()).apply(&mut region, 0.0);
        assert!(region.deployment("gpt").is_none());
        Change::AddDeployment(Deployment::reasoning("mini")).apply(&mut region, 0.0);
        assert_eq!(region.deployments.len(), 1);
        assert!(region.deployment("mini").unwrap().reasoning);
    }
}
